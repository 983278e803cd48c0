"""Google's older SDK, over REST and over gRPC, where it is installed: it needs protobuf 5 and so a place of its own."""

import gc
import json
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says on import that its time is over
    genai = pytest.importorskip("google.generativeai", exc_type=ImportError)

import grpc
from google.ai import generativelanguage_v1beta as v1beta
from google.ai.generativelanguage_v1beta.services.generative_service.transports import (
    GenerativeServiceGrpcAsyncIOTransport,
    GenerativeServiceGrpcTransport,
)
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials

import vigilo
from vigilo.capture import gate
from vigilo.testing import ToolCall, Usage

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
MODEL = "gemini-2.5-flash"
TOKENS = Usage(input_tokens=120, output_tokens=40, cache_read_tokens=64)


def rest_client(server):
    options = ClientOptions(api_endpoint=server.url, api_key="any")
    return v1beta.GenerativeServiceClient(transport="rest", client_options=options)


@pytest.fixture
def model(server):
    made = genai.GenerativeModel(MODEL)
    with rest_client(server) as client:
        made._client = client
        yield made


def check(telemetry, is_stream):
    span = telemetry.span()
    told = dict(span.attributes)
    assert span.name == f"generate_content {MODEL}"
    assert span.kind.name == "CLIENT"
    assert span.status.status_code.name == "UNSET"
    assert told["gen_ai.provider.name"] == "gcp.gemini"
    assert told["server.address"] == "127.0.0.1"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
    assert told["gen_ai.usage.cache_read.input_tokens"] == 64
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.usage.cost"] > 0
    assert told.get("gen_ai.request.stream", False) is is_stream
    assert ("gen_ai.response.time_to_first_chunk" in told) is is_stream
    assert json.loads(told["gen_ai.input.messages"])[-1]["parts"] == [{"type": "text", "content": "Hello there"}]
    assert json.loads(told["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Hello, Ada!"}]


STYLES = {
    "generate": lambda model: model.generate_content("Hello there"),
    "stream": lambda model: list(model.generate_content("Hello there", stream=True)),
    "chat": lambda model: model.start_chat().send_message("Hello there"),
    "chat stream": lambda model: list(model.start_chat().send_message("Hello there", stream=True)),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_call_is_one_span(instrumented, server, model, style):
    server.reply("Hello, Ada!", usage=TOKENS)
    STYLES[style](model)
    check(instrumented, "stream" in style)


def test_parameters_are_told_as_they_were_sent(instrumented, model):
    model.generate_content(
        "Hi", generation_config={"temperature": 0.5, "max_output_tokens": 9, "stop_sequences": ["E"]}
    )
    told = instrumented.span().attributes
    assert told["gen_ai.request.temperature"] == 0.5
    assert told["gen_ai.request.max_tokens"] == 9
    assert told["gen_ai.request.stop_sequences"] == ("E",)
    assert "gen_ai.request.top_p" not in told


def test_a_function_call_is_told(instrumented, server, model):
    server.reply("", tool_calls=[ToolCall("look", {"where": "here"})])
    model.generate_content("Hi")
    told = instrumented.span().attributes
    assert told["gen_ai.response.finish_reasons"] == ("tool_call",)
    (part,) = json.loads(told["gen_ai.output.messages"])[0]["parts"]
    assert (part["name"], part["arguments"]) == ("look", {"where": "here"})


def test_counting_tokens_is_no_usage(instrumented, server, model):
    server.reply(usage=Usage(input_tokens=31))
    assert model.count_tokens("Hello there").total_tokens == 31
    told = instrumented.span().attributes
    assert instrumented.span().name == f"count_tokens {MODEL}"
    assert told["vigilo.counted.input_tokens"] == 31
    assert "gen_ai.usage.input_tokens" not in told


@pytest.mark.parametrize("texts", ["Hello", ["Hello", "there"]])
def test_vectors_are_one_span(instrumented, server, texts):
    with rest_client(server) as client:
        genai.embed_content(model="models/text-embedding-004", content=texts, output_dimensionality=8, client=client)
    assert instrumented.span().name == "embeddings text-embedding-004"
    assert instrumented.span().attributes["gen_ai.embeddings.dimension.count"] == 8


def test_a_failure_is_the_apps_own_error(instrumented, server, model):
    server.fail(400, message="bad for ada@example.com")
    with pytest.raises(GoogleAPICallError) as raised:
        model.generate_content("Hi")
    span = instrumented.span()
    assert span.attributes["error.type"] == f"google.api_core.exceptions.{raised.type.__name__}"
    assert span.attributes["http.response.status_code"] == 400
    assert type(span.attributes["http.response.status_code"]) is int
    assert "ada@example.com" not in span.to_json()


def closed_by_dropping(model):
    next(iter(model.generate_content("Hello there", stream=True)))


def unread(model):
    model._client.stream_generate_content(v1beta.GenerateContentRequest(model=f"models/{MODEL}"))


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")  # the SDK leaves its own connection open
@pytest.mark.parametrize("ending", [closed_by_dropping, unread])
def test_a_stream_that_is_dropped_ends_its_span(instrumented, model, ending):
    ending(model)
    gc.collect()
    span = instrumented.span()
    assert span.status.status_code.name == "UNSET"
    assert span.attributes["vigilo.stream.ended_by"] == "drop"


def test_the_gate_keeps_a_call_from_the_provider(instrumented, server, model):
    def refuse(request):
        raise PermissionError(f"no more {request.model}")

    gate.add_guard(refuse)
    try:
        for style in STYLES.values():
            with pytest.raises(PermissionError, match=MODEL):
                style(model)
    finally:
        gate.remove_guard(refuse)
    assert server.requests == []


def test_a_wrapped_client_is_seen_alone(telemetry, server):
    request = v1beta.GenerateContentRequest(model=f"models/{MODEL}", contents=[{"parts": [{"text": "Hi"}]}])
    with rest_client(server) as seen, rest_client(server) as other:
        vigilo.wrap(seen, **telemetry.providers)
        other.generate_content(request)
        assert telemetry.spans() == []
        seen.generate_content(request=request)
        assert len(telemetry.spans()) == 1
        vigilo.unwrap(seen)


def test_private_calls_tell_no_words(telemetry, server, model, monkeypatch):
    monkeypatch.setenv("VIGILO_CONTENT", "off")
    vigilo.instrument(**telemetry.providers)
    try:
        server.reply("a secret", usage=TOKENS)
        model.generate_content("my secret", generation_config={"temperature": 0.5})
    finally:
        vigilo.uninstrument()
    assert "secret" not in telemetry.span().to_json()
    assert telemetry.span().attributes["gen_ai.request.temperature"] == 0.5
    assert telemetry.span().attributes["gen_ai.usage.input_tokens"] == 120


ANSWER = v1beta.GenerateContentResponse(
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello, Ada!"}]}, "finish_reason": 1}],
        "usage_metadata": {
            "prompt_token_count": 120,
            "candidates_token_count": 40,
            "cached_content_token_count": 64,
            "total_token_count": 160,
        },
    }
)


