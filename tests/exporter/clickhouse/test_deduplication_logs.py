"""An owner that is killed after a table has noted an insert, and before it has its rows, loses none of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vigilo_exporter.clickhouse.deduplication_logs import forget_unwritten

DIE_AFTER_INSERTING = """
import json, os, sys
from pathlib import Path
from vigilo_exporter.clickhouse.engine import Engine
from vigilo_exporter.clickhouse.store import open_store
insert = Engine.insert

def dying_insert(self, table, columns, files, token):
    insert(self, table, columns, files, token)
    paths = self.query("SELECT name, data_paths[1] AS path FROM system.tables WHERE database = currentDatabase()")
    print(json.dumps({row["name"]: row["path"] for row in paths}), flush=True)
    os._exit(9)

Engine.insert = dying_insert
with open_store(Path(sys.argv[1])):
    pass
"""
COUNTS = """SELECT (SELECT count() FROM otel_traces) AS spans, (SELECT count() FROM llm_calls) AS calls,
    (SELECT sum(Calls) FROM llm_hourly) AS hourly, (SELECT sum(Calls) FROM llm_conversations) AS conversations"""
TABLES = {"spans": "otel_traces", "calls": "llm_calls", "hourly": "llm_hourly", "conversations": "llm_conversations"}


@pytest.fixture
def died(home, write_segments, llm_span, python):
    """Takes in three calls and dies before it knows; gives the folder of each table."""
    calls = [llm_span({"gen_ai.conversation.id": f"c-{number}"}, SpanId=f"{number:016x}") for number in range(3)]
    write_segments(calls)
    done = python("-c", DIE_AFTER_INSERTING, home)
    assert done.returncode == 9, done.stderr
    return {name: Path(path) for name, path in json.loads(done.stdout).items()}


def parts(table: Path) -> list[Path]:
    return [path for path in table.iterdir() if path.name[0].isdigit() and path.is_dir()]


@pytest.mark.parametrize("table", TABLES.values())
def test_rows_that_were_noted_but_not_written_come_with_the_next_try(died, ask, table):
    (part,) = parts(died[table])
    shutil.rmtree(part)
    assert ask(COUNTS)["answers"][0][0] == dict.fromkeys(TABLES, 3)


def test_what_was_written_is_counted_once(died, ask, home):
    assert forget_unwritten(home / "db") == 0
    assert ask(COUNTS)["answers"][0][0] == dict.fromkeys(TABLES, 3)


def test_a_part_that_was_merged_into_another_is_there(died, home):
    (part,) = parts(died["llm_calls"])
    day, number, *_ = part.name.split("_")
    part.rename(part.with_name(f"{day}_0_{int(number) + 4}_2_7"))
    assert forget_unwritten(home / "db") == 0


def test_a_log_of_another_form_is_left_alone(died, home):
    (log,) = (died["llm_calls"] / "deduplication_logs").iterdir()
    for content in ("1\tunknown\n", "1\t20261120_1_1_0\tblock\nhalf a li", "1\tno part\tblock\n"):
        log.write_text(content)
        assert forget_unwritten(home / "db") == 0
        assert log.read_text() == content


def test_without_a_database_there_is_nothing_to_mend(tmp_path):
    assert forget_unwritten(tmp_path / "db") == 0
