"""Over any range, panels show what the calls themselves say, whether they read these or the rollups."""

from __future__ import annotations

import random

import pytest

from vigilo_exporter.panels.macros import ALL, Selection, expand
from vigilo_exporter.panels.overview import OVERVIEW

HOUR_S, DAY_S = 3600, 86_400
# What each panel should show, read from nothing but the calls.
RIGHT = {
    "Spend": "SELECT toFloat64(sum(CostUsd)) FROM llm_calls WHERE CHOSEN",
    "Calls": "SELECT count() FROM llm_calls WHERE CHOSEN",
    "Error ratio": "SELECT countIf(Status = 'Error') / nullIf(count(), 0) FROM llm_calls WHERE CHOSEN",
    "Tokens": "SELECT sum(InputTokens), sum(OutputTokens) FROM llm_calls WHERE CHOSEN",
    "Latency p95": "SELECT quantileExactOrNull(0.95)(DurationNs) / 1e9 FROM llm_calls WHERE CHOSEN",
    "Time to first chunk p95": """SELECT quantileExactOrNull(0.95)(TimeToFirstChunkNs) / 1e9
        FROM llm_calls WHERE CHOSEN AND TimeToFirstChunkNs > 0""",
    "Cost by model": "SELECT STEP AS time, Model, toFloat64(sum(CostUsd)) FROM llm_calls WHERE CHOSEN GROUP BY 1, 2",
    "Tokens per second by model": """SELECT STEP AS time, Model, sum(InputTokens) / SECONDS, sum(OutputTokens) / SECONDS
        FROM llm_calls WHERE CHOSEN GROUP BY 1, 2""",
    "Latency p95 by model": """SELECT STEP AS time, Model, quantileExact(0.95)(DurationNs) / 1e9
        FROM llm_calls WHERE CHOSEN GROUP BY 1, 2""",
    "Errors by type": """SELECT if(ErrorType = '', 'unknown', ErrorType), count()
        FROM llm_calls WHERE CHOSEN AND Status = 'Error' GROUP BY 1""",
    "Top users by cost": """SELECT if(UserId = '', '(not set)', UserId), count(), countIf(Status = 'Error'),
        sum(InputTokens + OutputTokens), toFloat64(sum(CostUsd)) AS cost
        FROM llm_calls WHERE CHOSEN GROUP BY 1 ORDER BY cost DESC, 1 LIMIT 20""",
    "Top conversations by cost": """SELECT ConversationId, max(Timestamp), count(), sum(InputTokens + OutputTokens),
        toFloat64(sum(CostUsd)) AS cost, dateDiff('second', min(Timestamp), max(Timestamp))
        FROM llm_calls WHERE CHOSEN AND ConversationId != '' GROUP BY 1 ORDER BY cost DESC, 1 LIMIT 20""",
    "Top sessions by cost": """SELECT SessionId, max(Timestamp), count(), sum(InputTokens + OutputTokens),
        toFloat64(sum(CostUsd)) AS cost, dateDiff('second', min(Timestamp), max(Timestamp))
        FROM llm_calls WHERE CHOSEN AND SessionId != '' GROUP BY 1 ORDER BY cost DESC, 1 LIMIT 20""",
    "Operations by cost": """SELECT if(AppOperation != '', AppOperation, Operation), count(), countIf(Status = 'Error'),
        sum(InputTokens + OutputTokens), toFloat64(sum(CostUsd)) FROM llm_calls WHERE CHOSEN GROUP BY 1""",
    "Latest calls": """SELECT Timestamp, ServiceName, if(AppOperation != '', AppOperation, Operation), Provider, Model,
        if(Status = 'Error', ErrorType, FinishReason), DurationNs / 1e9,
        if(TimeToFirstChunkNs > 0, TimeToFirstChunkNs / 1e9, NULL), InputTokens, OutputTokens, ResendCount,
        if(Priced, toFloat64(CostUsd), NULL), TraceId
        FROM llm_calls WHERE CHOSEN ORDER BY Timestamp DESC LIMIT 100""",
    "Spans": """SELECT Timestamp, ServiceName, SpanName, SpanKind, StatusCode, Duration / 1e9, TraceId
        FROM otel_traces WHERE OF_SERVICE ORDER BY Timestamp DESC LIMIT 200""",
    "Unpriced calls": """SELECT Provider, Model, count(), sum(InputTokens + OutputTokens), max(toStartOfHour(Timestamp))
        FROM llm_calls WHERE CHOSEN AND NOT Priced AND InputTokens + OutputTokens > 0 GROUP BY 1, 2""",
    "Price tables": """SELECT multiIf(CostSource = 'span', 'other instrumentors', CostSource = 'provider',
        'the provider itself', CostSource), if(CostSnapshot = '', '-', CostSnapshot), count(), toFloat64(sum(CostUsd)),
        max(toStartOfHour(Timestamp)) FROM llm_calls WHERE CHOSEN AND Priced GROUP BY 1, 2""",
}
IN_BUCKETS = ("Latency p95", "Time to first chunk p95", "Latency p95 by model")
SERVICES = ((ALL,), ("legacy",), ("shop", "O'Brien"))
MODELS = ((ALL,), (ALL,), ("gpt-4o",), ("claude-sonnet-4-5", "llama-at-home"))


