"""Takes the files of rows that are gone off the disk.

ClickHouse writes a part anew when rows of it are deleted, altered or merged, and keeps the old one for minutes; the
thread that takes it away then does not run in the embedded engine.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from vigilo_exporter.clickhouse.engine import quoted

if TYPE_CHECKING:
    from vigilo_exporter.clickhouse.database import Database, Layout

_ABSENT_PARTITION: Final = "19700102"
_POLL_S: Final = 0.2


def remove_old_parts(database: Database, layout: Layout, table: str, *, within_s: float = 0.0) -> int:
    """Takes away the parts that are older than the engine's 8 minutes, or all of them if there is time to wait.

    Args:
        database: where.
        layout: of its tables.
        table: its name.
        within_s: how long to try to take away those of this moment too.

    Returns:
        How many are left.

    Raises:
        ClickHouseError: ClickHouse refuses.
    """
    stored = layout.stored(table)
    left = _old_parts(database, layout, stored)
    if not left:
        return 0
    target = f"{stored}{layout.on_cluster}"
    if within_s:
        database.execute(f"ALTER TABLE {target} MODIFY SETTING old_parts_lifetime = 1")
    try:
        deadline = time.monotonic() + within_s
        while True:
            # Every DROP PARTITION removes the table's old parts as well, also one of a partition that is not there.
            database.execute(f"ALTER TABLE {target} DROP PARTITION ID {quoted(_ABSENT_PARTITION)}")
            left = _old_parts(database, layout, stored)
            if not left or time.monotonic() >= deadline:
                return left
            time.sleep(_POLL_S)
    finally:
        if within_s:
            database.execute(f"ALTER TABLE {target} RESET SETTING old_parts_lifetime")


def _old_parts(database: Database, layout: Layout, stored: str) -> int:
    parts = f"clusterAllReplicas(`{layout.cluster}`, system.parts)" if layout.cluster else "system.parts"
    sql = (
        f"SELECT count() AS old FROM {parts} "  # noqa: S608 - names of ours
        f"WHERE NOT active AND database = currentDatabase() AND table = {quoted(stored)}"
    )
    return int(database.query(sql)[0]["old"])
