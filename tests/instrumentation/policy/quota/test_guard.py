from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo import semconv
from vigilo.capture import gate
from vigilo.capture.call import Request, Response, Usage
from vigilo.errors import QuotaExceeded, RateLimited
from vigilo.policy import guard, live_prices
from vigilo.policy.admission import HOLD_S
from vigilo.policy.guard import Guard
from vigilo.policy.pace.pacer import Pacer
from vigilo.policy.quota.rules import Rule, make_rule, to_json
from vigilo.settings import Settings, app_settings
from vigilo.state import STATE_FILE
from vigilo.state.failover import Failover
from vigilo.state.memory import MemoryStore
from vigilo.state.sqlite import SqliteStore
from vigilo.state.unusable import UnusableStore
from vigilo.tallies import REFUSALS, THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vigilo.policy.admission import Admitted
    from vigilo.state.store import Store

USER = {"user": ("u1",), "model": ("gpt-4o",), "provider": ("openai",)}
CHAT = Request(
    "chat",
    "openai",
    "gpt-4o",
    {semconv.REQUEST_MAX_TOKENS: 100},
    input=({"role": "user", "parts": [{"type": "text", "content": "Say hello to everybody, please."}]},),
)
INPUT = 12
"""What the estimate makes of its input."""
ANSWER = Response(model="gpt-4o", usage=Usage(input_tokens=9, output_tokens=3))


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    guard.forget()
    yield
    guard.forget()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / STATE_FILE)
    yield opened
    opened.close()


@pytest.fixture
def home() -> Path:
    app_settings.cache_clear()
    return app_settings().home


def rule(limit: Any = 1, metric: str = "requests", mode: str = "block", window: str = "day", **more: Any) -> Rule:
    return make_rule(metric=metric, limit=limit, mode=mode, window=window, **more)


def admit(own: Guard, request: Request = CHAT, scopes: Any = USER) -> Admitted:
    admission = gate.run(own.steps(request, scopes))
    assert admission is not None
    return admission


def counts(own: Guard, scopes: Any = USER) -> dict[str, tuple[float, float]]:
    """Used and held by the rule's name."""
    return {one.rule: (one.used, one.held) for one in own.status(scopes)}


def begin_child(work: Callable[[], bool]) -> int:
    """Does the work in a forked process, which ends with 0 where it is true."""
    child = os.fork()
    if child == 0:
        done = False
        try:
            done = work()
        finally:
            os._exit(0 if done else 1)
    return child


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether the work is true in a forked process."""
    return os.waitpid(begin_child(work), 0)[1] == 0


class StatusError(Exception):
    """What an SDK raises of an answer that is an error."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


class ConnectError(Exception):
    """As httpx names it."""


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
def test_processes_pass_no_limit_together(home, tmp_path):
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


class Clock:
    """Nanoseconds since 1970, moved by hand."""

    def __init__(self, now_s: float | None = None) -> None:
        self.now_s = time.time() if now_s is None else now_s

    def __call__(self) -> int:
        return int(self.now_s * 1e9)


# Waits


def paced(tmp_path: Path, store: Store, **more: Any) -> Guard:
    settings = Settings(home=tmp_path, pacing=True, pace_adaptive=False, pace_user_per_minute=1, **more)
    return Guard(settings, store, Pacer(settings, store), [rule(5), rule(5000, "tokens")])


def test_a_wait_that_is_left_lets_go(tmp_path, store):
    own = paced(tmp_path, store, pace_max_wait_s=90)
    admit(own).settle(CHAT, ANSWER, None, None)

    steps = own.steps(CHAT, USER)
    assert 50 < next(steps).wait_s <= 60
    assert list(counts(own).values()) == [(1, 1), (12, INPUT + 100)]
    steps.close()

    assert list(counts(own).values()) == [(1, 0), (12, 0)]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError("thrown"), KeyboardInterrupt()])
