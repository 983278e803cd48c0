"""Realtime sessions over a real websocket: one span for each response, however it and its connection end."""

import asyncio
import gc
import inspect
import json
import time
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from importlib.util import find_spec

import openai
import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import vigilo
from vigilo.capture import gate
from vigilo.capture.parse.openai_realtime import RealtimeSession
from vigilo.capture.realtime import RealtimeHook
from vigilo.capture.sdks import SDKS
from vigilo.testing import ToolCall, Usage

websockets = pytest.importorskip("websockets")

from vigilo.testing.realtime import RealtimeServer  # noqa: E402 - needs websockets

pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # websockets, of how the SDK uses it
USAGE = Usage(input_tokens=100, output_tokens=40, cache_read_tokens=64, input_audio_tokens=90, output_audio_tokens=30)
SAY = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Good day"}]}
APIS = [
    pytest.param(name, marks=pytest.mark.skipif(not exists, reason=f"this SDK has no {name}"))
    for name, exists in (
        ("realtime", hasattr(openai.OpenAI, "realtime")),
        ("beta.realtime", "realtime" in vars(openai.resources.beta.Beta)),
    )
]


def apis_with(class_name, method):
    """The APIs of this SDK where a class of the connection has a method."""
    return [
        api
        for api in ("realtime", "beta.realtime")
        if find_spec("openai.resources." + api) is not None
        and hasattr(getattr(import_module(f"openai.resources.{api}.realtime"), class_name), method)
    ]


GA = pytest.mark.skipif(not hasattr(openai.OpenAI, "realtime"), reason="this SDK has the beta only")


@pytest.fixture
def server():
    with RealtimeServer() as running:
        yield running


@pytest.fixture(params=APIS)
def api(request):
    return request.param


def options(server):
    return {"base_url": server.openai_url, "websocket_base_url": server.websocket_url, "api_key": "any"}


def realtime_of(client, api):
    return client.beta.realtime if api == "beta.realtime" else client.realtime


@contextmanager
def connected(server, api, **arguments):
    with (
        openai.OpenAI(**options(server)) as client,
        realtime_of(client, api).connect(model="gpt-realtime", **arguments) as connection,
    ):
        yield connection


@asynccontextmanager
async def aconnected(server, api, **arguments):
    async with (
        openai.AsyncOpenAI(**options(server)) as client,
        realtime_of(client, api).connect(model="gpt-realtime", **arguments) as connection,
    ):
        yield connection


def read_until(connection, kind="response.done", times=1):
    """The events up to the ``times``-th of a kind."""
    events = []
    while times:
        events.append(connection.recv())
        times -= events[-1].type == kind
    return events


async def aread_until(connection, kind="response.done"):
    async for event in connection:
        if event.type == kind:
            return event


def check(span, reasons=("stop",)):
    told = span.attributes
    assert span.name == "chat gpt-realtime"
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.response.model"] == "gpt-realtime"
    assert told["gen_ai.request.stream"] is True
    assert told["gen_ai.usage.input_tokens"] == 100
    assert told["gen_ai.usage.output_tokens"] == 40
    assert told["gen_ai.usage.cache_read.input_tokens"] == 64
    assert told["gen_ai.usage.audio.input_tokens"] == 90
    assert told["gen_ai.usage.audio.output_tokens"] == 30
    assert told["gen_ai.response.finish_reasons"] == reasons
    assert told["gen_ai.response.time_to_first_chunk"] > 0
    assert span.status.is_unset


def recv(connection):
    read_until(connection)


def iterate(connection):
    for event in connection:
        if event.type == "response.done":
            return


def recv_bytes(connection):
    while connection.parse_event(connection.recv_bytes()).type != "response.done":
        pass


def handlers(connection):
    connection.on("response.done", lambda _: connection.close())
    connection.dispatch_events()


@pytest.mark.parametrize(
    ("api", "read"),
    [
        *((api, read) for api in apis_with("RealtimeConnection", "recv") for read in (recv, iterate, recv_bytes)),
        *((api, handlers) for api in apis_with("RealtimeConnection", "dispatch_events")),
    ],
)
def test_a_response_is_one_span_however_it_is_read(server, instrumented, api, read):
    server.reply("Hello there, Ada", usage=USAGE)
    with connected(server, api) as connection:
        connection.response.create()
        read(connection)
    check(instrumented.span())
    assert instrumented.span().attributes["gen_ai.response.id"] == "resp_000001"
    (tokens,) = {
        point.attributes["gen_ai.request.model"] for point in instrumented.points()["gen_ai.client.token.usage"]
    }
    assert tokens == "gpt-realtime"


async def test_an_async_response_is_one_span(server, instrumented, api):
    server.reply("Hello there, Ada", usage=USAGE)
    async with aconnected(server, api) as connection:
        await connection.response.create()
        await aread_until(connection)
    check(instrumented.span())


