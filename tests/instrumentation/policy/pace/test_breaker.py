"""The circuit breaker, by a clock of the test's own."""

from __future__ import annotations

from vigilo.policy.pace.breaker import MAX_COOL_DOWN_S, OPENS_AFTER, Breaker


def opened(now_s=100.0):
    breaker = Breaker()
    assert [breaker.failed(now_s, probe=False) for _ in range(OPENS_AFTER)] == [False] * (OPENS_AFTER - 1) + [True]
    return breaker


def test_it_opens_after_failures_in_a_row():
    breaker = opened()
    assert not breaker.is_closed
    assert 0.8 <= breaker.wait_s(100.0) <= 1.0


def test_a_success_begins_the_row_anew():
    breaker = Breaker()
    for _ in range(3):
        for _ in range(OPENS_AFTER - 1):
            assert not breaker.failed(100.0, probe=False)
        assert not breaker.worked(probe=False)
    assert breaker.is_closed
    assert breaker.wait_s(100.0) == 0


def test_one_call_tries_and_the_others_wait_for_it():
    breaker = opened()
    assert breaker.wait_s(102.0) == 0
    assert breaker.take_probe()
    assert not breaker.take_probe()
    assert breaker.wait_s(102.0) is None


def test_a_probe_that_works_closes_it():
    breaker = opened()
    assert breaker.take_probe()
    assert breaker.worked(probe=True)
    assert breaker.is_closed


def test_a_probe_that_was_given_back_is_there_for_another_call():
    breaker = opened()
    assert breaker.take_probe()
    breaker.give_back()
    breaker.give_back()
    assert breaker.wait_s(102.0) == 0
    assert breaker.take_probe()


def test_the_cool_down_grows():
    breaker, now_s, waits = opened(), 100.0, []
    for _ in range(8):
        now_s += breaker.wait_s(now_s)
        assert breaker.take_probe()
        assert breaker.failed(now_s, probe=True)
        waits.append(breaker.wait_s(now_s))
    assert 1.6 <= waits[0] <= 2.0
    assert 3.2 <= waits[1] <= 4.0
    assert 0.8 * MAX_COOL_DOWN_S <= waits[-1] <= MAX_COOL_DOWN_S
    assert breaker.worked(probe=False) is False
    assert not breaker.is_closed
