"""What the headers of answers tell of limits."""

from __future__ import annotations

import httpx2
import pytest

from vigilo.policy.pace.limits import NO_LIMITS, Bucket, read_limits, reset_s, retry_after_s

NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z
MONTH_S = 40 * 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360),
        ("20ms", 0.02),
        ("1s", 1),
        ("1.5s", 1.5),
        ("59.713s", 59.713),
        ("1h2m3s", 3723),
        ("1d", 86_400),
        ("2m59.56s", 179.56),
        ("0s", 0),
        ("7.66", 7.66),
        ("2026-11-18T11:07:40Z", 60),
        ("2026-11-18T12:07:40+01:00", 60),
        ("2026-11-18T11:06:00Z", 0),
        ("2030-01-01T00:00:00Z", MONTH_S),
        ("", None),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("ms", None),
    ],
)
def test_a_reset_is_told_as_a_duration_or_as_a_time(text, seconds):
    told = reset_s(text, NOW)
    assert told == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "7", "retry-after-ms": "1250"}, 1.25),
        ({"retry-after": "Wed, 18 Nov 2026 11:07:10 GMT"}, 30),
        ({"retry-after": "Wed, 18 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "1e300"}, MONTH_S),
        ({"retry-after-ms": "later", "retry-after": "2"}, 2),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "in a while"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_milliseconds_or_a_date(headers, seconds):
    expected = None if seconds is None else pytest.approx(seconds)
    assert retry_after_s(headers, NOW) == expected
    assert retry_after_s(httpx2.Headers(headers), NOW) == expected


def test_limits_of_openai():
    headers = {
        "X-RateLimit-Limit-Requests": "600",
        "x-ratelimit-remaining-requests": "290",
        "x-ratelimit-reset-requests": "31s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6ms",
        "x-request-id": "req_1",
    }
    expected = (Bucket(600, 290, 31.0), Bucket(150_000, 149_984))  # of what is nearly full the reset tells nothing
    assert read_limits(httpx2.Headers(headers), NOW) == expected
    assert read_limits(headers, NOW) == expected


def test_limits_of_anthropic():
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "5",
        "anthropic-ratelimit-requests-reset": "2026-11-18T11:07:34Z",
        "anthropic-ratelimit-input-tokens-remaining": "1",
    }
    limits = read_limits(headers, NOW)
    assert limits.requests == Bucket(50, 5, 54.0)
    assert limits.requests.left == pytest.approx(0.1)
    assert limits.requests.per_s == pytest.approx(45 / 54)
    assert limits.tokens == Bucket()


@pytest.mark.parametrize("limit", ["-1", "0", "many"])
def test_a_limit_that_is_none_tells_nothing(limit):
    headers = {"x-ratelimit-limit-requests": limit, "x-ratelimit-remaining-requests": "0"}
    assert read_limits(headers, NOW).requests == Bucket()


def test_azure_tells_only_what_remains():
    some = read_limits({"x-ratelimit-remaining-requests": "9"}, NOW).requests
    none = read_limits({"x-ratelimit-remaining-requests": "0"}, NOW).requests
    assert (some.left, none.left) == (None, 0.0)
    assert (some.per_s, none.per_s) == (None, None)
    assert read_limits({"x-ratelimit-remaining-requests": "-1"}, NOW).requests == Bucket()


def test_other_headers_tell_nothing():
    assert read_limits({"content-type": "application/json"}, NOW) is NO_LIMITS


def test_a_window_gives_what_remains_and_a_bucket_what_was_used():
    assert Bucket(100, 90, 10.0).per_s == 9.0
    assert Bucket(100, 10, 45.0).per_s == 2.0
    assert Bucket(100, 100, 0.0).per_s is None
