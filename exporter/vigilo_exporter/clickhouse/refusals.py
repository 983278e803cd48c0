"""What ClickHouse's error codes say of an insert: that it has to wait, or that its rows or its table are to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vigilo_exporter.clickhouse.database import ClickHouseError

EVERYTHING_WAITS: Final = frozenset(
    {0, 76, 81, 115, 159, 164, 192, 193, 194, 198, 202, 203, 209, 210, 236, 241, 243, 279, 394, 396}
    | {473, 497, 516, 745, 999, 1000, 1001}
)
"""Codes that say nothing about the rows, nor about their table: the network, users and their rights, time, memory, disk
space, too many queries, Keeper."""
ITS_TABLE_WAITS: Final = frozenset({242, 252, 253, 285, 286, 319, 359, 425})
"""Codes of one table's state: too many parts, read-only, its replicas."""
TABLE_AT_FAULT: Final = frozenset({16, 47, 60})
"""Codes of a table that is not as it should be: no segment of it can go in."""
SEGMENT_AT_FAULT: Final = frozenset({6, 20, 26, 27, 33, 44, 50, 53, 62, 70, 72, 117, 130, 131, 349, 432})
"""Codes of rows that do not fit."""


def of_a_view(error: ClickHouseError) -> bool:
    """Whether a materialized view failed: the table itself has the rows, so they must not go in under another name."""
    return "pushing to view" in str(error)
