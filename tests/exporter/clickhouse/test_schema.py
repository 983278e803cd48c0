"""The tables are made once, completed after a crash, and never touched by an older version."""

from __future__ import annotations

from vigilo_exporter.clickhouse.migrate import schema_files, split_statements
from vigilo_exporter.convert.columns import COLUMNS

RUN = """
import sys
from pathlib import Path
from vigilo_exporter.clickhouse.engine import Engine
engine = Engine(Path(sys.argv[1]) / "db")
for statement in sys.argv[2:]:
    engine.execute(statement)
engine.close()
"""


def test_files_are_numbered_without_gaps():
    assert [file.version for file in schema_files()] == list(range(1, len(schema_files()) + 1))


def test_a_file_is_split_at_semicolons_that_end_a_line():
    assert split_statements("-- a; b\nSELECT ';' AS x;\n\nSELECT 2;\n") == ("-- a; b\nSELECT ';' AS x", "SELECT 2")


def test_every_table_forgets_no_token_and_those_of_a_day_drop_whole_parts(ask):
    query = """SELECT name, create_table_query AS ddl, partition_key FROM system.tables
        WHERE database = 'otel' AND engine LIKE '%MergeTree' AND name != 'schema_version'"""
    tables = ask(query)["answers"][0]
    assert {table["name"] for table in tables} >= {*COLUMNS, "llm_calls", "llm_hourly", "llm_user_daily"}
    for table in tables:
        assert "non_replicated_deduplication_window = 10000" in table["ddl"], table["name"]
        of_a_day = table["partition_key"].startswith("toDate(")
        assert ("ttl_only_drop_parts = 1" in table["ddl"]) >= of_a_day, table["name"]


def test_a_half_made_schema_is_completed(home, ask, python):
    ask("SELECT 1")
    half = ["DROP TABLE llm_hourly_mv", "DROP TABLE llm_hourly", "ALTER TABLE schema_version DELETE WHERE Version >= 6"]
    done = python("-c", RUN, home, *(f"{statement} SETTINGS mutations_sync = 1" for statement in half))
    assert done.returncode == 0, done.stderr
    names = ask("SELECT name FROM system.tables WHERE name LIKE 'llm_hourly%' ORDER BY name")["answers"][0]
    assert [row["name"] for row in names] == ["llm_hourly", "llm_hourly_cost_mv", "llm_hourly_mv"]


def test_a_newer_schema_is_refused(home, ask, python, vigilo_command):
    ask("SELECT 1")
    done = python("-c", RUN, home, "INSERT INTO schema_version (Version, Name) VALUES (9000, '9000_future')")
    assert done.returncode == 0, done.stderr
    refused = vigilo_command("report")
    assert refused.returncode == 1
    assert refused.stderr.startswith("vigilo: the database has schema version 9000, this vigilo knows up to ")


def test_tables_have_the_columns_that_are_written(ask):
    inserted = """
        SELECT table, name, type FROM system.columns
        WHERE database = 'otel' AND table LIKE 'otel_%' AND NOT table LIKE 'otel_traces_%' AND default_kind = ''
        ORDER BY table, position
    """
    tables = {}
    for row in ask(inserted)["answers"][0]:
        tables.setdefault(row["table"], []).append((row["name"], row["type"]))
    assert {table: set(columns) for table, columns in tables.items()} == {
        table: set(columns) for table, columns in COLUMNS.items()
    }
