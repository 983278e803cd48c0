"""What is older than the settings let it grow goes, by TTL and by cleanup; the rollups stay the sums of the calls."""

from __future__ import annotations

import json
import subprocess

import pytest

from .rollup_sums import ROLLUPS_AND_CALLS, assert_equal

CLEAN = """
import json, sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from vigilo.settings import load_settings
from vigilo_exporter.clickhouse.retention import apply_ttl, cleanup
from vigilo_exporter.clickhouse.store import open_store
home, kept, content, dry_run = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "dry"
now = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
with open_store(home) as store:
    print(json.dumps({done.table: asdict(done) for done in cleanup(
        store.database, store.layout, kept, content, now, dry_run=dry_run
    )}))
"""
TTLS = """
import json, sys
from pathlib import Path
from vigilo.settings import load_settings
from vigilo_exporter.clickhouse.retention import apply_ttl
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    for statement in sys.argv[2:]:
        store.database.execute(statement)
    altered = apply_ttl(store.database, store.layout, load_settings())
    print(json.dumps([altered, {row["name"]: row["q"] for row in store.query(
        "SELECT name, extract(create_table_query, ' TTL (.*?) SETTINGS') AS q FROM system.tables "
        "WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name NOT LIKE '.%'"
    )}]))
"""
NAMES = "arraySort(groupUniqArrayArray(mapKeys(SpanAttributes)))"


@pytest.fixture
def clean(home, python):
    """Cleans the store of ``home`` up as on 2026-11-20 at noon; gives what was done by table."""

    def run(kept, content=-1, *, dry_run=False):
        done = python("-c", CLEAN, home, kept, content, "dry" if dry_run else "")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def ttls(home, python):
    """Applies the TTLs of the settings; gives the tables altered and the TTL of each."""

    def run(*statements, **settings):
        environ = {f"VIGILO_{name.upper()}": str(value) for name, value in settings.items()}
        done = python("-c", TTLS, home, *statements, environ=environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def spans(llm_span, *days):
    return [
        llm_span(
            {"user.id": "ada", "session.id": "s", "gen_ai.conversation.id": "c", "gen_ai.usage.input_tokens": "7"},
            Timestamp=f"2026-{day} 23:30:00",
            TraceId=f"{number:032x}",
            SpanId=f"{number:016x}",
        )
        for number, day in enumerate(days)
    ]


def test_days_past_the_setting_go_and_the_rollups_with_them(write_segments, llm_span, ask, clean):
    write_segments(spans(llm_span, "09-30", "10-20", "11-05", "11-12", "11-13", "11-20"))
    before = clean(7, dry_run=True)
    done = clean(7)
    assert {table: row["rows_removed"] for table, row in done.items()} == {
        table: row["rows_removed"] for table, row in before.items()
    }
    for table in ("otel_traces", "llm_calls"):
        assert (done[table]["rows_before"], done[table]["rows_removed"], done[table]["rows_after"]) == (6, 4, 2), table
    for table in ("otel_traces", "llm_hourly", "llm_user_daily", "llm_conversations", "llm_sessions"):
        assert done[table]["bytes_after"] < done[table]["bytes_before"]
    days, index, *compared = ask(
        "SELECT toString(toDate(Timestamp)) AS day FROM otel_traces ORDER BY day",
        "SELECT count() AS traces FROM otel_traces_trace_id_ts",
        *ROLLUPS_AND_CALLS,
    )["answers"]
    assert [row["day"] for row in days] == ["2026-11-13", "2026-11-20"]
    assert index == [{"traces": 2}]
    assert_equal(compared)
    assert all(row["rows_removed"] == 0 for row in clean(7).values())


def test_for_ever_keeps_everything_and_a_dry_run_changes_nothing(write_segments, llm_span, ask, clean):
    write_segments(spans(llm_span, "01-05", "11-20"))
    assert all(row["rows_removed"] == 0 for row in clean(-1).values())
    assert clean(1, dry_run=True)["llm_calls"]["rows_removed"] == 1
    assert ask("SELECT count() AS calls FROM llm_calls")["answers"] == [[{"calls": 2}]]


def test_text_goes_before_the_rest_of_its_row(home, write_segments, llm_span, ask, clean):
    text = {
        "gen_ai.input.messages": "planted-text",
        "gen_ai.prompt.0.content": "planted-text",
        "input.value": "planted-text",
        "kept": "yes",
    }
    write_segments(
        [
            llm_span(text, Timestamp=f"2026-11-{day} 10:00:00", TraceId=f"{day:032x}", SpanId=f"{day:016x}")
            for day in (10, 11, 13, 14)
        ]
    )
    assert clean(30, 7, dry_run=True)["otel_traces"]["rows_without_content"] == 2
    done = clean(30, 7)
    assert done["otel_traces"]["rows_without_content"] == 2
    assert done["otel_traces"]["rows_after"] == 4
    old, new, kept, messages = ask(
        f"SELECT {NAMES} AS names FROM otel_traces WHERE Timestamp < '2026-11-13'",
        f"SELECT {NAMES} AS names FROM otel_traces WHERE Timestamp >= '2026-11-13'",
        "SELECT count() AS spans FROM otel_traces WHERE SpanAttributes['kept'] = 'yes'",
        "SELECT toString(min(toDate(Timestamp))) AS first FROM llm_messages",
    )["answers"]
    assert old == [{"names": ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "kept"]}]
    assert set(text) <= set(new[0]["names"])
    assert kept == [{"spans": 4}]
    assert messages == [{"first": "2026-11-13"}]
    assert clean(30, 7)["otel_traces"]["rows_without_content"] == 0
    assert clean(30, -1)["otel_traces"]["rows_without_content"] == 0


