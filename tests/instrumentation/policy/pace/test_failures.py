"""What errors of the SDKs tell of an attempt."""

from __future__ import annotations

import asyncio
import builtins

import anthropic
import groq
import httpx
import httpx2
import openai
import pytest
from google.genai import errors as google_errors

from vigilo.errors import RateLimited
from vigilo.policy.pace.failures import Failure, read_failure

NOW = 1_795_000_000.0
REQUEST = httpx2.Request("POST", "http://provider/v1")


def openai_error(status, headers=(), **body):
    response = httpx2.Response(status, headers=dict(headers), request=REQUEST)
    return openai.APIStatusError("no", response=response, body=body or None)


def anthropic_error(status, kind, headers=()):
    response = httpx2.Response(status, headers=dict(headers), request=REQUEST)
    return anthropic.APIStatusError("no", response=response, body={"type": "error", "error": {"type": kind}})


def google_error(status, *details):
    return google_errors.APIError(status, {"error": {"code": status, "message": "no", "details": list(details)}})


@pytest.mark.parametrize(
    ("status", "retryable", "throttled", "down", "answered"),
    [
        (429, True, True, False, False),
        (529, True, True, False, False),
        (500, True, False, True, False),
        (503, True, False, True, False),
        (408, True, False, False, True),
        (409, True, False, False, True),
        (400, False, False, False, True),
        (401, False, False, False, True),
        (404, False, False, False, True),
    ],
)
def test_by_status(status, retryable, throttled, down, answered):
    for error in (openai_error(status), google_error(status)):
        failure = read_failure(error, NOW)
        assert failure[:4] == (retryable, throttled, down, answered)


@pytest.mark.parametrize(("said", "status", "retried"), [("false", 429, False), ("true", 400, True), ("?", 429, True)])
def test_the_server_may_say_whether_to_try_again(said, status, retried):
    assert read_failure(openai_error(status, {"x-should-retry": said}), NOW).retryable is retried


@pytest.mark.parametrize(
    "error",
    [
        openai_error(429, code="insufficient_quota", type="insufficient_quota"),
        openai_error(429, {"x-should-retry": "true"}, code="billing_hard_limit_reached"),
        anthropic_error(429, "billing_error"),
        google_error(429, {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}),
    ],
)
def test_no_time_makes_up_for_money(error):
    failure = read_failure(error, NOW)
    assert (failure.retryable, failure.throttled, failure.answered) == (False, False, True)


def test_a_limit_by_the_minute_passes():
    violations = {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    failure = read_failure(google_error(429, violations, delay), NOW)
    assert (failure.retryable, failure.throttled, failure.retry_after_s) == (True, True, 34.5)


def test_overloaded_is_throttled():
    assert read_failure(anthropic_error(529, "overloaded_error"), NOW).throttled
    assert read_failure(anthropic_error(500, "overloaded_error"), NOW).throttled


def test_retry_after_is_read():
    assert read_failure(openai_error(429, {"retry-after": "3"}), NOW).retry_after_s == 3


@pytest.mark.parametrize(
    "error",
    [
        openai.APIConnectionError(request=REQUEST),
        openai.APITimeoutError(request=REQUEST),
        anthropic.APIConnectionError(request=REQUEST),
        groq.APITimeoutError(request=httpx.Request("POST", "http://provider")),
        httpx.ConnectError("no"),
        httpx2.ReadTimeout("no"),
        builtins.ConnectionResetError(),
        builtins.TimeoutError(),
    ],
)
def test_no_answer_says_that_the_server_is_down(error):
    assert read_failure(error, NOW) == Failure(retryable=True, down=True)


@pytest.mark.parametrize(
    "error",
    [RateLimited("global", "global", 1.0), ValueError("no"), asyncio.CancelledError(), KeyboardInterrupt()],
)
def test_what_is_no_answer_of_the_provider_tells_nothing(error):
    assert read_failure(error, NOW) == Failure()