def test_responses_one_after_the_other_are_spans_of_their_own(server, instrumented, api):
    server.reply("Hello", usage=USAGE)
    server.reply("Hello again", usage=USAGE)
    with connected(server, api) as connection:
        for _ in range(2):
            connection.response.create()
            read_until(connection)
    assert [span.attributes["gen_ai.response.id"] for span in instrumented.spans()] == ["resp_000001", "resp_000002"]
    for span in instrumented.spans():
        check(span)


def create_beside(connection, name):
    """Asks for a response beside the conversation, in the words of the beta and of today."""
    response = {
        "conversation": "none",
        "metadata": {"for": name},
        "modalities": ["text"],
        "output_modalities": ["text"],
    }
    connection.send({"type": "response.create", "response": response})


def test_parallel_responses_are_told_apart(server, instrumented, api):
    server.reply("one two three four", usage=Usage(input_tokens=1, output_tokens=10), chunk_delay_s=0.05)
    server.reply("five", usage=Usage(input_tokens=2, output_tokens=20))
    with connected(server, api) as connection:
        create_beside(connection, "slow")
        create_beside(connection, "fast")
        read_until(connection, times=2)
    fast, slow = instrumented.spans()
    assert (fast.attributes["gen_ai.usage.input_tokens"], slow.attributes["gen_ai.usage.input_tokens"]) == (2, 1)
    assert fast.start_time > slow.start_time
    assert fast.end_time < slow.end_time


def test_a_response_that_the_server_begins_by_itself_is_a_span(server, instrumented, api):
    server.reply("Hello", usage=USAGE)
    with connected(server, api) as connection:
        connection.send({"type": "session.update", "session": {"turn_detection": {"create_response": True}}})
        connection.input_audio_buffer.append(audio="AAAA")
        connection.input_audio_buffer.commit()
        read_until(connection)
    check(instrumented.span())


def test_a_call_of_a_tool(server, instrumented, api):
    server.reply(tool_calls=[ToolCall("get_weather", {"city": "Lisbon"})], usage=USAGE)
    with connected(server, api) as connection:
        connection.response.create()
        read_until(connection)
    check(instrumented.span(), reasons=("tool_call",))


def test_a_cancelled_response(server, instrumented, api):
    server.reply("one two three four five", usage=USAGE, chunk_delay_s=5)
    with connected(server, api) as connection:
        connection.response.create()
        read_until(connection, "response.audio.delta" if "beta" in api else "response.output_audio.delta")
        connection.response.cancel()
        read_until(connection)
    check(instrumented.span(), reasons=("cancelled",))


def test_a_failed_response(server, instrumented, api):
    server.fail("rate_limit_exceeded")
    with connected(server, api) as connection:
        connection.response.create()
        read_until(connection)
    span = instrumented.span()
    assert span.attributes["error.type"] == "rate_limit_exceeded"
    assert span.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("event_id", [None, "mine"])
def test_a_refused_response(server, instrumented, api, event_id):
    server.refuse("invalid_value")
    server.reply("Hello", usage=USAGE)
    with connected(server, api) as connection:
        connection.response.create(**({"event_id": event_id} if event_id else {}))
        read_until(connection, "error")
        connection.response.create()
        read_until(connection)
    refused, answered = instrumented.spans()
    assert refused.attributes["error.type"] == "invalid_value"
    check(answered)


def test_a_second_response_while_one_is_made_is_refused(server, instrumented, api):
    server.reply("one two three", usage=USAGE, chunk_delay_s=0.05)
    with connected(server, api) as connection:
        connection.response.create()
        connection.response.create()
        read_until(connection)
    refused, answered = instrumented.spans()
    assert refused.attributes["error.type"] == "conversation_already_has_active_response"
    check(answered)


def test_an_error_about_something_else_fails_no_response(server, instrumented, api):
    server.reply("one two", usage=USAGE, chunk_delay_s=0.05)
    with connected(server, api) as connection:
        connection.response.create(event_id="mine")
        message = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "event_id": "other"}})
        calls_of(connection).received(message)
        read_until(connection)
    check(instrumented.span())


def calls_of(connection):
    return next(calls for hook in SDKS["openai"].hooks[1:] if (calls := hook._calls.get(connection)) is not None)


def test_a_dropped_connection_fails_its_responses(server, instrumented, api):
    server.reply("one two three", usage=USAGE, drop_after_chunks=2)
    with connected(server, api) as connection:
        connection.response.create()
        with pytest.raises(websockets.exceptions.ConnectionClosedError):
            read_until(connection)
    span = instrumented.span()
    assert span.attributes["error.type"] == "websockets.exceptions.ConnectionClosedError"
    assert span.attributes["gen_ai.response.id"] == "resp_000001"
    assert "gen_ai.usage.output_tokens" not in span.attributes


