"""Raw responses whose body the app reads by itself, in each way the SDKs offer."""

import anthropic
import openai
import pytest

from vigilo.testing import Usage

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
COUNTED = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": CHAT["messages"]}
TOKENS = (120, 40)


@pytest.fixture
def counted(server):
    server.reply("one two three ünö", chunks=4, usage=Usage(input_tokens=120, output_tokens=40))
    return server


def tokens(telemetry):
    told = telemetry.span().attributes
    return told.get("gen_ai.usage.input_tokens"), told.get("gen_ai.usage.output_tokens")


WHOLE = {
    "parse": lambda response: response.parse(),
    "json": lambda response: response.json(),
    "text": lambda response: response.text(),
    "read": lambda response: response.read(),
    "http_response": lambda response: response.http_response.read(),
}
PIECES = {
    "parse": lambda response: response.parse(),
    "iter_lines": lambda response: response.iter_lines(),
    "iter_text": lambda response: response.iter_text(),
    "iter_bytes": lambda response: response.iter_bytes(),
    "iter_bytes of 7": lambda response: response.iter_bytes(7),
}


@pytest.mark.parametrize("read", WHOLE.values(), ids=WHOLE)
def test_a_whole_answer_is_counted_however_it_is_read(instrumented, counted, read):
    with openai.OpenAI() as client, client.chat.completions.with_streaming_response.create(**CHAT) as response:
        read(response)
    assert tokens(instrumented) == TOKENS


@pytest.mark.parametrize("read", PIECES.values(), ids=PIECES)
def test_a_stream_is_counted_however_it_is_read(instrumented, counted, read):
    with openai.OpenAI() as client, client.chat.completions.with_streaming_response.create(**COUNTED) as response:
        pieces = list(read(response))
    assert len(pieces) > 4
    assert tokens(instrumented) == TOKENS
    assert instrumented.span().attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert "ünö" in instrumented.span().attributes["gen_ai.output.messages"]


@pytest.mark.parametrize("read", PIECES.values(), ids=PIECES)
def test_a_stream_of_anthropic_is_counted_however_it_is_read(instrumented, counted, read):
    with (
        anthropic.Anthropic() as client,
        client.messages.with_streaming_response.create(**MESSAGE, stream=True) as response,
    ):
        list(read(response))
    assert tokens(instrumented) == TOKENS


@pytest.mark.parametrize("method", ["iter_lines", "iter_text", "iter_bytes"])
async def test_an_async_stream_is_counted_however_it_is_read(instrumented, counted, method):
    async with (
        openai.AsyncOpenAI() as client,
        client.chat.completions.with_streaming_response.create(**COUNTED) as response,
    ):
        assert [piece async for piece in getattr(response, method)()]
    assert tokens(instrumented) == TOKENS


@pytest.mark.parametrize("method", ["json", "text", "read", "parse"])
async def test_a_whole_async_answer_is_counted_however_it_is_read(instrumented, counted, method):
    async with (
        openai.AsyncOpenAI() as client,
        client.chat.completions.with_streaming_response.create(**CHAT) as response,
    ):
        await getattr(response, method)()
    assert tokens(instrumented) == TOKENS


def test_a_body_that_is_not_read_ends_with_its_response(instrumented, counted):
    with openai.OpenAI() as client:
        with client.chat.completions.with_streaming_response.create(**CHAT):
            assert instrumented.spans() == []
        assert tokens(instrumented) == (None, None)


def test_a_stream_that_is_left_halfway_is_ended_with_what_came(instrumented, counted):
    with openai.OpenAI() as client, client.chat.completions.with_streaming_response.create(**COUNTED) as response:
        lines = response.iter_lines()
        while '"one' not in next(lines):
            pass
        lines.close()
        assert instrumented.span().attributes["vigilo.stream.ended_by"] == "drop"
    assert instrumented.span().attributes["vigilo.usage.estimated"] is True


def test_a_broken_connection_fails_the_span(instrumented, server):
    server.drop(after_chunks=2)
    with (
        openai.OpenAI() as client,
        client.chat.completions.with_streaming_response.create(**COUNTED) as response,
        pytest.raises(Exception, match="peer closed connection"),
    ):
        list(response.iter_lines())
    assert instrumented.span().status.status_code.name == "ERROR"


def test_the_app_gets_what_it_would_get_without(telemetry, counted):
    import vigilo

    counted.reply("one two three ünö", chunks=4, usage=Usage(input_tokens=120, output_tokens=40))

    def lines(client):
        with client.chat.completions.with_streaming_response.create(**COUNTED) as response:
            return [line.partition('"choices"')[2] for line in response.iter_lines()]

    with openai.OpenAI() as client:
        bare = lines(client)
        assert lines(vigilo.wrap(client, **telemetry.providers)) == bare
    assert len(bare) > 8
