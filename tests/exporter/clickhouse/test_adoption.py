"""Tables that others made become ours with their rows: the Collector's, and those of one who ran the files by hand."""

from __future__ import annotations

import json
import os

import pytest

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.database import Layout
from vigilo_exporter.clickhouse.http import HttpDatabase
from vigilo_exporter.clickhouse.migrate import migrate, migrating, plan
from vigilo_exporter.clickhouse.migration_lock import TABLE, MigrationLock
from vigilo_exporter.clickhouse.schema_files import bare, schema_files

LATEST = schema_files()[-1].version
# As the exporter of the Collector makes them: v0.151 and later for logs, before its window and our columns.
TRACES = next(one for one in schema_files()[0].statements).replace(", non_replicated_deduplication_window = 10000", "")
LOGS = """CREATE TABLE otel_logs (
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)), TraceId String, SpanId String, TraceFlags UInt8,
    SeverityText LowCardinality(String), SeverityNumber UInt8, ServiceName LowCardinality(String), Body String,
    ResourceSchemaUrl LowCardinality(String), ResourceAttributes Map(LowCardinality(String), String),
    ScopeSchemaUrl LowCardinality(String), ScopeName String, ScopeVersion LowCardinality(String),
    ScopeAttributes Map(LowCardinality(String), String), LogAttributes Map(LowCardinality(String), String),
    `__otel_materialized_k8s.pod.name` LowCardinality(String) MATERIALIZED ResourceAttributes['k8s.pod.name']
) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp) SETTINGS ttl_only_drop_parts = 1"""
SPANS = """INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ScopeName, SpanAttributes, Duration)
    SELECT '2026-11-20 10:00:00', 't', toString(number), if(number = 0, 'vigilo', 'openai'),
        CAST(map('gen_ai.operation.name', 'chat', 'gen_ai.request.model', 'gpt-5', 'user.id', 'u1',
            'gen_ai.input.messages', '[]'), 'Map(LowCardinality(String), String)'), 1000
    FROM numbers(3)"""
EVENT = """INSERT INTO otel_logs (Timestamp, SpanId, LogAttributes) SELECT '2026-11-20 10:00:00', '0',
    map('event.name', 'gen_ai.client.inference.operation.details', 'gen_ai.output.messages', '[1]')"""
COUNTS = """SELECT (SELECT count() FROM otel_traces) AS spans, (SELECT count() FROM llm_calls) AS calls,
    (SELECT sum(Calls) FROM llm_hourly) AS hourly, (SELECT sum(Calls) FROM llm_user_daily) AS daily,
    (SELECT count() FROM llm_messages) AS texts"""


@pytest.fixture
def database(clickhouse_server):
    opened = HttpDatabase(clickhouse_server.url_with_user, database=clickhouse_server.database)
    yield opened
    opened.close()


@pytest.fixture
def collectors(database):
    """A database as the Collector left it."""
    for statement in (TRACES, LOGS, SPANS, EVENT):
        database.execute(statement)
    return database


def test_the_tables_of_the_collector_are_taken_over_with_their_calls(collectors):
    assert migrate(collectors, shared=True).adopted
    whole = {"spans": 3, "calls": 3, "hourly": 3, "daily": 3, "texts": 4}
    assert collectors.query(COUNTS) == [whole]
    ddl = collectors.query("SELECT name, create_table_query AS ddl FROM system.tables WHERE name LIKE 'otel_%'")
    for table in ("otel_traces", "otel_logs"):
        assert "non_replicated_deduplication_window = 10000" in next(row["ddl"] for row in ddl if row["name"] == table)
    assert collectors.query("SELECT EventName, TimestampTime FROM otel_logs") == [
        {"EventName": "", "TimestampTime": "2026-11-20 10:00:00"}
    ]
    assert plan(collectors).steps == ()
    collectors.execute(SPANS)  # the Collector goes on
    assert collectors.query(COUNTS)[0]["calls"] in (3, 6)  # the same rows again: ClickHouse knows them by their hash
    assert migrate(collectors, shared=True).steps == ()


def test_taking_over_that_was_cut_short_is_completed(collectors):
    statements = [one for step in plan(collectors).steps for one in step.statements]
    cut = next(place for place, one in enumerate(statements) if "llm_sessions_mv TO" in one)
    for statement in statements[:cut]:
        collectors.execute(statement)
    again = plan(collectors)
    assert again.adopted
    migrate(collectors)
    assert collectors.query(COUNTS) == [{"spans": 3, "calls": 3, "hourly": 3, "daily": 3, "texts": 4}]


def test_attributes_in_json_are_refused(database):
    database.execute(
        "CREATE TABLE otel_traces (Timestamp DateTime64(9), SpanAttributes String) "
        "ENGINE = MergeTree ORDER BY Timestamp"
    )
    with pytest.raises(StoreError, match=r"otel_traces\.SpanAttributes is String"):
        migrate(database)
    assert not database.query("SELECT 1 FROM system.tables WHERE name = 'schema_version'")


@pytest.mark.parametrize("version", [8, LATEST])
def test_files_that_were_run_by_hand_are_recognised(database, version):
    for file in schema_files()[:version]:
        for statement in file.statements:
            database.execute(bare(statement))
    found = plan(database)
    assert found.applied == version
    migrate(database)
    rows = database.query("SELECT Version FROM schema_version ORDER BY Version")
    assert [row["Version"] for row in rows] == list(range(1, LATEST + 1))
    database.execute(SPANS)
    assert database.query("SELECT count() AS n FROM llm_calls") == [{"n": 3}]


def test_one_server_is_not_taken_for_a_cluster(collectors):
    with pytest.raises(StoreError, match="is a table of one server"):
        plan(collectors, Layout("blue"))


def test_one_migrates_at_a_time(database):
    with MigrationLock(database, Layout()):
        assert f"process {os.getpid()}" in (migrating(database) or "")
        with pytest.raises(StoreError, match=f"DROP TABLE {TABLE}"):
            migrate(database, shared=True)
    assert migrating(database) is None
    migrate(database, shared=True)
    assert plan(database).applied == LATEST


@pytest.mark.parametrize("holder", [{"host": "elsewhere", "pid": 1, "at": 1.0, "since": 1.0}, {}])
def test_a_lock_that_was_left_behind_is_taken_over(database, holder):
    database.execute(f"CREATE TABLE {TABLE} (At DateTime) ENGINE = Null COMMENT '{json.dumps(holder)}'")
    assert migrating(database) is None
    migrate(database, shared=True)
    assert not database.query(f"SELECT 1 FROM system.tables WHERE name = '{TABLE}'")
