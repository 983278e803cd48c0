"""Each endpoint of OpenAI's SDK, in each style of call, is one span with the tokens that the provider counted."""

import json
from contextlib import AsyncExitStack, ExitStack
from functools import reduce

import openai
import openai.types.audio
import pytest
from pydantic import BaseModel

from vigilo.testing import Usage

USAGE = Usage(input_tokens=50, output_tokens=20)
SOUND = ("hello.mp3", b"ID3 and sound")
PICTURE = ("cat.png", b"PNG and pixels")
BATCH = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}

# method, what it takes, operation, tokens in and out (None: the provider tells none)
ENDPOINTS = {
    "chat": (
        "chat.completions.create",
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        "chat",
        50,
        20,
    ),
    "responses": ("responses.create", {"model": "m", "input": "Hi"}, "chat", 50, 20),
    "compact": ("responses.compact", {"model": "m", "input": "Hi"}, "compaction", 50, 20),
    "input_tokens": ("responses.input_tokens.count", {"model": "m", "input": "Hi"}, "count_tokens", None, None),
    "completions": ("completions.create", {"model": "m", "prompt": "Hi"}, "text_completion", 50, 20),
    "embeddings": ("embeddings.create", {"model": "m", "input": "Hi"}, "embeddings", 50, None),
    "images": ("images.generate", {"model": "m", "prompt": "A cat"}, "image_generation", 50, 20),
    "edits": ("images.edit", {"model": "m", "prompt": "A hat", "image": PICTURE}, "image_edit", 50, 20),
    "variations": ("images.create_variation", {"model": "m", "image": PICTURE}, "image_edit", 50, 20),
    "transcriptions": ("audio.transcriptions.create", {"model": "m", "file": SOUND}, "transcription", 50, 20),
    "translations": ("audio.translations.create", {"model": "m", "file": SOUND}, "translation", None, None),
    "speech": ("audio.speech.create", {"model": "m", "voice": "alloy", "input": "Hi"}, "speech", None, None),
    "moderations": ("moderations.create", {"model": "m", "input": "Hi"}, "moderation", None, None),
    "batches": ("batches.create", BATCH, "batch", None, None),
    "files": ("files.create", {"file": ("a.jsonl", b"{}"), "purpose": "batch"}, "file_upload", None, None),
}
STREAMS = {
    "chat": {"stream_options": {"include_usage": True}},
    "responses": {},
    "completions": {"stream_options": {"include_usage": True}},
    "images": {},
    "edits": {},
    "transcriptions": {},
}
STREAMED_SINCE = {"images": "ImageGenStreamEvent", "edits": "ImageEditStreamEvent"}
CLIENTS = {
    "openai": (openai.OpenAI, openai.AsyncOpenAI, {}),
    "azure": (openai.AzureOpenAI, openai.AsyncAzureOpenAI, {"api_version": "2025-04-01-preview"}),
}
STYLES = ("plain", "raw", "streaming", "copy")
ON = [*(("openai", style) for style in STYLES), ("azure", "plain"), ("azure", "raw")]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # some endpoints are deprecated in the newest SDK


@pytest.fixture
def options(server, request):
    def made(kind):
        where = {"azure_endpoint": server.url} if kind == "azure" else {"base_url": server.openai_url}
        return {"api_key": "any", **where, **CLIENTS[kind][2]}

    return made


def method_of(client, dotted, wrapper=None):
    """``client.images.generate``, or with ``wrapper`` ``client.images.with_raw_response.generate``."""
    *resources, name = dotted.split(".")
    try:
        resource = reduce(getattr, resources, client)
        getattr(resource, name)
    except AttributeError:
        pytest.skip(f"this SDK has no {dotted}")
    return getattr(getattr(resource, wrapper) if wrapper else resource, name)


