"""The limit that the local provider enforces."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import anthropic
import openai
import pytest
from google.genai import errors as google_errors

from vigilo.testing import Neighbour
from vigilo.testing.rate_limit import RateLimit, Standing, anthropic_headers, openai_headers

ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def test_as_many_as_it_allows_pass_at_once_and_then_as_they_come_back():
    clock = Clock()
    limit = RateLimit(3, 6.0, clock=clock)
    assert [limit.take().retry_after_s for _ in range(3)] == [None] * 3
    assert limit.take() == Standing(3, 0, 6.0, 2.0)
    clock.now_s += 1.5
    assert limit.take().retry_after_s == pytest.approx(0.5)
    clock.now_s += 0.5
    assert limit.take().retry_after_s is None
    clock.now_s += 1000
    assert limit.take() == Standing(3, 2, 2.0)
    assert (limit.passed, limit.refusals) == (5, 2)


def test_a_neighbour_takes_its_share():
    clock = Clock()
    limit = RateLimit(10, 10.0, Neighbour(0.6, 10.0, 20.0), clock)
    assert limit.ideal(30.0) == pytest.approx(10 + 10 + 4 + 10)
    for _ in range(10):
        limit.take()
    clock.now_s += 9
    for _ in range(9):
        assert limit.take().retry_after_s is None
    clock.now_s += 6  # one second of its own, and five of which the neighbour takes three
    assert [limit.take().retry_after_s is None for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"calls": 1, "per_s": 0}, {"calls": 1, "neighbour": Neighbour(1.5)}])
def test_what_is_no_limit_is_said(wrong):
    with pytest.raises(ValueError):
        RateLimit(**wrong)


def test_each_provider_tells_it_in_its_own_way():
    standing = Standing(60, 12, 73.5)
    assert openai_headers(standing) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": "1m13.500s",
    }
    assert openai_headers(standing._replace(reset_s=0.02))["x-ratelimit-reset-requests"] == "20ms"
    told = anthropic_headers(standing)
    assert told["anthropic-ratelimit-requests-limit"] == "60"
    assert told["anthropic-ratelimit-requests-remaining"] == "12"
    assert told["anthropic-ratelimit-requests-reset"].endswith("Z")


def test_openai(server, openai_client):
    server.limit(1)
    client = openai_client.with_options(max_retries=0)
    passed = client.chat.completions.with_raw_response.create(**ASK)
    assert passed.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ASK)
    assert 0 < float(caught.value.response.headers["retry-after"]) <= 60
    assert caught.value.response.headers["x-ratelimit-limit-requests"] == "1"


def test_anthropic(server, anthropic_client):
    server.limit(1)
    client = anthropic_client.with_options(max_retries=0)
    client.messages.create(**ASK, max_tokens=10)
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**ASK, max_tokens=10)
    assert caught.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert 0 < float(caught.value.response.headers["retry-after"]) <= 60


def test_google(server, google_client):
    server.limit(1)
    google_client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    with pytest.raises(google_errors.ClientError) as caught:
        google_client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert caught.value.code == 429
    assert "retryDelay" in json.dumps(caught.value.details)


def test_the_sdk_comes_back_in_time(server, openai_client):
    limit = server.limit(1, 0.1)
    for _ in range(3):
        openai_client.with_options(max_retries=5).chat.completions.create(**ASK)
    assert limit.passed == 3


def test_what_is_scripted_waits_for_a_call_that_passes(server, openai_client):
    server.limit(1)
    client = openai_client.with_options(max_retries=0)
    client.chat.completions.create(**ASK)
    server.reply("Hi")
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**ASK)
    server.limit(5)
    assert client.chat.completions.create(**ASK).choices[0].message.content == "Hi"


def test_only_what_is_posted_counts_and_reset_lifts_it(server):
    server.limit(1)
    for _ in range(3):
        with urllib.request.urlopen(f"{server.openai_url}/models") as answer:
            assert answer.status == 200
    body = json.dumps(ASK).encode()
    asked = urllib.request.Request(f"{server.openai_url}/chat/completions", data=body, method="POST")
    urllib.request.urlopen(asked).close()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked)
    caught.value.close()
    server.reset()
    urllib.request.urlopen(asked).close()
