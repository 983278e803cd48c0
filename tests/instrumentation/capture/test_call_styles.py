"""Every style of call of the three SDKs gives exactly one span, with the tokens that the provider counted."""

import subprocess
import sys

import anthropic
import openai
import pytest
from google import genai
from pydantic import BaseModel

from vigilo.testing import Usage

ASKED = [{"role": "user", "content": "Hello there"}]
CHAT = {"model": "gpt-4o-mini", "messages": ASKED}
COUNTED_STREAM = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": ASKED}
GENERATE = {"model": "gemini-2.5-flash", "contents": "Hello there"}


class Answer(BaseModel):
    text: str


def drain(chunks):
    for _ in chunks:
        pass


async def adrain(chunks):
    async for _ in chunks:
        pass


def openai_chat(client):
    client.chat.completions.create(**CHAT)


def openai_chat_stream(client):
    drain(client.chat.completions.create(**COUNTED_STREAM))


def openai_chat_stream_helper(client):
    with client.chat.completions.stream(**CHAT, stream_options={"include_usage": True}) as stream:
        drain(stream)


def openai_chat_raw(client):
    client.chat.completions.with_raw_response.create(**CHAT)


def openai_chat_raw_stream(client):
    drain(client.chat.completions.with_raw_response.create(**COUNTED_STREAM).parse())


def openai_chat_streaming_response(client):
    with client.chat.completions.with_streaming_response.create(**CHAT) as response:
        response.parse()


def openai_chat_copy(client):
    client.with_options(max_retries=0).chat.completions.create(**CHAT)


def openai_chat_parse(client):
    client.chat.completions.parse(**CHAT, response_format=Answer)


def openai_responses_stream_helper(client):
    with client.responses.stream(model="gpt-4o-mini", input="Hello there") as stream:
        drain(stream)


def openai_responses_raw(client):
    client.responses.with_raw_response.create(model="gpt-4o-mini", input="Hello there")


def openai_responses(client):
    client.responses.create(model="gpt-4o-mini", input="Hello there")


def openai_responses_stream(client):
    drain(client.responses.create(model="gpt-4o-mini", input="Hello there", stream=True))


async def openai_async_chat(client):
    await client.chat.completions.create(**CHAT)


async def openai_async_chat_stream(client):
    await adrain(await client.chat.completions.create(**COUNTED_STREAM))


async def openai_async_chat_raw_stream(client):
    raw = await client.chat.completions.with_raw_response.create(**COUNTED_STREAM)
    parsed = raw.parse()
    await adrain(await parsed if hasattr(parsed, "__await__") else parsed)


async def openai_async_chat_stream_helper(client):
    async with client.chat.completions.stream(**CHAT, stream_options={"include_usage": True}) as stream:
        await adrain(stream)


async def openai_async_chat_streaming_response(client):
    async with client.chat.completions.with_streaming_response.create(**CHAT) as response:
        await response.parse()


async def openai_async_responses(client):
    await client.responses.create(model="gpt-4o-mini", input="Hello there")


async def openai_async_responses_stream(client):
    await adrain(await client.responses.create(model="gpt-4o-mini", input="Hello there", stream=True))


def anthropic_messages(client):
    client.messages.create(**MESSAGE)


def anthropic_messages_stream(client):
    drain(client.messages.create(**MESSAGE, stream=True))


def anthropic_messages_helper(client):
    with client.messages.stream(**MESSAGE) as stream:
        drain(stream.text_stream)


def anthropic_beta(client):
    client.beta.messages.create(**MESSAGE)


def anthropic_beta_stream(client):
    drain(client.beta.messages.create(**MESSAGE, stream=True))


def anthropic_raw_stream(client):
    drain(client.messages.with_raw_response.create(**MESSAGE, stream=True).parse())


def anthropic_raw(client):
    client.messages.with_raw_response.create(**MESSAGE)


async def anthropic_async_messages(client):
    await client.messages.create(**MESSAGE)


async def anthropic_async_stream(client):
    await adrain(await client.messages.create(**MESSAGE, stream=True))


async def anthropic_async_helper(client):
    async with client.messages.stream(**MESSAGE) as stream:
        await adrain(stream.text_stream)


def google_generate(client):
    client.models.generate_content(**GENERATE)


