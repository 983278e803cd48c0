"""Every endpoint of google-genai, on Google AI and on Vertex AI, sync and async, is one span with what it used."""

import asyncio
import gc
import json
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from vigilo.capture import gate
from vigilo.testing import ToolCall, Usage

MODEL = "gemini-2.5-flash"
ASK = {"model": MODEL, "contents": "Hello there"}
TOKENS = Usage(input_tokens=120, output_tokens=40)
# The SDK calls these methods deprecated, or experimental, as long as they work.
OLD_METHODS = pytest.mark.filterwarnings("ignore:The .* method")
PROVIDERS = {"gemini": "gcp.gemini", "vertex": "gcp.vertex_ai"}


@pytest.fixture(params=["gemini", "vertex"])
def platform(request):
    return request.param


def options_of(platform, server):
    http_options = {"base_url": server.google_url}
    if platform == "gemini":
        return {"api_key": "any", "vertexai": False, "http_options": http_options}
    # Credentials that are passed, and hold a token: nothing asks Google who is there.
    where = {"project": "p", "location": "us-central1", "credentials": Credentials(token="any")}
    return {"vertexai": True, **where, "http_options": http_options}


@contextmanager
def opened(**options):
    """A client that is closed in the end, which the oldest versions of the SDK leave to the HTTP client."""
    client = genai.Client(**options)
    yield client
    (client if hasattr(client, "close") else client._api_client._httpx_client).close()


@pytest.fixture(params=["aiohttp", "httpx"])
def transport(request, monkeypatch):
    """What the async client calls through: aiohttp where it is installed."""
    if request.param == "aiohttp" and find_spec("aiohttp") is None:
        pytest.skip("the oldest SDK leaves aiohttp's sessions open, so aiohttp is not installed beside it")
    monkeypatch.setattr("google.genai._api_client.has_aiohttp", request.param == "aiohttp")


@pytest.fixture
def client(platform, server):
    with opened(**options_of(platform, server)) as client:
        yield client


@pytest.fixture
def gemini(server):
    with opened(**options_of("gemini", server)) as client:
        yield client


@pytest.fixture
def vertex(server):
    with opened(**options_of("vertex", server)) as client:
        yield client


async def aclose(client):
    await (client.aio if hasattr(client.aio, "aclose") else client._api_client._async_httpx_client).aclose()


async def drained(awaitable):
    return [chunk async for chunk in await awaitable]


async def settled(telemetry):
    """The spans, when the event loop has closed the generators that were dropped."""
    for _ in range(50):
        if spans := telemetry.spans():
            return spans
        await asyncio.sleep(0.02)
    return []


SYNC = {
    "generate": lambda client: client.models.generate_content(**ASK),
    "stream": lambda client: list(client.models.generate_content_stream(**ASK)),
    "chat": lambda client: client.chats.create(model=MODEL).send_message("Hello there"),
    "chat stream": lambda client: list(client.chats.create(model=MODEL).send_message_stream("Hello there")),
}
ASYNC = {
    "generate": lambda client: client.aio.models.generate_content(**ASK),
    "stream": lambda client: drained(client.aio.models.generate_content_stream(**ASK)),
    "chat": lambda client: client.aio.chats.create(model=MODEL).send_message("Hello there"),
    "chat stream": lambda client: drained(client.aio.chats.create(model=MODEL).send_message_stream("Hello there")),
}


def check(span, platform, style):
    told = dict(span.attributes)
    assert span.name == f"generate_content {MODEL}"
    assert span.status.status_code.name == "UNSET"
    assert told["gen_ai.provider.name"] == PROVIDERS[platform]
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
    assert told["gen_ai.response.model"] == MODEL
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.usage.cost"] > 0
    assert told.get("gen_ai.request.stream", False) is ("stream" in style)
    assert ("gen_ai.response.time_to_first_chunk" in told) is ("stream" in style)
    assert json.loads(told["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Hello, Ada!"}]


@pytest.mark.parametrize("style", SYNC)
def test_a_sync_call_is_one_span(instrumented, server, client, platform, style):
    server.reply("Hello, Ada!", usage=TOKENS)
    SYNC[style](client)
    check(instrumented.span(), platform, style)


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("style", ASYNC)
async def test_an_async_call_is_one_span(instrumented, server, client, platform, style):
    server.reply("Hello, Ada!", usage=TOKENS)
    await ASYNC[style](client)
    await aclose(client)
    check(instrumented.span(), platform, style)


