"""What marked calls add to each rollup, with the opposite sign: inserted, it takes them out of the sums."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vigilo_exporter.clickhouse.engine import quoted
from vigilo_exporter.queries import query_text

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo_exporter.clickhouse.database import Database
    from vigilo_exporter.convert.columns import Columns

MARK: Final = "\terasing\t"
"""Stands before the ``UserId`` of a call that is being erased."""
_SUMS = (
    "Calls",
    "Errors",
    "Resends",
    "InputTokens",
    "OutputTokens",
    "CacheReadTokens",
    "CacheWriteTokens",
    "ReasoningTokens",
    "PricedCalls",
    "UnpricedCalls",
    "UnpricedTokens",
    "DurationNs",
)
_MEASURES: Columns = (
    *((name, "Int64") for name in _SUMS),
    ("CostUsd", "Decimal(38, 9)"),
    ("PricedBy", "Map(String, Int64)"),
    ("DurationBuckets", "Map(Int16, UInt64)"),
    ("TimeToFirstChunkBuckets", "Map(Int16, UInt64)"),
)
_UNSIGNED: Final = frozenset({"DurationBuckets", "TimeToFirstChunkBuckets"})
_SPAN: Columns = (("Start", "DateTime64(9)"), ("End", "DateTime64(9)"))


@dataclass(frozen=True, slots=True)
class Rollup:
    """A rollup of ``llm_calls``: its table, the columns of its key, and all that an insert needs."""

    table: str
    keys: Columns
    has_span: bool = False

    @property
    def key(self) -> str:
        """The columns of the key, as in SQL."""
        return ", ".join(name for name, _ in self.keys)

    @property
    def columns(self) -> Columns:
        """All columns."""
        return (*self.keys, *(_SPAN if self.has_span else ()), *_MEASURES)


def _keys(time: str, type_: str, *names: str) -> Columns:
    return ((time, type_), *((name, "String") for name in names))


_MODEL = ("ServiceName", "Provider", "Model")
ROLLUPS: Final = (
    Rollup("llm_hourly", _keys("Hour", "DateTime", *_MODEL, "Operation", "AppOperation", "Status", "ErrorType")),
    Rollup("llm_user_daily", _keys("Day", "Date", "UserId", *_MODEL)),
    Rollup("llm_conversations", _keys("Day", "Date", "ConversationId", "UserId", *_MODEL), has_span=True),
    Rollup("llm_sessions", _keys("Day", "Date", "SessionId", "UserId", *_MODEL), has_span=True),
)
USER_ROLLUPS: Final = frozenset({"llm_user_daily", "llm_conversations", "llm_sessions"})


def write_negated(database: Database, rollup: Rollup, which: str, path: Path) -> None:
    """Writes the rows that take the marked calls out of a rollup to a new file, which is empty where there are none.

    Args:
        database: where.
        rollup: whose sums.
        which: a condition on the calls, in which ``UserId`` has no mark.
        path: of the file, a line of JSON for each row.

    Raises:
        ClickHouseError: ClickHouse refuses.
        OSError: the disk does.
    """
    told = {"llm_conversations": "ConversationId != ''", "llm_sessions": "SessionId != ''"}.get(rollup.table, "true")
    sql = (
        query_text("sums_of_marked_calls")
        .replace("KEY", rollup.key)
        .replace("MARK", quoted(MARK))
        .replace("WHICH", f"{told} AND {which}")
    )
    with path.open("x", encoding="utf-8") as file:
        for row in database.query(sql):
            file.write(f"{json.dumps([_negated(name, row[name]) for name, _ in rollup.columns])}\n")
        file.flush()
        os.fsync(file.fileno())


def _negated(name: str, value: Any) -> Any:
    if name in _UNSIGNED:  # sums of unsigned numbers wrap around, so this takes away as well
        return {bucket: 2**64 - int(calls) for bucket, calls in value.items() if int(calls)}
    if name == "PricedBy":
        return {table: -int(calls) for table, calls in value.items()}
    if name in _SUMS:
        return -int(value)
    if name == "CostUsd":
        return value[1:] if value.startswith("-") else f"-{value}"
    return value
