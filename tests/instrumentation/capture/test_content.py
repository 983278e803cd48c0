"""Where messages go: spans, events, both, nowhere, and completion hooks; masked in each place."""

import json
import time

import openai
import pytest

import vigilo
from vigilo.settings import app_settings

CHAT = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "I am ada@example.com"}],
}
ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "Be kind"}]},
    {"role": "user", "parts": [{"type": "text", "content": "I am [EMAIL]"}]},
]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "Hi [EMAIL]"}], "finish_reason": "stop"}]
CONTENT = ("gen_ai.input.messages", "gen_ai.output.messages")


@pytest.fixture
def call(telemetry, server, monkeypatch):
    """Makes one call under the given variables, and gives its span and the events of it."""

    def make(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        app_settings.cache_clear()
        server.reply("Hi bob@example.org")
        with openai.OpenAI() as client:
            vigilo.wrap(client, **telemetry.providers).chat.completions.create(**CHAT)
        return telemetry.span(), telemetry.logs()

    return make


def plain(value):
    """Sequences as lists, as JSON has them: the SDK keeps them as tuples."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def on_span(span):
    return [json.loads(span.attributes[name]) if name in span.attributes else None for name in CONTENT]


def on_event(event):
    return [plain(event.attributes.get(name)) for name in CONTENT]


def test_by_default_messages_are_on_the_span_only(call):
    span, events = call()
    assert on_span(span) == [ASKED, ANSWERED]
    assert events == []


def test_on_events_only(call):
    span, (event,) = call(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="EVENT_ONLY")
    assert on_span(span) == [None, None]
    assert event.event_name == "gen_ai.client.inference.operation.details"
    assert event.severity_text == "DEBUG"
    assert on_event(event) == [ASKED, ANSWERED]
    assert (event.trace_id, event.span_id) == (span.context.trace_id, span.context.span_id)


def test_on_both(call):
    span, (event,) = call(VIGILO_CONTENT_ON="both")
    assert on_span(span) == on_event(event) == [ASKED, ANSWERED]
    alike = {name: value for name, value in span.attributes.items() if name not in CONTENT}
    assert {name: plain(event.attributes[name]) for name in alike} == plain(alike)


def test_nowhere(call):
    span, events = call(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="NO_CONTENT")
    assert on_span(span) == [None, None]
    assert events == []


def test_an_event_without_content_on_request(call):
    span, (event,) = call(OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT="true", VIGILO_CONTENT="off")
    assert on_event(event) == [None, None]
    assert event.attributes["gen_ai.usage.input_tokens"] == span.attributes["gen_ai.usage.input_tokens"]


def test_no_event_on_request(call):
    span, events = call(VIGILO_CONTENT_ON="both", VIGILO_OPERATION_EVENTS="off")
    assert on_span(span) == [ASKED, ANSWERED]
    assert events == []


def test_full_content_is_as_it_was(call):
    span, (event,) = call(VIGILO_CONTENT="full", VIGILO_CONTENT_ON="both")
    assert on_span(span)[0][1]["parts"][0]["content"] == "I am ada@example.com"
    assert on_event(event) == on_span(span)


def test_the_upload_hook_of_opentelemetry_gets_masked_messages(call, tmp_path):
    """OpenTelemetry's own hook, which writes the messages to any file system and their addresses on the span."""
    span, _ = call(
        OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK="upload",
        OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH=tmp_path.as_uri(),
    )
    addresses = [span.attributes[f"{name}_ref"] for name in CONTENT]
    assert all(address.startswith(tmp_path.as_uri()) for address in addresses)
    deadline_s = time.monotonic() + 10
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    texts = [path.read_text("utf-8") for path in tmp_path.iterdir()]
    uploaded = sorted((json.loads(text) for text in texts), key=len, reverse=True)
    assert [[message["role"] for message in messages] for messages in uploaded] == [["system", "user"], ["assistant"]]
    assert uploaded[0][1]["parts"] == [{"content": "I am [EMAIL]", "type": "text"}]
    assert uploaded[1][0]["finish_reason"] == "stop"


def test_without_content_no_hook_is_called(call, tmp_path):
    call(
        OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK="upload",
        OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH=tmp_path.as_uri(),
        VIGILO_CONTENT="off",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_hook_that_is_not_there_is_told_and_the_call_goes_on(call, caplog):
    span, _ = call(VIGILO_COMPLETION_HOOK="nowhere")
    assert "there is no completion hook `nowhere`; installed are: upload" in caplog.text
    assert on_span(span) == [ASKED, ANSWERED]
