"""The guard: what a call holds, what is charged when it has ended, and what is let go."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from datetime import datetime, timezone
from functools import partialmethod
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo import semconv
from vigilo.capture import gate
from vigilo.capture.call import Request, Response, Usage
from vigilo.errors import QuotaExceeded
from vigilo.policy import guard, live_prices
from vigilo.policy.admission import HOLD_S
from vigilo.policy.guard import Guard
from vigilo.policy.quota.rules import to_json
from vigilo.settings import Settings
from vigilo.state import STATE_FILE
from vigilo.state.memory import MemoryStore
from vigilo.state.sqlite import SqliteStore
from vigilo.tallies import REFUSALS, THRESHOLDS

if TYPE_CHECKING:
    from vigilo.policy.admission import Admitted
from .guarding import ANSWER, CHAT, INPUT, USER, Clock, ConnectError, StatusError, admit, begin_child, counts, rule


def test_as_many_calls_pass_as_the_limit_allows(settings, store):
    own = Guard(settings, store, None, [rule(2, user="*")])
    first, second = admit(own), admit(own)

    with pytest.raises(QuotaExceeded) as caught:
        admit(own)
    admit(own, scopes={"user": ("u2",)})

    refused = caught.value
    assert (refused.scope, refused.metric, refused.window) == ("user=u1", "requests", "day")
    assert (refused.limit, refused.used, refused.held, refused.needed) == (2, 0, 2, 1)
    assert refused.resets_at is not None
    assert refused.retry_after == pytest.approx((refused.resets_at - datetime.now(timezone.utc)).total_seconds(), abs=5)
    first.settle(CHAT, ANSWER, None, None)
    second.settle(CHAT, ANSWER, None, None)
    assert counts(own) == {"user=u1 requests/day": (2, 0)}


def test_a_refusal_is_counted_with_the_rules_labels(settings, store):
    own = Guard(settings, store, None, [rule(0)])
    labels = {
        semconv.QUOTA_SCOPE: "global",
        semconv.QUOTA_METRIC: "requests",
        semconv.QUOTA_WINDOW: "day",
        semconv.QUOTA_MODE: "block",
    }
    before = sum(count for count, of in REFUSALS.read() if of == labels)

    with pytest.raises(QuotaExceeded):
        admit(own)

    assert sum(count for count, of in REFUSALS.read() if of == labels) == before + 1


def test_a_call_holds_what_it_may_use_and_is_charged_what_it_used(settings, store):
    rules = [rule(1000, metric) for metric in ("tokens", "input_tokens", "output_tokens")]
    own = Guard(settings, store, None, rules)

    admission = admit(own)

    assert counts(own) == {
        "global tokens/day": (0, INPUT + 100),
        "global input_tokens/day": (0, INPUT),
        "global output_tokens/day": (0, 100),
    }
    settled = admission.settle(CHAT, ANSWER, None, None)
    assert counts(own) == {
        "global tokens/day": (12, 0),
        "global input_tokens/day": (9, 0),
        "global output_tokens/day": (3, 0),
    }
    assert settled.attributes == {semconv.QUOTA_REMAINING_TOKENS: 988}


def test_where_nothing_is_known_of_the_answer_no_more_than_a_tenth_of_the_limit_is_held_for_it(settings, store):
    own = Guard(settings, store, None, [rule(10_000, "tokens", user="*"), rule(90_000, "tokens")])
    open_ended = Request("chat", "openai", "no-such-model", input=CHAT.input)

    admissions = [admit(own, open_ended) for _ in range(9)]

    assert counts(own)["user=u1 tokens/day"] == (0, 9 * (INPUT + 1000))
    for admission in admissions:
        admission.settle(open_ended, ANSWER, None, None)
    admit(own, CHAT)  # the request says how long its answer may be
    assert counts(own)["user=u1 tokens/day"] == (9 * 12, INPUT + 100)


def test_costs_are_held_by_the_estimate_and_charged_as_they_are(settings, store):
    live_prices.live.wait(None)
    own = Guard(settings, store, None, [rule(1, "usd", window="month")])

    admission = admit(own)
    ((used, held),) = counts(own).values()
    assert (used, held) == (0, pytest.approx((INPUT * 2.5 + 100 * 10) / 1e6))

    settled = admission.settle(CHAT, ANSWER, 0.25, None)
    assert counts(own) == {"global usd/month": (0.25, 0)}
    assert settled.attributes == {semconv.QUOTA_REMAINING_COST: 0.75}
    admit(own).settle(CHAT, ANSWER, None, None)  # a call without a price counts nothing
    assert counts(own) == {"global usd/month": (0.25, 0)}


def test_where_one_rule_refuses_no_other_holds(settings, store):
    own = Guard(settings, store, None, [rule(5, user="*"), rule(50, "tokens"), rule(5)])

    with pytest.raises(QuotaExceeded, match="all calls may use 50 tokens a day"):
        admit(own)

    assert set(counts(own).values()) == {(0, 0)}


def test_rules_that_do_not_block_let_pass_and_tell(settings, store):
    own = Guard(settings, store, None, [rule(1, mode="observe"), rule(5, "tokens", mode="warn", user="*")])

    admission = admit(own)
    settled = admission.settle(CHAT, ANSWER, None, None)

    assert settled.attributes == {
        semconv.QUOTA_REMAINING_REQUESTS: 0,
        semconv.QUOTA_REMAINING_TOKENS: 0,
        semconv.QUOTA_PASSED: ["user=u1 tokens/day"],
    }
    assert [attributes[semconv.QUOTA_LEVEL] for _, attributes in settled.events] == [0.95, 0.8, 0.95, 1.0]


def test_the_tightest_rule_says_what_remains(settings, store):
    own = Guard(settings, store, None, [rule(10), rule(3, user="*"), rule(500, "tokens"), rule(900, "output_tokens")])

    settled = admit(own).settle(CHAT, ANSWER, None, None)

    assert settled.attributes == {semconv.QUOTA_REMAINING_REQUESTS: 2, semconv.QUOTA_REMAINING_TOKENS: 488}


def test_a_threshold_is_told_once_a_window(settings, store, caplog):
    own = Guard(settings, store, None, [rule(10)])
    labels = {semconv.QUOTA_SCOPE: "global", semconv.QUOTA_METRIC: "requests", semconv.QUOTA_WINDOW: "day"}
    before = sum(count for count, of in THRESHOLDS.read() if labels.items() <= of.items())
    events = []

    for _ in range(10):
        events += admit(own).settle(CHAT, ANSWER, None, None).events

    assert events == [
        (
            semconv.QUOTA_THRESHOLD_EVENT,
            {
                semconv.QUOTA_RULE: "global requests/day",
                semconv.QUOTA_LEVEL: level,
                semconv.QUOTA_USED: used,
                semconv.QUOTA_LIMIT: 10.0,
            },
        )
        for level, used in ((0.8, 7.0), (0.95, 9.0))
    ]
    assert sum(count for count, of in THRESHOLDS.read() if labels.items() <= of.items()) == before + 2


def test_threads_tell_each_threshold_once_and_pass_no_limit(settings, store):
    own = Guard(settings, store, None, [rule(100), rule(10**6, "tokens", mode="observe")])
    passed, events, start = [], [], threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(25):
            try:
                admission = admit(own)
            except QuotaExceeded:
                continue
            time.sleep(0.001)
            events.extend(admission.settle(CHAT, ANSWER, None, None).events)
            passed.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(passed) == 100
    assert counts(own) == {"global requests/day": (100, 0), "global tokens/day": (1200, 0)}
    assert sorted(attributes[semconv.QUOTA_LEVEL] for _, attributes in events) == [0.8, 0.95]


async def test_tasks_pass_no_limit_together(settings, store):
    own = Guard(settings, store, None, [rule(100)])
    passed = []

    async def call() -> None:
        try:
            admission = await gate.run_async(own.steps(CHAT, USER))
        except QuotaExceeded:
            return
        assert admission is not None
        await asyncio.sleep(0.005)
        admission.settle(CHAT, ANSWER, None, None)
        passed.append(1)

    await asyncio.gather(*(call() for _ in range(200)))

    assert len(passed) == 100
    assert counts(own) == {"global requests/day": (100, 0)}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "begin", "answer", "fail", "cancel", "drop"]),
            st.integers(0, 20),
            st.sampled_from(["u1", "u2"]),
        ),
        max_size=60,
    )
)
def test_in_any_order_nothing_is_lost_or_passed(steps):
    own = Guard(Settings(home=Path("/nowhere")), MemoryStore(Clock()), None, [rule(4, user="*"), rule(900, "tokens")])
    open_calls: list[tuple[str, Admitted]] = []
    requests = {"u1": 0, "u2": 0}
    tokens = 0

    def check() -> None:
        for user in requests:
            held = sum(1 for of, _ in open_calls if of == user)
            told = counts(own, {"user": (user,)})
            assert told[f"user={user} requests/day"] == (requests[user], held)
            assert told["global tokens/day"] == (tokens, (INPUT + 100) * len(open_calls))
            assert requests[user] + held <= 4

    for what, place, user in steps:
        if what == "begin":
            fits = requests[user] + sum(1 for of, _ in open_calls if of == user) < 4
            fits = fits and tokens + (len(open_calls) + 1) * (INPUT + 100) <= 900
            try:
                open_calls.append((user, admit(own, scopes={"user": (user,)})))
                assert fits
            except QuotaExceeded:
                assert not fits
        elif open_calls:
            whose, admission = open_calls.pop(place % len(open_calls))
            if what == "answer":
                admission.settle(CHAT, ANSWER, None, None)
                requests[whose], tokens = requests[whose] + 1, tokens + 12
            elif what == "fail":
                admission.settle(CHAT, None, None, StatusError(503))
            else:
                admission.settle(CHAT, None, None, asyncio.CancelledError() if what == "cancel" else GeneratorExit())
                requests[whose], tokens = requests[whose] + 1, tokens + INPUT
        check()
    for whose, admission in open_calls:
        admission.settle(CHAT, ANSWER, None, None)
        requests[whose], tokens = requests[whose] + 1, tokens + 12
    open_calls.clear()
    check()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_processes_pass_no_limit_together(home, tmp_path, monkeypatch):
    # Children have it too. Eight processes on a busy machine may wait longer than an app would.
    monkeypatch.setattr(SqliteStore, "__init__", partialmethod(SqliteStore.__init__, contention_s=20.0))
    others = SqliteStore(home / STATE_FILE)
    others.put_rule("a", to_json(rule(100, window="total")))
    told = tmp_path / "told"

    def work() -> bool:
        passed = 0
        for _ in range(30):
            own = guard.in_force()
            assert own is not None
            try:
                admission = admit(own)
            except QuotaExceeded:
                continue
            time.sleep(0.005)
            admission.settle(CHAT, ANSWER, None, None)
            passed += 1
        with told.open("a") as file:
            file.write(f"{passed}\n")
        return True

    children = [begin_child(work) for _ in range(8)]

    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    assert sum(map(int, told.read_text().split())) == 100
    assert others.read(["requests|total|global|"]) == [(100, 0)]
    others.close()


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (None, StatusError(500)),
        (None, StatusError(429)),
        (None, None),  # another guard refused it
        (None, QuotaExceeded("global", "requests", 1, 1, 0, None, None)),
        (None, TypeError("missing argument")),
        (None, ConnectionRefusedError()),
        (Response(error=("server_error", "sorry")), None),
    ],
)
def test_a_call_that_the_provider_did_not_work_for_is_let_go(settings, store, response, error):
    own = Guard(settings, store, None, [rule(5), rule(5000, "tokens")])

    settled = admit(own).settle(CHAT, response, None, error)

    assert set(counts(own).values()) == {(0, 0)}
    assert settled.attributes[semconv.QUOTA_REMAINING_REQUESTS] == 5


def test_a_connection_that_was_never_made_is_let_go(settings, store):
    own = Guard(settings, store, None, [rule(5)])
    admission = admit(own)
    try:
        try:
            raise ConnectError
        except ConnectError as cause:
            raise RuntimeError("connection error") from cause
    except RuntimeError as error:
        admission.settle(CHAT, None, None, error)

    assert counts(own) == {"global requests/day": (0, 0)}


@pytest.mark.parametrize(
    ("response", "error", "tokens"),
    [
        (None, asyncio.CancelledError(), INPUT),
        (None, TimeoutError(), INPUT),
        (None, KeyboardInterrupt(), INPUT),
        (Response(), None, INPUT),  # a stream that counts nothing
        (Response(output=({"role": "assistant", "parts": [{"type": "text", "content": "a b c"}]},)), None, INPUT + 3),
        (Response(usage=Usage(input_tokens=20)), GeneratorExit(), 20),
        (Response(usage=Usage(input_tokens=20, output_tokens=1), error=("cut", "off")), None, 21),
        (Response(usage=Usage(input_tokens=20, output_tokens=1)), StatusError(500), 21),
    ],
)
def test_a_call_that_may_have_been_worked_for_is_charged(settings, store, response, error, tokens):
    own = Guard(settings, store, None, [rule(5), rule(5000, "tokens")])

    admit(own).settle(CHAT, response, None, error)

    (requests, asked), (used, held) = counts(own).values()
    assert (requests, asked, held) == (1, 0, 0)
    assert used == tokens


def test_a_hold_that_nobody_settles_is_charged_its_input(settings):
    clock = Clock()
    own = Guard(settings, MemoryStore(clock), None, [rule(5), rule(5000, "tokens")])
    admission = admit(own)

    clock.now_s += HOLD_S + 2
    own.store.sweep()
    assert list(counts(own).values()) == [(1, 0), (INPUT, 0)]

    admission.settle(CHAT, ANSWER, None, None)  # late, and set right
    assert list(counts(own).values()) == [(1, 0), (12, 0)]


def test_a_call_belongs_to_the_window_in_which_it_began(settings):
    clock = Clock(datetime(2026, 11, 21, 23, 59, 59, tzinfo=timezone.utc).timestamp())
    own = Guard(settings, MemoryStore(clock), None, [rule(1, user="*")])
    admission = admit(own)
    with pytest.raises(QuotaExceeded) as caught:
        admit(own)
    assert caught.value.retry_after == pytest.approx(1)
    assert str(caught.value.resets_at) == "2026-11-22 00:00:00+00:00"

    clock.now_s += 2
    other = admit(own)
    admission.settle(CHAT, ANSWER, None, None)

    assert counts(own) == {"user=u1 requests/day": (0, 1)}
    clock.now_s -= 2  # a clock that is put back is in the earlier window again
    assert counts(own) == {"user=u1 requests/day": (1, 0)}
    other.settle(CHAT, ANSWER, None, None)


def test_midnight_is_that_of_the_rules_zone(settings):
    clock = Clock(datetime(2026, 3, 28, 22, 59, 59, tzinfo=timezone.utc).timestamp())
    own = Guard(settings, MemoryStore(clock), None, [rule(1, time_zone="Europe/Berlin")])
    admit(own)
    clock.now_s += 1  # midnight in Berlin, before a day of 23 hours
    admit(own)

    with pytest.raises(QuotaExceeded) as caught:
        admit(own)

    assert str(caught.value.resets_at) == "2026-03-30 00:00:00+02:00"
    assert caught.value.retry_after == 23 * 3600


@pytest.mark.parametrize("operation", ["count_tokens", "file_upload"])
def test_what_uses_nothing_is_neither_counted_nor_refused(settings, store, operation):
    own = Guard(settings, store, None, [rule(0), rule(0, "tokens")])

    assert gate.run(own.steps(Request(operation, "openai", "gpt-4o"), USER)) is None
    assert set(counts(own).values()) == {(0, 0)}


@pytest.mark.parametrize("operation", ["fetch_response", "batch_results"])
def test_fetching_is_no_request_but_what_was_used_is_charged(settings, store, operation):
    own = Guard(settings, store, None, [rule(0), rule(0, "tokens")])
    fetch = Request(operation, "openai", "gpt-4o")

    admit(own, fetch).settle(fetch, Response(), None, None)
    assert list(counts(own).values()) == [(0, 0), (0, 0)]
    admit(own, fetch).settle(fetch, ANSWER, None, None)
    assert list(counts(own).values()) == [(0, 0), (12, 0)]


def test_a_batch_is_one_request_and_its_end_is_none(settings, store):
    own = Guard(settings, store, None, [rule(5), rule(5000, "tokens")])
    batch = Request("batch", "openai", None)

    admit(own, batch).settle(batch, Response(id="batch_1"), None, None)
    assert list(counts(own).values()) == [(1, 0), (0, 0)]
    admit(own, batch).settle(batch, ANSWER, None, None)
    assert list(counts(own).values()) == [(1, 0), (12, 0)]


def test_a_call_that_is_paid_by_the_piece_counts_as_a_request(settings, store):
    own = Guard(settings, store, None, [rule(5), rule(5000, "tokens"), rule(1, "usd")])
    speech = Request("speech", "openai", "tts-1", billed=Usage(input_characters=1000))

    admit(own, speech).settle(speech, Response(), 0.015, None)

    assert list(counts(own).values()) == [(1, 0), (0, 0), (0.015, 0)]


def test_a_rule_that_does_not_apply_leaves_nothing_to_do(settings, store):
    own = Guard(settings, store, None, [rule(1, user="somebody")])

    assert gate.run(own.steps(CHAT, USER)) is None
