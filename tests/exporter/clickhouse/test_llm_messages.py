"""The text of calls goes into a table of its own, whoever told it and wherever."""

from __future__ import annotations

import json

import pytest

MESSAGES = "SELECT * EXCEPT (Timestamp, TraceId) FROM llm_messages ORDER BY SpanId, Timestamp"
ASKED = '[{"role":"user","parts":[{"type":"text","content":"How warm is it?"}]}]'
ANSWERED = '[{"role":"assistant","parts":[{"type":"text","content":"Warm."}],"finish_reason":"stop"}]'
RULES = '[{"type":"text","content":"Be brief."}]'
CONTENT = {
    "gen_ai.system_instructions": RULES,
    "gen_ai.input.messages": ASKED,
    "gen_ai.output.messages": ANSWERED,
}


def test_the_text_of_a_span_is_apart_from_its_numbers(write_segments, ask, llm_span):
    who = {"user.id": "u1", "session.id": "s1", "gen_ai.conversation.id": "c1"}
    write_segments([llm_span({**CONTENT, **who}, ScopeName="vigilo"), llm_span(SpanId="1", ScopeName="vigilo")])
    assert ask(MESSAGES)["answers"][0] == [
        {
            "SpanId": "b7ad6b7169203331",
            "ServiceName": "shop",
            "Source": "span",
            "Operation": "chat",
            "Provider": "openai",
            "Model": "gpt-5",
            "UserId": "u1",
            "SessionId": "s1",
            "ConversationId": "c1",
            "SystemInstructions": RULES,
            "InputMessages": ASKED,
            "OutputMessages": ANSWERED,
        }
    ]


OTHERS = {
    "OpenLLMetry": (
        {
            "llm.request.type": "chat",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": 'Say "hi"',
            "gen_ai.completion.0.content": "hi",
            "traceloop.association.properties.user_id": "u2",
        },
        {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": 'Say "hi"'},
        {"gen_ai.completion.0.content": "hi"},
        "u2",
    ),
    "OpenInference": (
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.content": "hello",
            "llm.output_messages.0.message.content": "well?",
            "input.value": '{"messages": []}',
            "output.value": "{}",
            "user.id": "u3",
        },
        {"llm.input_messages.0.message.content": "hello"},
        {"llm.output_messages.0.message.content": "well?"},
        "u3",
    ),
    "OpenInference without messages": (
        {"openinference.span.kind": "LLM", "input.value": '"in"', "output.value": '"out"', "enduser.id": "u4"},
        "in",
        "out",
        "u4",
    ),
    "Langfuse": (
        {
            "gen_ai.operation.name": "chat",
            "langfuse.observation.input": '["in"]',
            "langfuse.observation.output": '["out"]',
            "langfuse.user.id": "u5",
        },
        ["in"],
        ["out"],
        "u5",
    ),
}


@pytest.fixture
def others():
    return [
        {"Timestamp": "2026-11-20 10:00:00", "SpanId": f"{number:016d}", "SpanAttributes": attributes}
        for number, (attributes, *_) in enumerate(OTHERS.values())
    ]


def test_the_text_of_other_instrumentors_is_kept_as_json(others, write_segments, ask):
    write_segments(others)
    rows = ask(MESSAGES)["answers"][0]
    told = {
        name: (json.loads(row["InputMessages"]), json.loads(row["OutputMessages"]), row["UserId"])
        for name, row in zip(OTHERS, rows, strict=True)
    }
    assert told == {name: tuple(expected) for name, (_, *expected) in OTHERS.items()}


def test_the_text_of_agents_and_of_what_lies_around_a_call_is_not_doubled(write_segments, ask, llm_span):
    write_segments(
        [
            llm_span(CONTENT),
            llm_span({**CONTENT, "vigilo.call.around": "true"}, SpanId="1"),
            llm_span({**CONTENT, "gen_ai.operation.name": "invoke_agent"}, SpanId="2"),
            llm_span(SpanAttributes={"openinference.span.kind": "AGENT", "input.value": "x"}, SpanId="3"),
        ]
    )
    assert [row["SpanId"] for row in ask(MESSAGES)["answers"][0]] == ["b7ad6b7169203331"]


