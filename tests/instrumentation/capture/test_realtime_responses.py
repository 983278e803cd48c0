"""Responses over a real websocket: one span for each, with the tokens that the provider counted."""

import json

import openai
import pytest
from openai.resources.responses import Responses

from vigilo.testing import Usage

websockets = pytest.importorskip("websockets")

from vigilo.testing.realtime import RealtimeServer  # noqa: E402 - needs websockets

USAGE = Usage(input_tokens=100, output_tokens=40, cache_read_tokens=64)
ASKED = {"type": "response.create", "model": "gpt-4o-mini", "input": "Hello there"}

pytestmark = [
    pytest.mark.filterwarnings("ignore:connect:DeprecationWarning"),  # websockets, of how the SDK uses it
    pytest.mark.skipif(not hasattr(Responses, "connect"), reason="this SDK has no websocket for responses"),
]


@pytest.fixture
def server():
    with RealtimeServer() as running:
        yield running


def options(server):
    return {"base_url": server.openai_url, "websocket_base_url": server.websocket_url, "api_key": "any"}


def read(connection, kind="response.completed"):
    for event in connection:
        if event.type == kind:
            return event


def check(span):
    told = span.attributes
    assert span.name == "chat gpt-4o-mini"
    assert told["openai.api.type"] == "responses"
    assert told["gen_ai.usage.input_tokens"] == 100
    assert told["gen_ai.usage.output_tokens"] == 40
    assert told["gen_ai.usage.cache_read.input_tokens"] == 64
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.response.time_to_first_chunk"] > 0
    assert span.status.is_unset


def test_responses_on_one_connection_are_spans_of_their_own(server, instrumented):
    server.reply("Hello", usage=USAGE)
    server.reply("Hello again", usage=USAGE)
    with openai.OpenAI(**options(server)) as client, client.responses.connect() as connection:
        for _ in range(2):
            connection.send(ASKED)
            read(connection)
    assert [span.attributes["gen_ai.response.id"] for span in instrumented.spans()] == ["resp_000001", "resp_000002"]
    for span in instrumented.spans():
        check(span)


def test_the_resource_of_a_connection_asks_too(server, instrumented):
    server.reply("Hello", usage=USAGE)
    with openai.OpenAI(**options(server)) as client, client.responses.connect() as connection:
        connection.response.create(**{name: value for name, value in ASKED.items() if name != "type"})
        read(connection)
    check(instrumented.span())


async def test_an_async_response_is_one_span(server, instrumented):
    server.reply("Hello", usage=USAGE)
    async with openai.AsyncOpenAI(**options(server)) as client, client.responses.connect() as connection:
        await connection.send(ASKED)
        async for event in connection:
            if event.type == "response.completed":
                break
    check(instrumented.span())


def test_lanes_are_told_apart(server, instrumented):
    server.reply("Hello", usage=USAGE)
    server.reply("Good day", usage=USAGE)
    with openai.OpenAI(**options(server)) as client, client.responses.connect() as connection:
        for lane in ("a", "b"):
            connection.send_raw(json.dumps({**ASKED, "stream_id": lane}))
        read(connection)
        read(connection)
    assert len(instrumented.spans()) == 2
    for span in instrumented.spans():
        check(span)


def test_a_refused_response(server, instrumented):
    server.refuse("previous_response_not_found")
    with openai.OpenAI(**options(server)) as client, client.responses.connect() as connection:
        connection.send({**ASKED, "previous_response_id": "resp_0"})
        read(connection, "error")
    told = instrumented.span().attributes
    assert told["error.type"] == "previous_response_not_found"
    assert told["gen_ai.request.previous_response.id"] == "resp_0"


def test_a_dropped_connection_fails_its_response(server, instrumented):
    server.reply("one two three", drop_after_chunks=5)
    with openai.OpenAI(**options(server)) as client, client.responses.connect() as connection:
        connection.send(ASKED)
        with pytest.raises(websockets.exceptions.ConnectionClosedError):
            read(connection)
    told = instrumented.span().attributes
    assert told["error.type"] == "websockets.exceptions.ConnectionClosedError"
    assert told["gen_ai.response.id"] == "resp_000001"
