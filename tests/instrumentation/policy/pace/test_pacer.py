"""Calls on their way through the pacing, by a clock of the test's own."""

from __future__ import annotations

import asyncio
import dataclasses
import os

import httpx2
import openai
import pytest

from vigilo import semconv
from vigilo.errors import RateLimited
from vigilo.policy.pace.breaker import OPENS_AFTER
from vigilo.state.store import Refused, Reserved, StateError
from vigilo.tallies import PACE_REFUSALS

from .conftest import ASKED

ALICE = {"user": ("u_alice",)}
BOB = {"user": ("u_bob",)}
OK = {"content-type": "application/json"}
HTTP = httpx2.Request("POST", "http://provider/v1")


def refused(status=429, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return openai.APIStatusError("no", response=httpx2.Response(status, headers=named, request=HTTP), body=None)


def begin(pacer, clock, scopes=ALICE, request=ASKED):
    """Sends a call, as the guard does."""
    paced = pacer.begin(request, scopes)
    try:
        clock.drive(paced.turn())
        answer = pacer.store.reserve("", (), paced.slots)
        if isinstance(answer, Refused):
            raise paced.refused(answer.slot, answer.wait_ns)
    except RateLimited as error:
        paced.ended(error)
        raise
    assert isinstance(answer, Reserved)
    clock.now_s += answer.wait_ns / 1e9
    paced.sent(answer.wait_ns)
    return paced


def succeed(pacer, clock, scopes=ALICE, request=ASKED):
    paced = begin(pacer, clock, scopes, request)
    paced.answered(OK)
    return paced.ended(None)


def test_nobody_waits_without_a_sign_of_a_limit(pacer_of, clock):
    pacer = pacer_of(pace_global_per_minute=0)
    for _ in range(1000):
        assert succeed(pacer, clock) == {}
    assert (clock.now_s, clock.paused, pacer.rates()) == (1000.0, [], [])


def test_a_user_has_so_many_calls_a_minute(pacer_of, clock):
    pacer = pacer_of(pace_user_per_minute=30, pace_max_wait_s=2.0)
    for _ in range(30):
        assert succeed(pacer, clock) == {}
    succeed(pacer, clock, BOB)
    assert clock.now_s == 1000.0
    assert succeed(pacer, clock) == {semconv.PACE_WAIT: pytest.approx(2.0), semconv.PACE_LIMITED_BY: "user"}
    waiting = pacer.begin(ASKED, ALICE)
    assert pacer.store.reserve("", (), waiting.slots).wait_ns == 2_000_000_000
    with pytest.raises(RateLimited) as caught:
        begin(pacer, clock)
    assert (caught.value.scope, caught.value.reason) == ("user=u_alice", "user")
    assert caught.value.retry_after == pytest.approx(4.0)
    assert clock.now_s == pytest.approx(1002.0)


def test_all_users_have_so_many(pacer_of, clock):
    pacer = pacer_of(pace_global_per_minute=10, pace_max_wait_s=1.0)
    for _ in range(5):
        succeed(pacer, clock, ALICE)
        succeed(pacer, clock, BOB)
    before = {labels[semconv.PACE_LIMITED_BY]: count for count, labels in PACE_REFUSALS.read()}
    with pytest.raises(RateLimited) as caught:
        begin(pacer, clock, {})
    assert (caught.value.scope, caught.value.reason, caught.value.retry_after) == ("global", "global", 6.0)
    after = {labels[semconv.PACE_LIMITED_BY]: count for count, labels in PACE_REFUSALS.read()}
    assert after["global"] == before.get("global", 0) + 1


def test_limits_that_are_0_are_none(pacer_of):
    pacer = pacer_of(pace_user_per_minute=0, pace_global_per_minute=0, pace_adaptive=False)
    paced = pacer.begin(ASKED, ALICE)
    assert (paced.slots, paced.takes_over_retries) == ((), False)
    assert pacer_of().begin(ASKED, ALICE).takes_over_retries


def test_a_refusal_has_everybody_wait(pacer_of, clock):
    pacer = pacer_of()
    first = begin(pacer, clock)
    assert clock.drive(first.again(refused(retry_after="10"), 1, 2))
    assert 10 <= clock.now_s - 1000 <= 11.1
    first.answered(OK)
    told = first.ended(None)
    assert told[semconv.PACE_LIMITED_BY] == "retry_after"
    assert 10 <= told[semconv.PACE_WAIT] <= 11.1
    assert pacer.rates()[0][0] == pytest.approx(told[semconv.PACE_RATE])


def test_the_gate_is_shut_for_other_processes_too(pacer_of, clock):
    pacer, other = pacer_of(), pacer_of()
    first = begin(pacer, clock)
    assert first.ended(refused(retry_after="10"))
    assert succeed(other, clock, BOB)[semconv.PACE_WAIT] >= 10


def test_other_models_and_keys_are_none_of_its_business(pacer_of, clock):
    pacer = pacer_of()
    begin(pacer, clock).ended(refused(retry_after="10"))
    for other in (
        dataclasses.replace(ASKED, model="gpt-4o-mini"),
        dataclasses.replace(ASKED, server_address="elsewhere"),
        dataclasses.replace(ASKED, account="another"),
    ):
        assert succeed(pacer, clock, ALICE, other) == {}


def test_a_call_is_refused_at_once_where_the_provider_asks_for_more_than_it_may_wait(pacer_of, clock):
    pacer = pacer_of(pace_max_wait_s=5.0)
    begin(pacer, clock).ended(refused(retry_after="60"))
    with pytest.raises(RateLimited) as caught:
        begin(pacer, clock)
    assert (caught.value.scope, caught.value.reason) == ("openai/gpt-4o", "retry_after")
    assert 60 <= caught.value.retry_after <= 66
    assert (clock.now_s, clock.paused) == (1000.0, [])


def test_after_a_refusal_that_takes_too_long_the_app_gets_it(pacer_of, clock):
    pacer = pacer_of(pace_max_wait_s=5.0)
    paced = begin(pacer, clock)
    assert not clock.drive(paced.again(refused(retry_after="60"), 1, 2))
    paced.ended(refused(retry_after="60"))
    assert clock.now_s == 1000.0
    assert next(iter(pacer._lanes.values())).turns.idle


@pytest.mark.parametrize("status", [429, 529, 500, 408])
def test_an_app_that_allows_no_retries_gets_none(pacer_of, clock, status):
    pacer = pacer_of()
    paced = begin(pacer, clock)
    assert not clock.drive(paced.again(refused(status), 1, 0))
    paced.ended(None)
    assert clock.paused == []


def test_a_throttled_call_is_made_again_for_as_long_as_it_may_wait(pacer_of, clock):
    pacer = pacer_of(pace_max_wait_s=30.0)
    paced, attempts = begin(pacer, clock), 1
    while clock.drive(paced.again(refused(retry_after="1"), attempts, 2)):
        attempts += 1
    paced.ended(refused())
    assert attempts > 10
    assert 25 <= clock.now_s - 1000 <= 30.1


def test_other_failures_are_made_again_as_often_as_the_sdk_would(pacer_of, clock):
    pacer = pacer_of()
    paced = begin(pacer, clock)
    assert clock.drive(paced.again(refused(500), 1, 2))
    assert clock.drive(paced.again(refused(503), 2, 2))
    assert not clock.drive(paced.again(refused(500), 3, 2))
    paced.ended(refused(500))
    assert 0.375 <= clock.paused[0] <= 0.5
    assert 0.75 <= clock.paused[1] <= 1.0


def test_a_provider_that_is_down_may_say_for_how_long(pacer_of, clock):
    pacer = pacer_of()
    paced = begin(pacer, clock)
    assert clock.drive(paced.again(refused(503, retry_after="4"), 1, 2))
    assert not clock.drive(paced.again(refused(503, retry_after="500"), 2, 2))
    paced.ended(refused(503))
    assert clock.paused == [4.0]


def test_what_is_final_is_not_made_again(pacer_of, clock):
    pacer = pacer_of()
    for error in (
        refused(400),
        refused(429, x_should_retry="false"),
        RateLimited("global", "global", 1.0),
        ValueError(),
        openai.APIStatusError("no", response=httpx2.Response(429, request=HTTP), body={"code": "insufficient_quota"}),
    ):
        paced = begin(pacer, clock)
        assert not clock.drive(paced.again(error, 1, 5))
        paced.ended(error)
    assert clock.paused == []


def test_the_circuit_opens_and_one_call_tries(pacer_of, clock):
    pacer = pacer_of(pace_max_wait_s=0.5)
    for _ in range(OPENS_AFTER):
        begin(pacer, clock).ended(refused(500))
    with pytest.raises(RateLimited) as caught:
        begin(pacer, clock)
    assert caught.value.reason == "circuit_open"
    assert caught.value.retry_after <= 1.0
    clock.now_s += 1.0
    probe = begin(pacer, clock)
    with pytest.raises(RateLimited):
        begin(pacer, clock, BOB)  # it would wait for the one that tries
    probe.answered(OK)
    probe.ended(None)
    succeed(pacer, clock, BOB)


def test_other_servers_keep_their_circuits_closed(pacer_of, clock):
    pacer = pacer_of(pace_max_wait_s=0.0)
    for _ in range(OPENS_AFTER):
        begin(pacer, clock).ended(refused(500))
    succeed(pacer, clock, ALICE, dataclasses.replace(ASKED, server_address="elsewhere"))
    with pytest.raises(RateLimited):
        begin(pacer, clock, ALICE, dataclasses.replace(ASKED, model="gpt-4o-mini"))


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()])
def test_a_probe_that_is_cancelled_is_given_to_another_call(pacer_of, clock, error):
    pacer = pacer_of()
    for _ in range(OPENS_AFTER):
        begin(pacer, clock).ended(refused(500))
    clock.now_s += 1.0
    begin(pacer, clock).ended(error)
    succeed(pacer, clock)
    assert clock.now_s == 1001.0


