"""Real SDKs at a provider that refuses, has them wait and fails: how often they call, and what the app sees."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import anthropic
import cerebras.cloud.sdk as cerebras
import groq
import openai
import pytest
import together
from google import genai
from google.genai import errors as google_errors
from google.genai import types as google_types

from vigilo import semconv
from vigilo.errors import RateLimited
from vigilo.policy.pace.paced import Paced

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
PACKAGES = Path(__file__).parents[4] / "instrumentation"
SOON_S = 0.02
ERRORS = (
    openai.APIError,
    anthropic.APIError,
    groq.APIError,
    together.APIError,
    cerebras.APIError,
    google_errors.APIError,
    RateLimited,
)
KINDS = ["openai", "anthropic", "google", "groq", "together", "cerebras"]


class Sdk:
    """One call of one SDK, which allows it ``retries``."""

    def __init__(self, kind, server, retries=2):
        self.kind = kind
        options = {"api_key": "any", "max_retries": retries}
        if kind == "google":
            again = google_types.HttpRetryOptions(attempts=retries + 1, initial_delay=0.01, max_delay=0.02)
            http = google_types.HttpOptions(base_url=server.google_url, retry_options=again)
            self.client = genai.Client(api_key="any", vertexai=False, http_options=http)
        elif kind == "anthropic":
            self.client = anthropic.Anthropic(base_url=server.anthropic_url, **options)
            self.async_client = anthropic.AsyncAnthropic(base_url=server.anthropic_url, **options)
        else:
            sync, async_, url = {
                "openai": (openai.OpenAI, openai.AsyncOpenAI, server.openai_url),
                "groq": (groq.Groq, groq.AsyncGroq, server.url),
                "together": (together.Together, together.AsyncTogether, server.openai_url),
                "cerebras": (cerebras.Cerebras, cerebras.AsyncCerebras, server.url),
            }[kind]
            if kind == "cerebras":
                options["warm_tcp_connection"] = False
            self.client, self.async_client = sync(base_url=url, **options), async_(base_url=url, **options)

    def call(self, stream=False):
        if self.kind == "google":
            models = self.client.models
            made = models.generate_content_stream if stream else models.generate_content
            answer = made(model="gemini-2.5-flash", contents="Hello")
        elif self.kind == "anthropic":
            answer = self.client.messages.create(**CHAT, max_tokens=10, stream=stream)
        else:
            answer = self.client.chat.completions.create(**CHAT, stream=stream)
        return list(answer) if stream else answer

    async def call_async(self, stream=False):
        if self.kind == "google":
            models = self.client.aio.models
            made = models.generate_content_stream if stream else models.generate_content
            answer = await made(model="gemini-2.5-flash", contents="Hello")
        elif self.kind == "anthropic":
            answer = await self.async_client.messages.create(**CHAT, max_tokens=10, stream=stream)
        else:
            answer = await self.async_client.chat.completions.create(**CHAT, stream=stream)
        return [chunk async for chunk in answer] if stream else answer

    async def close(self):
        if self.kind == "google":
            await self.client.aio.aclose()
        else:
            await self.async_client.close()

    def run(self, style, stream=False):
        """One call, and the clients are closed after it."""

        async def call():
            try:
                return await self.call_async(stream)
            finally:
                await self.close()

        try:
            return self.call(stream) if style == "sync" else asyncio.run(call())
        finally:
            self.client.close()
            if style == "sync" and self.kind != "google":
                asyncio.run(self.close())


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=["sync", "async"])
def style(request):
    return request.param


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_throttled_call_is_made_again_until_it_passes(server, paced, kind, style, stream):
    spans = paced()
    server.fail(429, retry_after_s=SOON_S, times=4)
    assert Sdk(kind, server).run(style, stream)
    assert len(server.requests) == 5
    (span,) = spans()
    assert span.status.is_unset
    assert span.attributes[semconv.PACE_WAIT] > SOON_S
    assert span.attributes[semconv.PACE_LIMITED_BY] in ("retry_after", "rate")
    assert span.attributes[semconv.PACE_RATE] > 0


@pytest.mark.parametrize("status", [500, 429])
def test_retries_do_not_multiply_and_the_app_sees_the_same_error(server, paced, kind, style, status):
    server.fail(status, retry_after_s=SOON_S, times=50)
    with pytest.raises(ERRORS) as unpaced:
        Sdk(kind, server, retries=0).run(style)
    server.reset()
    paced(pace_max_wait_s=30 if status == 500 else 0.01)
    server.fail(status, retry_after_s=SOON_S if status == 500 else 60, times=50)
    with pytest.raises(ERRORS) as caught:
        Sdk(kind, server, retries=1).run(style)
    assert len(server.requests) == (2 if status == 500 else 1)
    assert type(caught.value) is type(unpaced.value)


def test_an_app_that_wants_no_retries_gets_none(server, paced, kind):
    paced()
    server.fail(429, retry_after_s=SOON_S, times=50)
    with pytest.raises(ERRORS):
        Sdk(kind, server, retries=0).run("sync")
    assert len(server.requests) == 1


def test_what_is_final_is_not_made_again(server, paced, kind):
    paced()
    server.fail(400, times=50)
    with pytest.raises(ERRORS):
        Sdk(kind, server).run("async")
    assert len(server.requests) == 1


def test_money_is_final(server, paced):
    paced()
    body = (
        b'{"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": "insufficient_quota"}}'
    )
    server.raw(429, {"content-type": "application/json"}, body, times=50)
    with pytest.raises(openai.RateLimitError):
        Sdk("openai", server).run("sync")
    assert len(server.requests) == 1


@pytest.fixture
def refused(monkeypatch):
    """Set when a refusal has been noted: it is not yet when the provider has only been asked."""
    noted, inner = threading.Event(), Paced._push_back

    def push_back(self, *arguments):
        inner(self, *arguments)
        noted.set()

    monkeypatch.setattr(Paced, "_push_back", push_back)
    return noted


def test_a_refusal_holds_all_callers_back(server, paced, refused):
    paced(pace_max_wait_s=30)
    server.fail(429, retry_after_s=0.5)
    sdk = Sdk("openai", server)
    began_s = time.monotonic()
    first = threading.Thread(target=sdk.call)
    first.start()
    assert refused.wait(30)
    others = [threading.Thread(target=sdk.call) for _ in range(5)]
    for thread in others:
        thread.start()
    time.sleep(0.1)
    if time.monotonic() - began_s < 0.45:
        assert len(server.requests) == 1
    for thread in (first, *others):
        thread.join()
    assert time.monotonic() - began_s >= 0.5
    assert len(server.requests) == 7
    sdk.client.close()
    asyncio.run(sdk.close())


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_call_whose_turn_would_come_too_late_is_not_sent(server, paced, kind, style):
    spans = paced(pace_max_wait_s=1)
    server.fail(429, retry_after_s=60)
    with pytest.raises(ERRORS) as first:
        Sdk(kind, server).run(style)
    with pytest.raises(RateLimited) as second:
        Sdk(kind, server).run(style)
    assert not isinstance(first.value, RateLimited)
    assert second.value.reason == "retry_after"
    assert len(server.requests) == 1
    assert spans()[1].attributes[semconv.PACE_LIMITED_BY] == "retry_after"


def test_keys_have_rates_of_their_own(server, paced):
    paced(pace_max_wait_s=1)
    server.fail(429, retry_after_s=60)
    with (
        openai.OpenAI(base_url=server.openai_url, api_key="one", max_retries=0) as one,
        openai.OpenAI(base_url=server.openai_url, api_key="two", max_retries=0) as two,
    ):
        with pytest.raises(openai.RateLimitError):
            one.chat.completions.create(**CHAT)
        assert two.chat.completions.create(**CHAT)
        with pytest.raises(RateLimited):
            one.chat.completions.create(**CHAT)
        two.api_key = "one"
        with pytest.raises(RateLimited):
            two.chat.completions.create(**CHAT)


def test_the_circuit_opens_for_a_server_that_fails(server, paced):
    paced(pace_max_wait_s=0.1)
    server.fail(500, times=50)
    with openai.OpenAI(base_url=server.openai_url, api_key="any", max_retries=0) as client:
        for _ in range(5):
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(**CHAT)
        with pytest.raises(RateLimited) as caught:
            client.chat.completions.create(**CHAT)
        assert caught.value.reason == "circuit_open"
        assert len(server.requests) == 5


def test_attempts_are_told_as_the_sdk_tells_its_own(server, paced):
    paced()
    server.fail(429, retry_after_s=SOON_S, times=2)
    with openai.OpenAI(base_url=server.openai_url, api_key="any") as client:
        raw = client.chat.completions.with_raw_response.create(**CHAT)
    assert raw.retries_taken == 2
    assert [request.headers["x-stainless-retry-count"] for request in server.requests] == ["0", "1", "2"]


def test_files_are_sent_whole_by_each_attempt(server, paced):
    paced()
    server.fail(429, retry_after_s=SOON_S)
    with openai.OpenAI(base_url=server.openai_url, api_key="any") as client:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", io.BytesIO(b"RIFF" * 1000)))
    first, second = server.requests
    assert first.body.count(b"RIFF") == second.body.count(b"RIFF") == 1000


def test_a_body_that_can_be_read_once_is_not_sent_again(server, paced):
    class Once(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, into):
            return 0

    paced()
    server.fail(429, retry_after_s=SOON_S)
    with openai.OpenAI(base_url=server.openai_url, api_key="any") as client, pytest.raises(openai.APIError):
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", Once()))
    assert len(server.requests) <= 1


def test_many_tasks_at_a_limit_all_pass(server, paced):
    paced(pace_max_wait_s=60)
    limit = server.limit(20, 1.0)

    async def call_all():
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="any") as client:
            await asyncio.gather(*(client.chat.completions.create(**CHAT) for _ in range(60)))

    asyncio.run(call_all())
    assert limit.passed == 60


def test_many_threads_at_a_limit_all_pass(server, paced):
    paced(pace_max_wait_s=60)
    limit = server.limit(20, 1.0)
    failed = []
    with anthropic.Anthropic(base_url=server.anthropic_url, api_key="any") as client:

        def call():
            try:
                for _ in range(3):
                    client.messages.create(**CHAT, max_tokens=10)
            except ERRORS as error:
                failed.append(error)

        threads = [threading.Thread(target=call) for _ in range(15)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (failed, limit.passed) == ([], 45)


def test_a_task_that_is_cancelled_in_the_queue_lets_the_next_one_pass(server, paced, refused):
    paced(pace_max_wait_s=60)
    server.fail(429, retry_after_s=1.0)

    async def call():
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="any") as client:
            first = asyncio.create_task(client.chat.completions.create(**CHAT))
            while not refused.is_set():
                await asyncio.sleep(0.005)
            second, third = (asyncio.create_task(client.chat.completions.create(**CHAT)) for _ in range(2))
            await asyncio.sleep(0.05)
            first.cancel()
            second.cancel()
            assert await third
            with pytest.raises(asyncio.CancelledError):
                await second

    asyncio.run(call())


def test_without_pacing_the_sdk_makes_its_own_attempts(server, paced):
    paced(pacing="false")
    server.fail(429, retry_after_s=SOON_S, times=2)
    Sdk("openai", server).run("sync")
    assert len(server.requests) == 3


def test_google_retries_nothing_unless_it_is_told_to(server, paced):
    paced()
    server.fail(429, times=50)
    with (
        genai.Client(api_key="any", vertexai=False, http_options={"base_url": server.google_url}) as client,
        pytest.raises(google_errors.ClientError),
    ):
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert len(server.requests) == 1


def test_tasks_of_trio_are_paced(server, paced):
    trio = pytest.importorskip("trio")
    spans = paced(pace_max_wait_s=60)
    server.limit(5, 0.5)

    async def call_all():
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="any") as client, trio.open_nursery() as all_:
            for _ in range(10):
                all_.start_soon(lambda: client.chat.completions.create(**CHAT))

    trio.run(call_all)
    assert [span.status.is_unset for span in spans()] == [True] * 10


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, openai, vigilo
from vigilo.testing import ProviderServer

vigilo.instrument()
with ProviderServer() as server, openai.OpenAI(base_url=server.openai_url, api_key="any") as client:
    limit = server.limit(10, 0.5)
    ask = lambda: client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
    gevent.joinall([gevent.spawn(ask) for _ in range(30)], raise_error=True)
    print(limit.passed)
"""


def test_greenlets_are_paced():
    pytest.importorskip("gevent")
    environment = {
        **os.environ,
        "VIGILO_PACING": "true",
        "PYTHONPATH": str(PACKAGES),
        "VIGILO_PACE_USER_PER_MINUTE": "0",
    }
    ran = subprocess.run([sys.executable, "-c", GEVENT], capture_output=True, env=environment, timeout=60)
    assert (ran.returncode, ran.stdout.strip()) == (0, b"30"), ran.stderr.decode()
