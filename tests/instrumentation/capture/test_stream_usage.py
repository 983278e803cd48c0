"""Streams that count their tokens only when asked are asked, and the app does not notice."""

import openai
import pytest

import vigilo
from vigilo.testing import Usage

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


@pytest.fixture
def counted(server):
    server.reply("one two three", chunks=3, usage=Usage(input_tokens=120, output_tokens=40), times=2)
    return server


def tokens(telemetry):
    return telemetry.spans()[-1].attributes.get("gen_ai.usage.input_tokens")


def test_the_app_gets_the_chunks_it_would_get_without(telemetry, counted):
    with openai.OpenAI() as client:
        bare = [chunk.model_dump(exclude={"id", "created"}) for chunk in client.chat.completions.create(**CHAT)]
        vigilo.wrap(client, **telemetry.providers)
        seen = [chunk.model_dump(exclude={"id", "created"}) for chunk in client.chat.completions.create(**CHAT)]
    assert seen == bare
    assert [request.body.get("stream_options") for request in counted.requests] == [None, {"include_usage": True}]
    assert tokens(telemetry) == 120
    assert telemetry.span().attributes["gen_ai.usage.cost"] > 0


async def test_an_async_stream_is_asked_too(instrumented, counted):
    async with openai.AsyncOpenAI() as client:
        chunks = [chunk async for chunk in await client.chat.completions.create(**CHAT)]
    assert all(chunk.choices for chunk in chunks)
    assert tokens(instrumented) == 120


def test_helpers_and_parsed_raw_responses_are_asked_too(instrumented, counted):
    asked = {name: value for name, value in CHAT.items() if name != "stream"}
    with openai.OpenAI() as client:
        with client.chat.completions.stream(**asked) as stream:
            for _ in stream:
                pass
        assert tokens(instrumented) == 120
        for chunk in client.chat.completions.with_raw_response.create(**CHAT).parse():
            assert chunk.choices
        assert tokens(instrumented) == 120


def test_who_asked_gets_the_chunk(instrumented, counted):
    with openai.OpenAI() as client:
        chunks = list(client.chat.completions.create(**CHAT, stream_options={"include_usage": True}))
    assert chunks[-1].usage.prompt_tokens == 120
    assert tokens(instrumented) == 120


def test_who_declined_is_not_asked(instrumented, counted):
    with openai.OpenAI() as client:
        list(client.chat.completions.create(**CHAT, stream_options={"include_usage": False}))
    assert counted.requests[0].body["stream_options"] == {"include_usage": False}
    assert tokens(instrumented) == 5  # four for the frame of the message and one for "Hello"
    told = instrumented.span().attributes
    assert told["vigilo.usage.estimated"] is True
    assert told["gen_ai.usage.output_tokens"] == 3  # 13 characters
    assert told["gen_ai.usage.cost"] > 0


def test_a_stream_that_breaks_off_is_estimated_from_what_came(instrumented, counted):
    with openai.OpenAI() as client, client.chat.completions.create(**CHAT) as stream:
        while not next(stream).choices[0].delta.content:
            pass
    told = instrumented.span().attributes
    assert told["vigilo.usage.estimated"] is True
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (5, 1)
    assert told["vigilo.stream.ended_by"] == "close"


def test_what_the_provider_counted_is_not_marked(instrumented, counted):
    with openai.OpenAI() as client:
        list(client.chat.completions.create(**CHAT))
    assert "vigilo.usage.estimated" not in instrumented.span().attributes
    assert "vigilo.stream.ended_by" not in instrumented.span().attributes


def test_other_options_of_the_caller_stay(instrumented, counted):
    mine = {"include_obfuscation": False}
    with openai.OpenAI() as client:
        list(client.chat.completions.create(**CHAT, stream_options=mine))
    assert counted.requests[0].body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert mine == {"include_obfuscation": False}


def test_it_can_be_turned_off(telemetry, counted, monkeypatch):
    monkeypatch.setenv("VIGILO_STREAM_USAGE", "false")
    with openai.OpenAI() as client:
        list(vigilo.wrap(client, **telemetry.providers).chat.completions.create(**CHAT))
    assert "stream_options" not in counted.requests[0].body
    assert telemetry.span().attributes["vigilo.usage.estimated"] is True


def test_readers_of_bytes_get_the_providers_bytes(instrumented, counted):
    with openai.OpenAI() as client, client.chat.completions.with_streaming_response.create(**CHAT) as response:
        lines = [line for line in response.iter_lines() if line.startswith("data: {")]
    assert "stream_options" not in counted.requests[0].body
    assert all('"choices": [{' in line or '"choices":[{' in line for line in lines)
    assert instrumented.span().attributes["vigilo.usage.estimated"] is True


@pytest.mark.parametrize(("version", "asked"), [("2024-06-01", False), ("2025-04-01-preview", True)])
def test_azure_is_asked_where_its_api_knows_the_option(instrumented, counted, version, asked):
    with openai.AzureOpenAI(azure_endpoint=counted.url, api_key="k", api_version=version, base_url=None) as client:
        list(client.chat.completions.create(**CHAT))
    assert ("stream_options" in counted.requests[0].body) is asked
