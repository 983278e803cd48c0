"""Capture of one client alone."""

import subprocess
import sys

import anthropic
import openai
import pytest
from google import genai

import vigilo

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": CHAT["messages"]}


def test_only_the_wrapped_client_and_its_copies_are_seen(telemetry, server):
    with openai.OpenAI() as wrapped, openai.OpenAI() as other:
        assert vigilo.wrap(wrapped, **telemetry.providers) is wrapped
        wrapped.chat.completions.create(**CHAT)
        wrapped.with_options(max_retries=0).chat.completions.create(**CHAT)
        other.chat.completions.create(**CHAT)
    assert len(telemetry.spans()) == 2
    assert len(server.requests) == 3


def test_wrapping_twice_changes_nothing(telemetry, server):
    with anthropic.Anthropic() as client:
        vigilo.wrap(vigilo.wrap(client, **telemetry.providers), **telemetry.providers)
        client.messages.create(**MESSAGE)
    assert len(telemetry.spans()) == 1


def test_a_client_of_google_is_wrapped_with_its_async_half(telemetry, server):
    with genai.Client() as client:
        vigilo.wrap(client, **telemetry.providers)
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert telemetry.span().name == "generate_content gemini-2.5-flash"


def test_a_wrapped_client_is_seen_once_when_everything_is_instrumented(instrumented, server):
    with openai.OpenAI() as client:
        vigilo.wrap(client, **instrumented.providers)
        client.chat.completions.create(**CHAT)
    assert len(instrumented.spans()) == 1


def test_an_unwrapped_client_is_seen_no_more(telemetry, server):
    with openai.OpenAI() as first, openai.OpenAI() as second:
        for client in (first, second):
            vigilo.wrap(client, **telemetry.providers)
        copy = first.with_options(max_retries=0)
        assert vigilo.unwrap(vigilo.unwrap(first)) is first
        first.chat.completions.create(**CHAT)
        copy.chat.completions.create(**CHAT)
        assert telemetry.spans() == []
        second.chat.completions.create(**CHAT)
        assert len(telemetry.spans()) == 1


def test_when_the_last_client_is_unwrapped_the_sdk_is_as_before(server):
    script = (
        "import vigilo, anthropic, openai\n"
        "def requests(): return [sdk._base_client.SyncAPIClient.request for sdk in (openai, anthropic)]\n"
        "untouched = requests()\n"
        "first, second = vigilo.wrap(openai.OpenAI()), vigilo.wrap(openai.OpenAI())\n"
        "assert requests()[0] is not untouched[0] and requests()[1] is untouched[1]\n"
        "vigilo.unwrap(first)\n"
        "assert requests() != untouched\n"
        "vigilo.unwrap(second)\n"
        "assert requests() == untouched\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_anything_else_is_refused_with_what_to_do():
    with pytest.raises(vigilo.VigiloError, match=r"cannot wrap builtins\.dict: expected a client of openai"):
        vigilo.wrap({})
    with pytest.raises(vigilo.VigiloError, match=r"cannot unwrap builtins\.dict"):
        vigilo.unwrap({})
