"""Calls of which the provider never hears: those that reach nobody fail, and those that are never made are none."""

import socket

import anthropic
import openai
import pytest
from google import genai

ASKED = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def nobody():
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_openai_reaches_nobody(instrumented, nobody):
    with openai.OpenAI(base_url=nobody, api_key="any", max_retries=1) as client, pytest.raises(openai.APIError):
        client.chat.completions.create(model="gpt-4o-mini", messages=ASKED, stream=True)
    check(instrumented.span(), "openai.APIConnectionError")
    assert instrumented.span().attributes["http.request.resend_count"] == 1


def test_anthropic_reaches_nobody(instrumented, nobody):
    with anthropic.Anthropic(base_url=nobody, api_key="any", max_retries=0) as client:
        manager = client.messages.stream(model="claude-haiku-4-5", max_tokens=100, messages=ASKED)
        with pytest.raises(anthropic.APIConnectionError), manager:
            pass
    check(instrumented.span(), "anthropic.APIConnectionError")


def test_google_reaches_nobody(instrumented, nobody):
    with genai.Client(api_key="any", http_options={"base_url": nobody}) as client, pytest.raises(Exception) as raised:
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    check(instrumented.span(), f"{raised.type.__module__}.{raised.type.__qualname__}")


def check(span, error):
    told = span.attributes
    assert span.status.status_code.name == "ERROR"
    assert told["error.type"] == error
    assert "http.response.status_code" not in told
    assert not {name for name in told if name.startswith("gen_ai.usage.")}


def test_what_the_sdk_refuses_to_send_is_no_call(instrumented, server):
    with openai.OpenAI() as client, pytest.raises(TypeError):
        client.chat.completions.create(model="gpt-4o-mini")
    with anthropic.Anthropic() as client, pytest.raises(TypeError):
        client.messages.create(model="claude-haiku-4-5")
    assert instrumented.spans() == []
    assert server.requests == []
