"""Kept calls are priced by today's table, exactly once, with the old cost kept and the hourly sums right."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from decimal import Decimal

import pytest

import vigilo

from .rollup_sums import ROLLUPS_AND_CALLS, assert_equal

CHANGES = """SELECT SpanId, toString(OldCostUsd) AS old, OldPriced, OldSource, OldSnapshot, toString(NewCostUsd) AS new,
    NewSource, Cause FROM llm_cost_changes ORDER BY SpanId"""
COSTS = "SELECT SpanId, toString(CostUsd) AS cost, Priced, CostSource FROM llm_calls ORDER BY SpanId"
SUMS = """SELECT
    (SELECT count() FROM llm_cost_changes) AS changes, count() AS calls, toString(sum(CostUsd)) AS calls_usd,
    countIf(Priced) AS priced,
    countIf(NOT Priced AND (InputTokens + OutputTokens > 0 OR notEmpty(OtherUsage))) AS unpriced FROM llm_calls"""

DIE = """
import os, sys
from datetime import datetime, timezone
from pathlib import Path
from vigilo_exporter.clickhouse import repricing
from vigilo_exporter.clickhouse.store import open_store
from vigilo_exporter.clickhouse.engine import Engine

home, moment = Path(sys.argv[1]), sys.argv[2]
execute, insert = Engine.execute, Engine.insert

def dying_insert(self, table, *arguments):
    if table == "llm_cost_changes" and moment == "before the insert":
        os._exit(9)
    insert(self, table, *arguments)
    if table == "llm_cost_changes" and moment == "before the mutation":
        os._exit(9)

def dying_execute(self, statement):
    if "ALTER TABLE llm_calls" in statement and moment == "amid the mutation":
        statement = statement.replace("mutations_sync = 2", "mutations_sync = 0")
    execute(self, statement)
    if "ALTER TABLE llm_calls" in statement and moment in ("amid the mutation", "before unlinking"):
        os._exit(9)

Engine.execute, Engine.insert = dying_execute, dying_insert
with open_store(home) as store:
    store.reprice(repricing.Selection(datetime(2026, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc)))
"""

REPRICE = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from vigilo_exporter.clickhouse import repricing
from vigilo_exporter.clickhouse.store import open_store
repricing.PAGE_CALLS = 100
with open_store(Path(sys.argv[1])) as store:
    print("open", flush=True)
    store.reprice(repricing.Selection(datetime(2026, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc)))
"""

OLD = {"vigilo.cost.source": "genai-prices", "vigilo.cost.snapshot": "0.1.0 (2025-01-01)"}


def call(number, model="gpt-4o", input_tokens=1000, output_tokens=500, *, at="2026-11-20 10:00:00", **attributes):
    """A row of otel_traces; an attribute's name has __ for each dot."""
    told = {name.replace("__", "."): value for name, value in attributes.items()}
    return {
        "Timestamp": at,
        "TraceId": f"{number:032x}",
        "SpanId": f"{number:016x}",
        "ServiceName": "shop",
        "StatusCode": "Error" if number % 5 == 4 else "Unset",
        "SpanAttributes": {
            "user.id": f"user-{number % 3}",
            "session.id": f"session-{number % 4}",
            "gen_ai.conversation.id": f"conversation-{number % 5}" if number % 7 else "",
            "vigilo.operation": f"task-{number % 2}",
            "error.type": "timeout" if number % 5 == 4 else "",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": str(input_tokens),
            "gen_ai.usage.output_tokens": str(output_tokens),
            **told,
        },
        "Duration": 1_000_000,
    }


def old_call(number, cost="0.5", **arguments):
    """A call that an older table priced."""
    row = call(number, **arguments)
    row["SpanAttributes"] |= {"gen_ai.usage.cost": cost, **OLD}
    return row


