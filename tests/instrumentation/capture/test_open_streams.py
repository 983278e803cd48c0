"""Streams that are kept: unread for too long, read elsewhere, left to a fork or to the end of the interpreter."""

import asyncio
import gc
import subprocess
import sys
import threading
import time

import anthropic
import openai
import pytest
from google import genai
from opentelemetry.sdk.trace import SpanProcessor

import vigilo
from vigilo.capture import open_streams
from vigilo.settings import app_settings

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": CHAT["messages"], "stream": True}
GENERATE = {"model": "gemini-2.5-flash", "contents": "Hello"}


@pytest.fixture(params=["openai", "anthropic", "google"])
def opened(request, server):
    """Starts a stream of a client that is closed after the test."""
    server.reply("one two three four five six", chunks=6, times=3)
    if request.param == "openai":
        with openai.OpenAI(max_retries=0) as client:
            yield lambda: client.chat.completions.create(**CHAT)
    elif request.param == "anthropic":
        with anthropic.Anthropic(max_retries=0) as client:
            yield lambda: client.messages.create(**MESSAGE)
    else:
        with genai.Client() as client:
            yield lambda: client.models.generate_content_stream(**GENERATE)


@pytest.fixture
def impatient(monkeypatch):
    """Streams may be kept unread for 0.4 s."""
    monkeypatch.setenv("VIGILO_STREAM_IDLE_S", "0.4")
    app_settings.cache_clear()


def wait_for(telemetry, count, seconds=5):
    deadline_s = time.monotonic() + seconds
    while len(telemetry.spans()) < count and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return telemetry.spans()


def test_a_stream_that_is_kept_and_not_read_on_is_ended(impatient, instrumented, opened):
    stream = opened()
    first = next(stream)
    (span,) = wait_for(instrumented, 1)
    assert span.attributes["vigilo.stream.ended_by"] == "idle"
    assert span.status.status_code.name == "UNSET"
    rest = list(stream)  # the app's stream goes on as if nothing had been
    assert first is not None
    assert len(rest) > 2
    assert len(instrumented.spans()) == 1


@pytest.mark.parametrize("opened", ["openai", "anthropic"], indirect=True)
def test_a_stream_that_nobody_ever_reads_is_ended(impatient, instrumented, opened):
    stream = opened()
    (span,) = wait_for(instrumented, 1)
    assert span.attributes["vigilo.stream.ended_by"] == "idle"
    stream.close()
    assert len(instrumented.spans()) == 1


def test_a_reader_that_waits_for_a_slow_provider_is_not_idle(impatient, instrumented, server, opened):
    server.reset()
    server.reply("one two", chunks=2, chunk_delay_s=0.8)
    list(opened())
    span = instrumented.span()
    assert "vigilo.stream.ended_by" not in span.attributes
    assert span.attributes["gen_ai.usage.output_tokens"] > 0


async def test_an_async_reader_that_waits_is_not_idle_and_one_that_left_is(impatient, instrumented, server):
    server.reply("one two", chunks=2, chunk_delay_s=0.8)
    server.reply("three four", chunks=2)
    async with openai.AsyncOpenAI() as client:
        async for _ in await client.chat.completions.create(**CHAT):
            pass
        left = await client.chat.completions.create(**CHAT)
        await left.__anext__()
        while len(instrumented.spans()) < 2:
            await asyncio.sleep(0.02)
        await left.close()
    waited, left = instrumented.spans()
    assert "vigilo.stream.ended_by" not in waited.attributes
    assert left.attributes["vigilo.stream.ended_by"] == "idle"


def test_the_limit_can_be_turned_off(instrumented, monkeypatch, server):
    monkeypatch.setenv("VIGILO_STREAM_IDLE_S", "0")
    app_settings.cache_clear()
    vigilo.uninstrument()
    vigilo.instrument(**instrumented.providers)
    with openai.OpenAI() as client, client.chat.completions.create(**CHAT) as stream:
        next(stream)
        open_streams.end_idle(time.monotonic())
        open_streams.end_idle(time.monotonic() + 1e9)
        assert instrumented.spans() == []


