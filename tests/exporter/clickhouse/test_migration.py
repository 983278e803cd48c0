"""A database of an earlier schema becomes one of today's with every row it had, also when that is cut short."""

from __future__ import annotations

import pytest

from vigilo_exporter.clickhouse.migrate import schema_files

OLDER = 6
OWN_AS_BEFORE = """
import os, sys
from pathlib import Path
from vigilo_exporter.clickhouse import ingest, migrate
from vigilo_exporter.clickhouse.engine import Engine

home, dies = Path(sys.argv[1]), sys.argv[2] == "dies"
files = migrate.schema_files()[:6]
migrate.schema_files = lambda: files
engine = Engine(home / "db")
migrate.migrate(engine)
if dies:
    ingest.Ingest._remove = lambda *arguments: os._exit(9)  # taken in, but not unlinked
ingest.Ingest(engine, home / "spool").run()
engine.close()
"""
DIE_AT_STATEMENT = """
import os, sys
from pathlib import Path
from vigilo_exporter.clickhouse import migrate, store
from vigilo_exporter.clickhouse.engine import Engine

home, seen = Path(sys.argv[1]), Path(sys.argv[1]) / "seen"
known = seen.read_text().split("\\0") if seen.exists() else []
todays = {s for file in migrate.schema_files() if file.version > 6 for s in file.expanded(rows="ours")}
execute = Engine.execute

def dying_execute(self, statement):
    if statement in todays and statement not in known:
        seen.write_text("\\0".join([*known, statement]))
        os._exit(9)
    execute(self, statement)

Engine.execute = dying_execute
with store.open_store(home, ingest=False):
    pass
"""
CALLS = "SELECT * EXCEPT (Timestamp) FROM llm_calls ORDER BY SpanId"
KEPT = """SELECT (SELECT count() FROM otel_traces) AS spans, (SELECT count() FROM llm_calls) AS calls,
    (SELECT sum(Calls) FROM llm_hourly) AS hourly, (SELECT toString(sum(CostUsd)) FROM llm_calls) AS calls_usd,
    (SELECT toString(sum(CostUsd)) FROM llm_hourly) AS hourly_usd,
    (SELECT sum(UnpricedCalls) FROM llm_hourly) AS unpriced,
    (SELECT groupArray(number) FROM (SELECT Version AS number FROM schema_version ORDER BY Version)) AS versions"""


@pytest.fixture
def spans(llm_span):
    """Calls of every sort that an earlier version wrote, over two days."""
    used = {"gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": "500"}
    ours = {"vigilo.cost.source": "genai-prices", "vigilo.cost.snapshot": "0.2.3", **used}
    rows = [
        {**ours, "gen_ai.usage.cost": "0.25", "openai.response.service_tier": "flex"},
        {**used, "gen_ai.usage.cost": "3", "vigilo.cost.source": "provider"},
        {**used, "gen_ai.usage.cost": "0.5"},
        {**used, "gen_ai.request.model": "gpt-4o", "gen_ai.usage.audio.input_tokens": "7"},
        {**ours, "gen_ai.operation.name": "batch_results", "gen_ai.usage.cost": "1"},
        {"gen_ai.operation.name": "chat"},
    ]
    return [
        llm_span(attributes, SpanId=f"{number:016x}", Timestamp=f"2026-11-{19 + number % 2} 10:00:00")
        for number, attributes in enumerate(rows)
    ]


@pytest.fixture
def older(home, write_segments, spans, python):
    """Makes a database of the older schema that holds the spans."""

    def make(dies=""):
        write_segments(spans)
        done = python("-c", OWN_AS_BEFORE, home, dies)
        assert done.returncode == (9 if dies else 0), done.stderr

    return make


def assert_whole(ask):
    (kept,), calls = ask(KEPT, CALLS)["answers"]
    assert kept == {
        "spans": 6,
        "calls": 6,
        "hourly": 6,
        "calls_usd": "4.75",
        "hourly_usd": "4.75",
        "unpriced": 1,
        "versions": [file.version for file in schema_files()],
    }
    told = [(call["CostSource"], call["CostSnapshot"], call["ServiceTier"], call["CostParts"]) for call in calls]
    assert told == [
        ("genai-prices", "0.2.3", "flex", 0),
        ("provider", "", "", 0),
        ("span", "", "", 0),
        ("", "", "", 0),
        ("genai-prices", "0.2.3", "batch", 2),
        ("", "", "", 0),
    ]
    assert calls[3]["InputAudioTokens"] == 7
    assert calls[0]["CostUsd"] == "0.25"


def test_every_row_is_kept_and_gets_its_new_columns(older, ask):
    older()
    assert_whole(ask)
    assert_whole(ask)


def test_what_was_begun_under_the_older_schema_is_counted_once(older, ask, home):
    older("dies")
    assert any(path.suffix == ".manifest" for path in (home / "spool").iterdir())
    assert_whole(ask)
    assert [path.name for path in (home / "spool").iterdir() if not path.name.startswith(".")] == []


def test_a_migration_that_dies_at_any_statement_is_completed(older, ask, home, python):
    older()
    deaths = 0
    while (done := python("-c", DIE_AT_STATEMENT, home)).returncode == 9:
        deaths += 1
    assert done.returncode == 0, done.stderr
    todays = {s for file in schema_files() if file.version > OLDER for s in file.expanded(rows="ours")}
    assert deaths == len(todays)
    (home / "seen").unlink()
    assert_whole(ask)


def test_calls_that_had_no_price_get_one_when_calls_arrive(older, ask, write_segments, llm_span):
    older()
    write_segments([llm_span({"gen_ai.request.model": "gpt-4o"}, SpanId="f" * 16)])
    rows = ask(
        "SELECT SpanId, toString(CostUsd) AS cost FROM llm_calls WHERE RequestModel = 'gpt-4o' AND Priced",
        "SELECT toString(sum(CostUsd)) AS usd FROM llm_hourly",
    )["answers"]
    assert [row["SpanId"] for row in rows[0]] == [f"{3:016x}"]
    assert float(rows[1][0]["usd"]) == pytest.approx(4.75 + float(rows[0][0]["cost"]))
