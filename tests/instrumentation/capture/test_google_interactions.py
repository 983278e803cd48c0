"""Interactions of google-genai, in every style of call and every version of their client, are one span a request."""

import asyncio
import gc
import json
from importlib.util import find_spec

import pytest
from google import genai

import vigilo
from vigilo.capture import gate
from vigilo.testing import ToolCall, Usage

HAS_OWN_TRANSPORT = find_spec("google.genai._gaos") is not None
HAS_INTERACTIONS = HAS_OWN_TRANSPORT or find_spec("google.genai._interactions") is not None
pytestmark = [
    pytest.mark.skipif(not HAS_INTERACTIONS, reason="this version has no interactions"),
    pytest.mark.filterwarnings("ignore::UserWarning"),  # the SDK calls interactions experimental
]
MODEL = "gemini-2.5-flash"
ASK = {"model": MODEL, "input": "Hello there"}
TOKENS = Usage(input_tokens=120, output_tokens=40, output_reasoning_tokens=16)


@pytest.fixture
def client(server):
    with genai.Client(api_key="any", http_options={"base_url": server.google_url}) as opened:
        yield opened


def streaming_response(client, **more):
    with client.interactions.with_streaming_response.create(**ASK, **more) as raw:
        parsed = raw.parse()
        return list(parsed) if more else parsed


def streamed_lines(client):
    with client.interactions.with_streaming_response.create(**ASK, stream=True) as raw:
        return list(raw.iter_lines())


SYNC = {
    "create": lambda client: client.interactions.create(**ASK),
    "stream": lambda client: list(client.interactions.create(**ASK, stream=True)),
    "raw": lambda client: client.interactions.with_raw_response.create(**ASK),
    "raw stream": lambda client: list(client.interactions.with_raw_response.create(**ASK, stream=True).parse()),
    "streaming response": streaming_response,
    "streaming response stream": lambda client: streaming_response(client, stream=True),
    "streaming response lines stream": streamed_lines,
}


async def create(client):
    await client.aio.interactions.create(**ASK)


async def stream(client):
    async for _ in await client.aio.interactions.create(**ASK, stream=True):
        pass


async def raw(client):
    await client.aio.interactions.with_raw_response.create(**ASK)


async def raw_stream(client):
    response = await client.aio.interactions.with_raw_response.create(**ASK, stream=True)
    async for _ in await response.parse():
        pass


async def async_streaming_response(client):
    async with client.aio.interactions.with_streaming_response.create(**ASK) as response:
        await response.parse()


ASYNC = [create, stream, raw, raw_stream, async_streaming_response]


def check(telemetry, is_stream):
    span = telemetry.span()
    told = dict(span.attributes)
    assert span.name == f"generate_content {MODEL}"
    assert span.kind.name == "CLIENT"
    assert span.status.status_code.name == "UNSET"
    assert told["gen_ai.provider.name"] == "gcp.gemini"
    assert told["server.address"] == "127.0.0.1"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
    assert told["gen_ai.usage.reasoning.output_tokens"] == 16
    assert told["gen_ai.response.model"] == MODEL
    assert told["gen_ai.response.id"].startswith("v1_")
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.usage.cost"] > 0
    assert told.get("gen_ai.request.stream", False) is is_stream
    assert ("gen_ai.response.time_to_first_chunk" in told) is is_stream
    assert json.loads(told["gen_ai.input.messages"])[0]["parts"] == [{"type": "text", "content": "Hello there"}]
    (answer,) = json.loads(told["gen_ai.output.messages"])
    assert answer["parts"][-1] == {"type": "text", "content": "Hello, Ada!"}


@pytest.mark.parametrize("style", SYNC)
def test_a_sync_interaction_is_one_span(instrumented, server, client, style):
    server.reply("Hello, Ada!", thinking="Say hi.", usage=TOKENS)
    SYNC[style](client)
    check(instrumented, "stream" in style.replace("streaming", ""))


@pytest.mark.parametrize("style", ASYNC)
async def test_an_async_interaction_is_one_span(instrumented, server, client, style):
    server.reply("Hello, Ada!", thinking="Say hi.", usage=TOKENS)
    await style(client)
    await client.aio.aclose()
    check(instrumented, style in (stream, raw_stream))


def test_a_function_call_is_told(instrumented, server, client):
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    for streams in (False, True):
        server.reply("", tool_calls=[ToolCall("look", {"where": "here"})])
        asked = client.interactions.create(**ASK, tools=[tool], stream=streams)
        if streams:
            list(asked)
    for span in instrumented.spans():
        assert span.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)
        (answer,) = json.loads(span.attributes["gen_ai.output.messages"])
        assert [(part["type"], part["name"]) for part in answer["parts"]] == [("tool_call", "look")]
        assert json.loads(span.attributes["gen_ai.tool.definitions"])[0]["name"] == "look"


def test_the_interaction_before_is_named(instrumented, client):
    first = client.interactions.create(**ASK)
    client.interactions.create(**ASK, previous_interaction_id=first.id)
    assert instrumented.spans()[1].attributes["gen_ai.request.previous_response.id"] == first.id


def test_an_agent_is_invoked(instrumented, client):
    client.interactions.create(agent="deep-research-pro", input="Hello there")
    told = instrumented.span().attributes
    assert told["gen_ai.operation.name"] == "invoke_agent"
    assert told["gen_ai.agent.name"] == "deep-research-pro"
    assert "gen_ai.request.model" not in told


needs_own_transport = pytest.mark.skipif(not HAS_OWN_TRANSPORT, reason="what is fetched is not counted in this version")