async def test_a_dropped_async_connection_fails_its_responses(server, instrumented, api):
    server.reply("one two three", usage=USAGE, drop_after_chunks=2)
    async with aconnected(server, api) as connection:
        await connection.response.create()
        with pytest.raises(websockets.exceptions.ConnectionClosedError):
            await aread_until(connection)
    assert instrumented.span().attributes["error.type"] == "websockets.exceptions.ConnectionClosedError"


def test_a_connection_closed_early_ends_its_responses(server, instrumented, api):
    server.reply("one two three", chunk_delay_s=5)
    with connected(server, api) as connection:
        connection.response.create()
        read_until(connection, "response.created")
    span = instrumented.span()
    assert span.attributes["vigilo.stream.ended_by"] == "close"
    assert span.status.is_unset


async def test_an_async_connection_closed_early_ends_its_responses(server, instrumented, api):
    server.reply("one two three", chunk_delay_s=5)
    async with aconnected(server, api) as connection:
        await connection.response.create()
    assert instrumented.span().attributes["vigilo.stream.ended_by"] == "close"


async def test_a_wait_that_is_cancelled_loses_nothing(server, instrumented, api):
    server.reply("one two", usage=USAGE, chunk_delay_s=0.2)
    async with aconnected(server, api) as connection:
        await connection.response.create()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(aread_until(connection), 0.1)
        assert instrumented.spans() == []
        await aread_until(connection)
    check(instrumented.span())


def test_a_connection_that_is_dropped_ends_its_responses(server, instrumented, api):
    server.reply("one two three", chunk_delay_s=5)
    with openai.OpenAI(**options(server)) as client:
        connection = realtime_of(client, api).connect(model="gpt-realtime").enter()
        socket = connection._connection
        connection.response.create()
        del connection
        gc.collect()
        socket.close()
    assert instrumented.span().attributes["vigilo.stream.ended_by"] == "drop"


def test_what_cannot_be_sent_is_a_failed_call(server, instrumented, api):
    with connected(server, api) as connection:
        connection._connection.close()
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.response.create()
    assert instrumented.span().status.status_code is StatusCode.ERROR


def test_the_gate_is_asked_before_a_response_is_created(server, instrumented, api):
    class RefusedError(Exception):
        pass

    def guard(request):
        assert request.model == "gpt-realtime"
        raise RefusedError

    with connected(server, api) as connection:
        gate.add_guard(guard)
        try:
            connection.conversation.item.create(item=SAY)  # no call to a model
            with pytest.raises(RefusedError):
                connection.response.create()
        finally:
            gate.remove_guard(guard)
    assert "response.create" not in {event["type"] for event in server.events}
    assert instrumented.span().attributes["error.type"].endswith("RefusedError")


@pytest.mark.parametrize("api", apis_with("RealtimeConnection", "send_raw"))
def test_an_event_can_be_sent_as_text(server, instrumented, api):
    server.reply("Hello", usage=USAGE)
    with connected(server, api) as connection:
        connection.send_raw(json.dumps({"type": "response.create"}))
        read_until(connection)
    check(instrumented.span())


@pytest.mark.parametrize("api", apis_with("RealtimeConnectionManager", "send"))
def test_an_event_can_be_sent_before_the_connection_stands(server, instrumented, api):
    server.reply("Hello", usage=USAGE)
    with openai.OpenAI(**options(server)) as client:
        manager = realtime_of(client, api).connect(model="gpt-realtime")
        manager.send({"type": "response.create"})
        with manager as connection:
            read_until(connection)
    check(instrumented.span())


@pytest.mark.parametrize("api", apis_with("RealtimeConnectionManager", "send"))
def test_a_manager_that_never_connects_ends_what_was_asked_for(server, instrumented, api):
    with openai.OpenAI(**options(server)) as client:
        manager = realtime_of(client, api).connect(model="gpt-realtime")
        manager.send({"type": "response.create"})
        del manager
        assert instrumented.span().attributes["vigilo.stream.ended_by"] == "drop"


def test_the_transcription_of_what_was_said_is_a_call_of_its_own(server, instrumented, api):
    model = {"model": "gpt-4o-transcribe"}
    session = {"input_audio_transcription": model, "audio": {"input": {"transcription": model}}}
    with connected(server, api) as connection:
        connection.send({"type": "session.update", "session": session})
        connection.input_audio_buffer.append(audio="AAAA")
        connection.input_audio_buffer.commit()
        read_until(connection, "conversation.item.input_audio_transcription.completed")
    span = instrumented.span()
    assert span.name == "transcription gpt-4o-transcribe"
    assert span.attributes["gen_ai.usage.input_tokens"] == 30
    assert span.attributes["gen_ai.usage.audio.input_tokens"] == 30


