"""The local provider through Google's own SDK, on the paths of Google AI and of Vertex AI."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import errors, types

from vigilo.testing import ProviderServer, Usage

MODEL = "gemini-2.5-flash"
ASK = {"model": MODEL, "contents": "What is the capital of France?"}
PARIS = "The capital of France is Paris, and Paris is on the Seine."
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}),
        )
    ]
)
USAGE = Usage(input_tokens=120, output_tokens=40, cache_read_tokens=64, output_reasoning_tokens=16)


@pytest.fixture(params=["google_client", "vertex_client"])
def client(request: pytest.FixtureRequest) -> genai.Client:
    return request.getfixturevalue(request.param)


def test_answers_a_prompt(client: genai.Client) -> None:
    answer = client.models.generate_content(**ASK)
    assert answer.text == PARIS
    assert (answer.model_version, answer.candidates[0].finish_reason) == (MODEL, types.FinishReason.STOP)
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (11, 16, 27)


def test_thoughts_are_counted_beside_the_candidates(server: ProviderServer, client: genai.Client) -> None:
    server.reply("Hi", thinking="Say hi.", usage=USAGE, finish_reason="length")
    answer = client.models.generate_content(**ASK)
    assert [(part.text, bool(part.thought)) for part in answer.candidates[0].content.parts] == [
        ("Say hi.", True),
        ("Hi", False),
    ]
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    usage = answer.usage_metadata
    assert usage.prompt_token_count == 120
    assert usage.cached_content_token_count == 64
    assert usage.candidates_token_count == 24
    assert usage.thoughts_token_count == 16
    assert usage.total_token_count == 160


def test_streams_with_the_true_usage_last(server: ProviderServer, client: genai.Client) -> None:
    server.reply("one two three", usage=USAGE)
    chunks = list(client.models.generate_content_stream(**ASK))
    assert [chunk.text for chunk in chunks] == ["one ", "two ", "three"]
    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == [None, None, 24]
    assert [bool(chunk.candidates[0].finish_reason) for chunk in chunks] == [False, False, True]
    assert "streamGenerateContent?alt=sse" in server.requests[0].path


async def test_serves_async_calls_and_streams(google_client: genai.Client) -> None:
    models = google_client.aio.models
    whole = await models.generate_content(**ASK)
    stream = await models.generate_content_stream(**ASK)
    assert "".join([chunk.text async for chunk in stream]) == whole.text == PARIS
    # The oldest versions of the SDK leave the closing to the HTTP client.
    aio = google_client.aio
    await (aio if hasattr(aio, "aclose") else google_client._api_client._async_httpx_client).aclose()


def test_the_sdk_calls_a_python_function_by_itself(server: ProviderServer, client: genai.Client) -> None:
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    get_weather.__annotations__ = {"city": str, "return": str}  # older versions of the SDK do not read them as text
    asked = "What is the weather in Lisbon?"
    answer = client.models.generate_content(model=MODEL, contents=asked, config={"tools": [get_weather]})
    assert answer.text == "I looked it up for you: sunny in Lisbon"
    assert len(server.requests) == 2


def test_streams_a_function_call(client: genai.Client) -> None:
    config = types.GenerateContentConfig(tools=[WEATHER])
    asked = "What is the weather in Lisbon?"
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=asked, config=config))
    calls = [call for chunk in chunks for call in chunk.function_calls or ()]
    assert [(call.name, call.args) for call in calls] == [("get_weather", {"city": "Lisbon"})]


def test_answers_json_of_the_schema_that_was_asked_for(client: genai.Client) -> None:
    schema = types.Schema(type="OBJECT", properties={"name": types.Schema(type="STRING")})
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    assert client.models.generate_content(**ASK, config=config).parsed == {"name": "Ada"}


def test_embeds_texts(client: genai.Client) -> None:
    answer = client.models.embed_content(model="text-embedding-005", contents=["one text", "another"])
    first, second = (embedding.values for embedding in answer.embeddings)
    assert len(first) == len(second) == 32
    assert first != second


def test_vertex_counts_tokens_with_each_vector(vertex_client: genai.Client) -> None:
    answer = vertex_client.models.embed_content(model="text-embedding-005", contents=["one text", "another"])
    assert [embedding.statistics.token_count for embedding in answer.embeddings] == [3, 2]


def test_counts_tokens_as_the_call_would(client: genai.Client) -> None:
    counted = client.models.count_tokens(**ASK)
    assert counted.total_tokens == client.models.generate_content(**ASK).usage_metadata.prompt_token_count


@pytest.mark.parametrize(
    ("status", "error", "word"),
    [
        (400, errors.ClientError, "INVALID_ARGUMENT"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
    ],
)
def test_failures_become_the_errors_of_the_sdk(
    server: ProviderServer, client: genai.Client, status: int, error: type[errors.APIError], word: str
) -> None:
    server.fail(status, message="out of order")
    with pytest.raises(error) as raised:
        client.models.generate_content(**ASK)
    assert (raised.value.code, raised.value.status, raised.value.message) == (status, word, "out of order")


def test_the_retries_of_the_sdk_succeed_after_a_429(server: ProviderServer) -> None:
    options = types.HttpOptions(
        base_url=server.google_url, retry_options=types.HttpRetryOptions(attempts=2, initial_delay=0.01, jitter=0.0)
    )
    server.fail(429)
    client = genai.Client(api_key="any", http_options=options)
    assert client.models.generate_content(**ASK).text == PARIS
    assert len(server.requests) == 2
    client._api_client._httpx_client.close()


def test_a_dropped_stream_raises_in_the_reader(server: ProviderServer, client: genai.Client) -> None:
    server.drop(after_chunks=2)
    with pytest.raises(Exception, match="peer closed connection"):  # of httpx or httpx2, as the SDK's version has it
        list(client.models.generate_content_stream(**ASK))
