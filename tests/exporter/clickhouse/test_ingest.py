"""What lies in the spool reaches the database once, and unreadable segments stop nothing."""

from __future__ import annotations

import pytest
import zstandard

from vigilo_exporter.clickhouse.groups import whole_size
from vigilo_exporter.spool import Spool
from vigilo_exporter.spool.quarantine import FOLDER as QUARANTINE
from vigilo_exporter.spool.quarantine import REASONS

COUNTS = (
    "SELECT (SELECT count() FROM otel_traces) AS spans, (SELECT count() FROM llm_calls) AS calls, "
    "(SELECT sum(Calls) FROM llm_hourly) AS hourly"
)

DIE = """
import os, sys
from pathlib import Path
from vigilo_exporter.clickhouse import ingest
from vigilo_exporter.clickhouse.store import open_store
from vigilo_exporter.clickhouse.engine import Engine

moment = sys.argv[2]
execute, remove = Engine.execute, ingest.Ingest._remove

def dying_execute(self, statement):
    if statement.startswith("INSERT INTO otel_") and moment == "before the insert":
        os._exit(9)
    execute(self, statement)

def dying_remove(self, manifest):
    if moment == "amid unlinking":
        os.unlink(self._spool / manifest.segments[1])
    os._exit(9)

Engine.execute, ingest.Ingest._remove = dying_execute, dying_remove
with open_store(Path(sys.argv[1])):
    pass
"""


def left_in(folder):
    """What lies there beside what the spool keeps there for itself."""
    return {path.name for path in folder.iterdir()} - {".lock", REASONS}


def counts(ask):
    return ask(COUNTS)["answers"][0][0]


def test_segments_are_taken_in_and_unlinked(home, write_segments, ask, llm_span):
    write_segments([llm_span()], [llm_span(), llm_span()])
    assert counts(ask) == {"spans": 3, "calls": 3, "hourly": 3}
    assert left_in(home / "spool") == set()
    assert counts(ask) == {"spans": 3, "calls": 3, "hourly": 3}


@pytest.mark.parametrize("moment", ["before the insert", "before unlinking", "amid unlinking"])
def test_dying_at_the_worst_moment_loses_and_doubles_nothing(home, write_segments, ask, llm_span, python, moment):
    # Two days: each gets parts of its own, with tokens of their own.
    rows = [llm_span(), llm_span(Timestamp="2026-11-19 23:00:00"), llm_span()]
    write_segments(rows, rows)
    died = python("-c", DIE, home, moment)
    assert died.returncode == 9, died.stderr
    assert any(path.suffix == ".manifest" for path in (home / "spool").iterdir())
    write_segments([llm_span()])
    assert counts(ask) == {"spans": 7, "calls": 7, "hourly": 7}
    assert left_in(home / "spool") == set()


def test_unreadable_segments_are_set_aside_and_the_others_go_in(home, write_segments, ask, llm_span):
    good, cut, empty, garbage, not_native = write_segments(*[[llm_span()]] * 5)
    cut.write_bytes(good.read_bytes()[:-9])
    empty.write_bytes(b"")
    garbage.write_bytes(b"garbage" * 20)
    not_native.write_bytes(zstandard.compress(b"no block of columns" * 20))
    (other_types,) = write_segments([{"Timestamp": "2026-11-20 10:00:00", "Events.Timestamp": "x"}])
    (other_table,) = write_segments([llm_span()], table="users")
    foreign = home / "spool" / "export.native.zst"
    foreign.write_bytes(good.read_bytes())
    bad = {path.name for path in (cut, empty, garbage, not_native, other_types, other_table, foreign)}

    answer = ask(COUNTS)
    assert answer["answers"][0][0] == {"spans": 1, "calls": 1, "hourly": 1}
    assert set(answer["quarantined"]) == bad
    assert left_in(home / "spool") == {QUARANTINE}
    assert left_in(home / "spool" / QUARANTINE) == bad
    assert {piece.reason for piece in Spool(home).quarantined() if piece.name == cut.name} == {
        "it is empty, cut off or not zstd"
    }


def test_a_spool_that_cannot_be_read_is_told_of_without_a_traceback(home, write_segments, llm_span, vigilo_command):
    write_segments([llm_span()])
    (home / "spool" / "2.manifest").mkdir()
    done = vigilo_command("report")
    assert done.returncode == 1
    assert done.stderr.startswith(f"vigilo: cannot complete what was begun in {home}/spool: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_database_that_is_damaged_is_told_of_without_a_traceback(home, vigilo_command):
    home.mkdir()
    (home / "db").write_text("not a folder")
    done = vigilo_command("report")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"vigilo: cannot open the database in {home}/db: ")


def test_what_is_being_written_is_left_alone(home, write_segments, ask, llm_span):
    (path,) = write_segments([llm_span()])
    temporary = path.rename(path.with_name(path.name + ".tmp"))
    assert counts(ask) == {"spans": 0, "calls": 0, "hourly": 0}
    assert temporary.exists()


def test_an_unreadable_manifest_stops_nothing(home, write_segments, ask, llm_span):
    write_segments([llm_span()])
    (home / "spool" / "1.manifest").write_text("{")
    assert counts(ask) == {"spans": 1, "calls": 1, "hourly": 1}


def test_the_same_rows_twice_are_two_calls(write_segments, ask, llm_span):
    write_segments([llm_span()])
    assert counts(ask)["calls"] == 1
    write_segments([llm_span()])
    assert counts(ask)["calls"] == 2


def test_rows_of_more_days_than_the_engine_allows_in_one_block_go_in(write_segments, ask, llm_span):
    days = [f"2026-{month:02d}-{day:02d} 00:00:00" for month in range(1, 6) for day in range(1, 29)]
    write_segments([llm_span(Timestamp=day) for day in days])
    assert counts(ask) == {"spans": 140, "calls": 140, "hourly": 140}


def test_a_home_with_spaces_and_quotes_works(tmp_path, monkeypatch, python):
    home = tmp_path / "it's a home 100%"
    home.mkdir()
    done = python("-m", "vigilo_exporter.cli", "report", "--home", home)
    assert done.returncode == 0, done.stderr


def test_a_home_that_the_engine_reads_as_a_pattern_is_refused(tmp_path, python):
    done = python("-m", "vigilo_exporter.cli", "report", "--home", tmp_path / "a*b")
    assert done.returncode == 1
    assert "'*' in it" in done.stderr


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (zstandard.compress(b"x" * 500), 500),
        (zstandard.compress(b"x" * 500) + zstandard.compress(b"y" * 20), 520),
        (zstandard.compress(b"x" * 500)[:-1], None),
        (zstandard.compress(b"x" * 500) + b"tail", None),
        (zstandard.compress(b""), None),
        (b"", None),
        (b"garbage", None),
    ],
)
def test_whole_size_is_none_for_what_is_cut_or_no_zstd(tmp_path, content, size):
    path = tmp_path / "segment"
    path.write_bytes(content)
    assert whole_size(path) == size
