"""The guard where calls wait, and where something goes wrong."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING, Any

import pytest

from vigilo import semconv
from vigilo.capture import gate
from vigilo.capture.call import Request, Response
from vigilo.errors import QuotaExceeded, RateLimited
from vigilo.policy.guard import Guard
from vigilo.policy.pace.pacer import Pacer
from vigilo.settings import Settings
from vigilo.state import STATE_FILE
from vigilo.state.failover import Failover
from vigilo.state.sqlite import SqliteStore
from vigilo.state.unusable import UnusableStore

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.state.store import Store
from .guarding import ANSWER, CHAT, INPUT, USER, admit, counts, in_a_child, rule

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
