"""The local provider through Anthropic's own SDK."""

from __future__ import annotations

import anthropic
import pytest

from vigilo.testing import ProviderServer, Usage

MODEL = "claude-haiku-4-5"
ASK = {"model": MODEL, "max_tokens": 2048, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
PARIS = "The capital of France is Paris, and Paris is on the Seine."
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
USAGE = Usage(
    input_tokens=120,
    output_tokens=40,
    cache_read_tokens=40,
    cache_write_tokens=30,
    cache_write_1h_tokens=10,
    output_reasoning_tokens=12,
)


def test_answers_a_message(anthropic_client: anthropic.Anthropic) -> None:
    answer = anthropic_client.messages.create(**ASK)
    assert [(block.type, block.text) for block in answer.content] == [("text", PARIS)]
    assert (answer.model, answer.stop_reason) == (MODEL, "end_turn")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 16)


def test_cached_tokens_lie_beside_the_input_tokens(
    server: ProviderServer, anthropic_client: anthropic.Anthropic
) -> None:
    server.reply("Hi", usage=USAGE)
    assert anthropic_client.messages.create(**ASK).usage.model_dump(exclude_none=True) == {
        "input_tokens": 50,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 12},
        "service_tier": "standard",
    }


def test_a_stream_starts_with_one_output_token_and_ends_with_all(
    server: ProviderServer, anthropic_client: anthropic.Anthropic
) -> None:
    server.reply("one two", usage=USAGE, finish_reason="length")
    with anthropic_client.messages.create(**ASK, stream=True) as stream:
        events = list(stream)
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 2,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, end = events[0].message.usage, events[-2]
    assert (start.input_tokens, start.output_tokens, start.cache_read_input_tokens) == (50, 1, 40)
    split = start.model_dump()["cache_creation"]  # older SDKs have no class for it
    assert split == {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10}
    assert (end.usage.output_tokens, end.delta.stop_reason) == (40, "max_tokens")


def test_the_stream_helper_puts_thinking_and_text_together(anthropic_client: anthropic.Anthropic) -> None:
    with anthropic_client.messages.stream(**ASK, thinking={"type": "enabled", "budget_tokens": 1024}) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == PARIS
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].signature
    if hasattr(final.usage, "output_tokens_details"):
        assert final.usage.output_tokens == 16 + final.usage.output_tokens_details.thinking_tokens
    assert final.usage.output_tokens > 16


async def test_serves_async_calls_and_streams(async_anthropic_client: anthropic.AsyncAnthropic) -> None:
    whole = await async_anthropic_client.messages.create(**ASK)
    async with async_anthropic_client.messages.stream(**ASK) as stream:
        final = await stream.get_final_message()
    assert final.content[0].text == whole.content[0].text == PARIS


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_a_tool_then_answers_with_its_result(anthropic_client: anthropic.Anthropic, streamed: bool) -> None:
    asked = {**ASK, "tools": [WEATHER], "messages": [{"role": "user", "content": "What is the weather in Lisbon?"}]}
    if streamed:
        with anthropic_client.messages.stream(**asked) as stream:
            first = stream.get_final_message()
    else:
        first = anthropic_client.messages.create(**asked)
    assert first.stop_reason == "tool_use"
    call = first.content[0]
    assert (call.type, call.name, call.input) == ("tool_use", "get_weather", {"city": "Lisbon"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "24 degrees"}
    said = {"role": "assistant", "content": [call.model_dump(exclude_none=True)]}
    asked["messages"] = [*asked["messages"], said, {"role": "user", "content": [result]}]
    assert anthropic_client.messages.create(**asked).content[0].text == "I looked it up for you: 24 degrees"


def test_counts_tokens_as_the_call_would(anthropic_client: anthropic.Anthropic) -> None:
    counted = anthropic_client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
    assert counted.input_tokens == anthropic_client.messages.create(**ASK).usage.input_tokens


def test_lists_models(anthropic_client: anthropic.Anthropic) -> None:
    assert MODEL in [model.id for model in anthropic_client.models.list()]


def test_retry_after_a_429_succeeds(server: ProviderServer, anthropic_client: anthropic.Anthropic) -> None:
    server.fail(429, retry_after_s=0.01)
    assert anthropic_client.messages.create(**ASK).content[0].text == PARIS
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),  # its class differs between versions of the SDK
    ],
)
def test_failures_become_the_errors_of_the_sdk(
    server: ProviderServer,
    anthropic_client: anthropic.Anthropic,
    status: int,
    error: type[anthropic.APIStatusError],
    kind: str,
) -> None:
    server.fail(status, message="out of order")
    with pytest.raises(error) as raised:
        anthropic_client.with_options(max_retries=0).messages.create(**ASK)
    assert raised.value.body["error"] == {"type": kind, "message": "out of order"}
    assert raised.value.request_id == raised.value.body["request_id"]


def test_a_dropped_stream_raises_in_the_reader(server: ProviderServer, anthropic_client: anthropic.Anthropic) -> None:
    server.drop(after_chunks=4)
    with pytest.raises(Exception) as raised, anthropic_client.messages.create(**ASK, stream=True) as stream:
        list(stream)
    assert type(raised.value).__name__ in ("APIConnectionError", "RemoteProtocolError")
    assert len(server.requests) == 1


def test_answers_carry_request_id_and_rate_limits(anthropic_client: anthropic.Anthropic) -> None:
    answer = anthropic_client.messages.with_raw_response.create(**ASK)
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["anthropic-ratelimit-input-tokens-remaining"] == "399999"


@pytest.mark.parametrize("method", ["rawPredict", "streamRawPredict"])
def test_serves_claude_on_vertex(server: ProviderServer, method: str) -> None:
    place = {"region": "europe-west1", "project_id": "shop", "access_token": "any", "base_url": f"{server.url}/v1"}
    with anthropic.AnthropicVertex(**place) as client:
        if method == "streamRawPredict":
            with client.messages.stream(**ASK) as stream:
                answer = stream.get_final_message()
        else:
            answer = client.messages.create(**ASK)
    assert (answer.model, answer.content[0].text) == (MODEL, PARIS)
    assert server.requests[0].path.endswith(f"/publishers/anthropic/models/{MODEL}:{method}")