def test_what_is_thrown_into_a_wait_lets_go_and_goes_on(tmp_path, store, error):
    own = paced(tmp_path, store, pace_max_wait_s=90)
    admit(own).settle(CHAT, ANSWER, None, None)
    steps = own.steps(CHAT, USER)
    next(steps)

    with pytest.raises(type(error)):
        steps.throw(error)

    assert list(counts(own).values()) == [(1, 0), (12, 0)]


def test_a_wait_that_is_dropped_lets_go(tmp_path, store):
    own = paced(tmp_path, store, pace_max_wait_s=90)
    admit(own).settle(CHAT, ANSWER, None, None)
    steps = own.steps(CHAT, USER)
    next(steps)

    del steps
    gc.collect()

    assert list(counts(own).values()) == [(1, 0), (12, 0)]


async def test_a_task_that_is_cancelled_while_it_waits_lets_go(tmp_path, store):
    own = paced(tmp_path, store, pace_max_wait_s=90)
    admit(own).settle(CHAT, ANSWER, None, None)

    task = asyncio.ensure_future(gate.run_async(own.steps(CHAT, USER)))
    await asyncio.sleep(0.05)
    assert list(counts(own).values()) == [(1, 1), (12, INPUT + 100)]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert list(counts(own).values()) == [(1, 0), (12, 0)]


def test_a_turn_that_is_too_late_holds_nothing(tmp_path, store):
    own = paced(tmp_path, store, pace_max_wait_s=1)
    admit(own).settle(CHAT, ANSWER, None, None)

    with pytest.raises(RateLimited) as caught:
        admit(own)

    assert (caught.value.scope, caught.value.reason) == ("user=u1", "user")
    assert list(counts(own).values()) == [(1, 0), (12, 0)]


def test_a_refused_call_takes_no_place_in_the_rate(tmp_path, store):
    own = paced(tmp_path, store, pace_max_wait_s=1)
    many = Request("chat", "openai", "gpt-4o", {semconv.REQUEST_MAX_TOKENS: 10**6})
    with pytest.raises(QuotaExceeded):
        admit(own, many)

    admit(own)


def test_a_wait_is_told(tmp_path, store):
    own = paced(tmp_path, store, pace_max_wait_s=90)
    own.store.push_back("pace|user|u1", int((own.store.now_unix_s() + 60) * 1e9))

    steps = own.steps(CHAT, USER)
    wait_s = next(steps).wait_s
    with pytest.raises(StopIteration) as end:  # as if that time had passed
        next(steps)
    settled = end.value.value.settle(CHAT, ANSWER, None, None)

    assert settled.attributes[semconv.PACE_WAIT] == wait_s
    assert settled.attributes[semconv.QUOTA_REMAINING_REQUESTS] == 4


# Faults


def test_closed_refuses_where_the_state_is_away(tmp_path):
    own = Guard(
        Settings(home=tmp_path, on_store_error="closed"), Failover(UnusableStore("x"), "closed"), None, [rule(5)]
    )

    with pytest.raises(RateLimited) as caught:
        admit(own)

    assert (caught.value.scope, caught.value.reason) == ("global", "state")
    assert caught.value.retry_after > 0
    assert "on_store_error" in str(caught.value)


def test_open_lets_pass_where_the_state_is_away_and_tells(tmp_path):
    own = Guard(Settings(home=tmp_path, on_store_error="open"), Failover(UnusableStore("x"), "open"), None, [rule(1)])

    told = [admit(own).settle(CHAT, ANSWER, None, None).attributes for _ in range(5)]

    assert told == [{semconv.QUOTA_STATE: "open"}] * 5


def test_local_lets_a_tenth_pass_where_the_state_is_away(tmp_path):
    own = Guard(Settings(home=tmp_path), Failover(UnusableStore("x"), "local"), None, [rule(30)])

    told = [admit(own).settle(CHAT, ANSWER, None, None).attributes for _ in range(3)]
    with pytest.raises(QuotaExceeded):
        admit(own)

    assert told == [{semconv.QUOTA_STATE: "local"}] * 3