def test_text_of_events_and_log_records_goes_too(home, python, ask, clean):
    insert = """
import sys
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    for statement in sys.argv[2:]:
        store.database.execute(statement)
"""
    done = python(
        "-c",
        insert,
        home,
        "INSERT INTO otel_traces (Timestamp, TraceId, `Events.Timestamp`, `Events.Name`, `Events.Attributes`) VALUES "
        "('2026-11-10 10:00:00', 'a', ['2026-11-10 10:00:00', '2026-11-10 10:00:00', '2026-11-10 10:00:00'], "
        "['gen_ai.content.prompt', 'exception', 'gen_ai.user.message'], "
        "[{'gen_ai.prompt': 'planted'}, {'exception.type': 'E'}, {'content': 'planted'}]),"
        "('2026-11-19 10:00:00', 'b', ['2026-11-19 10:00:00'], ['gen_ai.user.message'], [{'content': 'fresh'}])",
        "INSERT INTO otel_logs (Timestamp, EventName, Body, LogAttributes) VALUES "
        "('2026-11-10 10:00:00', 'gen_ai.user.message', 'planted', {}),"
        "('2026-11-10 10:00:00', 'gen_ai.client.inference.operation.details', 'kept', "
        "{'gen_ai.input.messages': 'planted', 'user.id': 'ada'}),"
        "('2026-11-10 10:00:00', '', 'an app''s own line', {}),"
        "('2026-11-19 10:00:00', 'gen_ai.user.message', 'fresh', {})",
    )
    assert done.returncode == 0, done.stderr
    cleaned = clean(30, 7)
    assert (cleaned["otel_traces"]["rows_without_content"], cleaned["otel_logs"]["rows_without_content"]) == (1, 2)
    events, logs = ask(
        "SELECT TraceId, Events.Name AS names, Events.Attributes AS told FROM otel_traces ORDER BY TraceId",
        "SELECT Body, LogAttributes FROM otel_logs ORDER BY Timestamp, EventName, Body",
    )["answers"]
    assert [(*row.values(),) for row in events] == [
        ("a", ["gen_ai.content.prompt", "exception", "gen_ai.user.message"], [{}, {"exception.type": "E"}, {}]),
        ("b", ["gen_ai.user.message"], [{"content": "fresh"}]),
    ]
    assert [(*row.values(),) for row in logs] == [
        ("an app's own line", {}),
        ("kept", {"user.id": "ada"}),
        ("", {}),
        ("fresh", {}),
    ]


def test_old_parts_leave_the_disk(home, write_segments, llm_span, ask, clean):
    write_segments(spans(llm_span, "01-05", "11-20"))
    clean(30)
    inactive = ask(
        "SELECT count() AS parts FROM system.parts WHERE NOT active AND table = 'llm_calls' AND partition < '2026-11'"
    )["answers"]
    assert inactive == [[{"parts": 0}]]
    found = subprocess.run(
        ["find", "-L", home / "db" / "data", "-name", "20260105*"], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""


def test_ttls_are_those_of_the_settings_and_altered_only_where_they_differ(ttls):
    altered, first = ttls(retention_days=30, content_retention_days=7)
    tables = {name for name in first if name.startswith(("llm_", "otel_"))}
    assert set(altered) == tables
    assert first["llm_calls"] == "toDate(Timestamp) + toIntervalDay(31)"
    assert first["llm_hourly"] == "toDate(Hour) + toIntervalDay(31)"
    assert first["llm_messages"] == "toDate(Timestamp) + toIntervalDay(8)"
    assert ttls(retention_days=30, content_retention_days=7) == [[], first]
    altered, second = ttls(retention_days=30, content_retention_days=3)
    assert altered == ["llm_messages"]
    assert second["llm_messages"] == "toDate(Timestamp) + toIntervalDay(4)"
    altered, third = ttls(retention_days=-1, content_retention_days=-1)
    assert set(altered) == tables
    assert {third[name] for name in tables} == {""}


def test_a_ttl_that_does_more_than_to_delete_is_left_alone(ttls):
    statement = "ALTER TABLE otel_logs MODIFY TTL toDate(Timestamp) + toIntervalDay(90) DELETE WHERE SeverityNumber < 9"
    altered, present = ttls(statement, retention_days=30)
    assert "otel_logs" not in altered
    assert "WHERE" in present["otel_logs"]