def test_functions_that_the_sdk_calls_by_itself_are_one_span_for_each_call_of_the_model(instrumented, client):
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    get_weather.__annotations__ = {"city": str, "return": str}
    client.models.generate_content(model=MODEL, contents="The weather in Lisbon?", config={"tools": [get_weather]})
    first, second = instrumented.spans()
    assert first.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert second.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    asked = json.loads(second.attributes["gen_ai.input.messages"])
    assert [part["type"] for message in asked for part in message["parts"]] == [
        "text",
        "tool_call",
        "tool_call_response",
    ]


def test_tokens_are_told_by_kind(instrumented, server, client):
    server.reply(
        "Hi",
        usage=Usage(
            input_tokens=120,
            output_tokens=40,
            cache_read_tokens=64,
            input_audio_tokens=10,
            input_image_tokens=20,
            output_reasoning_tokens=16,
            output_image_tokens=8,
        ),
    )
    client.models.generate_content(**ASK)
    told = instrumented.span().attributes
    kinds = {name.removeprefix("gen_ai.usage."): value for name, value in told.items() if "gen_ai.usage." in name}
    kinds.pop("cost", None)
    assert kinds == {
        "input_tokens": 120,
        "output_tokens": 40,
        "cache_read.input_tokens": 64,
        "audio.input_tokens": 10,
        "image.input_tokens": 20,
        "reasoning.output_tokens": 16,
        "image.output_tokens": 8,
    }


def test_parameters_are_told_as_they_were_sent(instrumented, client):
    config = types.GenerateContentConfig(
        temperature=0.5,
        top_k=3,
        max_output_tokens=64,
        response_modalities=["IMAGE"],
        stop_sequences=["END"],
        thinking_config=types.ThinkingConfig(thinking_budget=512),
    )
    client.models.generate_content(**ASK, config=config)
    told = instrumented.span().attributes
    assert told["gen_ai.request.temperature"] == 0.5
    assert told["gen_ai.request.top_k"] == 3
    assert told["gen_ai.request.max_tokens"] == 64
    assert told["gen_ai.request.stop_sequences"] == ("END",)
    assert told["gen_ai.output.type"] == "image"
    assert "gen_ai.request.reasoning.level" not in told
    assert "gen_ai.request.seed" not in told


@pytest.mark.skipif(not hasattr(types, "ThinkingLevel"), reason="this version of the SDK has no levels of thinking")
def test_a_level_of_thinking_is_told(instrumented, client):
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(thinking_level="high"))
    client.models.generate_content(**ASK, config=config)
    assert instrumented.span().attributes["gen_ai.request.reasoning.level"] == "high"


def test_vectors_are_one_span(instrumented, server, client, platform):
    server.reply(usage=Usage(input_tokens=8))
    client.models.embed_content(model="text-embedding-005", contents="Hello", config={"output_dimensionality": 8})
    told = instrumented.span().attributes
    assert instrumented.span().name == "embeddings text-embedding-005"
    assert told["gen_ai.provider.name"] == PROVIDERS[platform]
    assert told["gen_ai.usage.input_tokens"] == 8
    assert told["gen_ai.embeddings.dimension.count"] == 8
    assert "gen_ai.usage.output_tokens" not in told


@pytest.mark.usefixtures("transport")
async def test_async_vectors_are_one_span(instrumented, client):
    await client.aio.models.embed_content(model="text-embedding-005", contents="Hello")
    await aclose(client)
    assert instrumented.span().name == "embeddings text-embedding-005"


def used_nothing(telemetry):
    told = telemetry.span().attributes
    assert not [name for name in told if name.startswith(("gen_ai.usage.", "vigilo.cost."))]
    assert "gen_ai.client.token.usage" not in telemetry.points()
    return told


def test_counting_tokens_is_no_usage(instrumented, server, client):
    server.reply(usage=Usage(input_tokens=31))
    client.models.count_tokens(**ASK)
    assert used_nothing(instrumented)["vigilo.counted.input_tokens"] == 31
    assert instrumented.span().name == f"count_tokens {MODEL}"


async def test_async_counting_and_listing_of_tokens(instrumented, vertex):
    await vertex.aio.models.compute_tokens(model=MODEL, contents="one two three")
    await aclose(vertex)
    assert used_nothing(instrumented)["vigilo.counted.input_tokens"] == 3


