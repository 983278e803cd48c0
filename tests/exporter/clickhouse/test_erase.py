"""A user is gone from every table and from the disk, and the rollups are the sums of the calls that are left."""

from __future__ import annotations

import json
import subprocess

import pytest

from vigilo.policy.pseudonym import Key, user_pseudonym

from .rollup_sums import ROLLUPS_AND_CALLS, assert_equal

KEYS = ("2:" + "ab" * 32, "cd" * 32)
NEWER, OLDER = Key(bytes.fromhex("ab" * 32), "2"), Key(bytes.fromhex("cd" * 32))
PLANTED = "planted-7d1c-" * 8
EXECUTE = """
import sys
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    for statement in sys.argv[2:]:
        store.database.execute(statement)
"""
DIE = """
import os, sys
from pathlib import Path
from vigilo_exporter.clickhouse import erase
from vigilo_exporter.clickhouse.engine import Engine
from vigilo_exporter.clickhouse.store import open_store

home, at = Path(sys.argv[1]), int(sys.argv[2])
steps = 0

def dying(work):
    def step(*arguments, **named):
        global steps
        if steps == at:
            os._exit(9)
        work(*arguments, **named)
        steps += 1
        if steps == at:
            os._exit(9)
    return step

with open_store(home) as store:
    erasure = erase.Erasure(store.database, store.layout, home, ["ada"])
    Engine.execute, Engine.insert = dying(Engine.execute), dying(Engine.insert)
    erase.write_negated = dying(erase.write_negated)
    erase.shutil.rmtree = dying(erase.shutil.rmtree)
    erasure.run()
"""
LEFT = "SELECT UserId, count() AS calls FROM llm_calls GROUP BY UserId ORDER BY UserId"