def call(client, style, dotted, arguments):
    if style == "streaming":
        with method_of(client, dotted, "with_streaming_response")(**arguments) as response:
            return response.read() if dotted == "audio.speech.create" else response.parse()
    if style == "copy":
        client = client.with_options(max_retries=0)
    answer = method_of(client, dotted, "with_raw_response" if style == "raw" else None)(**arguments)
    return answer.parse() if style == "raw" else answer


async def acall(client, style, dotted, arguments):
    if style == "streaming":
        async with method_of(client, dotted, "with_streaming_response")(**arguments) as response:
            return await (response.read() if dotted == "audio.speech.create" else response.parse())
    if style == "copy":
        client = client.with_options(max_retries=0)
    answer = await method_of(client, dotted, "with_raw_response" if style == "raw" else None)(**arguments)
    return answer.parse() if style == "raw" else answer


def check(span, kind, operation, input_tokens, output_tokens, model="m"):
    told = span.attributes
    assert told["gen_ai.operation.name"] == operation
    assert told["gen_ai.provider.name"] == {"openai": "openai", "azure": "azure.ai.openai"}[kind]
    assert told.get("gen_ai.usage.input_tokens") == input_tokens
    assert told.get("gen_ai.usage.output_tokens") == output_tokens
    assert span.status.is_unset
    if operation not in ("batch", "file_upload"):
        assert (span.name, told["gen_ai.request.model"]) == (f"{operation} {model}", model)


@pytest.mark.parametrize(("kind", "style"), ON)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_call_is_one_span(server, instrumented, options, endpoint, style, kind):
    dotted, arguments, *expected = ENDPOINTS[endpoint]
    server.reply(usage=USAGE)
    with CLIENTS[kind][0](**options(kind)) as client:
        answer = call(client, style, dotted, arguments)
    assert answer is not None
    del answer
    check(instrumented.span(), kind, *expected)


@pytest.mark.parametrize(("kind", "style"), ON)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_an_async_call_is_one_span(server, instrumented, options, endpoint, style, kind):
    dotted, arguments, *expected = ENDPOINTS[endpoint]
    server.reply(usage=USAGE)
    async with CLIENTS[kind][1](**options(kind)) as client:
        answer = await acall(client, style, dotted, arguments)
    assert answer is not None
    del answer
    check(instrumented.span(), kind, *expected)


def streamed(endpoint):
    since = STREAMED_SINCE.get(endpoint)
    if since and not hasattr(openai.types, since):
        pytest.skip(f"this SDK does not stream {endpoint}")
    if endpoint == "transcriptions" and not hasattr(openai.types.audio, "TranscriptionStreamEvent"):
        pytest.skip("this SDK does not stream transcriptions")
    dotted, arguments, *expected = ENDPOINTS[endpoint]
    return dotted, {**arguments, "stream": True, **STREAMS[endpoint]}, expected


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("endpoint", STREAMS)
def test_a_stream_is_one_span(server, instrumented, options, endpoint, style):
    dotted, arguments, expected = streamed(endpoint)
    server.reply("one two three", usage=USAGE)
    with ExitStack() as stack:
        client = stack.enter_context(openai.OpenAI(**options("openai")))
        if style == "streaming":
            method = method_of(client, dotted, "with_streaming_response")
            stream = stack.enter_context(method(**arguments)).parse()
        else:
            stream = call(client, style, dotted, arguments)
        chunks = list(stream)
    assert chunks
    span = instrumented.span()
    check(span, "openai", *expected)
    assert span.attributes["gen_ai.request.stream"] is True
    assert span.attributes["gen_ai.response.time_to_first_chunk"] > 0


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("endpoint", STREAMS)
async def test_an_async_stream_is_one_span(server, instrumented, options, endpoint, style):
    dotted, arguments, expected = streamed(endpoint)
    server.reply("one two three", usage=USAGE)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(openai.AsyncOpenAI(**options("openai")))
        if style == "streaming":
            method = method_of(client, dotted, "with_streaming_response")
            stream = await (await stack.enter_async_context(method(**arguments))).parse()
        else:
            stream = await acall(client, style, dotted, arguments)
        chunks = [chunk async for chunk in stream]
    assert chunks
    check(instrumented.span(), "openai", *expected)


