"""Attempts that failed before the last one, and what response headers tell."""

import anthropic
import openai
import pytest
from google import genai

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": CHAT["messages"]}


def told(event):
    return event.name, dict(event.attributes)


def test_each_failed_attempt_is_an_event_of_the_span(instrumented, server):
    server.fail(429, retry_after_s=0.02)
    server.fail(503, retry_after_s=0.01)
    with openai.OpenAI() as client:
        client.chat.completions.create(**CHAT)
    span = instrumented.span()
    assert span.attributes["http.request.resend_count"] == 2
    assert [told(event) for event in span.events] == [
        (
            "vigilo.attempt.failed",
            {"http.response.status_code": 429, "error.type": "429", "vigilo.attempt.retry_after": 0.02},
        ),
        (
            "vigilo.attempt.failed",
            {"http.response.status_code": 503, "error.type": "503", "vigilo.attempt.retry_after": 0.01},
        ),
    ]
    first, second = span.events
    assert span.start_time < first.timestamp < second.timestamp < span.end_time


async def test_the_attempts_of_an_async_call_are_events_too(instrumented, server):
    server.fail(529, retry_after_s=0.01)
    async with anthropic.AsyncAnthropic() as client:
        await client.messages.create(**MESSAGE)
    (event,) = instrumented.span().events
    assert event.attributes["http.response.status_code"] == 529


def test_an_attempt_without_an_answer_is_told_by_its_error(instrumented, server):
    server.slow(5)
    with openai.OpenAI(timeout=0.3) as client:
        client.chat.completions.create(**CHAT)
    (event,) = instrumented.span().events
    assert event.attributes["error.type"].endswith(".ReadTimeout")
    assert instrumented.span().status.status_code.name == "UNSET"


def test_an_error_that_the_app_is_handling_is_not_taken_for_the_attempts(instrumented, server):
    server.fail(529, retry_after_s=0.01)
    with anthropic.Anthropic() as client:
        try:
            raise LookupError("of the app")
        except LookupError:
            client.messages.create(**MESSAGE)
    (event,) = instrumented.span().events
    assert event.attributes["error.type"] == "529"


def test_when_all_attempts_fail_the_last_one_is_the_spans_own_error(instrumented, server):
    server.fail(500, times=3, retry_after_s=0.01)
    with openai.OpenAI(max_retries=2) as client, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**CHAT)
    span = instrumented.span()
    assert len(span.events) == 2
    assert span.attributes["http.request.resend_count"] == 2
    assert span.attributes["http.response.status_code"] == 500


def test_a_retry_of_google_is_an_event(instrumented, server):
    server.fail(503)
    options = genai.types.HttpOptions(retry_options=genai.types.HttpRetryOptions(initial_delay=0.01, attempts=3))
    with genai.Client(http_options=options) as client:
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    span = instrumented.span()
    assert span.attributes["http.request.resend_count"] == 1
    assert [event.attributes["http.response.status_code"] for event in span.events] == [503]


def test_a_call_that_is_answered_at_once_has_no_events(instrumented, server):
    with openai.OpenAI() as client:
        client.chat.completions.create(**CHAT)
    assert instrumented.span().events == ()


def test_the_request_id_and_what_is_left_of_rate_limits_are_told(instrumented, server):
    with openai.OpenAI() as client:
        answer = client.chat.completions.create(**CHAT)
        stream = client.chat.completions.create(**CHAT, stream=True)
        list(stream)
    for span in instrumented.spans():
        assert span.attributes["vigilo.ratelimit.remaining_requests"] == 9999
        assert span.attributes["vigilo.ratelimit.remaining_tokens"] == 1999900
    assert instrumented.spans()[0].attributes["vigilo.request.id"] == answer._request_id


def test_anthropics_headers_are_told(instrumented, server):
    with anthropic.Anthropic() as client:
        answer = client.messages.create(**MESSAGE)
    attributes = instrumented.span().attributes
    assert attributes["vigilo.request.id"] == answer._request_id
    assert type(attributes["vigilo.ratelimit.remaining_requests"]) is int
    assert type(attributes["vigilo.ratelimit.remaining_tokens"]) is int


def test_a_failed_call_has_the_headers_of_its_last_answer(instrumented, server):
    server.fail(400)
    with openai.OpenAI() as client, pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**CHAT)
    assert instrumented.span().attributes["vigilo.request.id"] == raised.value.request_id
