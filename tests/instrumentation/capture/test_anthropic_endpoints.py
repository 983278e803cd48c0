"""Every endpoint, call style and platform client of Anthropic: one span each, with the tokens that were counted."""

import inspect
import json

import anthropic
import pytest
from pydantic import BaseModel

import vigilo
from vigilo.testing import Usage

ASKED = [{"role": "user", "content": "Hello there"}]
HAIKU = "claude-haiku-4-5"
MESSAGE = {"model": HAIKU, "max_tokens": 100, "messages": ASKED}
COUNTED = Usage(input_tokens=120, output_tokens=40, cache_read_tokens=40, cache_write_tokens=30)


class Answer(BaseModel):
    text: str


async def value(result):
    """The result of a call of either kind of client."""
    return await result if inspect.isawaitable(result) else result


async def drain(chunks):
    if hasattr(chunks, "__aiter__"):
        async for _ in chunks:
            pass
    else:
        for _ in chunks:
            pass


async def entered(manager, use):
    if hasattr(manager, "__aenter__"):
        async with manager as opened:
            await use(opened)
    else:
        with manager as opened:
            await use(opened)


async def create(messages):
    await value(messages.create(**MESSAGE))


async def streamed(messages):
    await drain(await value(messages.create(**MESSAGE, stream=True)))


async def stream_helper(messages):
    async def read(stream):
        await drain(stream)
        await value(stream.get_final_message())

    await entered(messages.stream(**MESSAGE), read)


async def text_stream(messages):
    async def read(stream):
        await drain(stream.text_stream)

    await entered(messages.stream(**MESSAGE), read)


async def raw(messages):
    await value((await value(messages.with_raw_response.create(**MESSAGE))).parse())


async def raw_streamed(messages):
    response = await value(messages.with_raw_response.create(**MESSAGE, stream=True))
    await drain(await value(response.parse()))


async def streaming_response(messages):
    async def read(response):
        await value(response.parse())

    await entered(messages.with_streaming_response.create(**MESSAGE), read)


async def streaming_response_streamed(messages):
    async def read(response):
        await drain(await value(response.parse()))

    await entered(messages.with_streaming_response.create(**MESSAGE, stream=True), read)


async def parse(messages):
    await value(messages.parse(**MESSAGE, output_format=Answer))


async def tool_runner(messages):
    await value(messages.tool_runner(**MESSAGE, tools=[]).until_done())


STYLES = [
    create,
    streamed,
    stream_helper,
    text_stream,
    raw,
    raw_streamed,
    streaming_response,
    streaming_response_streamed,
    parse,
    tool_runner,
]
STREAMED = {streamed, stream_helper, text_stream, raw_streamed, streaming_response_streamed}
CLIENTS = [anthropic.Anthropic, anthropic.AsyncAnthropic]


async def using(client, use):
    if hasattr(client, "__aenter__"):
        async with client:
            await use(client)
    else:
        with client:
            await use(client)


@pytest.fixture
def counted(server):
    server.reply('{"text": "Hello, Ada!"}', usage=COUNTED)
    return server


def check(span, streams, model=HAIKU, provider="anthropic"):
    told = dict(span.attributes)
    assert span.name == f"chat {model}"
    assert told["gen_ai.provider.name"] == provider
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
    assert told["gen_ai.usage.cache_read.input_tokens"] == 40
    assert told["gen_ai.usage.cache_write.input_tokens"] == 30
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["anthropic.message.stop_reason"] == "end_turn"
    assert told.get("gen_ai.request.stream", False) is streams
    assert ("gen_ai.response.time_to_first_chunk" in told) is streams
    assert "gen_ai.usage.cost" in told or "vigilo.cost.unpriced" in told
    assert told["server.address"] == "127.0.0.1"
    assert "Hello, Ada" in told["gen_ai.output.messages"]


MESSAGES = {False: anthropic.resources.Messages, True: anthropic.resources.beta.messages.Messages}
OFFERED = [  # parsing and running tools came later, the latter in beta only
    pytest.param(beta, style, id=f"{'beta' if beta else 'stable'}-{style.__name__}")
    for beta, messages in MESSAGES.items()
    for style in STYLES
    if style not in (parse, tool_runner) or hasattr(messages, style.__name__)
]


