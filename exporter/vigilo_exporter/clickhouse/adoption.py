"""What lies in a database before a migration: our tables, also of one who ran our files by hand, or the Collector's.

The Collector's exporter makes its tables itself with ``create_schema: true``. They are ours column for column, but lack
the deduplication window and, in older releases, columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.schema_files import REPLICATED_WINDOW, WINDOW, SchemaFile
from vigilo_exporter.convert.columns import COLUMNS

if TYPE_CHECKING:
    from vigilo_exporter.clickhouse.database import Database, Layout

ADOPTED: Final = SchemaFile(0, "adopted", ())
"""The row of ``schema_version`` that says: spans lay here before our views did, and their calls must be taken in."""
_WITNESSES: Final = (
    (5, "llm_calls_mv", "Operation"),
    (6, "llm_hourly_mv", "Hour"),
    (7, "llm_calls", "CostParts"),
    (8, "llm_cost_changes", "CallKey"),
    (9, "otel_traces", "__otel_materialized_user.id"),
    (10, "llm_calls_foreign_mv", "Operation"),
    (11, "llm_sessions_cost_mv", "Day"),
    (12, "llm_messages_events_mv", "OutputMessages"),
)
"""A column that each file makes in one of its last statements: who ran the files by hand kept no record of them."""
_TRACE_TIMES: Final = "otel_traces_trace_id_ts"
_MAPS: Final = ("SpanAttributes", "LogAttributes", "Attributes", "ResourceAttributes")


@dataclass(frozen=True, slots=True)
class Found:
    """What a database has.

    Attributes:
        database: its name.
        version: of the schema; 0 for none of our own tables.
        has_versions: the table of versions is there.
        recognised: the version was told from the tables, and is not on record.
        adopted: tables of the Collector were there before ours.
        marked_adopted: ... and that is on record.
        fitting: statements that make the Collector's tables fit.
    """

    database: str
    version: int
    has_versions: bool = False
    recognised: bool = False
    adopted: bool = False
    marked_adopted: bool = False
    fitting: tuple[str, ...] = field(default=())


def look(database: Database, layout: Layout) -> Found:
    """Looks at the tables of a database.

    Raises:
        StoreError: there are tables that cannot be taken over; says what to do.
        ClickHouseError: the server refuses, or cannot be reached.
    """
    name = database.query("SELECT currentDatabase() AS name")[0]["name"]
    engines = {
        row["name"]: row["engine"]
        for row in database.query("SELECT name, engine FROM system.tables WHERE database = currentDatabase()")
    }
    _refuse_other_layout(engines, layout, name)
    has_versions = "schema_version" in engines
    if has_versions:
        rows = database.query("SELECT toString(groupUniqArray(Version)) AS versions FROM schema_version")
        versions = [int(version) for version in rows[0]["versions"].strip("[]").split(",") if version]
        adopted = ADOPTED.version in versions
        if any(versions):
            return Found(name, max(versions), True, adopted=adopted, marked_adopted=adopted)
        if adopted:
            return Found(name, 0, True, adopted=True, marked_adopted=True, fitting=_fitting(database, engines, layout))
    stored = layout.stored("otel_traces")
    version = 0 if stored not in engines else _recognised_version(database, layout)
    if version:
        return Found(name, version, has_versions, recognised=True)
    others = [table for table in COLUMNS if layout.stored(table) in engines]
    if not others or has_versions:  # an empty table of versions: our own first migration was cut short
        return Found(name, 0, has_versions)
    return Found(name, 0, has_versions, adopted=True, fitting=_fitting(database, engines, layout))


def _recognised_version(database: Database, layout: Layout) -> int:
    columns = _columns(database)
    version = 0
    for witnessed, table, column in _WITNESSES:
        stored = table if table.endswith("_mv") else layout.stored(table)
        if column in columns.get(stored, {}):
            version = witnessed
    return version


def _columns(database: Database) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    rows: list[dict[str, Any]] = database.query(
        "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()"
    )
    for row in rows:
        tables.setdefault(row["table"], {})[row["name"]] = row["type"]
    return tables


def _fitting(database: Database, engines: dict[str, str], layout: Layout) -> tuple[str, ...]:
    """ALTERs that give the Collector's tables the window and the columns that they lack.

    Raises:
        StoreError: they hold attributes in a type that our views cannot read.
    """
    columns = _columns(database)
    statements = []
    for table in (*COLUMNS, _TRACE_TIMES):
        there = columns.get(layout.stored(table))
        if there is None or "MergeTree" not in engines.get(layout.stored(table), ""):
            continue
        for name in _MAPS:
            if name in there and not there[name].startswith("Map("):
                raise StoreError(
                    f"{table}.{name} is {there[name]}, as the Collector makes it with `json: true`; vigilo reads "
                    "maps: set `clickhouse_database` to another database, and let the Collector write there without it"
                )
        statements.append(f"ALTER TABLE {table} MODIFY SETTING {WINDOW}, {REPLICATED_WINDOW}")
        # A part of a group such as Events.Name cannot be added alone; every release that there was has those.
        missing = [(name, kind) for name, kind in COLUMNS.get(table, ()) if name not in there and "." not in name]
        if missing:
            added = ", ".join(f"ADD COLUMN IF NOT EXISTS `{name}` {kind} CODEC(ZSTD(1))" for name, kind in missing)
            statements.append(f"ALTER TABLE {table} {added}")
    return tuple(statements)


def _refuse_other_layout(engines: dict[str, str], layout: Layout, name: str) -> None:
    for table in (*COLUMNS, "llm_calls"):
        distributed = engines.get(table) == "Distributed"
        if layout.cluster and table in engines and not distributed:
            raise StoreError(
                f"`clickhouse_cluster` is set, and {name}.{table} is a table of one server, whose rows are not moved: "
                "set `clickhouse_database` to another one; a table that is replicated on every shard can be kept by "
                f"`RENAME TABLE {table} TO {layout.stored(table)}{layout.on_cluster}`"
            )
        if distributed and not layout.cluster:
            raise StoreError(f"{name}.{table} is distributed over a cluster: set `clickhouse_cluster`")
