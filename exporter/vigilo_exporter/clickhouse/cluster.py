"""The schema for a cluster, made from the same statements as for one ClickHouse.

Each table is stored as ``<table>_local``, replicated, on every shard, and asked by its plain name, a Distributed table
over the shards. Views are made from stored tables into stored tables: a row's calls, sums and texts are on the shard
that the row came to.
"""

from __future__ import annotations

import re
from typing import Final

from vigilo_exporter.clickhouse.database import Layout
from vigilo_exporter.clickhouse.schema_files import FILLING, REPLICATED_WINDOW, WINDOW, bare

SHARDING: Final = {
    "otel_traces": "cityHash64(TraceId)",
    "otel_traces_trace_id_ts": "cityHash64(TraceId)",
    "otel_logs": "cityHash64(TraceId)",
    "llm_calls": "cityHash64(TraceId)",
    "llm_cost_changes": "cityHash64(TraceId)",
    "llm_messages": "cityHash64(TraceId)",
    "llm_hourly": "cityHash64(ServiceName, Model)",
    "llm_user_daily": "cityHash64(UserId)",
    "llm_conversations": "cityHash64(ConversationId)",
    "llm_sessions": "cityHash64(SessionId)",
    "schema_version": "Version",
}
"""Where a Distributed table sends what is inserted into it: a trace to one shard. Tables of metrics: anywhere."""
_ANYWHERE = "rand()"
_NEXT = "_next"  # a table that takes another's place, and is never asked
_HEAD = re.compile(
    r"(?P<verb>CREATE TABLE|CREATE MATERIALIZED VIEW|ALTER TABLE|DROP TABLE|TRUNCATE TABLE)"
    r"(?P<guard> IF (?:NOT )?EXISTS)? (?P<name>\w+)(?: TO (?P<target>\w+))?"
)
_EXCHANGE = re.compile(r"EXCHANGE TABLES (\w+) AND (\w+)\Z")
_ENGINE = re.compile(r"^ENGINE = (\w*MergeTree)\b(?:\(\))?", re.MULTILINE)
_FROM = re.compile(r"\bFROM (\w+)")


def for_cluster(statement: str, cluster: str, database: str) -> tuple[str, ...]:
    """What a statement of the schema is in a cluster; several where the table over the shards must follow.

    What moves rows between tables goes through the tables over the shards, except for the copy that changes the table
    of calls (0007), which no cluster of ours has ever had rows for.

    Raises:
        ValueError: it is a statement that this does not know.
    """
    statement = bare(statement)
    layout = Layout(cluster)
    if statement.startswith("INSERT INTO "):
        target = statement.split(maxsplit=3)[2]
        if target.endswith(_NEXT):
            return ()
        settings = "," if statement.endswith(FILLING) else " SETTINGS"
        return (f"{statement}{settings} distributed_foreground_insert = 1",)
    exchange = _EXCHANGE.match(statement)
    if exchange:
        first, second = exchange.groups()
        swapped = f"EXCHANGE TABLES {layout.stored(first)} AND {layout.stored(second)}{layout.on_cluster}"
        return (swapped, *_over_shards(second, layout, database))
    head = _HEAD.match(statement)
    if head is None:
        raise ValueError(f"not known how to run this in a cluster: {statement[:80]}")
    verb, name, rest = head["verb"], head["name"], statement[head.end() :]
    is_view = name.endswith("_mv")
    stored = name if is_view else layout.stored(name)
    start = f"{verb}{head['guard'] or ''} {stored}{layout.on_cluster}"
    if verb == "CREATE MATERIALIZED VIEW":
        rest = _FROM.sub(lambda match: f"FROM {layout.stored(match[1])}", rest)
        return (f"{start} TO {layout.stored(head['target'])}{rest}",)
    if verb == "CREATE TABLE":
        rest = _ENGINE.sub(r"ENGINE = Replicated\1", rest).replace(f"{WINDOW}, {REPLICATED_WINDOW}", REPLICATED_WINDOW)
        rest = rest.replace(WINDOW, REPLICATED_WINDOW)
    asked = verb in ("CREATE TABLE", "ALTER TABLE") and not is_view and not name.endswith(_NEXT)
    return (start + rest, *(_over_shards(name, layout, database) if asked else ()))


def _over_shards(table: str, layout: Layout, database: str) -> tuple[str, ...]:
    """The table that is asked, made anew: it has the columns that the stored one had when it was made, and no rows."""
    engine = (
        f"Distributed(`{layout.cluster}`, `{database}`, `{layout.stored(table)}`, {SHARDING.get(table, _ANYWHERE)})"
    )
    return (
        f"DROP TABLE IF EXISTS {table}{layout.on_cluster} SYNC",
        f"CREATE TABLE {table}{layout.on_cluster} AS {layout.stored(table)} ENGINE = {engine}",
    )