def google_stream(client):
    drain(client.models.generate_content_stream(**GENERATE))


def google_chat(client):
    client.chats.create(model="gemini-2.5-flash").send_message("Hello there")


async def google_async_generate(client):
    await client.aio.models.generate_content(**GENERATE)


async def google_async_stream(client):
    await adrain(await client.aio.models.generate_content_stream(**GENERATE))


SYNC = {
    openai.OpenAI: [
        openai_chat,
        openai_chat_stream,
        openai_chat_stream_helper,
        openai_chat_raw,
        openai_chat_raw_stream,
        openai_chat_streaming_response,
        openai_chat_copy,
        openai_chat_parse,
        openai_responses_stream_helper,
        openai_responses_raw,
        openai_responses,
        openai_responses_stream,
    ],
    anthropic.Anthropic: [
        anthropic_messages,
        anthropic_messages_stream,
        anthropic_messages_helper,
        anthropic_beta,
        anthropic_beta_stream,
        anthropic_raw_stream,
        anthropic_raw,
    ],
    genai.Client: [google_generate, google_stream, google_chat],
}
ASYNC = {
    openai.AsyncOpenAI: [
        openai_async_chat,
        openai_async_chat_stream,
        openai_async_chat_stream_helper,
        openai_async_chat_streaming_response,
        openai_async_chat_raw_stream,
        openai_async_responses,
        openai_async_responses_stream,
    ],
    anthropic.AsyncAnthropic: [anthropic_async_messages, anthropic_async_stream, anthropic_async_helper],
}
EXPECTED = {
    "openai": ("chat gpt-4o-mini", "openai"),
    "anthropic": ("chat claude-haiku-4-5", "anthropic"),
    "google": ("generate_content gemini-2.5-flash", "gcp.gemini"),
}


def check(telemetry, call):
    span = telemetry.span()
    name, provider = EXPECTED[call.__name__.partition("_")[0]]
    told = dict(span.attributes)
    assert span.name == name
    assert span.kind.name == "CLIENT"
    assert span.status.status_code.name == "UNSET"
    assert told["gen_ai.provider.name"] == provider
    assert told["gen_ai.response.model"] == name.split()[1]
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["server.address"] == "127.0.0.1"
    assert type(told["server.port"]) is int
    assert told.get("gen_ai.request.stream", False) is (
        "stream" in call.__name__.replace("streaming", "") or "helper" in call.__name__
    )
    assert ("gen_ai.response.time_to_first_chunk" in told) is told.get("gen_ai.request.stream", False)
    assert told["gen_ai.usage.cost"] > 0
    assert "http.request.resend_count" not in told


@pytest.fixture
def counted(server):
    server.reply('{"text": "Hello, Ada!"}', usage=Usage(input_tokens=120, output_tokens=40))
    return server


@pytest.mark.parametrize(("client", "call"), [(client, call) for client, calls in SYNC.items() for call in calls])
def test_a_sync_call_is_one_span(instrumented, counted, client, call):
    with client() as opened:
        call(opened)
    check(instrumented, call)


@pytest.mark.parametrize(("client", "call"), [(client, call) for client, calls in ASYNC.items() for call in calls])
async def test_an_async_call_is_one_span(instrumented, counted, client, call):
    async with client() as opened:
        await call(opened)
    check(instrumented, call)


@pytest.mark.parametrize("call", [google_async_generate, google_async_stream])
async def test_an_async_call_of_google_is_one_span(instrumented, counted, call):
    client = genai.Client()
    await call(client)
    await client.aio.aclose()
    client.close()
    check(instrumented, call)


def test_embeddings_are_one_span_without_output_tokens(instrumented, server):
    server.reply(usage=Usage(input_tokens=8), times=2)
    with openai.OpenAI() as client:
        client.embeddings.create(model="text-embedding-3-small", input="Hello", dimensions=8)
    told = dict(instrumented.span().attributes)
    assert instrumented.span().name == "embeddings text-embedding-3-small"
    assert told["gen_ai.usage.input_tokens"] == 8
    assert "gen_ai.usage.output_tokens" not in told
    assert told["gen_ai.embeddings.dimension.count"] == 8
    assert "gen_ai.input.messages" not in told


