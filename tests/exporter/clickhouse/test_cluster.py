"""The schema for a cluster: each statement is one that ClickHouse parses, and says what a cluster needs."""

from __future__ import annotations

import json
import re

import pytest

from vigilo_exporter.clickhouse.cluster import SHARDING, for_cluster
from vigilo_exporter.clickhouse.migrate import _VERSIONS
from vigilo_exporter.clickhouse.schema_files import bare, schema_files
from vigilo_exporter.convert.columns import COLUMNS

PARSE = """
import json, sys
from chdb import connect
engine = connect(":memory:")
wrong = []
for statement in json.load(sys.stdin):
    try:
        engine.query("EXPLAIN AST " + statement, "Null")
    except RuntimeError as error:
        wrong.append([statement[:200], str(error)[:300]])
print(json.dumps(wrong))
"""
ON = " ON CLUSTER `blue-1`"


@pytest.fixture(scope="module")
def statements():
    """Every statement of every file, as it is run in a cluster with rows of before."""
    plain = [_VERSIONS, *(one for file in schema_files() for one in file.expanded(rows="theirs"))]
    return [one for statement in plain for one in for_cluster(statement, "blue-1", "otel")]


def test_clickhouse_parses_every_statement(statements, python):
    done = python("-c", PARSE, stdin=json.dumps(statements))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_all_but_the_moving_of_rows_is_done_on_every_server(statements):
    assert {bare(one).split()[0] for one in statements if ON not in one} == {"INSERT"}
    moved = [one for one in statements if one.startswith("INSERT")]
    assert len(moved) >= 8
    assert all(one.endswith(", distributed_foreground_insert = 1") for one in moved)


def test_every_table_is_replicated_and_forgets_no_token(statements):
    tables = [one for one in statements if re.match(r"CREATE TABLE \S+_local|CREATE TABLE IF NOT EXISTS", one)]
    assert len(tables) >= 17
    for table in tables:
        assert re.search(r"^ENGINE = Replicated(Aggregating)?MergeTree$", table, re.MULTILINE), table
        assert "non_replicated" not in table
        if "schema_version" not in table:
            assert "replicated_deduplication_window = 10000" in table
            assert "replicated_deduplication_window_seconds = 604800" in table
    assert not [one for one in statements if re.search(r"ENGINE = (Aggregating)?MergeTree", one)]


def test_each_table_is_asked_over_all_shards(statements):
    made = re.compile(
        rf"CREATE TABLE (\w+){re.escape(ON)} AS (\w+) ENGINE = Distributed\(`blue-1`, `otel`, `(\w+)`, (.+)\)"
    )
    over = {match[1]: match for one in statements if (match := made.fullmatch(one))}
    assert over.keys() == {*COLUMNS, *SHARDING}
    for table, match in over.items():
        assert match[2] == match[3] == f"{table}_local"
        assert match[4] == SHARDING.get(table, "rand()")


def test_views_fill_what_lies_on_their_shard(statements):
    views = [one for one in statements if one.startswith("CREATE MATERIALIZED VIEW")]
    assert len(views) >= 13
    for view in views:
        assert re.search(r" TO \w+_local AS\n", view), view
        assert re.findall(r"\bFROM (\w+)", view) == [re.search(r"\bFROM (\w+_local)\b", view)[1]], view


def test_the_columns_that_are_asked_follow_those_that_are_stored(statements):
    for place, statement in enumerate(statements):
        altered = re.match(r"ALTER TABLE (\w+)_local ", statement)
        if altered:
            assert statements[place + 2].startswith(f"CREATE TABLE {altered[1]}{ON} AS {altered[1]}_local ")


def test_an_unknown_statement_is_refused():
    with pytest.raises(ValueError, match="OPTIMIZE"):
        for_cluster("OPTIMIZE TABLE llm_calls FINAL", "blue-1", "otel")
