"""Calls through the real SDKs against real quotas: whatever becomes of a call, nothing stays held."""

from __future__ import annotations

import asyncio
import gc

import anthropic
import openai
import pytest
from google import genai

import vigilo
from vigilo.policy import guard
from vigilo.testing import Usage

ASKED = [{"role": "user", "content": "Tell me about the weather in Paris, please"}]
CHAT = {"model": "gpt-4o-mini", "messages": ASKED}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": ASKED}
GENERATE = {"model": "gemini-2.5-flash", "contents": ASKED[0]["content"]}
WORDS = "one two three four five six seven eight"


@pytest.fixture
def quotas(instrumented):
    guard.forget()
    for metric, limit in (("requests", 100), ("tokens", 100_000), ("usd", 10)):
        vigilo.quota.set(metric=metric, limit=limit, window="total", mode="block")
    yield
    guard.forget()


def standing():
    """What is used by metric; nothing is held."""
    gc.collect()
    told = vigilo.quota.status()
    assert [one.held for one in told] == [0, 0, 0]
    return {one.metric: one.used for one in told}


NOTHING = {"requests": 0, "tokens": 0, "usd": 0}
SDKS = ("openai", "anthropic", "google")
SYNC = {
    "openai": (lambda: openai.OpenAI(), lambda c, **s: c.chat.completions.create(**CHAT, **s)),
    "anthropic": (lambda: anthropic.Anthropic(), lambda c, **s: c.messages.create(**MESSAGE, **s)),
    "google": (
        lambda: genai.Client(),
        lambda c, stream=False: (c.models.generate_content_stream if stream else c.models.generate_content)(**GENERATE),
    ),
}
ASYNC = {
    "openai": (lambda: openai.AsyncOpenAI(), SYNC["openai"][1]),
    "anthropic": (lambda: anthropic.AsyncAnthropic(), SYNC["anthropic"][1]),
    "google": (
        lambda: genai.Client(),
        lambda c, stream=False: (c.aio.models.generate_content_stream if stream else c.aio.models.generate_content)(
            **GENERATE
        ),
    ),
}


async def close(client):
    if isinstance(client, genai.Client):
        await client.aio.aclose()
        client.close()
    else:
        await client.close()


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_charged(quotas, server, sdk, stream):
    server.reply(usage=Usage(input_tokens=120, output_tokens=40))
    make, call = SYNC[sdk]
    with make() as client:
        answer = call(client, **({"stream": True} if stream else {}))
        if stream:
            list(answer)
    used = standing()
    assert (used["requests"], used["tokens"]) == (1, 160)
    assert used["usd"] > 0


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("status", [500, 429])
def test_a_call_that_the_provider_failed_is_free(quotas, server, sdk, status):
    server.fail(status, retry_after_s=0.01, times=3)
    make, call = SYNC[sdk]
    with make() as client, pytest.raises(Exception, match=str(status)):
        call(client)
    assert standing() == NOTHING


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("status", [500, 429])
async def test_a_call_that_the_provider_failed_is_free_in_tasks(quotas, server, sdk, status):
    server.fail(status, retry_after_s=0.01, times=3)
    make, call = ASYNC[sdk]
    client = make()
    with pytest.raises(Exception, match=str(status)):
        await call(client)
    await close(client)
    assert standing() == NOTHING


def check_partial():
    used = standing()
    assert used["requests"] == 1
    assert 8 < used["tokens"] < 150  # what was asked and what came, not what was held
    assert 0 < used["usd"] < 0.001


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("way", ["drop", "close"])
def test_a_stream_that_is_left_is_charged_with_what_came(quotas, server, sdk, way):
    server.reply(WORDS, chunks=8)
    make, call = SYNC[sdk]
    with make() as client:
        stream = call(client, stream=True)
        for _ in range(5):
            next(stream)
        if way == "close":
            stream.close()
        del stream
        check_partial()


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("way", ["drop", "cancel"])
async def test_a_stream_that_is_left_in_a_task_is_charged_with_what_came(quotas, server, sdk, way):
    server.reply(WORDS, chunks=8, chunk_delay_s=0.01 if way == "drop" else 0.1)
    make, call = ASYNC[sdk]
    client, came = make(), []

    async def read():
        stream = await call(client, stream=True)
        async for chunk in stream:
            came.append(chunk)
            if way == "drop" and len(came) == 5:
                return

    task = asyncio.create_task(read())
    if way == "cancel":
        while len(came) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await task
    gc.collect()
    await asyncio.sleep(0.05)  # what is left of an async generator is closed by the loop
    await close(client)
    check_partial()


@pytest.mark.parametrize("sdk", SDKS)
async def test_a_call_that_is_cancelled_before_the_answer_is_charged_with_what_was_asked(quotas, server, sdk):
    server.hang()
    make, call = ASYNC[sdk]
    client = make()
    task = asyncio.ensure_future(call(client))
    while not server.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await close(client)
    check_partial()


def test_a_provider_that_is_not_there_is_free(quotas, server):
    with (
        openai.OpenAI(base_url="http://127.0.0.1:9/v1", max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.chat.completions.create(**CHAT)
    assert standing() == NOTHING