def _selections(now_s: int) -> list[Selection]:
    """Ranges of minutes and of days, on borders of hours and days and beside them."""
    chance = random.Random(11)
    midnight = now_s // DAY_S * DAY_S
    ranges = [
        (midnight - 2 * DAY_S, midnight),
        (midnight - DAY_S, midnight - DAY_S + 5 * HOUR_S),
        (midnight - 2 * DAY_S + 1, midnight - 1),
        (now_s - 100 * HOUR_S, now_s + HOUR_S),
    ]
    for longest_s in (900, 2 * HOUR_S, DAY_S, DAY_S, 2 * DAY_S, 3 * DAY_S, 3 * DAY_S, 3 * DAY_S):
        from_s = now_s - chance.randrange(HOUR_S, 75 * HOUR_S)
        ranges.append((from_s, from_s + chance.randrange(60, longest_s)))
    return [
        Selection(
            from_s,
            to_s,
            chance.choice([60, 600, 7200]),
            {"service": chance.choice(SERVICES), "model": chance.choice(MODELS), "trace": ("",)},
        )
        for from_s, to_s in ranges
    ]


def _right(sql: str, selection: Selection) -> str:
    step_s = max(selection.interval_s, HOUR_S if selection.to_s - selection.from_s > DAY_S else 1)
    of_service = "$__timeFilter(Timestamp) AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)"
    of_model = "$__conditionalAll(Model IN (${model:singlequote}), $model)"
    sql = sql.replace("CHOSEN", f"OF_SERVICE AND {of_model}").replace("OF_SERVICE", of_service)
    sql = sql.replace("STEP", f"toStartOfInterval(toDateTime(Timestamp), INTERVAL {step_s} second)")
    return expand(sql.replace("SECONDS", str(step_s)), selection)


@pytest.fixture(scope="module")
def answers(captured_calls):
    """By panel: what it shows, and what is right, for each selection."""
    selections = _selections(captured_calls.to_s - HOUR_S)
    panels = {panel.title: panel.sql for panel in OVERVIEW.panels if panel.title in RIGHT}
    queries = []
    for title, sql in panels.items():
        for selection in selections:
            queries += [expand(sql, selection), _right(RIGHT[title], selection)]
    results = captured_calls.run(queries)
    assert [result["error"] for result in results if result["error"]] == []
    found = iter(results)
    return {
        title: [(selection, next(found)["rows"], next(found)["rows"]) for selection in selections] for title in panels
    }


def _close(shown: object, right: object, off: float) -> bool:
    number = isinstance(right, float) and isinstance(shown, float | int)
    return shown == pytest.approx(right, rel=off, abs=1e-9) if number else shown == right


@pytest.mark.parametrize("title", RIGHT)
def test_a_panel_shows_what_the_calls_say(answers, title):
    different = 0
    for selection, shown, right in answers[title]:
        off = 0.05 if title in IN_BUCKETS and selection.to_s - selection.from_s > DAY_S else 1e-9
        if "LIMIT" not in RIGHT[title]:
            shown, right = sorted(shown, key=str), sorted(right, key=str)
        if title == "Latency p95 by model":
            shown, right = sorted(shown, key=lambda row: row[:2]), sorted(right, key=lambda row: row[:2])
        assert len(shown) == len(right), selection
        for row, right_row in zip(shown, right, strict=True):
            assert all(map(_close, row, right_row, [off] * len(row))), (selection, row, right_row)
        different += shown != answers[title][0][1]
    assert different, "every range shows the same"


def test_every_panel_with_calls_is_compared():
    assert {panel.title for panel in OVERVIEW.panels} - set(RIGHT) <= {"Messages"}
