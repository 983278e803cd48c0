"""``vigilo.balance``: what the calls of a block use, wherever they are made and whenever they end."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from google import genai

import vigilo
from vigilo.capture import balance as balance_module
from vigilo.capture.balance import Amounts, Standing
from vigilo.capture.call import Request, Response
from vigilo.capture.call import Usage as Used
from vigilo.policy import guard
from vigilo.testing import Usage

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
USAGE = Usage(input_tokens=120, output_tokens=40)
COST_USD = (120 * 0.15 + 40 * 0.6) / 1e6
ONE = (1, 120, 40, 160)
NOTHING = Standing()


@pytest.fixture
def client(server):
    server.reply(usage=USAGE, times=20)
    with openai.OpenAI(max_retries=0) as client:
        yield client


@pytest.fixture
def quotas():
    guard.forget()
    yield vigilo.quota
    guard.forget()


def ask(client):
    return client.chat.completions.create(**CHAT)


def test_the_calls_of_a_block_add_up(instrumented, client):
    ask(client)
    with vigilo.balance() as b:
        assert b.delta == Amounts()
        ask(client)
        assert b.delta[:4] == ONE
        ask(client)
    ask(client)
    assert b.delta[:4] == (2, 240, 80, 320)
    assert b.delta.usd == pytest.approx(2 * COST_USD)
    assert (b.before, b.after, b.used, b.remaining) == ([], [], NOTHING, NOTHING)


def test_capture_is_on_inside_without_an_instrumentor(client):
    with vigilo.balance() as b:
        ask(client)
    ask(client)
    assert b.delta[:4] == ONE


def test_blocks_nest(instrumented, client):
    with vigilo.balance() as outer:
        ask(client)
        with vigilo.balance() as inner, vigilo.track(user="jane"):
            ask(client)
        with outer:
            ask(client)  # once, though it is around twice
    assert outer.delta.requests == 3
    assert inner.delta.requests == 1


def test_an_error_of_the_app_passes_and_the_block_ends(instrumented, client):
    b = vigilo.balance()

    def fail():
        with b:
            ask(client)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    ask(client)
    assert b.delta[:4] == ONE


def test_a_stream_counts_when_it_ends(instrumented, client):
    with vigilo.balance() as b:
        stream = client.chat.completions.create(**CHAT, stream=True)
        next(stream)
    assert b.delta == Amounts()
    list(stream)
    assert b.delta[:4] == ONE


def test_a_stream_that_began_outside_does_not_count(instrumented, client):
    stream = client.chat.completions.create(**CHAT, stream=True)
    with vigilo.balance() as b:
        list(stream)
    assert b.delta == Amounts()


def test_a_dropped_stream_counts_with_what_came(instrumented, server):
    server.reply("one two three four five six seven eight", chunks=8)
    with openai.OpenAI() as client, vigilo.balance() as b:
        stream = client.chat.completions.create(**CHAT, stream=True)
        for _ in range(5):
            next(stream)
        del stream
        gc.collect()
    assert b.delta.requests == 1
    assert b.delta.output_tokens > 0


@pytest.mark.parametrize("failure", [400, 429, 500])
def test_a_call_that_failed_counts_as_nothing(instrumented, server, failure):
    server.fail(failure)
    with openai.OpenAI(max_retries=0) as client, vigilo.balance() as b, pytest.raises(openai.APIError):
        ask(client)
    assert b.delta == Amounts()


def test_a_time_out_counts_as_a_call(instrumented, server):
    server.hang()
    with (
        openai.OpenAI(max_retries=0, timeout=0.2) as client,
        vigilo.balance() as b,
        pytest.raises(openai.APITimeoutError),
    ):
        ask(client)
    assert b.delta == Amounts(requests=1)


def test_threads_and_pools_take_the_block_over(instrumented, client):
    with vigilo.balance() as b, ThreadPoolExecutor(2) as pool:
        thread = threading.Thread(target=ask, args=(client,))
        thread.start()
        thread.join()
        for answer in [pool.submit(ask, client) for _ in range(4)]:
            answer.result()
    assert b.delta.requests == 5


async def test_tasks_take_the_block_over(instrumented, server):
    server.reply(usage=USAGE, times=5)
    async with openai.AsyncOpenAI() as client, vigilo.balance() as b:
        await asyncio.gather(*(asyncio.create_task(ask(client)) for _ in range(5)))
    assert b.delta[:4] == (5, 600, 200, 800)


def test_google_counts_too(instrumented, server):
    server.reply(usage=USAGE, times=2)
    with genai.Client() as client, vigilo.balance() as b:
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
        list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello"))
    assert b.delta[:4] == (2, 240, 80, 320)


def test_the_quotas_of_who_is_in_force_are_read_before_and_after(instrumented, client, quotas):
    quotas.set(metric="tokens", limit=1000, window="day", user="jane", mode="block")
    quotas.set(metric="tokens", limit=500, window="hour", user="*")
    quotas.set(metric="requests", limit=10, window="day")
    quotas.set(metric="usd", limit=1, window="month")
    quotas.set(metric="requests", limit=3, user="john")
    quotas.set(metric="requests", limit=3, model="gpt-4o-mini")
    with vigilo.track(user="jane"):
        ask(client)
        with vigilo.balance() as b:
            assert b.remaining.tokens == 340
            ask(client)
    assert b.delta[:4] == ONE
    assert b.used.tokens == 320
    assert b.remaining == Standing(requests=8, tokens=180, usd=pytest.approx(1 - 2 * COST_USD))
    assert {(one.metric, one.window, one.used) for one in b.before if one.metric != "usd"} == {
        ("tokens", "day", 160),
        ("tokens", "hour", 160),
        ("requests", "day", 1),
    }
    assert len(b.after) == len(b.before) == 4


def test_what_a_quota_refuses_counts_as_nothing(instrumented, client, quotas):
    quotas.set(metric="requests", limit=1, mode="block")
    with vigilo.balance() as b:
        ask(client)
        with pytest.raises(vigilo.QuotaExceeded):
            ask(client)
    assert b.delta.requests == 1
    assert b.remaining.requests == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_childs_calls_are_not_counted():
    b = vigilo.balance()
    call = Request("chat", "openai", "gpt-4o-mini"), Response(usage=Used(input_tokens=1, output_tokens=2)), 0.5, None
    b.count(*call)
    child = os.fork()
    if child == 0:
        b.count(*call)
        os._exit(b.delta.requests)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert b.delta == Amounts(1, 1, 2, 3, 0.5)


def test_many_calls_of_many_threads_add_up(monkeypatch):
    monkeypatch.setattr(balance_module, "_KEEPS", 4)
    b = vigilo.balance()
    call = Request("chat", "openai", "gpt-4o-mini"), Response(usage=Used(input_tokens=1, output_tokens=2)), 0.5, None

    def work():
        for _ in range(200):
            b.count(*call)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b.delta == Amounts(800, 800, 1600, 2400, 400.0)
