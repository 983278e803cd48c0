"""Every panel, run by the real engine on calls that vigilo captured, gives what Grafana can draw and is right."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from vigilo_exporter.panels.macros import ALL, Selection, expand
from vigilo_exporter.panels.overview import OVERVIEW

SERVICES = {
    "all": (ALL,),
    "one": ("shop",),
    "many": ("shop", "O'Brien"),
    "none chosen": ("",),
    "with a quote": ("O'Brien",),
}
STEPS_S = (1, 60, 86_400)
MAY_BE_EMPTY = ("Instructions: every text is empty",)  # no call here has them apart from its messages
_TIME = re.compile(r"(Nullable\()?Date")
_NUMBER = re.compile(r"(LowCardinality\(|Nullable\()*(U?Int|Float)")
_TEXT = re.compile(r"(LowCardinality\(|Nullable\()*(String|FixedString|Enum|UUID|Bool)")


def frame_faults(kind: str, columns: list, rows: list) -> list[str]:
    """What keeps Grafana from drawing a result, or would draw nothing; after its plugin SDK's rules for data frames."""
    if not rows:
        return ["no rows"]
    times = [index for index, (_, type_) in enumerate(columns) if _TIME.match(type_)]
    numbers = [index for index, (_, type_) in enumerate(columns) if _NUMBER.match(type_)]
    texts = [index for index, (_, type_) in enumerate(columns) if _TEXT.match(type_)]
    odd = [columns[index] for index in set(range(len(columns))) - {*times, *numbers, *texts}]
    faults = [f"{name}: Grafana cannot show a {type_}" for name, type_ in odd]
    if not numbers:
        faults.append("no column with numbers")
    faults += [
        f"{columns[index][0]}: every value is zero or null" for index in numbers if not any(row[index] for row in rows)
    ]
    faults += [f"{columns[index][0]}: every text is empty" for index in texts if not any(row[index] for row in rows)]
    faults += [
        f"{columns[index][0]}: {row[index]}"
        for row in rows
        for index in numbers
        if isinstance(row[index], str) and re.fullmatch(r"[-+]?(nan|inf)", row[index])
    ]
    faults += [
        f"{columns[index][0]}: the year 1970" for index in times if any(row[index].startswith("1970") for row in rows)
    ]
    if kind == "timeseries":
        faults += _series_faults(columns, rows, times, texts)
    return faults


def _series_faults(columns: list, rows: list, times: list[int], texts: list[int]) -> list[str]:
    if not times:
        return ["no column with times"]
    time = times[0]
    points = [(row[time], *(row[index] for index in texts)) for row in rows]
    faults = ["times may be null"] if columns[time][1].startswith("Nullable") else []
    if any(earlier[0] > later[0] for earlier, later in pairwise(points)):
        faults.append("rows are not in the order of time")
    if len(set(points)) != len(points):
        faults.append("two values of one series at one time")
    return faults


def _selection(calls, *, service=(ALL,), model=(ALL,), trace=("",), step_s=60) -> Selection:
    return Selection(calls.from_s, calls.to_s, step_s, {"service": service, "model": model, "trace": trace})


@pytest.fixture(scope="module")
def results(captured_calls):
    """Results by (panel id, name of the selection), of one run of the engine."""
    selections = {name: _selection(captured_calls, service=chosen) for name, chosen in SERVICES.items()}
    selections |= {f"step {step_s} s": _selection(captured_calls, step_s=step_s) for step_s in STEPS_S}
    selections["two models"] = _selection(captured_calls, model=("gpt-4o-mini", "llama-at-home"))
    selections["days"] = replace(_selection(captured_calls, step_s=600), from_s=captured_calls.from_s - 4 * 86_400)
    selections["trace"] = _selection(captured_calls, trace=(captured_calls.services["shop"]["trace_id"],))
    keys = [(panel, name) for panel in OVERVIEW.panels for name in selections]
    results = captured_calls.run([expand(panel.sql, selections[name]) for panel, name in keys])
    return {(panel.id, name): result for (panel, name), result in zip(keys, results, strict=True)}


@pytest.mark.parametrize("panel", OVERVIEW.panels, ids=lambda panel: panel.title)
def test_grafana_can_draw_the_panel(panel, results):
    for (panel_id, selection), result in results.items():
        if panel_id == panel.id:
            assert result["error"] is None, f"{selection}: {result['error']}"
            if panel.title == "Messages" and selection != "trace":
                assert result["rows"] == []  # texts are read only of the trace that is named
                continue
            faults = frame_faults(panel.kind, result["columns"], result["rows"])
            assert [fault for fault in faults if fault not in MAY_BE_EMPTY] == [], selection


@pytest.mark.parametrize("panel", OVERVIEW.panels, ids=lambda panel: panel.title)
def test_columns_with_settings_are_there(panel, results):
    columns = [name for name, _ in results[panel.id, "all"]["columns"]]
    assert {column.name for column in panel.columns} <= set(columns)


@pytest.mark.parametrize(("selection", "services"), [("one", ["shop"]), ("with a quote", ["O'Brien"]), ("all", None)])
def test_totals_are_those_of_the_calls(results, captured_calls, selection, services):
    made = [calls for name, calls in captured_calls.services.items() if services is None or name in services]
    panel_ids = {panel.title: panel.id for panel in OVERVIEW.panels}

    def values(title):
        (row,) = results[panel_ids[title], selection]["rows"]
        return row

    assert values("Calls") == [sum(calls["calls"] for calls in made)]
    assert values("Tokens") == [sum(calls[kind] for calls in made) for kind in ("input_tokens", "output_tokens")]
    assert values("Error ratio") == [pytest.approx(made[0]["errors"] / made[0]["calls"])]