def test_events_of_a_span_are_the_text_where_the_conventions_of_before_had_it(home, python, write_segments, ask):
    # Written by the engine itself: the columns of events are arrays.
    ask("SELECT 1")
    insert = """INSERT INTO otel_traces
        (Timestamp, SpanId, SpanAttributes, Events.Timestamp, Events.Name, Events.Attributes)
        SELECT '2026-11-20 10:00:00', '1', map('gen_ai.operation.name', 'chat'), [now64(9), now64(9)],
        ['gen_ai.content.prompt', 'gen_ai.content.completion'],
        [map('gen_ai.prompt', 'hello'), map('gen_ai.completion', 'hi')]"""
    code = (
        "import sys; from pathlib import Path; from vigilo_exporter.clickhouse.engine import Engine\n"
        "engine = Engine(Path(sys.argv[1]) / 'db'); engine.execute(sys.argv[2]); engine.close()"
    )
    done = python("-c", code, home, insert)
    assert done.returncode == 0, done.stderr
    row = ask(MESSAGES)["answers"][0][0]
    assert json.loads(row["InputMessages"]) == [{"gen_ai.prompt": "hello"}]
    assert json.loads(row["OutputMessages"]) == [{"gen_ai.completion": "hi"}]


def test_the_text_of_events_is_kept(home, python, ask):
    ask("SELECT 1")
    names = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5"}
    events = [
        ("1", "gen_ai.client.inference.operation.details", "", {**names, **CONTENT}),
        ("2", "gen_ai.client.inference.operation.details", "", names),  # without text
        ("3", "gen_ai.user.message", '{"content":"hello"}', {"gen_ai.system": "openai"}),
        ("4", "", '{"message":{"content":"hi"}}', {"gen_ai.system": "openai", "event.name": "gen_ai.choice"}),
        ("5", "app.event", "hello", {}),
    ]
    code = (
        "import json, sys; from pathlib import Path; from vigilo_exporter.clickhouse.engine import Engine, quoted\n"
        "engine = Engine(Path(sys.argv[1]) / 'db')\n"
        "for span, name, body, attributes in json.load(sys.stdin):\n"
        "    words = ', '.join(f'{quoted(a)}, {quoted(b)}' for a, b in attributes.items())\n"
        "    engine.execute('INSERT INTO otel_logs (Timestamp, SpanId, EventName, Body, LogAttributes) SELECT '\n"
        "        f'now64(9), {quoted(span)}, {quoted(name)}, {quoted(body)}, '\n"
        "        f\"CAST(map({words}), 'Map(LowCardinality(String), String)')\")\n"
        "engine.close()"
    )
    done = python("-c", code, home, stdin=json.dumps(events))
    assert done.returncode == 0, done.stderr
    rows = ask(MESSAGES)["answers"][0]
    assert [(row["SpanId"], row["Source"], row["Provider"]) for row in rows] == [
        ("1", "event", "openai"),
        ("3", "event", "openai"),
        ("4", "event", "openai"),
    ]
    assert [(row["SystemInstructions"], row["InputMessages"], row["OutputMessages"]) for row in rows] == [
        (RULES, ASKED, ANSWERED),
        ("", '{"content":"hello"}', ""),
        ("", "", '{"message":{"content":"hi"}}'),
    ]


def test_no_text_refuses_a_batch(write_segments, ask, llm_span):
    odd = ["", "{", "\x00\x01", "\ud83d\ude00", "x" * 100_000, "[1, {]"]
    write_segments([llm_span({"gen_ai.input.messages": text, "gen_ai.prompt.0": text}, SpanId=f"{n}")
                    for n, text in enumerate(odd)])  # fmt: skip
    counts = ask("SELECT count() AS n FROM otel_traces", "SELECT count() AS n FROM llm_messages")["answers"]
    assert counts == [[{"n": len(odd)}], [{"n": len(odd)}]]
