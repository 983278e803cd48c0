"""A report read from the rollups is the one read from the calls, over any span of time."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone

import pytest

SINCE = datetime(2026, 11, 2, 12, tzinfo=timezone.utc)
DAYS = 4
CALLS = 3_000
LATENCIES = ("latency_p50_ms", "latency_p95_ms", "time_to_first_chunk_p50_ms")
DIMENSIONS = ("model", "user", "conversation", "operation", "session", "service")

BUILD = """
import json, sys
from datetime import datetime
from pathlib import Path
from vigilo_exporter.cli.report_formats import as_json
from vigilo_exporter.report import build_report
from vigilo_exporter.clickhouse.store import open_store

home, spans, by = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
with open_store(home) as store:
    for since, until in spans:
        since, until = datetime.fromisoformat(since), datetime.fromisoformat(until)
        for options in ({"exact_calls": 10**9}, {"exact_calls": -1}, {"exact_calls": -1, "limit": 5}):
            report = build_report(store, since, until, by, **options)
            print(json.dumps([json.loads(as_json(report)), report.groups]))
"""


def _row(chance: random.Random, number: int) -> dict[str, object]:
    began = SINCE + timedelta(seconds=chance.uniform(0, DAYS * 86_400))
    if number % 50 == 0:  # on the border of hours, or of days
        began = began.replace(minute=0, second=0, microsecond=0)
    attributes = {
        "gen_ai.operation.name": chance.choice(["chat", "embeddings"]),
        "vigilo.operation": chance.choice(["", "", "summary"]),
        "gen_ai.provider.name": chance.choice(["openai", "azure.ai.openai"]),
        "gen_ai.request.model": chance.choice(["gpt-5", "gpt-5", "house-model", ""]),
        "gen_ai.response.model": "gpt-5-2026",
        "user.id": chance.choice(["", "ada", "bob\t'\\", *map(str, range(20))]),
        "gen_ai.conversation.id": chance.choice(["", *map(str, range(40))]),
        "session.id": chance.choice(["", *map(str, range(40))]),
        "gen_ai.usage.input_tokens": str(chance.randrange(3_000)),
        "gen_ai.usage.output_tokens": str(chance.randrange(500)),
        "gen_ai.usage.cache_read.input_tokens": str(chance.randrange(50)),
        "gen_ai.usage.cache_creation.input_tokens": str(chance.randrange(50)),
        "gen_ai.usage.reasoning.output_tokens": str(chance.randrange(50)),
        "http.request.resend_count": str(chance.choice([0, 0, 0, 2])),
        "gen_ai.usage.cost": chance.choice(["", f"{chance.random():.9f}", "0"]),
        "vigilo.cost.source": chance.choice(["genai-prices", "provider"]),
        "vigilo.cost.snapshot": chance.choice(["1 (2026-11-01)", "2 (2026-11-02)"]),
    }
    if chance.random() < 0.3:
        attributes["gen_ai.response.time_to_first_chunk"] = f"{chance.lognormvariate(-1, 1):.6f}"
    failed = chance.random() < 0.1
    if failed:
        attributes = {name: value for name, value in attributes.items() if "usage" not in name}
    return {
        "Timestamp": began.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "TraceId": f"{number:032x}",
        "SpanId": f"{number:016x}",
        "ServiceName": chance.choice(["shop", "search"]),
        "SpanAttributes": attributes,
        "Duration": int(chance.lognormvariate(20, 1.5)),
        "StatusCode": "Error" if failed else "Unset",
    }


def _spans(chance: random.Random) -> list[tuple[datetime, datetime]]:
    """Random ones, short and long, and some that begin and end on borders."""
    day, hour = datetime(2026, 11, 4, tzinfo=timezone.utc), timedelta(hours=1)
    spans = [
        (day, day + 24 * hour),
        (day + hour, day + 2 * hour),
        (day + hour / 2, day + hour * 0.75),
        (day - hour / 2, day + hour / 2),
        (day - 20 * hour, day + 20 * hour),
        (SINCE - 1000 * hour, SINCE + 1000 * hour),
        (SINCE - 48 * hour, SINCE - 24 * hour),
    ]
    for longest_s in (600, 7_200, 86_400, 86_400, DAYS * 86_400, DAYS * 86_400):
        since = SINCE + timedelta(seconds=chance.uniform(-3_600, DAYS * 86_400))
        spans.append((since, since + timedelta(seconds=chance.uniform(1, longest_s))))
    return spans


def _without_latencies(tree):
    if isinstance(tree, dict):
        return {name: _without_latencies(value) for name, value in tree.items() if name not in LATENCIES}
    return [_without_latencies(value) for value in tree] if isinstance(tree, list) else tree


def _latencies(report: dict) -> list[float | None]:
    rows = [report["totals"], *(row for rows in report["by"].values() for row in rows)]
    return [row[name] for row in rows for name in LATENCIES]


@pytest.mark.parametrize("seed", [1, 2])
def test_both_roads_lead_to_one_report(seed, write_segments, python, home):
    chance = random.Random(seed)
    rows = [_row(chance, number) for number in range(CALLS)]
    # In pieces, so that the rollups are not of one part each.
    write_segments(*(rows[begin : begin + 1_000] for begin in range(0, CALLS, 1_000)))
    spans = _spans(chance)
    texts = json.dumps([(since.isoformat(), until.isoformat()) for since, until in spans])
    done = python("-c", BUILD, home, texts, json.dumps(DIMENSIONS), environ={"VIGILO_HOME": str(home)})
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    counted = 0
    for (since, until), exact, rollup, short in zip(spans, answers[::3], answers[1::3], answers[2::3], strict=True):
        (by_calls, groups), (by_buckets, groups_too), (first_rows, groups_of_short) = exact, rollup, short
        assert (by_calls.pop("latency_from"), by_buckets.pop("latency_from")) == ("calls", "buckets")
        assert _without_latencies(by_buckets) == _without_latencies(by_calls), (since, until)
        for found, right in zip(_latencies(by_buckets), _latencies(by_calls), strict=True):
            close = found is None if right is None else found == pytest.approx(right, rel=0.0906, abs=0.001)
            assert close, (since, until)
        assert groups == groups_too == groups_of_short
        assert first_rows["by"] == {name: rows[:5] for name, rows in by_buckets["by"].items()}
        counted += by_calls["totals"]["calls"]
    assert counted > 2 * CALLS