def test_a_bare_store_that_fails_lets_pass(tmp_path, caplog):
    own = Guard(Settings(home=tmp_path), UnusableStore("x"), None, [rule(1)])

    assert gate.run(own.steps(CHAT, USER)) is None
    assert own.status(USER) == own.seen() == []


def test_a_fault_of_ours_lets_the_call_pass(settings, store, monkeypatch, caplog):
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    own = Guard(settings, store, None, [rule(5), rule(10**6, "tokens")])
    broken = Request("chat", "openai", "gpt-4o", None)  # type: ignore[arg-type]

    assert gate.run(own.steps(broken, USER)) is None

    assert list(counts(own).values()) == [(0, 0), (0, 0)]


def test_a_fault_of_ours_refuses_the_call_where_that_is_wanted(tmp_path, store, monkeypatch):
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    own = Guard(Settings(home=tmp_path, on_store_error="closed"), store, None, [rule(10**6, "tokens")])

    with pytest.raises(RateLimited):
        admit(own, Request("chat", "openai", "gpt-4o", None))  # type: ignore[arg-type]


def test_a_fault_at_the_end_lets_go(settings, store, monkeypatch):
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    own = Guard(settings, store, None, [rule(5)])

    settled = admit(own).settle(CHAT, Response(usage=None), None, None)  # type: ignore[arg-type]

    assert settled.attributes == {}
    assert counts(own) == {"global requests/day": (0, 0)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_what_a_forked_process_drops_is_still_the_parents(settings, tmp_path):
    store = SqliteStore(tmp_path / STATE_FILE)
    own = Guard(settings, store, None, [rule(5)])
    admission = admit(own)

    assert in_a_child(lambda: admission.settle(CHAT, ANSWER, None, None).attributes == {})

    assert counts(own) == {"global requests/day": (0, 1)}
    admission.settle(CHAT, ANSWER, None, None)
    assert counts(own) == {"global requests/day": (1, 0)}
    store.close()


# What was used lately


def test_counters_that_were_used_are_told(settings):
    clock = Clock(datetime(2026, 11, 21, 12, 0, 30, tzinfo=timezone.utc).timestamp())
    own = Guard(settings, MemoryStore(clock), None, [rule(5, user="*"), rule(9, window="minute", mode="observe")])
    assert own.seen() == []
    admit(own)
    admit(own, scopes={"user": ("u2",)}).settle(CHAT, ANSWER, None, None)

    assert [(one.rule, one.used, one.held, one.limit, one.remaining) for one in own.seen()] == [
        ("user=u1 requests/day", 0, 1, 5, 4),
        ("user=u2 requests/day", 1, 0, 5, 4),
        ("global requests/minute", 1, 1, 9, 7),
    ]
    clock.now_s += 60
    assert [one.rule for one in own.seen()] == ["user=u1 requests/day", "user=u2 requests/day"]
    clock.now_s += 86_400
    assert own.seen() == []


def test_status_of_dollars_is_in_dollars(settings, store):
    own = Guard(settings, store, None, [rule(1.5, "usd", window="total")])

    (one,) = own.status({})

    assert (one.rule, one.scope, one.limit, one.remaining) == ("global usd/total", "global", 1.5, 1.5)
    assert one.resets_at is None


# In force


def again(until: Callable[[], bool]) -> None:
    """Asks until it is so, for 5 s at the most."""
    end = time.monotonic() + 5
    while not until() and time.monotonic() < end:
        time.sleep(0.05)
    assert until()


def test_nothing_is_in_force_and_no_file_is_made_without_a_rule(home):
    assert guard.in_force() is None
    guard.look_again()
    assert guard.in_force() is None
    assert not (home / STATE_FILE).exists()


def test_personal_mode_is_in_force(home, monkeypatch):
    monkeypatch.setenv("VIGILO_PERSONAL", "true")
    app_settings.cache_clear()

    own = guard.in_force()

    assert own is not None
    assert own is guard.in_force()
    assert own.wants_input
    assert [one.limit for one in own.status({"user": ("u1",)})] == [10_000, 100]
    assert not (home / STATE_FILE).exists()
    assert gate.run(own.steps(CHAT, {})) is None  # nobody's call


def test_rules_of_the_file_are_in_force(tmp_path, monkeypatch):
    config = tmp_path / "vigilo.toml"
    config.write_text('personal = true\n[[quota.rules]]\nmetric = "requests"\nlimit = 7\nmode = "block"\nuser = "*"\n')
    monkeypatch.setenv("VIGILO_CONFIG", str(config))
    app_settings.cache_clear()

    own = guard.in_force()

    assert own is not None
    limits = {one.rule: (one.limit, one.mode) for one in own.status({"user": ("u1",)})}
    assert limits == {"user=u1 requests/day": (7, "block"), "user=u1 tokens/day": (10_000, "block")}


def test_rules_that_others_set_are_in_force_within_a_second(home):
    assert guard.in_force() is None
    others = SqliteStore(home / STATE_FILE)

    others.put_rule("a", to_json(rule(3)))
    again(lambda: guard.in_force() is not None)
    own = guard.in_force()
    assert own is not None
    assert not own.wants_input

    others.put_rule("a", to_json(rule(9)))
    again(lambda: [one.limit for one in own.status({})] == [9] or guard.in_force() is None)
    others.drop_rule("a")
    again(lambda: guard.in_force() is None)
    others.close()


def test_a_call_that_hears_of_new_rules_has_them_read(home):
    others = SqliteStore(home / STATE_FILE)
    others.put_rule("a", to_json(rule(3)))
    own = guard.in_force()
    assert own is not None
    admit(own).settle(CHAT, ANSWER, None, None)

    others.put_rule("a", to_json(rule(1)))
    admit(own).settle(CHAT, ANSWER, None, None)  # by the rule as it was
    own = guard.in_force()
    assert own is not None
    with pytest.raises(QuotaExceeded):
        admit(own)

    assert counts(own) == {"global requests/day": (2, 0)}
    others.close()


def test_state_that_cannot_be_opened_is_logged_and_calls_go_on(monkeypatch, caplog):
    monkeypatch.setenv("VIGILO_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("VIGILO_PERSONAL", "true")
    monkeypatch.setitem(sys.modules, "redis", None)
    app_settings.cache_clear()

    with caplog.at_level(logging.ERROR, "vigilo"):
        own = guard.in_force()

    assert own is not None
    assert "the shared state of quotas cannot be used" in caplog.text
    assert admit(own, Request("speech", "openai", "tts-1")).settle(CHAT, ANSWER, None, None).attributes == {
        semconv.QUOTA_STATE: "local"
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_a_guard_of_its_own(home):
    others = SqliteStore(home / STATE_FILE)
    others.put_rule("a", to_json(rule(1)))
    others.close()
    own = guard.in_force()
    assert own is not None

    def call() -> bool:
        theirs = guard.in_force()
        if theirs is None or theirs is own:
            return False
        admit(theirs).settle(CHAT, ANSWER, None, None)
        return True

    assert in_a_child(call)
    with pytest.raises(QuotaExceeded):
        admit(own)


def test_threads_that_begin_together_all_see_the_first_rules(monkeypatch):
    monkeypatch.setenv("VIGILO_PERSONAL", "true")
    app_settings.cache_clear()
    seen, start = [], threading.Barrier(8)

    def look() -> None:
        start.wait()
        seen.append(guard.in_force())

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8
    assert len(set(map(id, seen))) == 1
    assert seen[0] is not None