async def test_async_embeddings_are_one_span(instrumented, server):
    async with openai.AsyncOpenAI() as client:
        await client.embeddings.create(model="text-embedding-3-small", input="Hello")
    assert instrumented.span().name == "embeddings text-embedding-3-small"


def test_embeddings_of_google_are_one_span(instrumented, server):
    with genai.Client() as client:
        client.models.embed_content(model="gemini-embedding-001", contents="Hello")
    assert instrumented.span().name == "embeddings gemini-embedding-001"
    assert instrumented.span().attributes["gen_ai.provider.name"] == "gcp.gemini"


def test_what_is_no_call_to_a_model_makes_no_span(instrumented, server):
    with openai.OpenAI() as client:
        client.models.list()
    with genai.Client() as client:
        list(client.models.list())
    assert instrumented.spans() == []
    assert len(server.requests) == 2


def test_a_request_made_by_keyword_is_seen(instrumented, counted):
    """What some libraries on top of the SDK do: they call its transport themselves."""
    from openai._models import FinalRequestOptions
    from openai.types.chat import ChatCompletion

    options = FinalRequestOptions(method="post", url="/chat/completions", json_data=CHAT)
    with openai.OpenAI() as client:
        answer = client.request(cast_to=ChatCompletion, options=options)
    assert answer.usage.prompt_tokens == 120
    assert instrumented.span().attributes["gen_ai.usage.input_tokens"] == 120


def test_a_request_of_google_made_by_keyword_is_seen(instrumented, counted):
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]}
    with genai.Client() as client:
        client._api_client.request(
            http_method="post", path="models/gemini-2.5-flash:generateContent", request_dict=body, http_options=None
        )
    assert instrumented.span().attributes["gen_ai.usage.input_tokens"] == 120


def test_a_client_that_moves_is_known_by_its_new_host(instrumented, counted):
    counted.reply(times=2)
    with openai.OpenAI() as client:
        client.chat.completions.create(**CHAT)
        client.base_url = counted.openai_url.replace("127.0.0.1", "localhost")
        client.chat.completions.create(**CHAT)
    assert [span.attributes["server.address"] for span in instrumented.spans()] == ["127.0.0.1", "localhost"]


def test_azure_is_known_by_its_client(instrumented, counted):
    with openai.AzureOpenAI(
        azure_endpoint=counted.url, api_key="k", api_version="2025-04-01-preview", base_url=None
    ) as client:
        client.chat.completions.create(**CHAT)
    assert instrumented.span().attributes["gen_ai.provider.name"] == "azure.ai.openai"
    assert "/deployments/" in counted.requests[0].path


def test_a_retry_is_counted_and_stays_one_span(instrumented, counted):
    counted.reset()
    counted.fail(429, retry_after_s=0.01)
    with openai.OpenAI() as client:
        client.chat.completions.create(**CHAT)
    told = instrumented.span().attributes
    assert told["http.request.resend_count"] == 1
    assert len(counted.requests) == 2
    assert instrumented.span().status.status_code.name == "UNSET"


@pytest.mark.parametrize(
    ("client", "call", "error", "kind"),
    [
        (openai.OpenAI, openai_chat, openai.InternalServerError, "openai.InternalServerError"),
        (openai.OpenAI, openai_responses_stream, openai.InternalServerError, "openai.InternalServerError"),
        (
            anthropic.Anthropic,
            anthropic_messages_helper,
            anthropic.InternalServerError,
            "anthropic.InternalServerError",
        ),
        (genai.Client, google_stream, genai.errors.ServerError, "google.genai.errors.ServerError"),
    ],
)
def test_the_app_sees_the_sdks_own_error_and_the_span_names_it(instrumented, server, client, call, error, kind):
    server.fail(500, times=10, message="boom for ada@example.com")
    options = {} if client is genai.Client else {"max_retries": 0}
    with client(**options) as opened, pytest.raises(error):
        call(opened)
    span = instrumented.span()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["error.type"] == kind
    assert span.attributes["http.response.status_code"] == 500
    assert "ada@example.com" not in span.to_json()
    assert "[EMAIL]" in span.status.description
    assert span.events == ()
    (event,) = instrumented.logs()
    assert event.event_name == "gen_ai.client.operation.exception"
    assert event.span_id == span.context.span_id
    assert "ada@example.com" not in str(event.attributes)


