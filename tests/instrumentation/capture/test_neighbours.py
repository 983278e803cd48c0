"""Calls that are left alone, as far as that needs no other package; with them: tests/neighbours."""

import anthropic
import openai
import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation

from vigilo.capture import gate
from vigilo.capture.neighbours import NEIGHBOURS, left_out

ASKED = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "gpt-4o-mini", "messages": ASKED}
DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


class RefusedError(Exception):
    pass


def test_nothing_is_told_where_instrumentation_is_switched_off(instrumented, server):
    with openai.OpenAI() as client, suppress_instrumentation():
        answer = client.chat.completions.create(**CHAT)
        streamed = list(client.chat.completions.create(**CHAT, stream=True))
        client.chat.completions.with_raw_response.create(**CHAT)
    assert answer.choices[0].message.content
    assert instrumented.spans() == []
    assert instrumented.points() == {}
    assert instrumented.logs() == []
    # The request is the app's own: no tokens are asked for that nobody here would hide again.
    assert "stream_options" not in server.requests[1].body
    assert all(chunk.usage is None for chunk in streamed)


async def test_nothing_is_told_of_async_calls_either(instrumented, server):
    with suppress_instrumentation():
        async with openai.AsyncOpenAI() as client:
            async for _ in await client.chat.completions.create(**CHAT, stream=True):
                pass
    assert instrumented.spans() == []
    assert len(server.requests) == 1


def test_openinferences_switch_is_heeded(instrumented, server):
    """``suppress_tracing`` sets OpenTelemetry's own key alone."""
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        with openai.OpenAI() as client:
            client.chat.completions.create(**CHAT)
    finally:
        detach(token)
    assert instrumented.spans() == []


def test_an_sdk_tells_nothing_of_its_own_of_a_call_that_is_left_alone(instrumented, server):
    options = {"tracer_provider": instrumented.tracer_provider, "traces": {"enabled": True}}
    with anthropic.Anthropic(open_telemetry=options) as client, suppress_instrumentation():
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=ASKED)
    assert instrumented.spans() == []


def test_the_gate_refuses_calls_that_are_left_alone(instrumented, server):
    def refuse(request):
        raise RefusedError(request.model)

    gate.add_guard(refuse)
    try:
        with openai.OpenAI() as client, suppress_instrumentation(), pytest.raises(RefusedError, match="gpt-4o-mini"):
            client.chat.completions.create(**CHAT)
    finally:
        gate.remove_guard(refuse)
    assert server.requests == []
    assert instrumented.spans() == []


def test_the_next_call_is_told_again(instrumented, server):
    with openai.OpenAI() as client:
        with suppress_instrumentation():
            client.chat.completions.create(**CHAT)
        client.chat.completions.create(**CHAT)
    assert instrumented.span().name == "chat gpt-4o-mini"


@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=lambda neighbour: neighbour.module)
def test_the_distro_leaves_out_instrumentors_of_the_same_sdk(neighbour):
    assert left_out(neighbour.module) is neighbour
    assert left_out(f"{neighbour.module}.instrumentor") is neighbour


@pytest.mark.parametrize(
    "module",
    [
        "vigilo.instrumentors",
        "opentelemetry.instrumentation.openai_agents",
        "opentelemetry.instrumentation.langchain",
        "openinference.instrumentation.openai_agents",
        "opentelemetry.instrumentation.httpx",
    ],
)
def test_the_distro_loads_every_other_instrumentor(module):
    assert left_out(module) is None


def test_ours_is_left_out_where_the_user_disabled_it(monkeypatch):
    monkeypatch.setenv(DISABLED, "flask, vigilo_openai")
    assert left_out("opentelemetry.instrumentation.openai") is None
    assert left_out("opentelemetry.instrumentation.anthropic") is not None