@pytest.mark.parametrize(("beta", "style"), OFFERED)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_a_message_is_one_span(instrumented, counted, client, beta, style):
    async def call(opened):
        await style(opened.beta.messages if beta else opened.messages)

    await using(client(), call)
    check(instrumented.span(), style in STREAMED)
    assert instrumented.span().attributes["gen_ai.usage.cost"] > 0
    assert len(counted.requests) == 1


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_a_copy_of_a_client_is_seen(instrumented, counted, client):
    async def call(opened):
        await create(opened.with_options(max_retries=0, timeout=9).messages)

    await using(client(), call)
    check(instrumented.span(), False)


def test_a_run_of_tools_is_one_span_for_each_answer(instrumented, server):
    if not hasattr(anthropic, "beta_tool"):
        pytest.skip("this SDK runs no tools")

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Look the weather up.

        Args:
            city: where
        """
        return f"12 degrees in {city}"

    with anthropic.Anthropic() as client:
        asked = {**MESSAGE, "messages": [{"role": "user", "content": "What is the weather in Paris?"}]}
        client.beta.messages.tool_runner(**asked, tools=[get_weather]).until_done()
    spans = instrumented.spans()
    assert [span.name for span in spans] == [f"chat {HAIKU}"] * 2
    reasons = [span.attributes["gen_ai.response.finish_reasons"] for span in spans]
    assert reasons == [("tool_call",), ("stop",)]


@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_counting_tokens_uses_none(instrumented, server, client, beta):
    server.reply(usage=Usage(input_tokens=77))

    async def call(opened):
        messages = opened.beta.messages if beta else opened.messages
        assert (await value(messages.count_tokens(model=HAIKU, messages=ASKED))).input_tokens == 77

    await using(client(), call)
    told = dict(instrumented.span().attributes)
    assert instrumented.span().name == f"count_tokens {HAIKU}"
    assert told["vigilo.counted.input_tokens"] == 77
    assert not [name for name in told if name.startswith("gen_ai.usage")]
    assert "gen_ai.client.token.usage" not in instrumented.points()
    assert "vigilo.cost" not in instrumented.points()


def batch_of(*requests):
    return [
        {"custom_id": str(number), "params": {"model": model, "max_tokens": 9, "messages": messages}}
        for number, (model, messages) in enumerate(requests)
    ]


def results_of(spans):
    return [dict(span.attributes) for span in spans if span.name == "batch_results"]


@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_a_batch_is_counted_once_when_its_results_are_read(instrumented, server, client, beta):
    server.reply("Hi", usage=Usage(input_tokens=1000, output_tokens=100), match="/results", times=3)
    requests = batch_of((HAIKU, ASKED), (HAIKU, ASKED), (HAIKU, []))

    async def call(opened):
        batches = (opened.beta if beta else opened).messages.batches
        begun = await value(batches.create(requests=requests))
        await value(batches.retrieve(begun.id))
        await drain(await value(batches.results(begun.id)))
        again = batches.with_raw_response
        if hasattr(again, "results"):
            await drain(await value((await value(again.results(begun.id))).parse()))
        else:  # an older SDK
            await drain(await value(batches.results(begun.id)))

    await using(client(), call)
    first, *_ = spans = instrumented.spans()
    assert [span.name for span in spans] == [f"batch {HAIKU}", "batch_results", "batch_results"]
    assert first.attributes["vigilo.batch.requests"] == 3
    assert "gen_ai.input.messages" not in first.attributes
    read, again = results_of(spans)
    assert read["gen_ai.response.id"] == again["gen_ai.response.id"] == first.attributes["gen_ai.response.id"]
    assert read["gen_ai.response.model"] == HAIKU
    assert (read["gen_ai.usage.input_tokens"], read["gen_ai.usage.output_tokens"]) == (2000, 200)
    assert (read["vigilo.batch.requests"], read["vigilo.batch.failed"]) == (3, 1)
    assert read["gen_ai.usage.cost"] == pytest.approx((2000 * 1 + 200 * 5) / 1e6 / 2)  # half the list price
    assert "gen_ai.usage.input_tokens" not in again
    assert "gen_ai.usage.cost" not in again


def test_results_of_several_models_are_priced_apart(instrumented, server):
    server.reply("Hi", usage=Usage(input_tokens=1_000_000), match="/results")
    with anthropic.Anthropic() as client:
        begun = client.messages.batches.create(requests=batch_of((HAIKU, ASKED), ("claude-opus-4-5", ASKED)))
        for _ in client.messages.batches.results(begun.id):
            pass
    (read,) = results_of(instrumented.spans())
    assert "gen_ai.response.model" not in read
    assert read["gen_ai.usage.input_tokens"] == 2_000_000
    assert read["gen_ai.usage.cost"] > (1 + 5) / 2


def test_results_that_are_read_in_part_are_counted_in_part(instrumented, server):
    server.reply("Hi", usage=Usage(input_tokens=10, output_tokens=1), match="/results", times=2)
    with anthropic.Anthropic() as client:
        begun = client.messages.batches.create(requests=batch_of(*[(HAIKU, ASKED)] * 3))
        results = client.messages.batches.results(begun.id)
        next(results)
        results.close()
        for _ in client.messages.batches.results(begun.id):
            pass
    assert [read["gen_ai.usage.input_tokens"] for read in results_of(instrumented.spans())] == [10, 20]


def test_what_a_batch_is_asked_besides_makes_no_span(instrumented, server):
    with anthropic.Anthropic() as client:
        begun = client.messages.batches.create(requests=batch_of((HAIKU, ASKED)))
        client.messages.batches.retrieve(begun.id)
        client.models.list()
    assert [span.name for span in instrumented.spans()] == [f"batch {HAIKU}"]


def test_what_ran_beside_the_answer_is_priced_with_it(instrumented, server):
    usage = {
        "input_tokens": 1000,
        "output_tokens": 0,
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "iterations": [
            {"type": "compaction", "input_tokens": 10_000, "output_tokens": 0},
            {"type": "advisor_message", "model": "claude-opus-4-5", "input_tokens": 1000, "output_tokens": 0},
        ],
    }
    blocks = [{"type": "compaction", "content": "So far, ada@example.com asked"}, {"type": "text", "text": "Hi"}]
    message = {"id": "m1", "type": "message", "role": "assistant", "model": HAIKU, "content": blocks}
    body = json.dumps({**message, "stop_reason": "pause_turn", "usage": usage}).encode()
    server.raw(200, {"content-type": "application/json"}, body)
    with anthropic.Anthropic() as client:
        client.beta.messages.create(**MESSAGE, metadata={"user_id": "ada-42"})
    told = dict(instrumented.span().attributes)
    assert told["gen_ai.usage.input_tokens"] == 12_000
    assert told["anthropic.usage.compaction.input_tokens"] == 10_000
    assert told["anthropic.usage.server_tool_use.web_search_requests"] == 2
    assert told["gen_ai.usage.cost"] == pytest.approx((11_000 * 1 + 1000 * 5) / 1e6 + 2 * 0.01)
    assert told["gen_ai.conversation.compacted"] is True
    assert told["gen_ai.response.finish_reasons"] == ("pause_turn",)
    assert "ada@example.com" not in told["gen_ai.output.messages"]
    assert "ada-42" not in instrumented.span().to_json()


def vertex(kind, server):
    return kind(region="europe-west1", project_id="shop", access_token="any", base_url=f"{server.url}/v1")


def bedrock(kind, server):
    pytest.importorskip("botocore", reason="Bedrock's streams are decoded by botocore: pip install anthropic[bedrock]")
    if "api_key" not in inspect.signature(kind).parameters:
        pytest.importorskip("boto3", reason="this SDK signs with boto3: pip install anthropic[bedrock]")
        return kind(aws_region="eu-west-1", aws_access_key="a", aws_secret_key="s", base_url=server.url)
    return kind(aws_region="eu-west-1", api_key="any", base_url=server.url)


def mantle(kind, server):
    return kind(aws_region="eu-west-1", api_key="any", base_url=server.url)


def foundry(kind, server):
    return kind(api_key="any", base_url=server.url)


def aws(kind, server):
    return kind(api_key="any", aws_region="eu-west-1", workspace_id="w", base_url=server.url)


def google_cloud(kind, server):
    return kind(project="shop", workspace_id="w", skip_auth=True, base_url=server.url)


PLATFORMS = {
    "AnthropicVertex": (vertex, "gcp.vertex_ai", "claude-haiku-4-5@20251001"),
    "AnthropicBedrock": (bedrock, "aws.bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    "AnthropicBedrockMantle": (mantle, "aws.bedrock", "anthropic.claude-haiku-4-5"),
    "AnthropicFoundry": (foundry, "azure.ai.inference", HAIKU),
    "AnthropicAWS": (aws, "anthropic", HAIKU),  # these two are run by Anthropic itself
    "AnthropicGoogleCloud": (google_cloud, "anthropic", HAIKU),
}


def platform_client(name, server):
    if not hasattr(anthropic, name):
        pytest.skip(f"this SDK has no {name}")
    made_by, provider, model = PLATFORMS[name.removeprefix("Async")]
    return made_by(getattr(anthropic, name), server), provider, model


@pytest.mark.parametrize("style", [create, streamed, stream_helper, raw_streamed], ids=lambda style: style.__name__)
@pytest.mark.parametrize("name", [prefix + name for name in PLATFORMS for prefix in ("", "Async")])
async def test_a_platforms_client_is_one_span_of_that_platform(instrumented, counted, monkeypatch, name, style):
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(variable)
    client, provider, model = platform_client(name, counted)
    monkeypatch.setitem(MESSAGE, "model", model)

    async def call(opened):
        await style(opened.messages)

    await using(client, call)
    check(instrumented.span(), style in STREAMED, model, provider)
    assert len(counted.requests) == 1


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platforms_client_can_be_wrapped_with_its_copies(telemetry, counted, monkeypatch, name):
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(variable)
    client, provider, model = platform_client(name, counted)
    with client:
        copy = client.with_options(max_retries=0)
        if copy._client is not client._client:
            pytest.skip("a copy of this SDK's client is a client of its own")
        vigilo.wrap(client, **telemetry.providers).messages.create(**{**MESSAGE, "model": model})
        copy.messages.create(**{**MESSAGE, "model": model})
        vigilo.unwrap(client)
    assert [span.attributes["gen_ai.provider.name"] for span in telemetry.spans()] == [provider] * 2


def test_a_subclass_of_a_platforms_client_is_of_that_platform(instrumented, counted):
    class Ours(anthropic.AnthropicVertex):
        pass

    with vertex(Ours, counted) as client:
        client.messages.create(**MESSAGE)
    assert instrumented.span().attributes["gen_ai.provider.name"] == "gcp.vertex_ai"


def test_bedrocks_price_is_that_of_the_region_that_was_asked(instrumented, server):
    server.reply("Hi", usage=Usage(input_tokens=1_000_000, output_tokens=0), times=2)
    with bedrock(anthropic.AnthropicBedrock, server) as client:
        for place in ("global", "eu"):
            model = f"{place}.anthropic.claude-haiku-4-5-20251001-v1:0"
            client.messages.create(model=model, max_tokens=9, messages=ASKED)
    anywhere, europe = [span.attributes["gen_ai.usage.cost"] for span in instrumented.spans()]
    assert europe == pytest.approx(1.1 * anywhere)


def test_bedrocks_frames_that_tell_an_error_fail_the_span(instrumented, server):
    pytest.importorskip("botocore", reason="Bedrock's streams are decoded by botocore: pip install anthropic[bedrock]")
    from vigilo.testing.anthropic_bedrock import frame

    headers = {":exception-type": "throttlingException", ":message-type": "exception"}
    body = frame(headers, b'{"message": "Too many requests"}')
    server.raw(200, {"content-type": "application/vnd.amazon.eventstream"}, body)
    with bedrock(anthropic.AnthropicBedrock, server) as client, pytest.raises((anthropic.APIStatusError, ValueError)):
        for _ in client.messages.create(**MESSAGE, stream=True):
            pass
    assert instrumented.span().status.status_code.name == "ERROR"


def test_what_bedrock_does_not_offer_fails_before_it_is_sent(instrumented, server):
    with bedrock(anthropic.AnthropicBedrock, server) as client, pytest.raises(anthropic.AnthropicError):
        client.messages.count_tokens(model=HAIKU, messages=ASKED)
    assert server.requests == []
    assert instrumented.span().name == f"count_tokens {HAIKU}"
    assert instrumented.span().status.status_code.name == "ERROR"
