"""A call that a quota or the pacing refuses: the app gets it as it was raised, and telemetry tells who refused it."""

from __future__ import annotations

import anthropic
import openai
import pytest
from google import genai

import vigilo
from vigilo.capture import gate
from vigilo.errors import QuotaExceeded, RateLimited
from vigilo.policy import guard

SECRET = "my card is 4111 1111 1111 1111"
ASKED = [{"role": "user", "content": SECRET}]
CHAT = {"model": "gpt-4o-mini", "messages": ASKED}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": ASKED}
GENERATE = {"model": "gemini-2.5-flash", "contents": SECRET}


@pytest.fixture
def used_up(instrumented):
    """A quota of one call a day, which is used."""
    guard.forget()
    vigilo.quota.set(metric="requests", limit=0, window="day", mode="block")
    yield
    guard.forget()


def enter(manager):
    with manager:
        pass


SYNC = {
    "openai": (openai.OpenAI, lambda c: c.chat.completions.create(**CHAT)),
    "openai stream": (openai.OpenAI, lambda c: c.chat.completions.create(**CHAT, stream=True)),
    "openai raw": (openai.OpenAI, lambda c: c.chat.completions.with_raw_response.create(**CHAT)),
    "openai streaming response": (
        openai.OpenAI,
        lambda c: enter(c.chat.completions.with_streaming_response.create(**CHAT)),
    ),
    "openai helper": (openai.OpenAI, lambda c: enter(c.chat.completions.stream(**CHAT))),
    "anthropic": (anthropic.Anthropic, lambda c: c.messages.create(**MESSAGE)),
    "anthropic helper": (anthropic.Anthropic, lambda c: enter(c.messages.stream(**MESSAGE))),
    "google": (genai.Client, lambda c: c.models.generate_content(**GENERATE)),
    "google stream": (genai.Client, lambda c: list(c.models.generate_content_stream(**GENERATE))),
}
ASYNC = {
    "openai": (openai.AsyncOpenAI, lambda c: c.chat.completions.create(**CHAT)),
    "openai stream": (openai.AsyncOpenAI, lambda c: c.chat.completions.create(**CHAT, stream=True)),
    "openai raw": (openai.AsyncOpenAI, lambda c: c.chat.completions.with_raw_response.create(**CHAT)),
    "anthropic": (anthropic.AsyncAnthropic, lambda c: c.messages.create(**MESSAGE)),
    "anthropic helper": (anthropic.AsyncAnthropic, lambda c: c.messages.stream(**MESSAGE).__aenter__()),
    "google": (genai.Client, lambda c: c.aio.models.generate_content(**GENERATE)),
}


def check(telemetry, server, error):
    assert error.metric == "requests"
    assert (error.limit, error.used, error.held) == (0, 0, 0)
    assert server.requests == []
    span = telemetry.span()
    told = span.attributes
    assert span.status.status_code.name == "ERROR"
    assert told["error.type"] == "vigilo.errors.QuotaExceeded"
    assert told["vigilo.quota.refused_by"] == "global requests/day"
    assert "http.request.resend_count" not in told
    assert "http.response.status_code" not in told
    (event,) = (event for event in span.events if event.name == "vigilo.quota.refused")
    assert dict(event.attributes) == {
        "vigilo.quota.rule": "global requests/day",
        "vigilo.quota.metric": "requests",
        "vigilo.quota.limit": 0.0,
        "vigilo.quota.used": 0.0,
    }
    (duration,) = telemetry.points()["gen_ai.client.operation.duration"]
    assert duration.attributes["error.type"] == "vigilo.errors.QuotaExceeded"
    assert duration.count == 1


@pytest.mark.parametrize(("make", "call"), SYNC.values(), ids=SYNC)
def test_a_quota_refuses_and_nobody_tries_again(instrumented, used_up, server, make, call):
    with make() as client, pytest.raises(QuotaExceeded) as raised:
        call(client)
    check(instrumented, server, raised.value)


@pytest.mark.parametrize(("make", "call"), ASYNC.values(), ids=ASYNC)
async def test_a_quota_refuses_in_tasks(instrumented, used_up, server, make, call):
    client = make()
    with pytest.raises(QuotaExceeded) as raised:
        await call(client)
    if isinstance(client, genai.Client):
        await client.aio.aclose()
    await client.close() if not isinstance(client, genai.Client) else client.close()
    check(instrumented, server, raised.value)


def test_the_pacing_refuses(instrumented, server):
    def refuse(request):
        raise RateLimited("openai/gpt-4o-mini", "circuit_open", 12.0)

    gate.add_guard(refuse)
    try:
        with openai.OpenAI() as client, pytest.raises(RateLimited) as raised:
            client.chat.completions.create(**CHAT)
    finally:
        gate.remove_guard(refuse)
    assert raised.value.retry_after == 12.0
    assert server.requests == []
    span = instrumented.span()
    assert span.attributes["vigilo.pace.limited_by"] == "circuit_open"
    assert span.attributes["error.type"] == "vigilo.errors.RateLimited"
    assert not [event for event in span.events if event.name.startswith("vigilo.quota")]


def test_who_was_refused_is_a_pseudonym(instrumented, server):
    guard.forget()
    vigilo.quota.set(metric="tokens", limit=1, window="month", user="jane@example.com", mode="block")
    with (
        openai.OpenAI() as client,
        vigilo.track(user="jane@example.com"),
        pytest.raises(QuotaExceeded) as raised,
    ):
        client.chat.completions.create(**CHAT)
    guard.forget()
    span = instrumented.span()
    user = span.attributes["user.id"]
    assert raised.value.scope == f"user={user}"
    assert span.attributes["vigilo.quota.refused_by"] == f"user={user} tokens/month"
    assert "jane" not in str([span.attributes, span.status.description, [event.attributes for event in span.events]])