def test_refusals_do_not_open_the_circuit(pacer_of, clock):
    pacer = pacer_of()
    for _ in range(3 * OPENS_AFTER):
        begin(pacer, clock).ended(refused(429))
        begin(pacer, clock).ended(refused(404))
    (breaker,) = pacer._breakers.values()
    assert breaker.is_closed


def test_users_take_turns_at_a_rate(pacer_of, clock):
    pacer = pacer_of()
    begin(pacer, clock).ended(refused())
    holder = pacer.begin(ASKED, ALICE)
    clock.drive(holder.turn())
    waiting = [pacer.begin(ASKED, scopes) for scopes in (ALICE, ALICE, ALICE, BOB)]
    steps = [paced.turn() for paced in waiting]
    for one in steps:
        assert next(one).wait_s == 30.0
    order = []
    holder.ended(None)
    while len(order) < 4:
        for number, one in enumerate(steps):
            if number in order:
                continue
            if waiting[number]._turn is None and next(one, None) is None:
                order.append(number)
                waiting[number].sent(0)
                waiting[number].ended(None)
                break
    assert order.index(3) < order.index(2)
    assert next(iter(pacer._lanes.values())).turns.idle


def test_a_call_is_refused_where_the_queue_is_longer_than_it_may_wait(pacer_of, clock):
    pacer = pacer_of(pace_max_wait_s=1.0)
    begin(pacer, clock).ended(refused())  # about one call every three seconds from now on
    holder = pacer.begin(ASKED, ALICE)
    clock.drive(holder.turn())
    waiting = pacer.begin(ASKED, ALICE).turn()
    next(waiting)
    with pytest.raises(RateLimited) as caught:
        begin(pacer, clock)
    assert (caught.value.reason, caught.value.retry_after > 1) == ("rate", True)
    succeed(pacer, clock, ALICE, dataclasses.replace(ASKED, model="other"))
    waiting.close()
    holder.ended(None)
    assert next(iter(pacer._lanes.values())).turns.idle


