"""Calls that other instrumentors tell, as a Collector would hand them on: typed, and priced by the store."""

from __future__ import annotations

import pytest

CALLS = """SELECT Operation, Provider, RequestModel, InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens,
    ReasoningTokens, CostUsd, CostSource FROM llm_calls ORDER BY SpanId"""


def span(attributes, **columns):
    return {
        "Timestamp": "2026-11-20 10:00:00",
        "TraceId": "0af7651916cd43dd8448eb211c80319c",
        "SpanId": "b7ad6b7169203331",
        "ServiceName": "shop",
        "SpanAttributes": {name: str(value) for name, value in attributes.items()},
        "Duration": 1_000_000,
        **columns,
    }


TOLD = {
    "older conventions": (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 1000,
            "gen_ai.usage.completion_tokens": 500,
        },
        ("chat", "openai", "gpt-4o", 1000, 500, 0, 0, 0, "0.0075"),
    ),
    "OpenLLMetry": (
        {
            "llm.request.type": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 10_000,
            "gen_ai.usage.completion_tokens": 1000,
            "gen_ai.usage.cache_read_input_tokens": 8000,
        },
        ("chat", "openai", "gpt-4o", 10_000, 1000, 8000, 0, 0, "0.025"),
    ),
    "OpenInference": (
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.model_name": "gpt-5",
            "llm.token_count.prompt": 2000,
            "llm.token_count.completion": 1500,
            "llm.token_count.completion_details.reasoning": 1200,
        },
        ("chat", "openai", "gpt-5", 2000, 1500, 0, 0, 1200, "0.0175"),
    ),
    "OpenInference embeddings": (
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "text-embedding-3-small",
            "llm.token_count.prompt": 1_000_000,
        },
        ("embeddings", "openai", "text-embedding-3-small", 1_000_000, 0, 0, 0, 0, "0.02"),
    ),
    "Pydantic AI": (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-20250514",
            "gen_ai.usage.input_tokens": 12_100,
            "gen_ai.usage.output_tokens": 300,
            "gen_ai.usage.details.cache_read_tokens": 10_000,
            "gen_ai.usage.details.cache_write_tokens": 2000,
        },
        ("chat", "anthropic", "claude-sonnet-4-20250514", 12_100, 300, 10_000, 2000, 0, "0.0153"),
    ),
    "cached tokens beside the input": (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-20250514",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 300,
            "gen_ai.usage.cache_read_input_tokens": 10_000,
            "gen_ai.usage.cache_creation_input_tokens": 2000,
        },
        ("chat", "anthropic", "claude-sonnet-4-20250514", 12_100, 300, 10_000, 2000, 0, "0.0153"),
    ),
    "no provider, but a name that tells it": (
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 500,
        },
        ("chat", "openai", "gpt-4o-mini", 1000, 500, 0, 0, 0, "0.00045"),
    ),
}


@pytest.fixture(scope="module")
def told():
    """The spans above, each with an id that tells which it is."""
    return [span(attributes, SpanId=f"{number:016d}") for number, (attributes, _) in enumerate(TOLD.values())]


def test_calls_of_other_instrumentors_are_typed_and_priced(told, write_segments, ask):
    write_segments(told)
    rows = ask(CALLS)["answers"][0]
    assert {name: (*row.values(),) for name, row in zip(TOLD, rows, strict=True)} == {
        name: (*expected, "genai-prices") for name, (_, expected) in TOLD.items()
    }


def test_spans_of_agents_tools_and_chains_are_no_calls(write_segments, ask):
    used = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 500}
    others = [
        {"gen_ai.operation.name": "invoke_agent", **used},
        {"gen_ai.operation.name": "execute_tool", **used},
        {"gen_ai.operation.name": "create_agent", **used},
        {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 5},
        {"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 5},
        {"traceloop.span.kind": "workflow", "llm.request.type": "chat", **used},
        used,
    ]
    write_segments([span(attributes) for attributes in others])
    counts = ask("SELECT count() AS n FROM otel_traces", "SELECT count() AS n FROM llm_calls")["answers"]
    assert counts == [[{"n": len(others)}], [{"n": 0}]]


def test_each_span_of_vigilo_is_a_call(write_segments, ask):
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "gcp.gemini"}
    write_segments([span(agent, ScopeName="vigilo"), span({"gen_ai.operation.name": ""}, ScopeName="vigilo")])
    assert ask("SELECT Operation FROM llm_calls")["answers"] == [[{"Operation": "invoke_agent"}]]