@pytest.mark.parametrize("endpoint", STREAMS)
def test_a_stream_that_is_closed_early_is_one_span_without_an_error(server, instrumented, options, endpoint):
    dotted, arguments, expected = streamed(endpoint)
    server.reply("one two three", usage=USAGE)
    with openai.OpenAI(**options("openai")) as client, call(client, "plain", dotted, arguments) as stream:
        next(iter(stream))
    assert instrumented.span().attributes["gen_ai.operation.name"] == expected[0]
    assert instrumented.span().status.is_unset


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != "files"])
def test_a_failure_is_told_on_the_span(server, instrumented, options, endpoint):
    dotted, arguments, operation, *_ = ENDPOINTS[endpoint]
    server.fail(400)
    with openai.OpenAI(**options("openai")) as client:
        method = method_of(client, dotted)
        with pytest.raises(openai.BadRequestError):
            method(**arguments)
    told = instrumented.span().attributes
    assert (told["gen_ai.operation.name"], told["error.type"]) == (operation, "openai.BadRequestError")


def test_azure_rewrites_the_path_late_and_the_deployment_is_the_model(server, instrumented, options):
    with openai.AzureOpenAI(**options("azure")) as client:
        client.audio.transcriptions.create(model="my-whisper", file=SOUND)
    assert server.requests[0].path.startswith("/openai/deployments/my-whisper/audio/transcriptions?")
    assert instrumented.span().attributes["gen_ai.request.model"] == "my-whisper"


def test_a_retried_call_on_azure_is_one_span(server, instrumented, options):
    server.fail(429, retry_after_s=0.01)
    with openai.AzureOpenAI(**options("azure")) as client:
        client.images.generate(model="my-images", prompt="A cat")
    assert len(server.requests) == 2
    assert instrumented.span().attributes["http.request.resend_count"] == 1


@pytest.mark.parametrize(
    ("form", "tells"),
    [("json", "tokens"), ("text", None), ("srt", None), ("verbose_json", "tokens"), ("diarized_json", "tokens")],
)
def test_a_transcript_in_each_format(server, instrumented, options, form, tells):
    server.reply("Good day", usage=Usage(input_tokens=50, output_tokens=20, input_audio_tokens=45))
    with openai.OpenAI(**options("openai")) as client:
        client.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND, response_format=form)
    told = instrumented.span().attributes
    assert told.get("gen_ai.usage.input_tokens") == (50 if tells else None)
    assert told.get("gen_ai.usage.audio.input_tokens") == (45 if tells else None)


def test_sound_that_is_paid_by_the_second(server, instrumented, options):
    with openai.OpenAI(**options("openai")) as client:
        client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format="verbose_json")
    told = instrumented.span().attributes
    assert told["vigilo.usage.audio.input_seconds"] == 2.5
    assert "gen_ai.usage.input_tokens" not in told


@pytest.mark.parametrize("style", ["plain", "raw"])
def test_speech_as_events_tells_its_tokens(server, instrumented, options, style):
    server.reply(usage=USAGE)
    arguments = {**ENDPOINTS["speech"][1], "extra_body": {"stream_format": "sse"}}
    with openai.OpenAI(**options("openai")) as client:
        call(client, style, "audio.speech.create", arguments)
    check(instrumented.span(), "openai", "speech", 50, 20)
    assert instrumented.span().attributes["gen_ai.output.type"] == "speech"


def test_images_tell_their_image_tokens(server, instrumented, options):
    server.reply(usage=Usage(input_tokens=50, output_tokens=300, input_image_tokens=40))
    with openai.OpenAI(**options("openai")) as client:
        client.images.edit(model="gpt-image-1", prompt="A hat", image=PICTURE, n=2)
    told = instrumented.span().attributes
    assert told["gen_ai.usage.image.input_tokens"] == 40
    assert told["gen_ai.usage.image.output_tokens"] == 300
    assert (told["gen_ai.output.type"], told["gen_ai.request.choice.count"]) == ("image", 2)


