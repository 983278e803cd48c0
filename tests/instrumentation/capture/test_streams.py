"""A stream's span ends exactly once, however the stream ends."""

import asyncio
import gc

import anthropic
import openai
import pytest
from google import genai
from opentelemetry import trace

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": CHAT["messages"], "stream": True}


@pytest.fixture(params=["openai", "anthropic"])
def opened(request, server):
    """Starts a stream of a client that is closed after the test."""
    if request.param == "openai":
        with openai.OpenAI(max_retries=0) as client:
            yield lambda: client.chat.completions.create(**CHAT)
    else:
        with anthropic.Anthropic(max_retries=0) as client:
            yield lambda: client.messages.create(**MESSAGE)


def test_a_closed_stream_ends_its_span(instrumented, opened):
    stream = opened()
    next(stream)
    stream.close()
    assert instrumented.span().status.status_code.name == "UNSET"
    del stream
    assert len(instrumented.spans()) == 1


def test_leaving_the_with_block_ends_the_span(instrumented, opened):
    with opened() as stream:
        next(stream)
    assert instrumented.span().status.status_code.name == "UNSET"


def test_a_dropped_stream_ends_its_span(instrumented, opened):
    stream = opened()
    for _ in stream:
        break
    assert instrumented.spans() == []
    del stream, _
    assert instrumented.span().status.status_code.name == "UNSET"


def test_a_stream_that_nobody_reads_ends_its_span_when_dropped(instrumented, opened):
    stream = opened()
    assert instrumented.spans() == []
    del stream
    assert instrumented.span().status.status_code.name == "UNSET"


def test_a_broken_connection_fails_the_span(instrumented, server, opened):
    server.drop(after_chunks=2)
    with pytest.raises(Exception, match=r"peer closed connection|Connection error") as raised:  # each SDK has its own
        for _ in opened():
            pass
    span = instrumented.span()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["error.type"] == f"{raised.type.__module__}.{raised.type.__qualname__}"


def test_a_stream_read_to_the_end_ends_once(instrumented, opened):
    with opened() as stream:
        chunks = list(stream)
    assert len(chunks) > 3
    assert len(instrumented.spans()) == 1
    (point,) = instrumented.points()["gen_ai.client.operation.time_to_first_chunk"]
    assert point.count == 1
    (gaps,) = instrumented.points()["gen_ai.client.operation.time_per_output_chunk"]
    assert gaps.count == 1


def test_the_stream_keeps_its_type_and_response(instrumented, opened):
    stream = opened()
    assert type(stream) in (openai.Stream, anthropic.Stream)
    assert stream.response.status_code == 200
    list(stream)


def test_spans_of_the_reader_keep_their_parent(instrumented, opened):
    tracer = instrumented.tracer_provider.get_tracer("app")
    with tracer.start_as_current_span("outer") as outer:
        for _ in opened():
            with tracer.start_as_current_span("inner"):
                pass
        assert trace.get_current_span() is outer
    inner = [span for span in instrumented.spans() if span.name == "inner"]
    assert inner
    assert {span.parent.span_id for span in inner} == {outer.get_span_context().span_id}
    (call,) = [span for span in instrumented.spans() if span.name.startswith("chat")]
    assert call.parent.span_id == outer.get_span_context().span_id


def test_a_stream_inside_another_loses_nothing(instrumented, opened):
    outer = opened()
    next(outer)
    list(opened())
    list(outer)
    assert len(instrumented.spans()) == 2


async def test_a_cancelled_reader_fails_the_span(instrumented, server):
    server.reply("one two three four five", chunks=5, chunk_delay_s=0.2)

    async def read(client):
        async for _ in await client.chat.completions.create(**CHAT):
            pass

    async with openai.AsyncOpenAI() as client:
        task = asyncio.create_task(read(client))
        while not server.requests:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    span = instrumented.span()
    assert span.attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert span.status.status_code.name == "ERROR"


async def test_a_cancelled_call_fails_the_span(instrumented, server):
    server.slow(5)
    async with openai.AsyncOpenAI() as client:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.chat.completions.create(**{**CHAT, "stream": False}), 0.3)
    assert instrumented.span().attributes["error.type"] == "asyncio.exceptions.CancelledError"


async def test_an_async_stream_that_is_closed_ends_its_span(instrumented, server):
    async with openai.AsyncOpenAI() as client:
        stream = await client.chat.completions.create(**CHAT)
        await stream.__anext__()
        await stream.close()
        assert instrumented.span().status.status_code.name == "UNSET"


async def test_concurrent_calls_are_counted_apart(instrumented, server):
    server.fail(429, retry_after_s=0.01, times=3)
    async with openai.AsyncOpenAI(max_retries=5) as client:
        await asyncio.gather(
            *(client.chat.completions.create(**{**CHAT, "stream": False, "user": str(n)}) for n in range(8))
        )
    spans = instrumented.spans()
    assert len(spans) == 8
    assert sum(span.attributes.get("http.request.resend_count", 0) for span in spans) == 3


def test_a_dropped_stream_of_google_ends_its_span(instrumented, server):
    with genai.Client() as client:
        stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello")
        next(stream)
        del stream
        gc.collect()
        assert instrumented.span().status.status_code.name == "UNSET"


def test_a_stream_of_google_that_nobody_reads_sends_nothing(instrumented, server):
    with genai.Client() as client:
        stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello")
        del stream
    assert instrumented.spans() == []
    assert server.requests == []