def test_content_is_told_where_it_is_wanted(server, telemetry, api, monkeypatch):
    monkeypatch.setenv("VIGILO_CONTENT", "full")
    server.reply("Hello Ada", usage=USAGE)
    with openai.OpenAI(**options(server)) as client:
        vigilo.wrap(client, **telemetry.providers)
        with realtime_of(client, api).connect(model="gpt-realtime") as connection:
            connection.send({"type": "session.update", "session": {"instructions": "Be kind", "temperature": 0.7}})
            connection.conversation.item.create(item=SAY)
            connection.response.create()
            read_until(connection)
            connection.response.create()
            read_until(connection)
    first, second = telemetry.spans()
    told = first.attributes
    assert json.loads(told["gen_ai.input.messages"])[0]["parts"] == [{"type": "text", "content": "Good day"}]
    assert json.loads(told["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Hello Ada"}]
    assert json.loads(told["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be kind"}]
    assert told["gen_ai.request.temperature"] == 0.7
    assert "gen_ai.input.messages" not in second.attributes


def test_content_stays_private_by_default(server, telemetry, api, monkeypatch):
    monkeypatch.setenv("VIGILO_CONTENT", "off")
    server.reply("Hello Ada", usage=USAGE)
    with openai.OpenAI(**options(server)) as client:
        vigilo.wrap(client, **telemetry.providers)
        with realtime_of(client, api).connect(model="gpt-realtime") as connection:
            connection.conversation.item.create(item=SAY)
            connection.response.create()
            read_until(connection)
    assert not {name for name in telemetry.span().attributes if "messages" in name}


def test_the_conversation_is_told_and_the_span_is_where_it_was_asked_for(server, instrumented, api):
    tracer = instrumented.tracer_provider.get_tracer("app")
    server.reply("Hello", usage=USAGE)
    with connected(server, api) as connection:
        read_until(connection, "conversation.created" if "beta" in api else "session.created")
        with tracer.start_as_current_span("turn") as turn:
            connection.response.create()
        assert trace.get_current_span() is not turn
        read_until(connection)
    _, span = instrumented.spans()
    assert span.parent.span_id == turn.get_span_context().span_id
    expected = "conv_000001" if "beta" in api else "sess_000001"
    assert span.attributes["gen_ai.conversation.id"] == expected


@GA
async def test_azure_names_the_deployment(server, instrumented):
    server.reply("Hello", usage=USAGE)
    azure = {**options(server), "azure_endpoint": "http://127.0.0.1", "api_version": "2025-04-01-preview"}
    del azure["base_url"]
    async with (
        openai.AsyncAzureOpenAI(**azure) as client,
        client.realtime.connect(model="my-realtime") as connection,
    ):
        await connection.response.create()
        await aread_until(connection)
    told = instrumented.span().attributes
    assert (told["gen_ai.provider.name"], told["gen_ai.request.model"]) == ("azure.ai.openai", "my-realtime")
    assert told["gen_ai.usage.input_tokens"] == 100


def test_nobody_watches_a_client_that_is_not_wrapped(server, telemetry, api):
    with openai.OpenAI(**options(server)) as other:
        vigilo.wrap(other, **telemetry.providers)
        with connected(server, api) as connection:
            connection.response.create()
            read_until(connection)
    assert telemetry.spans() == []


def test_the_methods_keep_their_signatures_and_come_back(api):
    module = import_module(f"openai.resources.{api}.realtime")
    connection = module.RealtimeConnection
    before, own = {name: getattr(connection, name) for name in ("recv_bytes", "send", "close")}, dict(vars(connection))
    hook = RealtimeHook(SDKS["openai"].hooks[0], module.__name__, "Realtime", RealtimeSession)
    hook.hold("test")
    try:
        for name, method in before.items():
            assert getattr(connection, name) is not method
            assert inspect.signature(getattr(connection, name)) == inspect.signature(method)
    finally:
        hook.release("test")
    assert dict(vars(connection)) == own


def test_sound_is_noted_fast(server, instrumented, api):
    """A piece of sound of 200 ms must not be taken apart: it comes many times a second."""
    server.reply("one two", usage=USAGE, chunk_delay_s=0.05)
    with connected(server, api) as connection:
        connection.response.create()
        read_until(connection, "response.created")
        calls = calls_of(connection)
        piece = json.dumps(
            {"type": "response.output_audio.delta", "event_id": "e", "response_id": "resp_000001", "delta": "A" * 13000}
        ).encode()
        began_s = time.thread_time()
        for _ in range(1000):
            calls.received(piece)
        took_s = time.thread_time() - began_s
        read_until(connection)
    check(instrumented.span())
    assert took_s < 0.05  # 50 us each; measured: 3 us
