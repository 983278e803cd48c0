"""How long rows are kept: TTLs on the tables, for ClickHouse to obey as it merges, and a cleanup that does it now.

A day (UTC) is kept until as many days as the setting says have passed since its end: with 7, what was written on the
1st goes as the 9th begins. TTL and cleanup agree in this, and so do the rollups with the calls that they are made of.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from vigilo_exporter.clickhouse.content_removal import remove_content
from vigilo_exporter.clickhouse.engine import quoted
from vigilo_exporter.clickhouse.old_parts import remove_old_parts
from vigilo_exporter.convert.columns import COLUMNS, LOGS, TRACES

if TYPE_CHECKING:
    from datetime import datetime

    from vigilo.settings import Settings
    from vigilo_exporter.clickhouse.database import Database, Layout

_log = logging.getLogger("vigilo")
FOREVER: Final = -1
CONTENT_TABLES: Final = frozenset({"llm_messages"})
"""Tables of nothing but text, which are kept for as long as text is."""
TIMES: Final[dict[str, str]] = {
    **dict.fromkeys(COLUMNS, "TimeUnix"),
    TRACES: "Timestamp",
    LOGS: "Timestamp",
    "otel_traces_trace_id_ts": "Start",
    "llm_calls": "Timestamp",
    "llm_messages": "Timestamp",
    "llm_cost_changes": "Timestamp",
    "llm_hourly": "Hour",
    "llm_user_daily": "Day",
    "llm_conversations": "Day",
    "llm_sessions": "Day",
}
"""The column by which rows of a table grow old."""
_TTL = re.compile(r"\sTTL (.*?)(?= SETTINGS | COMMENT |$)", re.DOTALL)
_MORE_THAN_DELETES = re.compile(r"\b(?:TO (?:DISK|VOLUME)|RECOMPRESS|GROUP BY|WHERE)\b")
_MONTH_DAYS, _WEEK_DAYS = 31, 7


@dataclass(slots=True)
class Cleaned:
    """What a cleanup did to a table, or would do: ``bytes_*`` are those on disk, of all replicas together."""

    table: str
    rows_before: int = 0
    bytes_before: int = 0
    rows_after: int = 0
    bytes_after: int = 0
    rows_removed: int = 0
    rows_without_content: int = 0


def apply_ttl(database: Database, layout: Layout, settings: Settings) -> tuple[str, ...]:
    """Gives each table the TTL that the settings say, where it has another; gives the tables that were altered.

    Tables that move or change rows by their TTL, as the operator of a server made them, are left alone.

    Raises:
        ClickHouseError: ClickHouse refuses.
    """
    altered = []
    for table, definition in _definitions(database, layout).items():
        days = settings.content_kept_days if table in CONTENT_TABLES else settings.kept_days
        found = _TTL.search(definition)
        present, wanted = found[1] if found else "", ttl_of(table, days)
        if present == wanted:
            continue
        if _MORE_THAN_DELETES.search(present):
            _log.warning("vigilo: %s keeps its TTL, which does more than to delete: %s", table, present)
            continue
        target = f"{layout.stored(table)}{layout.on_cluster}"
        if not wanted:
            database.execute(f"ALTER TABLE {target} REMOVE TTL")
        else:
            # The embedded engine is cleaned up daily; at a server, the rows of before get a TTL in the background.
            database.execute(
                f"ALTER TABLE {target} MODIFY TTL {wanted} "
                f"SETTINGS materialize_ttl_after_modify = {int(bool(settings.clickhouse_url))}"
            )
        altered.append(table)
    return tuple(altered)


def ttl_of(table: str, days: int) -> str:
    """The TTL of a table as ClickHouse prints it; '' for ever."""
    return "" if days == FOREVER else f"toDate({TIMES[table]}) + toIntervalDay({days + 1})"


def cleanup(
    database: Database,
    layout: Layout,
    kept_days: int,
    content_kept_days: int,
    now: datetime,
    *,
    dry_run: bool = False,
) -> tuple[Cleaned, ...]:
    """Removes rows that are older than ``kept_days`` and text that is older than ``content_kept_days``.

    Args:
        database: where.
        layout: of its tables.
        kept_days: -1 keeps all of it.
        content_kept_days: likewise; text never outlives its row.
        now: aware; days are those of UTC.
        dry_run: only counts.

    Returns:
        What was removed, or would be, by table.

    Raises:
        ClickHouseError: ClickHouse refuses; what was removed stays removed.
    """
    today = (now - (now.utcoffset() or timedelta())).date()
    cleaned = []
    for table, definition in _definitions(database, layout).items():
        days = kept_days
        if table in CONTENT_TABLES and content_kept_days != FOREVER:
            days = content_kept_days if kept_days == FOREVER else min(kept_days, content_kept_days)
        done = Cleaned(table)
        done.rows_before, done.bytes_before = _size(database, layout, table)
        if days != FOREVER:
            done.rows_removed = _remove(
                database,
                layout,
                table,
                today - timedelta(days=days),
                is_weekly="PARTITION BY toStartOfWeek(" in definition,
                dry_run=dry_run,
            )
        if table in (TRACES, LOGS) and content_kept_days != FOREVER:
            first = date(1970, 1, 1) if kept_days == FOREVER else today - timedelta(days=kept_days)
            before = today - timedelta(days=content_kept_days)
            done.rows_without_content = remove_content(database, layout, table, first, before, dry_run=dry_run)
        if dry_run:
            done.rows_after, done.bytes_after = done.rows_before - done.rows_removed, done.bytes_before
        else:
            remove_old_parts(database, layout, table)
            done.rows_after, done.bytes_after = _size(database, layout, table)
        cleaned.append(done)
    return tuple(cleaned)


def _definitions(database: Database, layout: Layout) -> dict[str, str]:
    """The tables that are there, with the statement that would make each."""
    names = ", ".join(quoted(layout.stored(table)) for table in TIMES)
    rows = database.query(
        "SELECT name, create_table_query AS definition FROM system.tables "  # noqa: S608 - names of ours
        f"WHERE database = currentDatabase() AND name IN ({names})"
    )
    found = {row["name"]: row["definition"] for row in rows}
    return {table: found[layout.stored(table)] for table in TIMES if layout.stored(table) in found}


def _parts(layout: Layout) -> str:
    return f"clusterAllReplicas(`{layout.cluster}`, system.parts)" if layout.cluster else "system.parts"


def _size(database: Database, layout: Layout, table: str) -> tuple[int, int]:
    row = database.query(
        f"SELECT sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM {_parts(layout)} "  # noqa: S608 - names of ours
        f"WHERE active AND database = currentDatabase() AND table = {quoted(layout.stored(table))}"
    )[0]
    return int(row["rows"]), int(row["bytes"])


def _remove(database: Database, layout: Layout, table: str, before: date, *, is_weekly: bool, dry_run: bool) -> int:
    """Removes the rows of the days before a day; gives how many."""
    old = f"toDate({TIMES[table]}) < {quoted(before.isoformat())}"
    count = f"SELECT _partition_id AS id, count() AS old FROM {table} WHERE {old} GROUP BY id"  # noqa: S608
    by_partition = {row["id"]: int(row["old"]) for row in database.query(count)}
    if dry_run or not by_partition:
        return sum(by_partition.values())
    target = f"{layout.stored(table)}{layout.on_cluster}"
    for partition in sorted(by_partition):
        if _is_past(partition, is_weekly, before):
            database.execute(f"ALTER TABLE {target} DROP PARTITION ID {quoted(partition)}")
        else:
            database.execute(
                f"ALTER TABLE {target} DELETE IN PARTITION ID {quoted(partition)} WHERE {old} "
                "SETTINGS mutations_sync = 2"
            )
    return sum(by_partition.values())


def _is_past(partition: str, is_weekly: bool, before: date) -> bool:
    """Whether a partition holds no row of ``before`` or later.

    Its id names a day, a month, or the first day of a week; other ids tell nothing.
    """
    if not partition.isdigit() or len(partition) not in (6, 8):
        return False
    first = date(int(partition[:4]), int(partition[4:6]), int(partition[6:] or 1))
    days = _MONTH_DAYS if len(partition) == 6 else _WEEK_DAYS if is_weekly else 1
    return first + timedelta(days=days) <= before