@needs_own_transport
def test_what_ran_in_the_background_is_counted_once_when_it_is_fetched(instrumented, server, client):
    begun = client.interactions.create(**ASK, background=True)
    assert "gen_ai.usage.input_tokens" not in instrumented.span().attributes
    server.reply(finish_reason="in_progress")
    client.interactions.get(begun.id)
    assert len(instrumented.spans()) == 1
    server.reply("Hi", usage=TOKENS, times=2)
    client.interactions.get(begun.id)
    client.interactions.get(begun.id)
    _, fetched = instrumented.spans()
    assert fetched.name == f"fetch_response {MODEL}"
    assert fetched.attributes["gen_ai.response.id"] == begun.id
    assert (fetched.attributes["gen_ai.usage.input_tokens"], fetched.attributes["gen_ai.usage.output_tokens"]) == (
        120,
        40,
    )


@needs_own_transport
async def test_a_stream_that_broke_off_is_counted_when_it_is_fetched(instrumented, server, client):
    server.reply("one two three", usage=TOKENS)
    asked = await client.aio.interactions.create(**ASK, stream=True)
    begun = (await anext(asked)).interaction
    await asked.close()
    server.reply("one two three", usage=TOKENS)
    async for _ in await client.aio.interactions.get(begun.id, stream=True):
        pass
    await client.aio.interactions.get(begun.id)
    await client.aio.aclose()
    broken, fetched = instrumented.spans()
    assert "gen_ai.usage.input_tokens" not in broken.attributes
    assert fetched.attributes["gen_ai.operation.name"] == "fetch_response"
    assert fetched.attributes["gen_ai.usage.input_tokens"] == 120


def test_fetching_what_was_told_already_is_no_call(instrumented, client):
    told = client.interactions.create(**ASK)
    client.interactions.get(told.id)
    client.interactions.get("v1_of_somebody_else")
    assert len(instrumented.spans()) == 1


def test_a_failure_is_the_apps_own_error(instrumented, server, client):
    server.fail(400, message="bad for ada@example.com")
    with pytest.raises(Exception, match="bad for") as raised:
        client.interactions.create(**ASK)
    span = instrumented.span()
    assert span.attributes["error.type"] == f"{raised.type.__module__}.{raised.type.__qualname__}"
    assert span.attributes["http.response.status_code"] == 400
    assert "ada@example.com" not in span.to_json()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_retry_is_counted_and_told(instrumented, server, client, is_async):
    server.fail(503, retry_after_s=0.01)
    if is_async:
        await client.aio.interactions.create(**ASK)
    else:
        client.interactions.create(**ASK)
    await client.aio.aclose()
    span = instrumented.span()
    assert span.attributes["http.request.resend_count"] == 1
    assert [event.attributes["http.response.status_code"] for event in span.events] == [503]
    assert span.status.status_code.name == "UNSET"


def closed(asked):
    next(iter(asked))
    asked.close()


def left(asked):
    with asked:
        next(iter(asked))


def dropped(asked):
    next(iter(asked))


def unread(asked):
    pass


@pytest.mark.parametrize("ending", [closed, left, dropped, unread])
def test_a_stream_ends_its_span_however_it_ends(instrumented, client, ending):
    ending(client.interactions.create(**ASK, stream=True))
    gc.collect()
    span = instrumented.span()
    assert span.status.status_code.name == "UNSET"
    assert span.attributes["vigilo.stream.ended_by"] in ("close", "drop")


def test_a_stream_that_breaks_off_fails(instrumented, server, client):
    server.drop(after_chunks=3)
    with pytest.raises(Exception, match="peer closed connection"):
        list(client.interactions.create(**ASK, stream=True, **no_continuation()))
    assert instrumented.span().status.status_code.name == "ERROR"


def no_continuation():
    """From 3.0 on the SDK asks again for an answer that breaks off."""
    return {"automatic_continuation": False} if int(genai.__version__.split(".")[0]) >= 3 else {}


async def test_a_cancelled_reader_fails_the_span(instrumented, server, client):
    server.reply("one two three four", chunk_delay_s=0.2)
    task = asyncio.create_task(stream(client))
    while not server.requests:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.aio.aclose()
    assert instrumented.span().attributes["error.type"] == "asyncio.exceptions.CancelledError"


@pytest.mark.parametrize("style", SYNC)
def test_the_gate_keeps_an_interaction_from_the_provider(instrumented, server, client, style):
    def refuse(request):
        raise PermissionError(f"no more {request.model}")

    gate.add_guard(refuse)
    try:
        with pytest.raises(PermissionError, match=MODEL):
            SYNC[style](client)
    finally:
        gate.remove_guard(refuse)
    assert server.requests == []
    assert instrumented.span().attributes["error.type"] == "PermissionError"


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_wrapped_client_is_seen_alone(telemetry, server, client, is_async):
    with genai.Client(api_key="any", http_options={"base_url": server.google_url}) as other:
        vigilo.wrap(client, **telemetry.providers)
        other.interactions.create(**ASK)
        assert telemetry.spans() == []
        if is_async:
            await client.aio.interactions.create(**ASK)
        else:
            client.interactions.create(**ASK)
        assert len(telemetry.spans()) == 1
        vigilo.unwrap(client)
        client.interactions.create(**ASK)
        assert len(telemetry.spans()) == 1
        await client.aio.aclose()
        await other.aio.aclose()


def test_spans_of_the_reader_keep_their_parent(instrumented, client):
    tracer = instrumented.tracer_provider.get_tracer("app")
    with tracer.start_as_current_span("outer") as outer:
        for _ in client.interactions.create(**ASK, stream=True):
            with tracer.start_as_current_span("inner"):
                pass
    spans = [span for span in instrumented.spans() if span.name != "outer"]
    assert {span.parent.span_id for span in spans} == {outer.get_span_context().span_id}