@pytest.fixture
def reprice(vigilo_command):
    """Runs ``vigilo reprice`` since 2020 and gives its JSON."""

    def run(*arguments):
        done = vigilo_command("reprice", "--since", "2020-01-01", "--format", "json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def sums(ask):
    """The sums of calls, which must be those of all rollups, and the number of changes."""

    def read():
        (row,), *compared = ask(SUMS, *ROLLUPS_AND_CALLS)["answers"]
        assert_equal(compared)
        return row

    return read


def test_a_cost_is_made_anew_and_the_old_one_kept(write_segments, ask, reprice, sums):
    write_segments([old_call(1), old_call(2, cost="0.0075"), call(3, "gpt-4o-mini")])
    told = reprice()
    assert told["totals"] == {
        "calls": 3,
        "priced": 0,  # the one without a cost was priced as it arrived
        "changed": 1,
        "confirmed": 2,
        "kept": 0,
        "unpriced": 0,
        "cost_before_usd": "0.50795",
        "cost_after_usd": "0.015450000",
    }
    assert told["price_table"].startswith("0.2.3")
    costs, changes = ask(COSTS, CHANGES)["answers"]
    assert [(*row.values(),) for row in costs] == [
        (f"{1:016x}", "0.0075", True, "genai-prices"),
        (f"{2:016x}", "0.0075", True, "genai-prices"),
        (f"{3:016x}", "0.00045", True, "genai-prices"),
    ]
    old = ("genai-prices", "0.1.0 (2025-01-01)")
    assert [(*row.values(),) for row in changes] == [
        (f"{1:016x}", "0.5", True, *old, "0.0075", "genai-prices", "reprice"),
        (f"{2:016x}", "0.0075", True, *old, "0.0075", "genai-prices", "reprice"),
        (f"{3:016x}", "0", False, "", "", "0.00045", "genai-prices", "arrival"),
    ]
    assert sums()["calls_usd"] == "0.01545"


def test_a_second_time_changes_nothing(write_segments, ask, reprice, sums):
    write_segments([old_call(1), old_call(2, model="gpt-5"), call(3)])
    reprice()
    before, calls = sums(), ask("SELECT * FROM llm_calls ORDER BY SpanId")["answers"]
    again = reprice()["totals"]
    assert (again["priced"], again["changed"], again["confirmed"]) == (0, 0, 3)
    assert sums() == before
    assert ask("SELECT * FROM llm_calls ORDER BY SpanId")["answers"] == calls


def test_what_the_store_does_not_know_better_stays(write_segments, ask, reprice, sums):
    rows = [
        old_call(1, vigilo__cost__source="x"),
        old_call(2, vigilo__cost__parts="2"),
        old_call(3, model="house-model"),
        call(4, "house-model"),
    ]
    rows[0]["SpanAttributes"]["vigilo.cost.source"] = "provider"
    write_segments(rows)
    totals = reprice()["totals"]
    assert (totals["changed"], totals["kept"], totals["unpriced"]) == (0, 3, 1)
    assert [row["cost"] for row in ask(COSTS)["answers"][0]] == ["0.5", "0.5", "0.5", "0"]
    assert sums()["changes"] == 0


def test_a_dry_run_tells_the_same_and_changes_nothing(write_segments, ask, reprice, sums):
    write_segments([old_call(1), old_call(2, at="2026-11-19 01:00:00")])
    before = sums()
    dry = reprice("--dry-run")
    assert sums() == before
    real = reprice()
    assert dry["dry_run"]
    assert dry["totals"] == real["totals"]
    assert dry["models"] == real["models"]
    assert real["totals"]["changed"] == 2


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (("--model", "gpt-5"), {2, 3}),
        (("--provider", "OpenAI"), {1, 2, 3}),
        (("--provider", "anthropic"), set()),
        (("--until", "2026-11-19"), {3}),
        (("--only-unpriced",), set()),
        (("--model", "gpt-5", "--until", "2026-11-19T00:00Z"), {3}),
    ],
)
def test_only_the_calls_that_are_asked_for_change(write_segments, ask, reprice, sums, arguments, changed):
    write_segments([old_call(1), old_call(2, model="gpt-5"), old_call(3, model="gpt-5", at="2026-11-18 10:00:00")])
    reprice(*arguments)
    rows = ask(COSTS)["answers"][0]
    assert {int(row["SpanId"], 16) for row in rows if row["cost"] != "0.5"} == changed
    sums()