def test_counted_tokens_are_no_usage(server, instrumented, options):
    server.reply(usage=USAGE)
    with openai.OpenAI(**options("openai")) as client:
        method_of(client, "responses.input_tokens.count")(model="m", input="Hi")
    assert instrumented.span().attributes["vigilo.counted.input_tokens"] == 50
    assert "gen_ai.client.token.usage" not in instrumented.points()


def test_a_file_that_is_no_batch_is_no_span(server, instrumented, options):
    with openai.OpenAI(**options("openai")) as client:
        client.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
    assert instrumented.spans() == []


def test_a_stream_of_completions_is_asked_for_its_tokens(server, instrumented, options):
    server.reply("one two three", usage=USAGE)
    with openai.OpenAI(**options("openai")) as client:
        chunks = list(client.completions.create(model="m", prompt="Hi", stream=True))
    assert all(chunk.choices for chunk in chunks)  # the one that counts was not asked for by the app
    assert server.requests[0].body["stream_options"] == {"include_usage": True}
    check(instrumented.span(), "openai", "text_completion", 50, 20)


def test_a_stream_of_completions_that_ends_early_is_estimated(server, instrumented, options):
    server.reply("one two three", usage=USAGE)
    with (
        openai.OpenAI(**options("openai")) as client,
        client.completions.create(model="m", prompt="Hi there, how are you?", stream=True) as stream,
    ):
        next(iter(stream))
    told = instrumented.span().attributes
    assert (told["gen_ai.usage.input_tokens"], told["vigilo.usage.estimated"]) == (6, True)


def test_a_batch_is_counted_once_when_it_has_ended(server, instrumented, options):
    with openai.OpenAI(**options("openai")) as client:
        for status in ("validating", "in_progress"):
            server.reply(finish_reason=status)
            client.batches.retrieve("batch_once")
        assert instrumented.spans() == []
        server.reply(usage=USAGE, model="gpt-4o", times=3)
        client.batches.retrieve("batch_once")
        client.batches.with_raw_response.retrieve("batch_once").parse()
        client.batches.retrieve("batch_once")
    told = instrumented.span().attributes
    check(instrumented.span(), "openai", "batch", 50, 20)
    assert told["gen_ai.response.id"] == "batch_once"
    assert told["gen_ai.response.model"] == "gpt-4o"
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.usage.cost"] == pytest.approx((50 * 2.5 + 20 * 10) / 2 / 1e6)  # batches are half the price


async def test_an_async_batch_is_counted_once(server, instrumented, options):
    server.reply(usage=USAGE, times=2)
    async with openai.AsyncOpenAI(**options("openai")) as client:
        await client.batches.retrieve("batch_async")
        await client.batches.retrieve("batch_async")
    check(instrumented.span(), "openai", "batch", 50, 20)


def test_an_expired_batch_costs_what_it_did(server, instrumented, options):
    server.reply(usage=USAGE, finish_reason="expired")
    with openai.OpenAI(**options("openai")) as client:
        client.batches.retrieve("batch_expired")
    check(instrumented.span(), "openai", "batch", 50, 20)


def test_a_background_response_is_counted_once_when_it_is_fetched(server, instrumented, options):
    with openai.OpenAI(**options("openai")) as client:
        begun = client.responses.create(model="gpt-4o-mini", input="Hi", extra_body={"background": True})
        check(instrumented.span(), "openai", "chat", None, None, "gpt-4o-mini")
        assert "gen_ai.response.finish_reasons" not in instrumented.span().attributes
        instrumented.spans_exporter.clear()
        server.reply(finish_reason="in_progress")
        client.responses.retrieve(f"{begun.id}_once")
        assert instrumented.spans() == []
        server.reply(usage=USAGE, times=2)
        client.responses.retrieve(f"{begun.id}_once")
        client.responses.retrieve(f"{begun.id}_once")
    span = instrumented.span()
    check(span, "openai", "fetch_response", 50, 20, "gpt-4o-mini")
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert span.attributes["gen_ai.response.id"] == f"{begun.id}_once"


