"""The local provider through OpenAI's own SDK."""

from __future__ import annotations

import json

import httpx2
import openai
import pytest

from vigilo.testing import ProviderServer, ToolCall, Usage

MODEL = "gpt-4o-mini"
ASK = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer"},
            },
        },
    },
}
USAGE = Usage(
    input_tokens=120,
    output_tokens=40,
    cache_read_tokens=64,
    cache_write_tokens=8,
    input_audio_tokens=3,
    output_reasoning_tokens=16,
    output_audio_tokens=2,
)


def test_answers_a_chat_the_same_way_each_time(openai_client: openai.OpenAI) -> None:
    first = openai_client.chat.completions.create(model=MODEL, messages=ASK)
    second = openai_client.chat.completions.create(model=MODEL, messages=ASK)
    assert first.choices[0].message.content == "The capital of France is Paris, and Paris is on the Seine."
    assert second.choices == first.choices
    assert second.usage == first.usage
    assert second.id != first.id
    assert (first.model, first.choices[0].finish_reason) == (MODEL, "stop")


def test_token_counts_follow_the_words(openai_client: openai.OpenAI) -> None:
    short = openai_client.chat.completions.create(model=MODEL, messages=ASK).usage
    longer = openai_client.chat.completions.create(
        model=MODEL, messages=[{"role": "system", "content": "Answer in one short sentence."}, *ASK]
    ).usage
    assert longer.prompt_tokens == short.prompt_tokens + 7 + 3
    assert longer.completion_tokens == short.completion_tokens
    assert short.total_tokens == short.prompt_tokens + short.completion_tokens


