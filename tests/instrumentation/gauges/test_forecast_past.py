from __future__ import annotations

import pytest

from vigilo.gauges.forecast_past import Past


def past(*levels: tuple[float, int]) -> Past:
    seen = Past()
    for level, times in levels:
        for _ in range(times):
            seen.add(level)
    return seen


def test_without_a_past_nothing_is_usual():
    assert Past().usual() == 0
    assert past((0.9, 12)).usual() == 0  # that is now


def test_usual_is_what_nearly_all_of_the_past_was_below():
    assert past((0.5, 300), (0.2, 12)).usual() == pytest.approx(0.5, abs=0.005)
    assert past((0.5, 500), (0.9, 3), (0.5, 12)).usual() == pytest.approx(0.5, abs=0.005)
    assert past((0.5, 500), (0.9, 30), (0.5, 12)).usual() == pytest.approx(0.9, abs=0.005)


def test_what_was_long_ago_is_usual_no_more():
    assert past((0.9, 1000), (0.5, 12_000)).usual() == pytest.approx(0.5, abs=0.005)


def test_forgets():
    seen = past((0.9, 100))
    seen.forget()
    assert seen.usual() == 0


def test_levels_that_cannot_be_are_kept_within():
    assert past((-0.5, 100)).usual() <= 0.005
    assert past((1.7, 100)).usual() == 1