class GeminiOverGrpc(grpc.GenericRpcHandler):
    """Answers everything alike; a prompt of "break" breaks a stream off."""

    def service(self, call):
        method = call.method.rpartition("/")[2]
        read = v1beta.GenerateContentRequest.deserialize
        write = v1beta.GenerateContentResponse.serialize
        if method == "StreamGenerateContent":
            return grpc.unary_stream_rpc_method_handler(self._stream, read, write)
        return grpc.unary_unary_rpc_method_handler(lambda *_: ANSWER, read, write)

    def _stream(self, request, context):
        first = v1beta.GenerateContentResponse({"candidates": [{"content": {"parts": [{"text": ""}]}}]})
        yield first
        if request.contents[0].parts[0].text == "break":
            context.abort(grpc.StatusCode.UNAVAILABLE, "out of order")
        yield ANSWER


@pytest.fixture
def grpc_address():
    server = grpc.server(ThreadPoolExecutor(2), handlers=[GeminiOverGrpc()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def grpc_model(grpc_address):
    channel = grpc.insecure_channel(grpc_address)
    made = genai.GenerativeModel(MODEL)
    transport = GenerativeServiceGrpcTransport(host=grpc_address, channel=channel, credentials=AnonymousCredentials())
    made._client = v1beta.GenerativeServiceClient(transport=transport)
    yield made
    channel.close()


@pytest.fixture
async def async_model(grpc_address):
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        made = genai.GenerativeModel(MODEL)
        transport = GenerativeServiceGrpcAsyncIOTransport(
            host=grpc_address, channel=channel, credentials=AnonymousCredentials()
        )
        made._async_client = v1beta.GenerativeServiceAsyncClient(transport=transport)
        yield made


@pytest.mark.parametrize("style", STYLES)
def test_a_call_over_grpc_is_one_span(instrumented, grpc_model, style):
    STYLES[style](grpc_model)
    check(instrumented, "stream" in style)


def test_a_stream_that_breaks_off_fails(instrumented, grpc_model):
    with pytest.raises(GoogleAPICallError):
        list(grpc_model.generate_content("break", stream=True))
    assert instrumented.span().attributes["error.type"] == "google.api_core.exceptions.ServiceUnavailable"


async def generate(model):
    await model.generate_content_async("Hello there")


async def stream(model):
    async for _ in await model.generate_content_async("Hello there", stream=True):
        pass


async def chat(model):
    await model.start_chat().send_message_async("Hello there")


@pytest.mark.parametrize("style", [generate, stream, chat])
async def test_an_async_call_is_one_span(instrumented, async_model, style):
    await style(async_model)
    check(instrumented, style is stream)


async def test_an_async_stream_that_breaks_off_fails(instrumented, async_model):
    with pytest.raises(GoogleAPICallError):
        async for _ in await async_model.generate_content_async("break", stream=True):
            pass
    assert instrumented.span().status.status_code.name == "ERROR"
