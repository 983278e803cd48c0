"""Other SDKs made by Stainless: groq, together and cerebras, each seen like OpenAI's."""

import inspect
import json
import subprocess
import sys

import pytest

import vigilo
from vigilo.testing import Usage

ASKED = {"model": "llama-3.3-70b", "messages": [{"role": "user", "content": "Hello there"}]}
SPENT = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}
SIBLINGS = {
    "groq": ("groq", "Groq", "{url}", {}),
    "together": ("together", "Together", "{url}", {}),
    "cerebras": ("cerebras.cloud.sdk", "Cerebras", "{url}", {"warm_tcp_connection": False}),
}


def client_of(name, server, prefix=""):
    module, class_name, base_url, options = SIBLINGS[name]
    sdk = pytest.importorskip(module, reason=f"{name} is not installed")
    kind = getattr(sdk, prefix + class_name)
    known = inspect.signature(kind).parameters
    options = {option: value for option, value in options.items() if option in known}
    return kind(api_key="any", base_url=base_url.format(url=server.url), max_retries=0, **options)


async def value(result):
    return await result if inspect.isawaitable(result) else result


async def listed(chunks):
    return [one async for one in chunks] if hasattr(chunks, "__aiter__") else list(chunks)


async def using(client, use):
    if hasattr(client, "__aenter__"):
        async with client:
            await use(client)
    else:
        with client:
            await use(client)


async def create(client):
    await value(client.chat.completions.create(**ASKED))


async def raw(client):
    response = await value(client.chat.completions.with_raw_response.create(**ASKED))
    await value(response.parse())


async def streaming_response(client):
    manager = client.chat.completions.with_streaming_response.create(**ASKED)
    if hasattr(manager, "__aenter__"):
        async with manager as response:
            await response.parse()
    else:
        with manager as response:
            response.parse()


async def copied(client):
    await value(client.with_options(timeout=9).chat.completions.create(**ASKED))


async def streamed(client):
    assert len(await listed(await value(client.chat.completions.create(**ASKED, stream=True)))) == 2


async def raw_streamed(client):
    response = await value(client.chat.completions.with_raw_response.create(**ASKED, stream=True))
    assert len(await listed(await value(response.parse()))) == 2


STYLES = [create, raw, streaming_response, copied, streamed, raw_streamed]
EACH = pytest.mark.parametrize("name", SIBLINGS)


def script_stream(name, server):
    """A stream as each of them sends it: counted without being asked."""
    known = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": ASKED["model"]}
    counts = {"x_groq": {"id": "req_1", "usage": SPENT}} if name == "groq" else {"usage": SPENT}
    chunks = [
        {**known, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}]},
        {**known, "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": "stop"}], **counts},
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    server.raw(200, {"content-type": "text/event-stream"}, body.encode())


@EACH
@pytest.mark.parametrize("prefix", ["", "Async"], ids=["sync", "async"])
@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
async def test_a_call_is_one_span(instrumented, server, name, prefix, style):
    streams = style in (streamed, raw_streamed)
    client = client_of(name, server, prefix)
    if streams:
        script_stream(name, server)
    else:
        server.reply("Hi", usage=Usage(input_tokens=120, output_tokens=40), match="/chat/completions")
    await using(client, style)
    told = instrumented.span().attributes
    assert instrumented.span().name == f"chat {ASKED['model']}"
    assert told["gen_ai.provider.name"] == name
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told.get("gen_ai.request.stream", False) is streams
    assert "vigilo.usage.estimated" not in told
    assert "openai.api.type" not in told
    (sent,) = [request for request in server.requests if request.method == "POST"]  # a copy may warm up its connection
    assert "stream_options" not in sent.body


@EACH
def test_the_app_sees_the_sdks_own_error(instrumented, server, name):
    server.fail(429, message="slow down")
    with client_of(name, server) as client, pytest.raises(Exception) as raised:
        client.chat.completions.create(**ASKED)
    assert type(raised.value).__name__ == "RateLimitError"
    span = instrumented.span()
    assert span.attributes["error.type"] == f"{type(raised.value).__module__}.RateLimitError"
    assert span.attributes["http.response.status_code"] == 429


@EACH
def test_one_client_can_be_wrapped_alone(telemetry, server, name):
    with client_of(name, server) as seen, client_of(name, server) as unseen:
        vigilo.wrap(seen, **telemetry.providers)
        seen.chat.completions.create(**ASKED)
        unseen.chat.completions.create(**ASKED)
        vigilo.unwrap(seen)
        seen.chat.completions.create(**ASKED)
    assert telemetry.span().attributes["gen_ai.provider.name"] == name


@EACH
def test_listing_makes_no_span(instrumented, server, name):
    server.raw(200, {"content-type": "application/json"}, b'{"object": "list", "data": []}')
    with client_of(name, server) as client:
        (client.files if name == "together" else client.models).list()
    assert len(server.requests) == 1
    assert instrumented.spans() == []


@EACH
def test_the_sdk_is_as_before_after_uninstrument(name):
    module, *_ = SIBLINGS[name]
    script = (
        "import vigilo\n"
        f"from {module}._base_client import SyncAPIClient\n"
        "before = SyncAPIClient.request\n"
        "vigilo.instrument()\n"
        "assert SyncAPIClient.request is not before\n"
        "vigilo.uninstrument()\n"
        "assert SyncAPIClient.request is before\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_embeddings_and_transcriptions_of_groq(instrumented, server):
    with client_of("groq", server) as client:
        client.embeddings.create(model="nomic-embed-text-v1_5", input="Hello")
        client.audio.transcriptions.create(model="whisper-large-v3", file=("a.wav", b"RIFF"))
    assert [span.name for span in instrumented.spans()] == [
        "embeddings nomic-embed-text-v1_5",
        "transcription whisper-large-v3",
    ]