@pytest.fixture
def erase(vigilo_command):
    """Runs ``vigilo erase --yes`` with two keys of pseudonyms; gives its JSON."""

    def run(*arguments, code=0):
        done = vigilo_command(
            "erase", "--yes", "--format", "json", *arguments, environ={"VIGILO_USER_ID_KEY": ",".join(KEYS)}
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def execute(python, home):
    """Runs statements in the store of ``home``."""

    def run(*statements):
        done = python("-c", EXECUTE, home, *statements)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def call(llm_span):
    """A span of a call of a user, in a trace and with a number of its own."""

    def span(number, trace, user, name="user.id", **attributes):
        told = {
            name: user,
            "session.id": f"session-of-{user}",
            "gen_ai.conversation.id": f"conversation-{number % 3}",
            "gen_ai.usage.input_tokens": str(number),
            **{name.replace("__", "."): value for name, value in attributes.items()},
        }
        at = f"2026-11-{18 + number % 3} 10:{number % 60:02d}:00"
        return llm_span(told, TraceId=f"{trace:032x}", SpanId=f"{number:016x}", Timestamp=at)

    return span


def test_all_of_a_user_goes_and_nothing_of_others(home, write_segments, call, ask, erase, execute):
    execute(
        "ALTER TABLE otel_traces MODIFY COLUMN SpanAttributes Map(LowCardinality(String), String) CODEC(NONE)",
        "ALTER TABLE llm_messages MODIFY COLUMN InputMessages String CODEC(NONE)",
    )
    web = call(90, 1, "", gen_ai__operation__name="")  # in a trace that is all theirs, but says nothing of them
    shared = call(91, 3, "", gen_ai__operation__name="")
    write_segments(
        [
            *(call(n, 1, user_pseudonym("ada", NEWER), gen_ai__input__messages=PLANTED) for n in range(5)),
            *(call(n, 2, user_pseudonym("ada", OLDER), gen_ai__usage__cost="0.5") for n in range(5, 9)),
            call(10, 3, user_pseudonym("ada", NEWER)),
            call(11, 3, user_pseudonym("bob", NEWER)),
            call(12, 4, user_pseudonym("ada", NEWER, "other-tenant")),
            web,
            shared,
        ]
    )
    execute(
        "INSERT INTO otel_logs (Timestamp, TraceId, SpanId, Body, LogAttributes) VALUES "
        f"('2026-11-18 10:00:00', '{1:032x}', '', 'in their trace', {{}}), "
        f"('2026-11-18 10:00:00', '{3:032x}', '{10:016x}', 'of their span', {{}}), "
        f"('2026-11-18 10:00:00', '', '', 'by id', {{'user.id': '{user_pseudonym('ada', NEWER)}'}}), "
        f"('2026-11-18 10:00:00', '{3:032x}', '{11:016x}', 'of another', {{}})",
        "INSERT INTO otel_metrics_sum (TimeUnix, MetricName, Attributes) VALUES "
        f"('2026-11-18 10:00:00', 'm', {{'user.id': '{user_pseudonym('ada', NEWER)}'}}), "
        "('2026-11-18 10:00:00', 'm', {'user.id': 'bob'})",
    )
    assert subprocess.run(["grep", "-rqF", PLANTED, home], check=False).returncode == 0
    found = {row["table"]: row["rows_before"] for row in erase("--user", "ada", "--dry-run")["tables"]}
    assert (found["otel_traces"], found["llm_calls"], found["otel_logs"], found["llm_messages"]) == (11, 10, 3, 5)
    assert (found["otel_metrics_sum"], found["otel_traces_trace_id_ts"]) == (1, 2)
    told = erase("--user", "ada")
    assert {row["table"]: row["rows_before"] for row in told["tables"]} == found
    assert all((row["rows_after"], row["old_parts"]) == (0, 0) for row in told["tables"])
    spans, logs, metrics, daily, *compared = ask(
        "SELECT SpanId FROM otel_traces ORDER BY SpanId",
        "SELECT Body FROM otel_logs",
        "SELECT count() AS points FROM otel_metrics_sum",
        "SELECT DISTINCT UserId FROM llm_user_daily ORDER BY UserId",
        *ROLLUPS_AND_CALLS,
    )["answers"]
    assert [int(row["SpanId"], 16) for row in spans] == [11, 12, 91]
    assert logs == [{"Body": "of another"}]
    assert metrics == [{"points": 1}]
    assert {row["UserId"] for row in daily} == {
        user_pseudonym("bob", NEWER),
        user_pseudonym("ada", NEWER, "other-tenant"),
    }
    assert_equal(compared)
    for text in (PLANTED, user_pseudonym("ada", NEWER)):
        assert subprocess.run(["grep", "-rlF", text, home], capture_output=True, check=False).stdout == b"", text
    assert not any(row["rows_before"] for row in erase("--user", "ada")["tables"])
    assert not list((home / "erase").iterdir())


def test_plain_ids_and_names_of_other_instrumentors_are_found(write_segments, call, ask, erase):
    write_segments(
        [
            call(1, 1, "ada"),
            call(2, 2, "ada", "enduser.id"),
            call(3, 3, "ada", "langfuse.user.id", user__id=""),
            call(4, 4, "bob", gen_ai__conversation__id="conversation-2"),
        ]
    )
    assert not any(row["rows_before"] for row in erase("--user", "ada", "--dry-run")["tables"])
    told = {row["table"]: row["rows_before"] for row in erase("--user", "ada", "--plain")["tables"]}
    assert (told["otel_traces"], told["llm_calls"]) == (3, 3)
    calls, *compared = ask(LEFT, *ROLLUPS_AND_CALLS)["answers"]
    assert calls == [{"UserId": "bob", "calls": 1}]
    assert_equal(compared)


@pytest.mark.parametrize("at", [1, 3, 5, 7, 9, 13, 21, 25, 27, 28])
def test_dying_at_any_step_is_made_good(home, write_segments, call, ask, python, erase, at):
    users = ("ada", "bob", "")
    write_segments([call(n, n, users[n % 3], gen_ai__usage__cost=f"0.{n}") for n in range(30)])
    ask("SELECT 1")
    for _ in range(2):
        died = python("-c", DIE, home, at)
        assert died.returncode in (0, 9), died.stderr
    told = erase("--user", "ada", "--plain")
    assert not any(row["rows_after"] for row in told["tables"])
    calls, *compared = ask(LEFT, *ROLLUPS_AND_CALLS)["answers"]
    assert calls == [{"UserId": "", "calls": 10}, {"UserId": "bob", "calls": 10}]
    assert_equal(compared)


def test_segments_in_quarantine_are_rewritten_or_deleted(home, write_segments, call, erase, ask):
    (path,) = write_segments([call(1, 1, "ada"), call(2, 1, ""), call(3, 2, "bob")])
    quarantine = home / "spool" / "quarantine"
    quarantine.mkdir()
    path.rename(quarantine / path.name)
    (quarantine / "broken.otel_traces.native.zst").write_bytes(b"ada")
    dry = erase("--user", "ada", "--plain", "--dry-run")
    assert (dry["quarantined_rows"], dry["quarantined_deleted"]) == (2, ["broken.otel_traces.native.zst"])
    assert len([each for each in quarantine.iterdir() if each.suffix == ".zst"]) == 2
    told = erase("--user", "ada", "--plain")
    assert (told["quarantined_rows"], told["quarantined_deleted"]) == (2, ["broken.otel_traces.native.zst"])
    (quarantine / path.name).rename(path)
    assert ask(LEFT)["answers"] == [[{"UserId": "bob", "calls": 1}]]
