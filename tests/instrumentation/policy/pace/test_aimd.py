"""The rate that a provider takes, by a clock of the test's own."""

from __future__ import annotations

import pytest

from vigilo.policy.pace.aimd import FORGET_AFTER_S, Rate, Recent
from vigilo.policy.pace.limits import NO_LIMITS, Bucket, Limits


def limited(now_s, sent=20, refused=1):
    """A rate after its first refusals."""
    rate = Rate()
    for number in range(sent):
        rate.sent(now_s + number / 1000, limited=False)
    for _ in range(refused):
        rate.refused(now_s + 0.5, NO_LIMITS, None)
    return rate


def test_there_is_none_until_the_first_sign_of_a_limit():
    rate = Rate()
    for number in range(1000):
        rate.sent(100 + number / 100, limited=False)
        rate.taken(100 + number / 100, Limits(Bucket(10_000, 9_000, 6.0)))
    assert rate.per_s(110.0) is None
    assert not rate.is_limited


def test_the_first_refusal_begins_below_what_was_sent():
    rate = limited(100.0)
    assert rate.per_s(100.5) == pytest.approx(19 * 0.7)


def test_it_is_decreased_once_a_second_at_the_most():
    rate = limited(100.0)
    before = rate.per_s(100.5)
    for _ in range(10):
        rate.refused(100.9, NO_LIMITS, None)
    assert rate.per_s(100.9) >= before
    rate.refused(101.6, NO_LIMITS, None)
    assert rate.per_s(101.6) < before


def test_it_grows_back_to_where_it_was_refused_and_beyond():
    rate = limited(100.0)
    for tenth in range(100):
        rate.sent(100.6 + tenth / 10, limited=True)
    assert rate.per_s(102.0) == pytest.approx(19, abs=0.1)
    assert 19 < rate.per_s(103.5) < 26
    assert rate.per_s(106.0) > 60


def test_it_does_not_grow_while_nobody_waits_for_it():
    rate = limited(100.0)
    assert rate.per_s(130.0) == rate.per_s(300.0)


def test_it_does_not_grow_while_the_provider_has_everybody_wait():
    rate = limited(100.0)
    rate.refused(101.0, NO_LIMITS, 30.0)
    assert rate.per_s(131.0) == rate.per_s(101.0)


def test_it_is_forgotten_where_nothing_was_refused_for_long():
    rate = limited(100.0)
    assert rate.per_s(100.5 + FORGET_AFTER_S - 1) is not None
    assert rate.per_s(100.5 + FORGET_AFTER_S + 1) is None
    assert not rate.is_limited


def test_the_worse_the_answers_the_less_is_sent():
    few, many = limited(100.0), limited(100.0)
    for number in range(20):
        for rate in (few, many):
            rate.sent(101.0 + number / 1000, limited=True)
    for _ in range(19):
        few.taken(101.4, NO_LIMITS)
        many.refused(101.4, NO_LIMITS, None)
    for rate in (few, many):
        rate.refused(101.9, NO_LIMITS, None)
    assert many.per_s(101.9) < few.per_s(101.9)
    assert many.success_ratio(101.9) < 0.1 < few.success_ratio(101.9)


def test_scarce_headers_begin_the_pacing_before_anything_is_refused():
    rate = Rate()
    rate.taken(100.0, Limits(Bucket(600, 300, 30.0)))
    assert rate.per_s(100.0) is None
    rate.taken(101.0, Limits(Bucket(600, 30, 57.0)))
    assert rate.per_s(101.0) == pytest.approx(10)


def test_headers_are_a_ceiling():
    rate = limited(100.0, sent=100)
    rate.taken(101.0, Limits(Bucket(600, 30, 57.0)))
    assert rate.per_s(101.0) == pytest.approx(10)


def test_a_bucket_that_is_nearly_full_tells_no_rate():
    rate = Rate()
    rate.refused(100.0, Limits(Bucket(4000, 3999, 3_000_000.0)), 0.1)
    assert rate.per_s(100.0) == pytest.approx(7)


def test_azure_is_slowed_down_where_nothing_remains():
    rate = Rate()
    for number in range(20):
        rate.sent(100 + number / 1000, limited=False)
    rate.taken(100.5, Limits(Bucket(None, 0, None)))
    assert rate.per_s(100.5) == pytest.approx(20 * 0.85)


def test_it_hurries_where_much_is_left():
    rate = limited(100.0)
    before = rate.per_s(100.5)
    for tenth in range(10):
        rate.sent(100.6 + tenth / 10, limited=True)
        rate.taken(100.6 + tenth / 10, Limits(Bucket(600, 500, 10.0)))
    assert rate.per_s(101.5) > 1.9 * before


def test_scarce_tokens_begin_it_too():
    rate = Rate()
    rate.sent(100.0, limited=False)
    rate.taken(100.5, Limits(Bucket(600, 590, 1.0), Bucket(100_000, 500, 59.0)))
    assert rate.is_limited


def test_a_slow_limit_is_learnt_by_calls_and_not_by_seconds():
    rate = Rate()
    rate.refused(100.0, Limits(Bucket(10, 0, 60.0)), None)
    assert rate.per_s(100.0) == pytest.approx(0.7 / 6)
    rate.sent(110.0, limited=True)
    assert rate.per_s(112.0) < 1 / 6


def test_where_little_was_sent_the_provider_is_taken_at_its_word():
    soon, late, unsaid = Rate(), Rate(), Rate()
    soon.refused(100.0, NO_LIMITS, 0.1)
    late.refused(100.0, NO_LIMITS, 60.0)
    unsaid.refused(100.0, NO_LIMITS, None)
    rates = [rate.per_s(100.0) for rate in (soon, late, unsaid)]
    assert rates == [pytest.approx(10 * 0.7), pytest.approx(0.5 * 0.7), pytest.approx(1 * 0.7)]


def test_recent_events():
    recent = Recent()
    for tenth in range(10):
        recent.add(100 + tenth / 10)
    assert recent.per_s(100.9) == 10
    assert recent.per_s(101.5) == pytest.approx(5)
    assert recent.per_s(105.0) == 0
