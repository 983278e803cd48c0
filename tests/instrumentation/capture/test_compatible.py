"""APIs that speak OpenAI's, through OpenAI's SDK: the right provider, its tokens and its price."""

import json

import openai
import pytest

from vigilo.testing import Usage

ASKED = {"model": "some-model", "messages": [{"role": "user", "content": "Hello there"}]}
SPENT = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}
HOSTS = {
    "openrouter.ai/api/v1": ("openrouter", False),
    "api.deepseek.com": ("deepseek", False),
    "api.x.ai/v1": ("x_ai", False),
    "api.mistral.ai/v1": ("mistral_ai", False),
    "api.groq.com/openai/v1": ("groq", False),
    "api.together.xyz/v1": ("together", False),
    "api.fireworks.ai/inference/v1": ("fireworks", False),
    "api.perplexity.ai": ("perplexity", False),
    "api.moonshot.ai/v1": ("moonshot_ai", False),
    "api.cerebras.ai/v1": ("cerebras", False),
    "shop.openai.azure.com/openai/v1": ("azure.ai.openai", True),
    "bedrock-runtime.us-west-2.amazonaws.com/openai/v1": ("aws.bedrock", True),
    "generativelanguage.googleapis.com/v1beta/openai": ("gcp.gemini", True),
    "integrate.api.nvidia.com/v1": ("nvidia", True),
    "llm.shop.example/v1": ("openai", True),
}
"""Address, and the provider with whether it is asked to count a stream's tokens."""


def through(server, kind):
    """The HTTP client of a machine that reaches the world only through a proxy: here, the local provider."""
    return kind(proxy=server.url)


def client_of(server, address):
    http_client = through(server, openai.DefaultHttpxClient)
    return openai.OpenAI(base_url=f"http://{address}", api_key="any", http_client=http_client)


def sse(*chunks):
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return {"content-type": "text/event-stream"}, "".join([*lines, "data: [DONE]\n\n"]).encode()


def chunk(delta=None, reason=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    known = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "some-model"}
    return {**known, "choices": choices, **more}


@pytest.mark.parametrize(("address", "expected"), HOSTS.items())
def test_the_provider_is_told_by_the_host(instrumented, server, address, expected):
    provider, asked = expected
    server.reply("Hi", usage=Usage(input_tokens=120, output_tokens=40), times=2)
    with client_of(server, address) as client:
        client.chat.completions.create(**ASKED)
        shown = list(client.chat.completions.create(**ASKED, stream=True))
    for span in instrumented.spans():
        told = span.attributes
        assert told["gen_ai.provider.name"] == provider
        assert told["server.address"] == address.partition("/")[0]
    whole, streamed = instrumented.spans()
    assert whole.attributes["gen_ai.usage.input_tokens"] == 120
    assert ("stream_options" in server.requests[1].body) is asked
    assert ("vigilo.usage.estimated" in streamed.attributes) is not asked
    assert all(one.usage is None for one in shown)  # what was asked for is hidden from the app


async def test_an_async_call_too(instrumented, server):
    http_client = through(server, openai.DefaultAsyncHttpxClient)
    async with openai.AsyncOpenAI(base_url="http://api.deepseek.com", api_key="any", http_client=http_client) as client:
        await client.chat.completions.create(**ASKED)
    assert instrumented.span().attributes["gen_ai.provider.name"] == "deepseek"


def test_groqs_usage_is_read_where_groq_has_it(instrumented, server):
    server.raw(200, *sse(chunk({"content": "Hi"}), chunk({}, "stop", x_groq={"id": "req_1", "usage": SPENT})))
    with client_of(server, "api.groq.com/openai/v1") as client:
        shown = list(client.chat.completions.create(**ASKED, stream=True))
    told = instrumented.span().attributes
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
    assert "vigilo.usage.estimated" not in told
    assert len(shown) == 2


def test_deepseeks_reasoning_and_cache(instrumented, server):
    usage = {**SPENT, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 56}
    pieces = [{"content": None, "reasoning_content": "Greet "}, {"content": None, "reasoning_content": "back"}]
    server.raw(200, *sse(*map(chunk, pieces), chunk({"content": "Hi"}), chunk({"content": ""}, "stop", usage=usage)))
    with client_of(server, "api.deepseek.com") as client:
        list(client.chat.completions.create(**{**ASKED, "model": "deepseek-chat"}, stream=True))
    told = instrumented.span().attributes
    assert told["gen_ai.usage.cache_read.input_tokens"] == 64
    (message,) = json.loads(told["gen_ai.output.messages"])
    assert message["parts"] == [
        {"type": "reasoning", "content": "Greet back"},
        {"type": "text", "content": "Hi"},
    ]