def test_a_cache_tells_what_it_keeps(instrumented, client):
    config = {"contents": [types.Content(role="user", parts=[types.Part(text="a book")])], "ttl": "60s"}
    cache = client.caches.create(model=MODEL, config=config)
    told = used_nothing(instrumented)
    assert instrumented.span().name == f"create_cache {MODEL}"
    assert told["vigilo.cache.stored_tokens"] == 4096
    assert told["gen_ai.response.id"] == cache.name


@OLD_METHODS
def test_pictures_of_imagen(instrumented, vertex):
    vertex.models.generate_images(model="imagen-4.0-generate-001", prompt="a cat", config={"number_of_images": 2})
    told = instrumented.span().attributes
    assert (told["vigilo.usage.output_images"], told["gen_ai.usage.cost"]) == (2, 0.08)
    assert instrumented.span().name == "image_generation imagen-4.0-generate-001"
    assert told["gen_ai.output.type"] == "image"
    assert told["gen_ai.request.choice.count"] == 2
    assert json.loads(told["gen_ai.input.messages"])[0]["parts"] == [{"type": "text", "content": "a cat"}]


@OLD_METHODS
async def test_async_pictures_that_are_filtered(instrumented, server, vertex):
    server.reply(finish_reason="content_filter")
    await vertex.aio.models.generate_images(model="imagen-4.0-generate-001", prompt="a cat")
    await aclose(vertex)
    assert used_nothing(instrumented)["gen_ai.response.finish_reasons"] == ("content_filter",)


@OLD_METHODS
def test_a_picture_that_is_changed(instrumented, vertex):
    picture = types.RawReferenceImage(
        reference_id=1, reference_image=types.Image(image_bytes=b"png", mime_type="image/png")
    )
    vertex.models.edit_image(model="imagen-3.0-capability-001", prompt="a hat", reference_images=[picture])
    assert instrumented.span().name == "image_edit imagen-3.0-capability-001"
    assert b"cG5n" not in instrumented.span().to_json().encode()


@OLD_METHODS
def test_a_film_is_begun(instrumented, vertex):
    operation = vertex.models.generate_videos(model="veo-3.0-generate-001", prompt="a cat")
    assert used_nothing(instrumented)["gen_ai.response.id"] == operation.name
    assert instrumented.span().name == "video_generation veo-3.0-generate-001"


@pytest.mark.filterwarnings("ignore:BATCH_STATE_RUNNING")  # a state that the oldest versions of the SDK do not know
def test_a_batch_is_counted_once_when_it_is_done(instrumented, server, gemini):
    requests = [{"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]}]
    job = gemini.batches.create(model=MODEL, src=requests)
    created = used_nothing(instrumented)
    assert instrumented.span().name == f"batch {MODEL}"
    assert created["gen_ai.response.id"] == job.name
    instrumented.spans_exporter.clear()

    server.reply(finish_reason="BATCH_STATE_RUNNING")
    gemini.batches.get(name=job.name)
    assert instrumented.spans() == []
    server.reply("Hi", usage=TOKENS, times=2)
    gemini.batches.get(name=job.name)
    gemini.batches.get(name=job.name)
    done = instrumented.span()
    assert done.name == f"batch {MODEL}"
    assert (done.attributes["gen_ai.usage.input_tokens"], done.attributes["gen_ai.usage.output_tokens"]) == (120, 40)
    assert done.attributes["gen_ai.usage.cost"] > 0


def test_a_batch_costs_less(instrumented, server, gemini):
    server.reply("Hi", usage=TOKENS, times=2)
    gemini.models.generate_content(**ASK)
    gemini.batches.get(name="batches/cheaper")
    plain, batch = (span.attributes["gen_ai.usage.cost"] for span in instrumented.spans())
    assert batch == pytest.approx(plain / 2)


def test_a_batch_on_vertex_tells_no_tokens(instrumented, vertex):
    job = vertex.batches.create(model=MODEL, src="gs://bucket/in.jsonl", config={"dest": "gs://bucket/out"})
    assert used_nothing(instrumented)["gen_ai.provider.name"] == "gcp.vertex_ai"
    assert instrumented.span().name == f"batch {MODEL}"
    vertex.batches.get(name=job.name)
    assert len(instrumented.spans()) == 1


@pytest.mark.parametrize("style", SYNC)
def test_the_gate_keeps_every_call_from_the_provider(instrumented, server, client, style):
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


def test_attempts_that_failed_are_events_and_the_call_is_one_span(instrumented, server):
    retry = types.HttpRetryOptions(attempts=3, initial_delay=0.01, jitter=0.0)
    http_options = types.HttpOptions(base_url=server.google_url, retry_options=retry)
    server.fail(429)
    server.fail(503)
    server.reply("Hello, Ada!", usage=TOKENS)
    with opened(api_key="any", http_options=http_options) as client:
        list(client.models.generate_content_stream(**ASK))
    span = instrumented.span()
    assert span.attributes["http.request.resend_count"] == 2
    failed = [event.attributes["http.response.status_code"] for event in span.events]
    assert failed == [429, 503]


def test_the_last_attempt_is_no_event(instrumented, server):
    retry = types.HttpRetryOptions(attempts=2, initial_delay=0.01, jitter=0.0)
    http_options = types.HttpOptions(base_url=server.google_url, retry_options=retry)
    server.fail(503, times=2)
    with opened(api_key="any", http_options=http_options) as client, pytest.raises(errors.ServerError):
        client.models.generate_content(**ASK)
    span = instrumented.span()
    assert span.attributes["http.response.status_code"] == 503
    assert [event.attributes["http.response.status_code"] for event in span.events] == [503]


@pytest.fixture
def slowly(server):
    server.reply("one two three four", usage=TOKENS, chunk_delay_s=0.2)


def test_a_stream_that_breaks_off_fails(instrumented, server, client):
    server.drop(after_chunks=2)
    with pytest.raises(Exception, match="peer closed connection"):
        list(client.models.generate_content_stream(**ASK))
    span = instrumented.span()
    assert span.status.status_code.name == "ERROR"
    assert "RemoteProtocolError" in span.attributes["error.type"]


def test_a_stream_that_is_closed_tells_what_came(instrumented, server, client):
    server.reply("one two three")
    stream = client.models.generate_content_stream(**ASK)
    next(stream)
    stream.close()
    span = instrumented.span()
    assert span.status.status_code.name == "UNSET"
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "one "}]


