"""Calls that other instrumentors record get a price; sums of calls do not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from opentelemetry.trace import set_span_in_context

import vigilo
from vigilo.policy import pricing
from vigilo.policy.export.foreign_calls import usage_of

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 500,
}
OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.prompt_tokens": 1000,
    "gen_ai.usage.completion_tokens": 500,
    "llm.usage.total_tokens": 1500,
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.system": "openai",
    "llm.model_name": "gpt-4o-2024-08-06",
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 500,
}


def price(*model, **usage):
    return float(vigilo.price(*model, usage))


@pytest.fixture(autouse=True)
def _table():
    assert price("openai", "gpt-4o", input_tokens=1000, output_tokens=500) == 0.0075


@pytest.mark.parametrize(
    "span", [CHAT, OPENLLMETRY, OPENINFERENCE], ids=["conventions", "openllmetry", "openinference"]
)
def test_a_call_gets_its_price_and_where_it_is_from(attributes_of, span):
    shown = attributes_of(span)
    assert shown["gen_ai.usage.cost"] == 0.0075
    assert shown["vigilo.cost.source"] == "genai-prices"
    assert shown["vigilo.cost.snapshot"]
    assert {name: value for name, value in shown.items() if name in span} == span


def test_an_unknown_model_is_unpriced_never_free_and_warned_of(attributes_of, monkeypatch, caplog):
    monkeypatch.setattr(pricing, "_warned", set())
    shown = attributes_of({**CHAT, "gen_ai.request.model": "none-such", "gen_ai.response.model": "none-such-1"})
    assert shown["vigilo.cost.unpriced"] is True
    assert "gen_ai.usage.cost" not in shown
    assert ["none-such-1" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(("model", "cost"), [("gpt-4o", 0.0075), ("none-such", 0.0)])
def test_a_cost_of_nothing_is_none_where_a_price_is_known(attributes_of, model, cost):
    shown = attributes_of({**OPENLLMETRY, "gen_ai.request.model": model, "gen_ai.usage.cost": 0.0})
    assert shown["gen_ai.usage.cost"] == cost
    assert "vigilo.cost.unpriced" not in shown


def test_the_model_that_was_asked_stands_in_for_one_without_a_price(attributes_of):
    assert attributes_of({**CHAT, "gen_ai.response.model": "none-such"})["gen_ai.usage.cost"] == 0.0075


def test_a_span_that_names_no_provider_is_priced_by_its_model(attributes_of):
    span = {name: value for name, value in OPENINFERENCE.items() if name != "llm.system"}
    assert attributes_of(span)["gen_ai.usage.cost"] == 0.0075


@pytest.mark.parametrize(
    "change",
    [
        {"gen_ai.operation.name": "invoke_agent"},
        {"gen_ai.operation.name": "execute_tool"},
        {"gen_ai.operation.name": "invoke_workflow"},
        {"gen_ai.usage.cost": 0.5},
        {"llm.cost.total": 0.5},
        {"operation.cost": 0.5},
    ],
)
def test_sums_and_what_has_a_price_are_left_alone(attributes_of, change):
    span = {**CHAT, **change}
    assert attributes_of(span) == span


@pytest.mark.parametrize(
    "span",
    [
        {**OPENINFERENCE, "openinference.span.kind": "CHAIN"},
        {**OPENINFERENCE, "openinference.span.kind": "AGENT"},
        {**OPENLLMETRY, "llm.request.type": "rerank"},
        {**OPENLLMETRY, "traceloop.span.kind": "workflow"},
        {name: value for name, value in CHAT.items() if name != "gen_ai.operation.name"},
        {name: value for name, value in CHAT.items() if "tokens" not in name},
    ],
)
def test_what_is_no_call_has_no_price(attributes_of, span):
    assert attributes_of(span) == span


def test_vigilos_own_calls_are_priced_by_vigilo_alone(attributes_of):
    assert attributes_of(CHAT, scope="vigilo") == CHAT


def test_of_calls_within_each_other_only_the_innermost_is_priced(provider, written):
    tracer, own = provider.get_tracer("framework"), provider.get_tracer("vigilo")
    outermost = tracer.start_span("chain", attributes=CHAT)
    outer = tracer.start_span("llm", set_span_in_context(outermost), attributes=CHAT)
    between = tracer.start_span("http", set_span_in_context(outer))
    inner = own.start_span("chat", set_span_in_context(between), attributes={**CHAT, "gen_ai.usage.cost": 0.0075})
    for span in (inner, between, outer, outermost):
        span.end()
    alone = tracer.start_span("another", attributes=CHAT)
    alone.end()
    priced = [span["name"] for span in written.spans if "gen_ai.usage.cost" in span["attributes"]]
    assert priced == ["chat", "another"]
    around = [span["name"] for span in written.spans if span["attributes"].get("vigilo.call.around")]
    assert around == ["llm", "chain"]
    assert not any("vigilo.cost.unpriced" in span["attributes"] for span in written.spans)


ANTHROPIC = {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-4-20250514"}


def test_cached_tokens_are_part_of_the_input(attributes_of):
    """12,100 in all, of which 10,000 read and 2,000 written; with either meaning of the input."""
    cached = {"gen_ai.usage.cache_read.input_tokens": 10_000, "gen_ai.usage.cache_creation.input_tokens": 2_000}
    older = {"gen_ai.usage.cache_read_input_tokens": 10_000, "gen_ai.usage.cache_creation_input_tokens": 2_000}
    inference = {
        "llm.token_count.prompt_details.cache_read": 10_000,
        "llm.token_count.prompt_details.cache_write": 2_000,
    }
    costs = {
        attributes_of({**CHAT, **ANTHROPIC, "gen_ai.response.model": "", **more, "gen_ai.usage.input_tokens": whole})[
            "gen_ai.usage.cost"
        ]
        for whole in (12_100, 100)
        for more in (cached, older, inference)
    }
    whole = price(
        "anthropic",
        "claude-sonnet-4-20250514",
        input_tokens=12_100,
        output_tokens=500,
        cache_read_tokens=10_000,
        cache_write_tokens=2_000,
    )
    assert costs == {whole}


def test_bedrocks_instrumentor_leaves_cached_tokens_out():
    told = {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.cache_read.input_tokens": 1000}
    assert usage_of(told, "opentelemetry.instrumentation.bedrock").input_tokens == 2200
    assert usage_of(told, "opentelemetry.instrumentation.anthropic").input_tokens == 1200


def test_the_price_is_that_of_the_day_of_the_call(provider, written):
    from datetime import datetime, timezone

    day = datetime(2024, 8, 1, tzinfo=timezone.utc)
    began_ns = int(day.timestamp() * 1e9)
    span = {**CHAT, "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-3-haiku-20240307"}
    span["gen_ai.response.model"] = "claude-3-haiku-20240307"
    provider.get_tracer("another").start_span("chat", attributes=span, start_time=began_ns).end(began_ns + 1)
    usage = {"input_tokens": 1000, "output_tokens": 500}
    expected = vigilo.price("anthropic", "claude-3-haiku-20240307", usage, at=day)
    assert Decimal(str(written.spans[-1]["attributes"]["gen_ai.usage.cost"])) == expected


def test_the_service_tier_counts(attributes_of):
    shown = attributes_of({**CHAT, "gen_ai.openai.response.service_tier": "batch"})
    usage = {"input_tokens": 1000, "output_tokens": 500}
    assert shown["gen_ai.usage.cost"] == float(vigilo.price("openai", "gpt-4o", usage, service_tier="batch")) < 0.0075


def test_without_masking_calls_are_priced_all_the_same(attributes_of, set_up):
    set_up(VIGILO_MASK_OTHER_TELEMETRY="false")
    assert attributes_of(CHAT)["gen_ai.usage.cost"] == 0.0075


@pytest.mark.parametrize("tokens", [-1, "many", True, None, 2.0])
def test_odd_counts_do_no_harm(attributes_of, tokens):
    shown = attributes_of({**CHAT, "gen_ai.usage.input_tokens": tokens, "gen_ai.usage.output_tokens": 500})
    assert "gen_ai.usage.cost" in shown