async def test_an_async_background_response_is_counted_once(server, instrumented, options):
    server.reply(usage=USAGE, times=2)
    async with openai.AsyncOpenAI(**options("openai")) as client:
        await client.responses.with_raw_response.retrieve("resp_async")
        await client.responses.retrieve("resp_async")
    check(instrumented.span(), "openai", "fetch_response", 50, 20, "gpt-4o-mini")


def test_a_background_stream_that_was_read_is_not_counted_again(server, instrumented, options):
    server.reply(usage=USAGE, times=2)
    with openai.OpenAI(**options("openai")) as client:
        asked = {"model": "m", "input": "Hi", "stream": True, "extra_body": {"background": True}}
        *_, last = client.responses.create(**asked)
        client.responses.retrieve(last.response.id)
    check(instrumented.span(), "openai", "chat", 50, 20)


def test_a_background_stream_that_is_taken_up_again_counts_once(server, instrumented, options):
    def event(status, usage):
        told = {"id": "resp_again", "status": status, "background": True, "model": "m", "output": [], "usage": usage}
        return b"data: " + json.dumps({"type": f"response.{status}", "response": told}).encode() + b"\n\n"

    body = event("in_progress", None) + event("completed", {"input_tokens": 50, "output_tokens": 20})
    server.raw(200, {"content-type": "text/event-stream"}, body, times=2)
    with openai.OpenAI(**options("openai")) as client:
        for _ in range(2):
            again = {"cast_to": object, "stream": True, "stream_cls": openai.Stream[object]}
            assert len(list(client.get("/responses/resp_again", **again))) == 2
    first, second = instrumented.spans()
    assert first.attributes["gen_ai.usage.input_tokens"] == 50
    assert "gen_ai.usage.input_tokens" not in second.attributes
    for span in (first, second):
        assert span.attributes["gen_ai.operation.name"] == "fetch_response"
        assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)


def test_a_response_that_was_no_background_one_is_not_counted_when_it_is_fetched(server, instrumented, options):
    body = (
        b'{"id": "resp_plain", "status": "completed", "usage": {"input_tokens": 5, "output_tokens": 2}, "output": []}'
    )
    server.raw(200, {"content-type": "application/json"}, body)
    with openai.OpenAI(**options("openai")) as client:
        client.responses.retrieve("resp_plain")
    assert instrumented.spans() == []


def test_a_cancelled_background_response_is_told_once(server, instrumented, options):
    with openai.OpenAI(**options("openai")) as client:
        cancel = method_of(client, "responses.cancel")
        cancel("resp_cancelled")
        cancel("resp_cancelled")
    assert instrumented.span().attributes["gen_ai.response.finish_reasons"] == ("cancelled",)


def test_a_conversation_and_the_response_before_are_told(server, instrumented, options):
    with openai.OpenAI(**options("openai")) as client:
        extra = {"conversation": {"id": "conv_1"}}
        client.responses.create(model="m", input="Hi", previous_response_id="resp_0", extra_body=extra)
    told = instrumented.span().attributes
    assert (told["gen_ai.request.previous_response.id"], told["gen_ai.conversation.id"]) == ("resp_0", "conv_1")


def test_structured_outputs_are_json(server, instrumented, options):
    class Person(BaseModel):
        name: str

    with openai.OpenAI(**options("openai")) as client:
        parsed = client.responses.parse(model="m", input="Who?", text_format=Person)
    assert parsed.output_parsed == Person(name="Ada")
    assert instrumented.span().attributes["gen_ai.output.type"] == "json"