@pytest.mark.parametrize("stage", ["turn", "slots", "sent"])
def test_whoever_gives_up_lets_the_next_one_pass(pacer_of, clock, stage):
    pacer = pacer_of()
    begin(pacer, clock).ended(refused())
    first, second = pacer.begin(ASKED, ALICE), pacer.begin(ASKED, BOB)
    clock.drive(first.turn())
    waiting = second.turn()
    next(waiting)
    if stage == "turn":
        waiting.close()
        assert second.ended(GeneratorExit()).keys() == {semconv.PACE_RATE}
        first.ended(None)
    else:
        if stage == "sent":
            first.sent(0)
        first.ended(asyncio.CancelledError())
        assert clock.drive(waiting) is None
        second.sent(0)
        second.ended(None)
    assert next(iter(pacer._lanes.values())).turns.idle


def test_a_long_wait_of_a_user_does_not_hold_the_others_up(pacer_of, clock):
    pacer = pacer_of(pace_user_per_minute=60)
    for _ in range(20):
        begin(pacer, clock).sent(0)
    begin(pacer, clock).ended(refused())
    slow, quick = pacer.begin(ASKED, ALICE), pacer.begin(ASKED, BOB)
    clock.drive(slow.turn())
    waiting = quick.turn()
    next(waiting)
    slow.reserved(20_000_000_000)
    assert clock.drive(waiting) is None
    quick.ended(None)
    slow.ended(None)


def test_pacing_goes_on_without_the_shared_state(pacer_of, clock, monkeypatch):
    pacer = pacer_of()

    def away(*_args, **_options):
        raise StateError("away")

    paced = begin(pacer, clock)
    monkeypatch.setattr(pacer.store, "push_back", away)
    monkeypatch.setattr(pacer.store, "reserve", away)
    assert clock.drive(paced.again(refused(retry_after="2"), 1, 1))
    paced.answered(OK)
    paced.ended(None)
    assert 2 <= clock.now_s - 1000 <= 2.3


def test_lanes_are_bounded(pacer_of, clock):
    pacer = pacer_of()
    for number in range(1100):
        succeed(pacer, clock, ALICE, dataclasses.replace(ASKED, model=f"m{number}"))
    assert len(pacer._lanes) == 1000


def test_rates_of_several_keys_are_told_as_one(pacer_of, clock):
    pacer = pacer_of()
    for account in "ab":
        begin(pacer, clock, ALICE, dataclasses.replace(ASKED, account=account)).ended(refused())
    ((rate, labels),) = pacer.rates()
    assert rate == pytest.approx(2 * 1.0 * 0.7)
    assert labels == {
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-4o",
        semconv.SERVER_ADDRESS: "api.openai.com:443",
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_process_waits_for_nobody_of_its_parent(pacer_of, clock):
    pacer = pacer_of()
    begin(pacer, clock).ended(refused())
    clock.drive(pacer.begin(ASKED, ALICE).turn())  # has its turn, and keeps it
    child = os.fork()
    if child == 0:
        passed = False
        try:
            clock.drive(pacer.begin(ASKED, BOB).turn())
            passed = clock.paused == []
        finally:
            os._exit(0 if passed else 1)
    assert os.waitpid(child, 0)[1] == 0