def test_content_is_masked_on_the_span(instrumented, server):
    server.reply("Write to bob@example.org")
    with anthropic.Anthropic() as client:
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=100,
            system="You serve carol@example.net",
            messages=[{"role": "user", "content": "I am ada@example.com, card 4111 1111 1111 1111, +1 415-555-2671"}],
        )
    told = instrumented.span().attributes
    text = instrumented.span().to_json()
    for secret in ("ada@example.com", "bob@example.org", "carol@example.net", "4111", "555-2671"):
        assert secret not in text
    assert told["gen_ai.input.messages"].count("[") >= 4
    for tag in ("[EMAIL]", "[CARD]", "[PHONE]"):
        assert tag in told["gen_ai.input.messages"]
    assert "[EMAIL]" in told["gen_ai.system_instructions"]


def test_the_answer_of_a_tool_call_is_told(instrumented, server):
    tool = {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    with openai.OpenAI() as client:
        answer = client.chat.completions.create(**CHAT, tools=[tool])
        streamed = client.chat.completions.create(**CHAT, tools=[tool], stream=True)
        drain(streamed)
    assert answer.choices[0].finish_reason == "tool_calls"
    for span in instrumented.spans():
        assert span.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)
        assert '"type":"tool_call"' in span.attributes["gen_ai.output.messages"].replace(" ", "")
        assert '"name":"weather"' in span.attributes["gen_ai.tool.definitions"].replace(" ", "")


def test_cached_tokens_of_anthropic_lie_inside_the_input(instrumented, server):
    server.reply(usage=Usage(input_tokens=120, output_tokens=40, cache_read_tokens=40, cache_write_tokens=30), times=2)
    with anthropic.Anthropic() as client:
        client.messages.create(**MESSAGE)
        drain(client.messages.create(**MESSAGE, stream=True))
    for span in instrumented.spans():
        assert span.attributes["gen_ai.usage.input_tokens"] == 120
        assert span.attributes["gen_ai.usage.cache_read.input_tokens"] == 40
        assert span.attributes["gen_ai.usage.cache_write.input_tokens"] == 30


def test_anthropics_own_spans_stay_out_of_recorded_calls(telemetry, server):
    """The SDK would make a span of its own with the same tokens; calls that are not recorded here keep theirs."""
    import vigilo

    options = {"tracer_provider": telemetry.tracer_provider, "traces": {"enabled": True}}
    vigilo.instrument(**telemetry.providers)
    try:
        with anthropic.Anthropic(open_telemetry=options) as client:
            client.messages.create(**MESSAGE)
            assert [span.name for span in telemetry.spans()] == ["chat claude-haiku-4-5"]
            client.models.list()
    finally:
        vigilo.uninstrument()
    assert [span.name for span in telemetry.spans()] == ["chat claude-haiku-4-5", "anthropic.models.list"]
    with anthropic.Anthropic(open_telemetry=options) as client:
        client.messages.create(**MESSAGE)
    assert telemetry.spans()[-1].name == "anthropic.messages.create"


def test_no_trace_context_is_sent_to_the_provider(instrumented, server):
    with anthropic.Anthropic() as client:
        client.messages.create(**MESSAGE)
    assert "traceparent" not in server.requests[0].headers


def test_after_uninstrument_the_sdk_is_as_before(server):
    script = (
        "import vigilo, openai\n"
        "from google import genai\n"
        "classes = openai._base_client.SyncAPIClient, genai._api_client.BaseApiClient\n"
        "before = [cls.request for cls in classes]\n"
        "vigilo.instrument()\n"
        "assert [cls.request for cls in classes] != before\n"
        "vigilo.uninstrument()\n"
        "assert [cls.request for cls in classes] == before\n"
        f"openai.OpenAI().chat.completions.create(**{CHAT!r})\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert len(server.requests) == 1


def test_an_sdk_that_is_imported_later_is_seen(server):
    script = (
        "import sys, vigilo\n"
        "vigilo.instrument()\n"
        "assert 'openai' not in sys.modules\n"
        "import openai\n"
        "print(openai._base_client.SyncAPIClient.request.__wrapped__.__qualname__)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "SyncAPIClient.request"
