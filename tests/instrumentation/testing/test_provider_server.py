"""Scripting, threads, sockets and the command line of the local provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import anthropic
import openai
import pytest
from google import genai

from vigilo.testing import ProviderServer, Reply, Usage
from vigilo.testing.script import ReplyFields

PACKAGES = Path(__file__).parents[3] / "instrumentation"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def test_the_environment_points_all_three_sdks_at_the_server(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_"))]:
        monkeypatch.delenv(name)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    with openai.OpenAI() as client:
        client.chat.completions.create(**ASK)
    with anthropic.Anthropic() as client:
        client.messages.create(**ASK, max_tokens=10)
    with genai.Client() as client:
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    chat, message, content = server.requests
    assert (chat.method, chat.path) == ("POST", "/v1/chat/completions")
    assert chat.headers["authorization"] == "Bearer sk-vigilo-testing"
    assert chat.body == ASK
    assert message.path == "/v1/messages"
    assert "sk-ant-vigilo-testing" in str(message.headers)
    assert content.path.endswith("/models/gemini-2.5-flash:generateContent")
    assert content.headers["x-goog-api-key"] == "vigilo-testing"


def test_steps_are_used_in_order_and_as_often_as_said(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.reply("first", times=2)
    server.reply("second")
    said = [openai_client.chat.completions.create(**ASK).choices[0].message.content for _ in range(4)]
    assert said[:3] == ["first", "first", "second"]
    assert said[3].startswith("Hello!")


@pytest.mark.parametrize("match", ["/chat/completions", "card ending in 1111"])
def test_a_step_waits_for_the_call_that_it_matches(
    server: ProviderServer, openai_client: openai.OpenAI, match: str
) -> None:
    server.reply("matched", match=match)
    other = openai_client.responses.create(model="gpt-4o-mini", input="Hello").output_text
    messages = [{"role": "user", "content": "My card ending in 1111 is gone"}]
    matched = openai_client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    assert other != "matched"
    assert matched.choices[0].message.content == "matched"


def test_reset_forgets_steps_and_requests(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    openai_client.chat.completions.create(**ASK)
    server.fail(400)
    server.reset()
    assert server.requests == []
    openai_client.chat.completions.create(**ASK)


def test_a_step_that_is_never_taken_is_refused(server: ProviderServer) -> None:
    with pytest.raises(ValueError, match="times is 0"):
        server.reply("never", times=0)


def test_usage_that_is_left_open_is_made_from_the_words(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    server.reply("one two three", usage=Usage(cache_read_tokens=2))
    usage = openai_client.chat.completions.create(**ASK).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens) == (5, 4, 2)


def test_a_recorded_answer_is_sent_as_it_is(server: ProviderServer) -> None:
    body = b'data: {"choices": []}\r\n\r\n'
    server.raw(203, {"Content-Type": "text/event-stream", "X-Recorded": "yes", "Transfer-Encoding": "chunked"}, body)
    request = urllib.request.Request(f"{server.openai_url}/chat/completions", data=b"not json", method="POST")
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.read(), answer.headers["x-recorded"]) == (203, body, "yes")
        assert answer.headers["transfer-encoding"] is None
        assert answer.headers["x-request-id"] is None
    assert server.requests[0].body == b"not json"


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/videos", b"{}", 404, "does not know POST /v1/videos"),
        ("/v1/chat/completions", b"[]", 400, "not a JSON object"),
        ("/v1/chat/completions", b'{"messages": []}', 400, "KeyError 'model'"),
    ],
)
def test_says_what_is_wrong_with_a_request(
    server: ProviderServer, path: str, body: bytes, status: int, message: str
) -> None:
    request = urllib.request.Request(f"{server.url}{path}", data=body, method="POST")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)
    with raised.value as answer:
        assert answer.status == status
        assert message in json.loads(answer.read())["error"]["message"]


def test_every_one_of_many_threads_gets_its_own_step(server: ProviderServer, openai_client: openai.OpenAI) -> None:
    for number in range(32):
        server.reply(f"reply {number}")

    def ask(_: int) -> tuple[str, str]:
        answer = openai_client.chat.completions.create(**ASK)
        return answer.id, answer.choices[0].message.content

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(32)))
    assert sorted(text for _, text in answers) == sorted(f"reply {number}" for number in range(32))
    assert len({answer_id for answer_id, _ in answers}) == 32
    assert len(server.requests) == 32


def test_a_call_that_hangs_runs_into_the_timeout_of_the_client(
    server: ProviderServer, openai_client: openai.OpenAI
) -> None:
    server.hang()
    with pytest.raises(openai.APITimeoutError):
        openai_client.with_options(timeout=0.05, max_retries=0).chat.completions.create(**ASK)


def test_stopping_frees_the_port_and_those_who_wait(server: ProviderServer) -> None:
    server.hang()
    port, errors = int(server.url.rpartition(":")[2]), []

    def wait() -> None:
        with openai.OpenAI(base_url=server.openai_url, api_key="any", max_retries=0) as client:
            try:
                client.chat.completions.create(**ASK)
            except openai.APIConnectionError as error:
                errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not server.requests:
        waiting.join(0.01)
    server.stop()
    waiting.join(10)
    assert len(errors) == 1
    with ProviderServer(port) as again:
        assert again.url.endswith(str(port))


def test_says_how_to_start_it() -> None:
    with pytest.raises(RuntimeError, match="with ProviderServer"):
        _ = ProviderServer().url


def test_the_keywords_of_reply_are_the_fields_of_a_reply() -> None:
    assert set(ReplyFields.__annotations__) == {f.name for f in fields(Reply)} - {"text"}


def test_importing_it_loads_no_sdk() -> None:
    code = "import sys, vigilo.testing; print(*sorted(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES)}
    loaded = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    modules = loaded.stdout.split()
    assert "vigilo.testing.server" in modules
    assert not {"openai", "anthropic", "google.genai", "opentelemetry.sdk", "httpx", "httpx2"} & set(modules)


def test_says_when_the_port_is_taken(server: ProviderServer) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES)}
    command = [sys.executable, "-m", "vigilo.testing", "--port", server.url.rpartition(":")[2]]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_runs_on_its_own() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES)}
    command = [sys.executable, "-m", "vigilo.testing"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            printed = dict(process.stdout.readline().strip().removeprefix("export ").split("=", 1) for _ in range(6))
            with openai.OpenAI(base_url=printed["OPENAI_BASE_URL"], api_key=printed["OPENAI_API_KEY"]) as client:
                assert client.chat.completions.create(**ASK).choices[0].finish_reason == "stop"
        finally:
            process.terminate()