def test_the_watcher_goes_when_no_stream_is_open(impatient, instrumented, server):
    with openai.OpenAI() as client:
        list(client.chat.completions.create(**CHAT))
    deadline_s = time.monotonic() + 70
    while any(thread.name == "vigilo-open-streams" for thread in threading.enumerate()):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_stream_may_be_read_in_another_thread(instrumented, opened):
    stream, read = opened(), []
    reader = threading.Thread(target=lambda: read.extend(stream))
    reader.start()
    reader.join()
    assert len(read) > 3
    assert instrumented.span().attributes["gen_ai.usage.output_tokens"] > 0


async def test_a_stream_may_be_read_in_another_task(instrumented, server):
    async def read(stream):
        return [chunk async for chunk in stream]

    async with openai.AsyncOpenAI() as client:
        stream = await asyncio.create_task(client.chat.completions.create(**CHAT))
        await stream.__anext__()
        assert len(await asyncio.create_task(read(stream))) > 2
    assert instrumented.span().attributes["gen_ai.usage.output_tokens"] > 0
    assert "vigilo.stream.ended_by" not in instrumented.span().attributes


APP = """
import os, sys
import openai, vigilo
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
def shown(span):
    return f"{os.getpid() == parent} {span.name} {span.attributes.get('vigilo.stream.ended_by')}\\n"
parent = os.getpid()
tracer_provider = TracerProvider()
tracer_provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=shown)))
client = vigilo.wrap(openai.OpenAI(), tracer_provider=tracer_provider)
stream = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}], stream=True)
next(stream)
"""


def run(script):
    # From 3.12 on Python warns of any fork beside threads, such as those of the SDK's batch processors.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_end_of_the_interpreter_ends_open_streams(server):
    assert run(APP) == ["True chat gpt-4o-mini exit"]


def test_a_forked_child_does_not_tell_of_its_parents_streams(server):
    fork = "if os.fork() == 0:\n    del stream\n    sys.exit()\nos.wait()\nlist(stream)\n"
    assert run(APP + fork) == ["True chat gpt-4o-mini None"]


def test_a_forked_child_watches_streams_of_its_own(server):
    fork = (
        "del stream\n"
        "if os.fork() == 0:\n"
        "    os.environ['VIGILO_STREAM_IDLE_S'] = '0.3'\n"
        "    from vigilo.settings import app_settings\n"
        "    app_settings.cache_clear()\n"
        "    import time\n"
        "    client = vigilo.wrap(openai.OpenAI(), tracer_provider=tracer_provider)\n"
        "    asked = [{'role': 'user', 'content': 'Hi'}]\n"
        "    stream = client.chat.completions.create(model='gpt-4o-mini', messages=asked, stream=True)\n"
        "    time.sleep(1.5)\n"
        "    tracer_provider.shutdown()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert "False chat gpt-4o-mini idle" in run(APP + fork)


def test_a_stream_dropped_inside_of_opentelemetrys_own_code_is_ended_by_another_thread(instrumented, opened):
    """As by a garbage collection there: recording its metrics would wait for the lock that its own thread has."""
    stream = opened()
    next(stream)
    kept, ended_by = [stream], []
    del stream

    class Noting(SpanProcessor):
        def on_end(self, span):
            ended_by.append(threading.current_thread().name)

    def observe(_):
        kept.clear()
        gc.collect()
        return []

    instrumented.tracer_provider.add_span_processor(Noting())
    instrumented.meter_provider.get_meter("test").create_observable_gauge("test.gauge", [observe])
    instrumented.meter_provider.force_flush()
    (span,) = wait_for(instrumented, 1)
    assert span.attributes["vigilo.stream.ended_by"] == "drop"
    assert ended_by == ["vigilo-open-streams"]