def test_calls_have_the_price_of_their_day_and_tier(write_segments, ask, sums):
    days = ["2025-05-01 00:00:00", "2026-11-20 00:00:00"]
    tiers = {"batch": "batch", "": "standard"}
    calls = [(day, tier) for day in days for tier in tiers]
    write_segments(
        [call(number, "o3", at=day, openai__response__service_tier=tier) for number, (day, tier) in enumerate(calls)]
    )
    rows = ask(COSTS)["answers"][0]
    expected = [
        vigilo.price(
            "openai",
            "o3",
            {"input_tokens": 1000, "output_tokens": 500},
            service_tier=tiers[tier],
            at=datetime.fromisoformat(day).replace(tzinfo=timezone.utc),
        )
        for day, tier in calls
    ]
    assert [Decimal(row["cost"]) if row["Priced"] else None for row in rows] == expected
    assert len(set(expected)) > 1
    sums()


def test_what_is_not_sold_by_the_token_is_priced_too(write_segments, ask, sums):
    image = {
        "gen_ai__operation__name": "image_generation",
        "vigilo__usage__output_images": "2",
        "vigilo__cost__model": "dall-e-3/hd/1024x1792",
    }
    speech = {"gen_ai__operation__name": "speech", "vigilo__usage__input_characters": "1000"}
    write_segments(
        [call(1, "dall-e-3", 0, 0, **image), call(2, "tts-1", 0, 0, **speech), call(3, "tts-9", 0, 0, **speech)]
    )
    rows = ask(COSTS)["answers"][0]
    assert [Decimal(row["cost"]) if row["Priced"] else None for row in rows] == [
        vigilo.price("openai", "dall-e-3/hd/1024x1792", {"output_images": 2}),
        vigilo.price("openai", "tts-1", {"input_characters": 1000}),
        None,
    ]
    assert (sums()["priced"], sums()["changes"]) == (2, 2)


def test_costs_are_exact_to_the_nano_dollar(write_segments, ask, sums):
    chance = random.Random(4)
    models = {"gpt-4o-mini": "openai", "gpt-5": "openai", "claude-sonnet-4-20250514": "anthropic"}
    models["gemini-2.5-pro"] = "gcp.gemini"
    usages = []
    for _ in range(300):
        whole, out = chance.randrange(1, 400_000), chance.randrange(40_000)
        cached = chance.randrange(whole)
        usages.append((chance.choice(list(models)), whole, out, cached))
    write_segments(
        [
            call(
                number,
                model,
                whole,
                out,
                gen_ai__provider__name=models[model],
                gen_ai__usage__cache_read__input_tokens=str(cached),
                at=f"2026-11-{number % 3 + 18} {number % 24:02d}:00:00",
            )
            for number, (model, whole, out, cached) in enumerate(usages)
        ]
    )
    costs = [Decimal(row["cost"]) for row in ask(COSTS)["answers"][0]]
    moment = datetime(2026, 11, 18, tzinfo=timezone.utc)
    expected = [
        vigilo.price(
            models[model],
            model,
            {"input_tokens": whole, "output_tokens": out, "cache_read_tokens": cached},
            at=moment,
        )
        for model, whole, out, cached in usages
    ]
    assert costs == [cost.quantize(Decimal("1e-9")) for cost in expected]
    assert Decimal(sums()["calls_usd"]) == sum(costs)