def test_sends_scripted_usage_in_the_wire_form_of_chat(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.reply("Hi", usage=USAGE, model="gpt-4o-mini-2024-07-18", finish_reason="length")
    answer = openai_client.chat.completions.create(model=MODEL, messages=ASK)
    assert answer.choices[0].message.content == "Hi"
    assert answer.choices[0].finish_reason == "length"
    assert answer.model == "gpt-4o-mini-2024-07-18"
    usage = answer.usage.model_dump(exclude_none=True)
    assert usage == {
        "prompt_tokens": 120,
        "completion_tokens": 40,
        "total_tokens": 160,
        "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8, "audio_tokens": 3},
        "completion_tokens_details": {
            "reasoning_tokens": 16,
            "audio_tokens": 2,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


@pytest.mark.parametrize("with_usage", [True, False])
def test_streams_usage_only_when_asked(server: ProviderServer, openai_client: openai.OpenAI, with_usage: bool) -> None:
    server.reply("one two three", usage=USAGE)
    options = {"stream_options": {"include_usage": True}} if with_usage else {}
    with openai_client.chat.completions.create(model=MODEL, messages=ASK, stream=True, **options) as stream:
        chunks = list(stream)
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert texts == ["one ", "two ", "three"]
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.total_tokens for usage in usages] == ([160] if with_usage else [])
    assert [bool(chunk.choices) for chunk in chunks[-2:]] == [True, not with_usage]


def test_streams_in_as_many_chunks_as_scripted(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.reply("x" * 1000, chunks=100)
    with openai_client.chat.completions.create(model=MODEL, messages=ASK, stream=True) as stream:
        pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content]
    assert len(pieces) == 100
    assert "".join(pieces) == "x" * 1000


async def test_serves_async_calls_and_streams(async_openai_client: openai.AsyncOpenAI) -> None:
    whole = await async_openai_client.chat.completions.create(model=MODEL, messages=ASK)
    stream = await async_openai_client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    async with stream:
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == whole.choices[0].message.content


def test_gives_several_choices(openai_client: openai.OpenAI) -> None:
    one = openai_client.chat.completions.create(model=MODEL, messages=ASK)
    two = openai_client.chat.completions.create(model=MODEL, messages=ASK, n=2)
    assert [choice.index for choice in two.choices] == [0, 1]
    assert two.usage.completion_tokens == 2 * one.usage.completion_tokens
    with openai_client.chat.completions.create(model=MODEL, messages=ASK, n=2, stream=True) as stream:
        texts = ["", ""]
        for chunk in stream:
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == [one.choices[0].message.content] * 2


def test_calls_the_first_tool_then_answers_with_its_result(openai_client: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": "What is the weather in Lisbon?"}]
    first = openai_client.chat.completions.create(model=MODEL, messages=asked, tools=[WEATHER])
    assert first.choices[0].finish_reason == "tool_calls"
    assert first.choices[0].message.content is None
    call = first.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Lisbon", "unit": "celsius", "days": 1}
    result = {"role": "tool", "tool_call_id": call.id, "content": "24 degrees and sunny"}
    messages = [*asked, first.choices[0].message.model_dump(exclude_none=True), result]
    second = openai_client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "I looked it up for you: 24 degrees and sunny"
    assert second.choices[0].finish_reason == "stop"


def test_streams_tool_calls_that_the_sdk_puts_together(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    calls = [ToolCall("get_weather", {"city": "Oslo"}), ToolCall("get_time", {"zone": "CET"})]
    server.reply(tool_calls=calls)
    with openai_client.chat.completions.stream(model=MODEL, messages=ASK) as stream:
        final = stream.get_final_completion()
    made = [(call.function.name, json.loads(call.function.arguments)) for call in final.choices[0].message.tool_calls]
    assert made == [("get_weather", {"city": "Oslo"}), ("get_time", {"zone": "CET"})]
    assert final.choices[0].finish_reason == "tool_calls"


def test_answers_json_of_the_schema_that_was_asked_for(openai_client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "ages": {"type": "array", "items": {"type": "integer"}}},
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    answer = openai_client.chat.completions.create(model=MODEL, messages=ASK, response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"name": "Ada", "ages": [1]}


def test_responses_carry_usage_thinking_and_conversation(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.reply("Hi", thinking="Say hi.", usage=USAGE)
    answer = openai_client.responses.create(model=MODEL, input="Hello", instructions="Be brief.", conversation="conv_1")
    assert answer.output_text == "Hi"
    assert answer.status == "completed"
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.conversation.id == "conv_1"
    assert answer.usage.model_dump(exclude_none=True) == {
        "input_tokens": 120,
        "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
        "output_tokens": 40,
        "output_tokens_details": {"reasoning_tokens": 16},
        "total_tokens": 160,
    }


def test_responses_stream_ends_with_the_whole_answer(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.reply("one two", usage=USAGE, finish_reason="length", match="/responses")
    with openai_client.responses.create(model=MODEL, input="Hello", stream=True) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas == ["one ", "two"]
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.incomplete_details.reason == "max_output_tokens"
    assert events[-1].response.usage.total_tokens == 160


def test_responses_helper_reads_streamed_tool_calls(openai_client: openai.OpenAI) -> None:
    tool = {"type": "function", "name": "get_weather", "strict": False, "parameters": WEATHER["function"]["parameters"]}
    asked = [{"role": "user", "content": "Is it warm in Rome?"}]
    with openai_client.responses.stream(model=MODEL, input=asked, tools=[tool]) as stream:
        call = stream.get_final_response().output[0]
    assert (call.type, call.name) == ("function_call", "get_weather")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "31 degrees"}
    items = [*asked, call.model_dump(exclude_none=True), result]
    answer = openai_client.responses.create(model=MODEL, input=items, tools=[tool])
    assert answer.output_text == "I looked it up for you: 31 degrees"


def test_embeddings_are_the_same_in_base64_and_as_numbers(openai_client: openai.OpenAI) -> None:
    # The SDK asks for base64 when nothing is said, and decodes it.
    decoded = openai_client.embeddings.create(model="text-embedding-3-small", input=["one text", "another"])
    numbers = openai_client.embeddings.create(
        model="text-embedding-3-small", input=["one text", "another"], encoding_format="float"
    )
    for left, right in zip(decoded.data, numbers.data, strict=True):
        assert left.embedding == pytest.approx(right.embedding)
    assert decoded.data[0].embedding != decoded.data[1].embedding
    assert decoded.usage.prompt_tokens == 5
    assert len(openai_client.embeddings.create(model="e", input="a", dimensions=3).data[0].embedding) == 3


def test_lists_models(openai_client: openai.OpenAI) -> None:
    assert MODEL in [model.id for model in openai_client.models.list()]


def test_retry_after_a_429_succeeds(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.fail(429, retry_after_s=0.01)
    answer = openai_client.chat.completions.create(model=MODEL, messages=ASK)
    assert answer.choices[0].finish_reason == "stop"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, openai.BadRequestError, None),
        (401, openai.AuthenticationError, "invalid_api_key"),
        (404, openai.NotFoundError, "model_not_found"),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, None),
    ],
)
def test_failures_become_the_errors_of_the_sdk(
    server: ProviderServer,
    openai_client: openai.OpenAI,
    status: int,
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    server.fail(status, message="out of order")
    with pytest.raises(error) as raised:
        openai_client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=ASK)
    assert raised.value.body["message"] == "out of order"
    assert raised.value.code == code
    assert raised.value.request_id.startswith("req_")


def test_a_dropped_stream_raises_in_the_reader(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.drop(after_chunks=3)
    with openai_client.chat.completions.create(model=MODEL, messages=ASK, stream=True) as stream:
        seen = [next(stream).choices[0].delta.content for _ in range(3)]
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            next(stream)
    assert seen == ["", "The ", "capital "]
    assert len(server.requests) == 1


def test_a_dropped_whole_answer_is_a_connection_error(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.drop()
    with pytest.raises(openai.APIConnectionError):
        openai_client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=ASK)


def test_answers_carry_request_id_and_rate_limits(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    assert answer.request_id.startswith("req_")
    assert answer.headers["x-ratelimit-remaining-tokens"] == "1999900"


def test_serves_azure_deployments(server: ProviderServer) -> None:
    endpoint = {"azure_endpoint": server.url, "api_version": "2024-10-21", "api_key": "any"}
    with openai.AzureOpenAI(**endpoint) as client:
        answer = client.chat.completions.create(model="my-deployment", messages=ASK)
    assert answer.choices[0].finish_reason == "stop"
    assert server.requests[0].path.startswith("/openai/deployments/my-deployment/chat/completions?")