def test_spend_is_the_sum_over_models_and_users(results):
    panels = {panel.title: results[panel.id, "all"] for panel in OVERVIEW.panels}

    def total(title, column):
        index = [name for name, _ in panels[title]["columns"]].index(column)
        return sum(row[index] or 0 for row in panels[title]["rows"])

    spend = pytest.approx(total("Spend", "cost"))
    assert total("Cost by model", "cost") == spend
    assert total("Top users by cost", "Cost") == spend
    assert total("Latest calls", "Cost") == spend


def test_the_table_of_spans_shows_one_trace_when_asked(results, captured_calls):
    spans = next(panel.id for panel in OVERVIEW.panels if panel.title == "Spans")
    names = [name for name, _ in results[spans, "trace"]["columns"]]
    shown = {row[names.index("Trace")] for row in results[spans, "trace"]["rows"]}

    assert shown == {captured_calls.services["shop"]["trace_id"]}
    assert {row[names.index("Span")] for row in results[spans, "trace"]["rows"]} > {"GET /ask"}


def test_the_messages_are_those_of_the_trace(results):
    (messages,) = (panel.id for panel in OVERVIEW.panels if panel.title == "Messages")
    names = [name for name, _ in results[messages, "trace"]["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in results[messages, "trace"]["rows"]]

    assert len(rows) == 2
    assert all("Eiffel Tower" in row["Input"] and "330 m" in row["Output"] for row in rows)


def test_an_empty_range_is_no_error_and_no_nonsense(captured_calls):
    nobody = Selection(0, 3600, 60, {"service": (ALL,), "model": (ALL,), "trace": ("",)})
    results = captured_calls.run([expand(panel.sql, nobody) for panel in OVERVIEW.panels])

    for panel, result in zip(OVERVIEW.panels, results, strict=True):
        assert result["error"] is None, panel.title
        assert not re.search(r"\b(nan|inf)\b", str(result["rows"])), panel.title


def test_variables_offer_what_the_calls_had(captured_calls):
    sql = {variable.name: variable.sql for variable in OVERVIEW.variables if variable.sql}
    services, models = captured_calls.run([expand(text, _selection(captured_calls)) for text in sql.values()])

    assert list(sql) == ["service", "model"]
    assert services["rows"] == [["O'Brien"], ["shop"]]
    assert ["gpt-4o-mini"] in models["rows"]


WRONG = {
    "unknown column": ("stat", "SELECT sum(Cost) AS cost FROM llm_calls", "error"),
    "unknown attribute": (
        "stat",
        "SELECT sum(toFloat64OrZero(SpanAttributes['gen_ai.usage.costs'])) AS cost FROM otel_traces",
        "every value is zero",
    ),
    "text for a number": ("stat", "SELECT toString(count()) AS calls FROM llm_calls", "no column with numbers"),
    "division by zero": ("stat", "SELECT sum(DurationNs) / (count() - count()) AS mean FROM llm_calls", "inf"),
    "mean of nothing": ("stat", "SELECT avgIf(DurationNs, Status = 'none') AS mean FROM llm_calls", "nan"),
    "decimal": ("stat", "SELECT sum(CostUsd) AS cost FROM llm_calls", "cannot show a Decimal"),
    "map": ("table", "SELECT SpanAttributes, Duration FROM otel_traces", "cannot show a Map"),
    "nothing matches": ("table", "SELECT * FROM llm_calls WHERE ServiceName = 'shops'", "no rows"),
    "no time": ("timeseries", "SELECT RequestModel, count() AS n FROM llm_calls GROUP BY 1", "no column with times"),
    "wrong order": (
        "timeseries",
        "SELECT $__timeInterval(Timestamp) AS time, count() AS n FROM llm_calls GROUP BY time ORDER BY time DESC",
        "not in the order of time",
    ),
    "series without label": (
        "timeseries",
        "SELECT $__timeInterval(Timestamp) AS time, count() AS n FROM llm_calls GROUP BY time, SpanId ORDER BY time",
        "two values of one series",
    ),
    "nullable time": (
        "timeseries",
        "SELECT toNullable($__timeInterval(Timestamp)) AS time, count() AS n FROM llm_calls GROUP BY 1 ORDER BY 1",
        "times may be null",
    ),
    "lost time": ("timeseries", "SELECT toDateTime(0) AS time, count() AS n FROM llm_calls", "the year 1970"),
    "empty label": (
        "timeseries",
        "SELECT $__timeInterval(Timestamp) AS time, TraceState, count() AS n FROM otel_traces GROUP BY 1, 2 ORDER BY 1",
        "every text is empty",
    ),
}


@pytest.fixture(scope="module")
def wrong_results(captured_calls):
    texts = [expand(sql, _selection(captured_calls, step_s=1)) for _, sql, _ in WRONG.values()]
    return dict(zip(WRONG, captured_calls.run(texts), strict=True))


@pytest.mark.parametrize("mutant", WRONG)
def test_a_wrong_query_does_not_pass(mutant, wrong_results):
    kind, _, expected = WRONG[mutant]
    result = wrong_results[mutant]
    if expected == "error":
        assert result["error"]
    else:
        assert result["error"] is None
        assert any(expected in fault for fault in frame_faults(kind, result["columns"], result["rows"]))