def test_the_same_call_twice_is_priced_twice(write_segments, reprice, sums):
    write_segments([call(1)] * 3, [old_call(2)] * 2)
    reprice()
    assert sums()["calls_usd"] == "0.0375"
    assert sums()["changes"] == 5


@pytest.mark.parametrize(
    "moment", ["before the insert", "before the mutation", "amid the mutation", "before unlinking"]
)
def test_dying_at_the_worst_moment_is_made_good(home, write_segments, ask, python, sums, moment):
    write_segments([old_call(number, at=f"2026-11-{19 + number % 2} 10:00:00") for number in range(40)])
    ask("SELECT 1")
    died = python("-c", DIE, home, moment)
    assert died.returncode == 9, died.stderr
    assert len(list((home / "reprice").glob("*.jsonl"))) == 1
    half = sums()  # opening the store completes what was begun, and no more: one of two days
    assert (half["changes"], half["calls_usd"]) == (20, "10.15")
    assert list((home / "reprice").iterdir()) == []
    done = python("-c", REPRICE, home)
    assert done.returncode == 0, done.stderr
    assert (sums()["changes"], sums()["calls_usd"]) == (40, "0.3")


OLDER = """
import json, sys
from pathlib import Path
from vigilo_exporter.clickhouse import cost_journal
from vigilo_exporter.clickhouse.store import open_store
later = [place for place, (name, _) in enumerate(cost_journal.COLUMNS) if name in cost_journal._LATER]
with open_store(Path(sys.argv[1])) as store:
    class Journals(cost_journal.CostJournals):
        def _apply(self, path):
            rows = [json.loads(line)[: len(cost_journal.CHANGED_COLUMNS)] for line in path.open()]
            older = [[value for place, value in enumerate(row) if place not in later] for row in rows]
            path.with_suffix(".json").write_text("".join(json.dumps(row) + chr(10) for row in older))
            path.unlink()
    store._repricing._journals.__class__ = Journals
    from vigilo_exporter.clickhouse.repricing import ALL_UNPRICED, Selection
    store.reprice(Selection(ALL_UNPRICED.since, ALL_UNPRICED.until))
"""


def test_a_journal_of_an_older_version_is_finished(home, write_segments, ask, python):
    write_segments([old_call(1), old_call(2)])
    ask("SELECT 1")
    done = python("-c", OLDER, home)
    assert done.returncode == 0, done.stderr
    (journal,) = (home / "reprice").glob("*.json")
    assert len(json.loads(journal.read_text().splitlines()[0])) == 16
    changes, costs = ask("SELECT count() AS changes, any(Cause) AS cause FROM llm_cost_changes", COSTS)["answers"]
    assert changes == [{"changes": 2, "cause": "reprice"}]
    assert [row["cost"] for row in costs] == ["0.0075", "0.0075"]
    assert not list((home / "reprice").iterdir())


WRITTEN_OUT = """
import sys
from pathlib import Path
from vigilo_exporter.clickhouse.cost_journal import CostJournals
from vigilo_exporter.clickhouse.database import Layout
from vigilo_exporter.clickhouse.store import open_store

class InOnePlace(Layout):
    stored = lambda self, table: table
    on_cluster = ""

with open_store(Path(sys.argv[1])) as store:
    journals = store._repricing._journals
    journals._layout = InOnePlace("cluster")
    from vigilo_exporter.clickhouse.repricing import ALL_UNPRICED, Selection
    from vigilo_exporter.clickhouse import cost_journal
    cost_journal.CLUSTER_BATCH = 2
    store.reprice(Selection(ALL_UNPRICED.since, ALL_UNPRICED.until))
"""


def test_for_a_cluster_the_changes_are_in_the_statement(home, write_segments, ask, python, sums):
    write_segments([old_call(number, input_tokens=1000 + number) for number in range(5)])
    ask("SELECT 1")
    done = python("-c", WRITTEN_OUT, home)
    assert done.returncode == 0, done.stderr
    assert (sums()["calls_usd"], sums()["changes"]) == ("0.037525", 5)
    (batches,) = ask("SELECT uniqExact(Batch) AS batches FROM llm_cost_changes")["answers"]
    assert batches == [{"batches": 3}]