def test_a_span_around_a_call_has_no_price_of_its_own(write_segments, ask):
    attributes, _ = TOLD["older conventions"]
    around = span(attributes, SpanId="00000000000000aa")
    inner = span(attributes, SpanId="00000000000000bb", ParentSpanId="00000000000000aa")
    write_segments([around, inner])
    rows = ask("SELECT SpanId, Priced FROM llm_calls ORDER BY SpanId")["answers"][0]
    assert [row["Priced"] for row in rows] == [False, True]


def test_a_cost_that_came_along_stays_and_says_so(write_segments, ask):
    attributes, _ = TOLD["older conventions"]
    write_segments(
        [
            span({**attributes, "gen_ai.usage.cost": "0.5"}, SpanId="1"),
            span({**attributes, "llm.cost.total": "0.25"}, SpanId="2"),
            span({**attributes, "operation.cost": "0.125"}, SpanId="3"),
            span({**attributes, "gen_ai.usage.cost": "2", "vigilo.cost.source": "provider"}, SpanId="4"),
        ]
    )
    rows = ask("SELECT CostUsd, CostSource FROM llm_calls ORDER BY SpanId")["answers"][0]
    assert [(*row.values(),) for row in rows] == [
        ("0.5", "span"),
        ("0.25", "span"),
        ("0.125", "span"),
        ("2", "provider"),
    ]


WHO = {
    "conventions": ({"user.id": "u", "session.id": "s", "gen_ai.conversation.id": "c"}, ("u", "s", "c")),
    "OpenLLMetry": (
        {
            "traceloop.association.properties.user_id": "u",
            "traceloop.association.properties.session_id": "s",
            "traceloop.association.properties.thread_id": "c",
        },
        ("u", "s", "c"),
    ),
    "Langfuse": ({"langfuse.user.id": "u", "langfuse.session.id": "s"}, ("u", "s", "")),
    "older conventions": ({"enduser.id": "u"}, ("u", "", "")),
}


def test_users_sessions_and_conversations_have_other_names_too(write_segments, ask):
    attributes, _ = TOLD["older conventions"]
    write_segments(
        [span({**attributes, **who}, SpanId=f"{number}") for number, (who, _) in enumerate(WHO.values())],
    )
    rows, sums = ask(
        "SELECT UserId, SessionId, ConversationId FROM llm_calls ORDER BY SpanId",
        "SELECT (SELECT sum(Calls) FROM llm_user_daily WHERE UserId = 'u') AS users, "
        "(SELECT sum(Calls) FROM llm_sessions) AS sessions, "
        "(SELECT sum(Calls) FROM llm_conversations) AS conversations",
    )["answers"]
    assert [(*row.values(),) for row in rows] == [expected for _, expected in WHO.values()]
    assert sums == [{"users": 4, "sessions": 3, "conversations": 2}]


INSERT_TWICE = """
import sys
from pathlib import Path
from vigilo_exporter.clickhouse.engine import Engine
from vigilo_exporter.clickhouse.migrate import migrate

spool = Path(sys.argv[1]) / "spool"
files = sorted(path for path in spool.iterdir() if path.name.endswith(".zst"))
names = {"Timestamp": "DateTime64(9)", "SpanAttributes": "Map(String, String)", "Duration": "UInt64"}
columns = tuple((name, names.get(name, "String")) for name in sys.argv[2:])
engine = Engine(Path(sys.argv[1]) / "db")
migrate(engine)
for _ in range(3):
    engine.insert("otel_traces", columns, files, "a token")
for path in files:
    path.unlink()
engine.close()
"""


def test_calls_of_ours_and_of_others_in_one_batch_count_once_however_often_it_is_sent(
    home, python, write_segments, ask
):
    attributes, _ = TOLD["older conventions"]
    ours = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "user.id": "u", "session.id": "s"}
    rows = [span(attributes, SpanId="1", ScopeName="openai"), span(ours, SpanId="2", ScopeName="vigilo")]
    write_segments(rows)
    done = python("-c", INSERT_TWICE, home, *rows[0])
    assert done.returncode == 0, done.stderr
    counts = """SELECT (SELECT count() FROM otel_traces) AS spans, (SELECT count() FROM llm_calls) AS calls,
        (SELECT sum(Calls) FROM llm_hourly) AS hourly, (SELECT sum(Calls) FROM llm_user_daily) AS daily,
        (SELECT sum(Calls) FROM llm_sessions) AS sessions"""
    assert ask(counts)["answers"] == [[{"spans": 2, "calls": 2, "hourly": 2, "daily": 2, "sessions": 1}]]