def openrouter_answer(**more):
    message = {"role": "assistant", "content": "Hi", "reasoning": "Greet back"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    body = {"id": "gen-1", "object": "chat.completion", "created": 1, "model": "openai/gpt-4o-mini"}
    return {**body, "choices": choices, **more}


def test_the_price_that_the_provider_tells_is_the_price(instrumented, server):
    body = openrouter_answer(usage={**SPENT, "cost": 0.0042})
    server.raw(200, {"content-type": "application/json"}, json.dumps(body).encode())
    server.raw(200, *sse(chunk({"content": "Hi"}), chunk({}, "stop"), chunk(usage={**SPENT, "cost": 0.0042})))
    with client_of(server, "openrouter.ai/api/v1") as client:
        client.chat.completions.create(**ASKED)
        shown = list(client.chat.completions.create(**ASKED, stream=True))
    assert shown[-1].usage.cost == 0.0042  # not asked for by us, so not hidden
    for span in instrumented.spans():
        assert span.attributes["gen_ai.usage.cost"] == 0.0042
        assert span.attributes["vigilo.cost.source"] == "provider"
        assert "vigilo.cost.snapshot" not in span.attributes
    assert sum(point.value for point in instrumented.points()["vigilo.cost"]) == pytest.approx(0.0084)


def test_an_error_that_comes_as_an_answer_is_a_failed_call(instrumented, server):
    error = {"code": 502, "message": "No provider for ada@example.com"}
    server.raw(200, {"content-type": "application/json"}, json.dumps({"error": error}).encode())
    with client_of(server, "openrouter.ai/api/v1") as client:
        answer = client.chat.completions.create(**ASKED)
    assert answer.choices is None  # as without vigilo
    span = instrumented.span()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["error.type"] == "502"
    assert span.status.description == "No provider for [EMAIL]"
    (event,) = instrumented.logs()
    assert event.event_name == "gen_ai.client.operation.exception"
    assert {point.attributes.get("error.type") for point in instrumented.points()["gen_ai.client.operation.duration"]}


def test_an_error_inside_a_stream_fails_the_span_with_the_tokens_so_far(instrumented, server):
    usage = chunk({"content": "H"}, usage=SPENT)
    server.raw(200, *sse(usage, {"error": {"code": 502, "message": "gone"}}))
    with client_of(server, "openrouter.ai/api/v1") as client, pytest.raises(openai.APIError):
        list(client.chat.completions.create(**ASKED, stream=True))
    span = instrumented.span()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["gen_ai.usage.input_tokens"] == 120


def test_a_chunk_without_choices_is_no_end(instrumented, server):
    filtered = {**chunk(prompt_filter_results=[{"prompt_index": 0}]), "id": "", "model": ""}
    server.raw(200, *sse(filtered, chunk({"content": "Hi"}), chunk({}, "stop"), chunk(usage=SPENT)))
    with client_of(server, "shop.openai.azure.com/openai/v1") as client:
        shown = list(client.chat.completions.create(**ASKED, stream=True))
    told = instrumented.span().attributes
    assert (told["gen_ai.response.id"], told["gen_ai.response.model"]) == ("c1", "some-model")
    assert told["gen_ai.usage.input_tokens"] == 120
    assert len(shown) == 3


LITELLMS_OWN = {"timeout": 30, "extra_body": {"metadata": {"team": "shop"}}}


class TestAsLiteLlmCalls:
    """LiteLLM 1.106 calls OpenAI's SDK through raw responses only, with a timeout and its own fields in the body."""

    @pytest.fixture
    def counted(self, server):
        server.reply("Hi", usage=Usage(input_tokens=120, output_tokens=40))
        return server

    @staticmethod
    def check(span, streamed):
        told = span.attributes
        assert span.name == "chat some-model"
        assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert told.get("gen_ai.request.stream", False) is streamed
        assert told["vigilo.request.id"].startswith("req_")

    def test_a_call(self, instrumented, counted):
        with openai.OpenAI() as client:
            raw = client.chat.completions.with_raw_response.create(**ASKED, **LITELLMS_OWN)
            assert raw.headers["x-request-id"]
            assert raw.parse().choices[0].message.content == "Hi"
        self.check(instrumented.span(), False)

    def test_a_stream(self, instrumented, counted):
        with openai.OpenAI() as client:
            raw = client.chat.completions.with_raw_response.create(**ASKED, **LITELLMS_OWN, stream=True)
            shown = list(raw.parse())
        assert all(one.usage is None for one in shown)
        self.check(instrumented.span(), True)

    async def test_an_async_call(self, instrumented, counted):
        async with openai.AsyncOpenAI() as client:
            raw = await client.chat.completions.with_raw_response.create(**ASKED, **LITELLMS_OWN)
            assert raw.parse().choices[0].message.content == "Hi"
        self.check(instrumented.span(), False)

    async def test_an_async_stream(self, instrumented, counted):
        async with openai.AsyncOpenAI() as client:
            raw = await client.chat.completions.with_raw_response.create(**ASKED, **LITELLMS_OWN, stream=True)
            shown = [one async for one in raw.parse()]
        assert all(one.usage is None for one in shown)
        self.check(instrumented.span(), True)

    def test_parsing_twice_is_one_call(self, instrumented, counted):
        with openai.OpenAI() as client:
            raw = client.chat.completions.with_raw_response.create(**ASKED, **LITELLMS_OWN)
            raw.parse()
            raw.parse()
        self.check(instrumented.span(), False)