@pytest.mark.usefixtures("transport")
async def test_an_async_stream_that_is_closed_ends(instrumented, client):
    stream = await client.aio.models.generate_content_stream(**ASK)
    await anext(stream)
    await stream.aclose()
    (span,) = await settled(instrumented)
    await aclose(client)
    assert span.status.status_code.name == "UNSET"


async def test_an_async_stream_that_nobody_reads_ends_when_dropped(instrumented, server, client):
    stream = await client.aio.models.generate_content_stream(**ASK)
    sent = len(server.requests)  # older versions of the SDK send before the stream is read
    assert instrumented.spans() == []
    del stream
    gc.collect()
    await aclose(client)
    assert len(server.requests) == sent
    assert [span.attributes["vigilo.stream.ended_by"] for span in instrumented.spans()] == ["drop"] * sent


@pytest.mark.usefixtures("transport")
@pytest.mark.usefixtures("slowly")
async def test_a_cancelled_reader_fails_the_span(instrumented, server, client):
    task = asyncio.create_task(drained(client.aio.models.generate_content_stream(**ASK)))
    while not server.requests:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await aclose(client)
    assert instrumented.span().attributes["error.type"] == "asyncio.exceptions.CancelledError"


def test_a_bad_function_call_says_so(instrumented, server, client):
    server.reply("", finish_reason="MALFORMED_FUNCTION_CALL")
    client.models.generate_content(**ASK)
    assert instrumented.span().attributes["gen_ai.response.finish_reasons"] == ("malformed_function_call",)


def test_a_streamed_function_call_is_told(instrumented, server, client):
    server.reply("", tool_calls=[ToolCall("look", {"where": "here"})])
    list(client.models.generate_content_stream(**ASK))
    told = instrumented.span().attributes
    assert told["gen_ai.response.finish_reasons"] == ("tool_call",)
    (message,) = json.loads(told["gen_ai.output.messages"])
    assert [(part["type"], part["name"]) for part in message["parts"]] == [("tool_call", "look")]


def test_a_wrapped_client_is_seen_alone(telemetry, server):
    import vigilo

    with opened(**options_of("gemini", server)) as seen, opened(**options_of("gemini", server)) as other:
        vigilo.wrap(seen, **telemetry.providers)
        other.models.generate_content(**ASK)
        assert telemetry.spans() == []
        list(seen.models.generate_content_stream(**ASK))
        assert len(telemetry.spans()) == 1
        vigilo.unwrap(seen)


def test_what_is_no_call_to_a_model_makes_no_span(instrumented, gemini):
    list(gemini.models.list())
    assert instrumented.spans() == []
