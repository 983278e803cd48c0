"""Claude on Amazon Bedrock as the local provider serves it."""

from __future__ import annotations

import base64
import inspect
import json

import anthropic
import pytest

from vigilo.testing import ProviderServer, Usage
from vigilo.testing.anthropic_bedrock import asked_model, frame, is_bedrock, plain_model

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
ASK = {"model": MODEL, "max_tokens": 99, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
PARIS = "The capital of France is Paris, and Paris is on the Seine."


def test_the_path_has_the_model() -> None:
    assert asked_model("/model/anthropic.claude-v2%3A1/invoke") == "anthropic.claude-v2:1"
    assert not is_bedrock("/v1/messages")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (MODEL, "claude-haiku-4-5-20251001"),
        ("anthropic.claude-opus-4-6", "claude-opus-4-6"),
        ("claude-haiku-4-5", "claude-haiku-4-5"),
    ],
)
def test_the_answer_names_the_model_without_its_place(asked: str, answered: str) -> None:
    assert plain_model(asked) == answered


@pytest.fixture
def client(server: ProviderServer) -> anthropic.AnthropicBedrock:
    pytest.importorskip("botocore", reason="Bedrock's streams are decoded by botocore: pip install anthropic[bedrock]")
    key = {"api_key": "any"}
    if "api_key" not in inspect.signature(anthropic.AnthropicBedrock).parameters:
        pytest.importorskip("boto3", reason="this SDK signs with boto3: pip install anthropic[bedrock]")
        key = {"aws_access_key": "any", "aws_secret_key": "any"}
    with anthropic.AnthropicBedrock(aws_region="eu-west-1", base_url=server.url, **key) as opened:
        yield opened


def test_a_frame_is_what_awss_own_decoder_reads() -> None:
    eventstream = pytest.importorskip("botocore.eventstream", reason="AWS' decoder is botocore's")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(frame({":event-type": "chunk", ":message-type": "event"}, b"{}"))
    (event,) = buffer
    assert event.headers == {":event-type": "chunk", ":message-type": "event"}
    assert event.payload == b"{}"


def test_answers_and_streams(server: ProviderServer, client: anthropic.AnthropicBedrock) -> None:
    assert client.messages.create(**ASK).content[0].text == PARIS
    with client.messages.stream(**ASK) as stream:
        answer = stream.get_final_message()
    assert (answer.content[0].text, answer.model) == (PARIS, "claude-haiku-4-5-20251001")
    assert [request.path.rpartition("/")[2] for request in server.requests] == ["invoke", "invoke-with-response-stream"]


def test_a_stream_ends_with_bedrocks_own_counts(server: ProviderServer) -> None:
    import urllib.request

    server.reply("Hi", usage=Usage(input_tokens=7, output_tokens=3))
    body = json.dumps({"messages": ASK["messages"], "max_tokens": 9}).encode()
    url = f"{server.url}/model/{MODEL}/invoke-with-response-stream"
    headers = {"content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
        last = response.read().rpartition(b'{"bytes": "')[2].partition(b'"')[0]
    event = json.loads(base64.b64decode(last))
    assert event["amazon-bedrock-invocationMetrics"] == {"inputTokenCount": 7, "outputTokenCount": 3}
