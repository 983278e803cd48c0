"""What each mode of content lets out: a text is planted wherever a caller can write one, and looked for in everything
that the call left behind, in bytes."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

import vigilo
from vigilo.settings import app_settings

WORD = "zebrafinch"
PERSON = "planted.person@example.com"
SOUND = ("hello.mp3", b"ID3 and sound")


def chat(text):
    tool = {"type": "function", "function": {"name": "find", "description": text, "parameters": {"title": text}}}
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": f'{{"{text}": "{text}"}}'}}
    return {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": text},
            {"role": "user", "content": [{"type": "text", "text": text}], "name": "somebody"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": text},
        ],
        "tools": [tool],
        "stop": [text],
        "user": text,
        "metadata": {"note": text},
        "extra_headers": {"x-note": text},
        "extra_body": {"safety_identifier": text, "prompt_cache_key": text},
    }


def openai_calls(client, text):
    yield lambda: client.chat.completions.create(**chat(text))
    yield lambda: list(client.chat.completions.create(**chat(text), stream=True))
    yield lambda: client.responses.create(
        model="gpt-4o-mini", input=text, instructions=text, user=text, metadata={"note": text}
    )
    yield lambda: list(client.responses.create(model="gpt-4o-mini", input=text, stream=True))
    yield lambda: client.completions.create(model="gpt-3.5-turbo-instruct", prompt=text, stop=text, suffix=text)
    yield lambda: client.embeddings.create(model="text-embedding-3-small", input=[text], user=text)
    yield lambda: client.images.generate(model="gpt-image-1", prompt=text, user=text)
    yield lambda: client.audio.speech.create(model="tts-1", voice="alloy", input=text, instructions=text)
    yield lambda: client.audio.transcriptions.create(model="whisper-1", file=SOUND, prompt=text)
    yield lambda: client.moderations.create(input=text)
    yield lambda: client.batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h", metadata={"note": text}
    )


def anthropic_calls(client, text):
    asked = {
        "model": "claude-opus-4-5",
        "system": text,
        "messages": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "find", "input": {text: text}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": text}]},
        ],
        "tools": [{"name": "find", "description": text, "input_schema": {"type": "object", "title": text}}],
    }
    sent = {"max_tokens": 9, "stop_sequences": [text], "metadata": {"user_id": text}}
    yield lambda: client.messages.create(**asked, **sent)
    yield lambda: list(client.messages.create(**asked, **sent, stream=True))
    yield lambda: client.messages.count_tokens(**asked)
    yield lambda: client.messages.batches.create(requests=[{"custom_id": "one", "params": {**asked, **sent}}])


def google_calls(client, text):
    settings = types.GenerateContentConfig(system_instruction=text, stop_sequences=[text])
    yield lambda: client.models.generate_content(model="gemini-2.5-flash", contents=text, config=settings)
    yield lambda: list(client.models.generate_content_stream(model="gemini-2.5-flash", contents=text, config=settings))
    yield lambda: client.models.embed_content(model="text-embedding-004", contents=text)
    yield lambda: client.models.count_tokens(model="gemini-2.5-flash", contents=text)


CALLS = {
    "openai": (lambda: openai.OpenAI(max_retries=0), openai_calls),
    "anthropic": (lambda: anthropic.Anthropic(max_retries=0), anthropic_calls),
    "google": (lambda: genai.Client(), google_calls),
}


@pytest.fixture
def left_behind(telemetry, server, monkeypatch, caplog, tmp_path):
    """Makes every call of one SDK, each once with an answer and once with an error, and gives all it left as text."""
    caplog.set_level(logging.DEBUG, "vigilo")

    def make(company, text, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        app_settings.cache_clear()
        made, calls = CALLS[company]
        client = vigilo.wrap(made(), **telemetry.providers)
        count = 0
        with vigilo.track(user="ada", operation="test", tags={"plan": "free"}):
            for call in calls(client, text):
                server.reply(f"you said {text}")
                with suppress(openai.OpenAIError, anthropic.AnthropicError, genai.errors.APIError):
                    call()
                server.fail(400, message=f"you said {text}")
                with suppress(openai.OpenAIError, anthropic.AnthropicError, genai.errors.APIError):
                    call()
                count += 2
        spans = telemetry.spans()
        assert len(spans) == count
        points = [repr(dict(point.attributes)) for points in telemetry.points().values() for point in points]
        files = [path.read_bytes().decode("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file()]
        logs = [record.to_json() for record in telemetry.logs_exporter.get_finished_logs()]
        ours = [record.getMessage() for record in caplog.records if record.name == "vigilo"]
        return {
            "spans": "".join(span.to_json() for span in spans),
            "points": "".join(points),
            "events": "".join(logs),
            "log": "".join(ours),
            "files": "".join(files),
        }

    return make


@pytest.mark.parametrize("company", CALLS)
def test_off_lets_no_content_out_anywhere(left_behind, company):
    """Also with events and a completion hook asked for."""
    left = left_behind(
        company,
        WORD,
        VIGILO_CONTENT="off",
        VIGILO_CONTENT_ON="both",
        VIGILO_OPERATION_EVENTS="on",
        VIGILO_COMPLETION_HOOK="upload",
    )
    assert [place for place, text in left.items() if WORD in text] == []
    assert "gen_ai.client.inference.operation.details" in left["events"]


@pytest.mark.parametrize("company", CALLS)
@pytest.mark.parametrize("placeholders", ["plain", "numbered"])
def test_masked_lets_no_person_out_anywhere(left_behind, company, placeholders, tmp_path):
    left = left_behind(
        company,
        PERSON,
        VIGILO_CONTENT_ON="both",
        VIGILO_PLACEHOLDERS=placeholders,
        VIGILO_COMPLETION_HOOK="upload",
        OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH=(tmp_path / "uploaded").as_uri(),
    )
    tag = "[EMAIL_1]" if placeholders == "numbered" else "[EMAIL]"
    assert [place for place, text in left.items() if PERSON in text or "planted.person" in text] == []
    assert all(tag in left[place] for place in ("spans", "events"))


def test_full_lets_everything_out_and_says_so_once(left_behind, caplog):
    left = left_behind("openai", PERSON, VIGILO_CONTENT="full")
    assert PERSON in left["spans"]
    told = [record.getMessage() for record in caplog.records if "`full`" in record.getMessage()]
    assert told == [
        "vigilo: `content` is `full`: messages leave this process unmasked, with all personal data and secrets in "
        'them. `VIGILO_CONTENT=masked`, the default, masks them; `content = "masked"` in vigilo.toml does too.'
    ]
    assert os.environ["VIGILO_CONTENT"] == "full"


def test_a_wrong_table_of_masks_keeps_content_out(left_behind, tmp_path):
    from vigilo.policy.mask.user_rules import user_rules

    (tmp_path / "vigilo.toml").write_text("[[mask.patterns]]\nname = 'A'\npattern = '(a+)+$'\n")
    user_rules.cache_clear()
    try:
        left = left_behind("openai", WORD, VIGILO_CONFIG=str(tmp_path / "vigilo.toml"))
        assert vigilo.mask(WORD) == "[REDACTED]"
    finally:
        user_rules.cache_clear()
    assert [place for place, text in left.items() if WORD in text] == []
    assert "can take very long on some texts" in left["log"]