def test_killing_at_random_loses_and_doubles_nothing(home, write_segments, ask, python, sums):
    calls = 4000
    write_segments(
        [
            old_call(number, at=f"2026-11-{17 + number % 3} 10:00:00", input_tokens=1000 + number)
            for number in range(calls)
        ]
    )
    ask("SELECT 1")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(6):
        running = subprocess.Popen(
            [sys.executable, "-c", REPRICE, home], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        running.stdout.readline()
        time.sleep(random.uniform(0.2, 1.2))
        running.send_signal(signal.SIGKILL)
        running.communicate()
        sums()  # whatever was done by then, the hours are the calls
    done = python("-c", REPRICE, home)
    assert done.returncode == 0, done.stderr
    whole = sums()
    expected = sum(
        (vigilo.price("openai", "gpt-4o", {"input_tokens": 1000 + n, "output_tokens": 500}) for n in range(calls)),
        Decimal(0),
    )
    assert Decimal(whole["calls_usd"]) == expected
    assert whole["changes"] == calls
    assert list((home / "reprice").iterdir()) == []


def test_calls_that_were_taken_in_by_an_owner_that_died_are_priced_by_the_next(home, write_segments, sums, python):
    write_segments([call(1)])
    died = python("-c", DIE, home, "before the insert")
    assert died.returncode == 9, died.stderr
    row = sums()
    assert (row["priced"], row["calls_usd"], row["changes"]) == (1, "0.0075", 1)


def test_without_a_price_table_calls_are_still_reported(home, write_segments, python, ask):
    write_segments([call(1)])
    code = """
import sys
from vigilo_exporter.cli import main
sys.modules["genai_prices"] = None
sys.argv[1:] = ["report", "--since", "2026-11-01", "--format", "json"]
main()
"""
    # The failure of the import is told as any other inside vigilo, but for the tests' own wish to see it raised.
    done = python("-c", code, environ={"VIGILO_HOME": str(home), "VIGILO_RAISE_INTERNAL": ""})
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)["totals"]
    assert (totals["calls"], totals["unpriced_calls"]) == (1, 1)
    assert "calls that came without a cost are not priced: the price table cannot be loaded" in done.stderr
    assert [row["cost"] for row in ask(COSTS)["answers"][0]] == ["0.0075"]


def test_that_there_is_no_price_table_is_told_once(home, write_segments, python):
    write_segments([call(1)])
    code = """
import sys
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
sys.modules["genai_prices"] = None
with open_store(Path(sys.argv[1])) as store:
    store.price_arrivals()
    store.price_arrivals()
"""
    done = python("-c", code, home, environ={"VIGILO_RAISE_INTERNAL": ""})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("not priced") == 1


def test_text_names_each_model_and_what_became_of_its_calls(write_segments, vigilo_command):
    write_segments([old_call(1), call(2, "house-model")])
    done = vigilo_command("reprice", "--since", "2026-11-01")
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0].startswith("2 calls since ")
    assert "0 were priced, 1 were changed, 0 confirmed, 0 kept, 1 unpriced | cost $0.5000 -> $0.0075" in lines[0]
    assert "gpt-4o openai 1 0 1 0 0 0 $0.5000 $0.0075" in lines
    assert "house-model openai 1 0 0 0 0 1 $0.0000 $0.0000" in lines
    assert "No calls to price" in vigilo_command("reprice", "--since", "1s").stdout


def test_a_wrong_range_is_refused(vigilo_command):
    done = vigilo_command("reprice", "--since", "1d", "--until", "2d")
    assert done.returncode != 0
    assert "which is not before --until" in done.stderr
