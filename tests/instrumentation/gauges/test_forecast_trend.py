from __future__ import annotations

import random

import pytest

from vigilo.gauges.forecast_trend import pausing, trend


def even(count: int, low: float = 0.4, step: float = 0.02) -> list[float]:
    return [low + step * at for at in range(count)]


@pytest.mark.parametrize("count", [6, 8, 12])
def test_even_growth_ends_when_the_room_is_used_up(count: int):
    found = trend(even(count), 5.0)
    assert found is not None
    assert found.agreement == 1
    assert found.time_to_limit_s == pytest.approx((0.985 - even(count)[-1]) / 0.02 * 5.0)


def test_noise_does_not_hide_growth():
    dice = random.Random(3)
    found = trend([level + dice.gauss(0, 0.005) for level in even(12)], 10.0)
    assert found is not None
    assert found.time_to_limit_s == pytest.approx((0.985 - 0.62) / 0.02 * 10, rel=0.25)


def test_growth_that_gets_faster_ends_sooner_than_a_line():
    peaks = [0.3 + 0.4 * ((at + 6) / 18) ** 2 for at in range(12)]
    found = trend(peaks, 1.0)
    assert found is not None
    end = 18 * (0.685 / 0.4) ** 0.5 - 6
    assert found.time_to_limit_s == pytest.approx(end - 11, rel=0.1)
    assert found.time_to_limit_s < (0.985 - peaks[-1]) / (peaks[-1] - peaks[-2])


@pytest.mark.parametrize(
    "peaks",
    [
        [0.5] * 12,
        even(12, step=-0.02),
        even(12, step=0.0005),  # too little
        [0.4] * 6 + [0.7] * 6,  # one jump
        [0.4, 0.4, 0.4, 0.55, 0.55, 0.55, 0.7, 0.7, 0.7, 0.8, 0.8, 0.8],  # three of them
        [0.4] * 8 + even(4, 0.42),  # younger than the row
        [*even(8), *[0.54] * 4],  # over
        [0.4 + 0.3 * (1 - 0.7**at) for at in range(12)],  # slows down
        [0.4, 0.7] * 6,
    ],
)
def test_no_growth_to_the_limit(peaks: list[float]):
    assert trend(peaks, 5.0) is None


def test_row_above_the_usable_limit_has_no_time_left():
    found = trend(even(12, 0.78), 5.0)
    assert found is not None
    assert found.time_to_limit_s == 0


def test_a_pause_is_one_if_it_is_longer_than_those_before():
    assert not pausing(even(30))
    assert pausing([*even(30), *[even(30)[-1]] * 5])
    steps = [0.3 + 0.05 * (at // 6) for at in range(60)]
    assert not pausing(steps)
    assert pausing([*steps, *[steps[-1]] * 6])
    assert pausing([0.5] * 20)
