from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from vigilo.gauges.forecast import Forecast, Outlook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GIB = 1024**3
LIMIT = 16 * GIB
ALARMS = ("warn", "critical")


def outlooks(levels: Iterable[float], *, step_s: float = 1.0, limit: float = LIMIT, **options: float) -> list[Outlook]:
    """What is told of levels, shares of the limit, that are looked at every so many seconds."""
    forecast = Forecast(limit, **options)
    return [forecast.add(at * step_s, level * limit) for at, level in enumerate(levels)]


def flat(level: float, looks: int) -> list[float]:
    return [level] * looks


def ramp(low: float, high: float, looks: int) -> list[float]:
    return [low + (high - low) * at / looks for at in range(looks)]


def alarms(told: list[Outlook]) -> list[int]:
    return [at for at, outlook in enumerate(told) if outlook.level in ALARMS]


def begins(told: list[Outlook]) -> int:
    """How many times an alarm began."""
    levels = ["", *(outlook.level for outlook in told)]
    return sum(now in ALARMS and before not in ALARMS for before, now in pairwise(levels))


class TestLeaks:
    def test_steady_leak_is_warned_of_a_horizon_ahead_and_until_the_end(self):
        told = outlooks(flat(0.4, 120) + ramp(0.4, 1.0, 1000))
        first = alarms(told)[0]
        assert 1120 - first == pytest.approx(300, abs=60)
        assert told[first].time_to_exhaustion_s == pytest.approx(1120 - first, abs=60)
        assert told[first].level == "warn"
        assert told[-1].level == "critical"
        assert begins(told) == 1

    def test_watch_comes_before_warn(self):
        told = outlooks(flat(0.4, 120) + ramp(0.4, 1.0, 1500))
        levels = [outlook.level for outlook in told]
        assert levels.index("watch") < levels.index("warn") < levels.index("critical")
        watched = told[levels.index("watch")].time_to_exhaustion_s
        assert watched is not None
        assert 300 < watched < 600

    def test_the_horizon_is_how_long_before(self):
        for horizon_s in (60.0, 150.0, 600.0):
            told = outlooks(flat(0.4, 120) + ramp(0.4, 1.0, 2000), horizon_s=horizon_s)
            assert 2120 - alarms(told)[0] == pytest.approx(horizon_s, abs=50)

    def test_fast_leak_is_told_while_there_is_time_for_a_save(self):
        told = outlooks(flat(0.4, 120) + ramp(0.4, 1.0, 70))
        assert 190 - alarms(told)[0] >= 30

    def test_confidence_grows_with_the_growth_that_was_seen(self):
        told = outlooks(flat(0.4, 120) + ramp(0.4, 1.0, 1000))
        first = alarms(told)[0]
        assert 0.3 < told[first].confidence < told[-1].confidence <= 1

    def test_growth_that_gets_faster_is_seen_as_such(self):
        told = outlooks(flat(0.3, 120) + [0.3 + 0.7 * (at / 700) ** 2 for at in range(700)])
        assert 820 - alarms(told)[0] >= 240

    def test_saw_whose_peaks_rise(self):
        saw = [0.3 + 0.2 * (at % 70) / 70 + 0.5 * at / 1200 for at in range(1200)]
        told = outlooks(flat(0.3, 120) + saw)
        assert 120 + 1200 - alarms(told)[0] >= 150
        assert told[-1].level in ALARMS

    def test_leak_by_random_amounts_at_random_moments(self):
        caught = 0
        for seed in range(20):
            dice, level, levels = random.Random(seed), 0.4, flat(0.4, 200)
            while level < 1:
                level += dice.expovariate(1 / 0.025) if dice.random() < 1 / 25 else 0
                levels.append(level)
            caught += bool(set(alarms(outlooks(levels))) & {len(levels) - 31})
        assert caught >= 17

    @pytest.mark.parametrize("step_s", [0.25, 2.0, 5.0, 10.0, 30.0])
    def test_however_often_it_is_looked(self, step_s: float):
        levels = flat(0.4, int(300 / step_s)) + ramp(0.4, 1.0, int(1200 / step_s))
        told = outlooks(levels, step_s=step_s)
        assert (len(levels) - alarms(told)[0]) * step_s == pytest.approx(300, abs=100)

    def test_looks_at_uneven_moments(self):
        dice, forecast, now_s, first = random.Random(1), Forecast(LIMIT), 1e6, None
        while (grown_s := now_s - 1e6) < 1300:
            outlook = forecast.add(now_s, LIMIT * (0.4 + 0.6 * max(0.0, grown_s - 200) / 1100))
            if outlook.level in ALARMS and first is None:
                first = grown_s
            now_s += dice.choice((0.1, 1.0, 1.3, 4.0, 20.0))
        assert first is not None
        assert 1300 - first == pytest.approx(300, abs=80)

    def test_the_size_of_the_memory_does_not_matter(self):
        levels = flat(0.4, 120) + ramp(0.4, 1.0, 1000)
        assert [one.level for one in outlooks(levels, limit=1024.0)] == [one.level for one in outlooks(levels)]

    def test_same_leak_again_after_the_memory_was_exhausted(self):
        once = flat(0.1, 60) + ramp(0.1, 1.0, 1500) + flat(0.1, 60)
        told = outlooks(once * 2)
        assert next(at for at in alarms(told) if at > len(once) + 1000) < len(once) + 1560 - 200


class TestQuiet:
    @pytest.mark.parametrize(
        "level",
        [
            lambda at: 0.97,  # all taken at the start
            lambda at: min(0.9, 0.9 * at / 200),  # loaded for long
            lambda at: 0.4 if at < 500 else 0.93,  # one allocation
            lambda at: 0.35 + 0.5 * (at % 120) / 120,  # cycles
            lambda at: 0.9 if at % 300 > 240 else 0.6,  # evaluation
            lambda at: 0.9 - 0.45 * 2.718 ** (-at / 200),  # a cache that fills
            lambda at: min(0.4, 0.1 + at / 1000),  # far from full
            lambda at: 0.9 - 0.3 * at / 1500,  # falls
            lambda at: 0.5 + 0.1 * at / 1500,  # hours away
        ],
    )
    def test_no_alarm(self, level: Callable[[int], float]):
        noise = random.Random(2)
        assert alarms(outlooks(level(at) + noise.uniform(0, 0.001) for at in range(1500))) == []

    def test_second_model_that_takes_half_of_what_is_free(self):
        told = outlooks(flat(0.4, 600) + ramp(0.4, 0.7, 100) + flat(0.7, 600))
        assert alarms(told) == []
        assert "watch" in {outlook.level for outlook in told}  # it may as well be a leak

    def test_nothing_is_told_where_nothing_grows(self):
        assert set(outlooks(flat(0.8, 600))) == {Outlook()}

    def test_alarm_ends_when_growth_does(self):
        told = outlooks(flat(0.4, 120) + ramp(0.4, 0.9, 850) + flat(0.9, 400))
        assert told[960].level in ALARMS
        assert told[-1] == Outlook()
        assert alarms(told)[-1] < 970 + 120

    def test_new_use_after_the_memory_was_empty_is_a_beginning(self):
        told = outlooks(flat(0.5, 300) + flat(0.01, 60) + ramp(0.01, 0.95, 200) + flat(0.95, 300))
        assert alarms(told) == []

    def test_a_gap_between_looks_is_no_growth(self):
        forecast = Forecast(LIMIT)
        for at in range(400):
            forecast.add(at, 0.5 * LIMIT)
        for at in range(60):
            assert forecast.add(4000 + at, 0.95 * LIMIT) == Outlook()

    def test_a_gap_ends_a_warning(self):
        forecast = Forecast(LIMIT)
        for at, level in enumerate(flat(0.4, 120) + ramp(0.4, 0.9, 850)):
            outlook = forecast.add(at, level * LIMIT)
        assert outlook.level in ALARMS
        assert forecast.add(5000, 0.9 * LIMIT) == Outlook()


class TestCritical:
    def test_retries_of_torch_are_critical_for_a_minute(self):
        forecast = Forecast(LIMIT)
        levels = [forecast.add(at, 0.9 * LIMIT, alloc_retries=3 if at < 200 else 4).level for at in range(400)]
        assert levels[:200] == [""] * 200
        assert set(levels[200:255]) == {"critical"}
        assert set(levels[270:]) == {""}

    def test_retries_before_the_first_look_do_not_count(self):
        forecast = Forecast(LIMIT)
        assert {forecast.add(at, 0.9 * LIMIT, alloc_retries=7).level for at in range(300)} == {""}

    def test_next_to_nothing_left_at_once(self):
        told = outlooks(flat(0.5, 300) + flat(0.99, 300))
        assert told[320].level == "critical"
        assert told[-1] == Outlook()  # it lives with that


class TestTorch:
    def test_leak_beneath_the_cache_is_seen_early(self):
        """An early peak left the cache at 90 %: from outside nothing happens until the leak has filled it."""
        context, cache = 0.04, 0.88
        live = flat(0.4, 100) + flat(cache, 4) + flat(0.4, 60) + ramp(0.4, 1.0, 900)
        seen, blind = Forecast(LIMIT), Forecast(LIMIT)
        with_torch, without = [], []
        for at, demand in enumerate(live):
            reserved = demand if at < 100 else max(demand, cache)
            if context + reserved > 1:
                break
            used = (context + reserved) * LIMIT
            with_torch.append(seen.add(at, used, reserved_bytes=reserved * LIMIT, peak_allocated_bytes=demand * LIMIT))
            without.append(blind.add(at, used))
        end = len(without)
        assert end - alarms(with_torch)[0] >= 200
        assert end - alarms(with_torch)[0] > end - alarms(without)[0] + 60

    def test_a_full_cache_is_not_use(self):
        forecast = Forecast(LIMIT)
        for at in range(900):
            reserved = min(0.95, 0.5 + at / 1000)
            outlook = forecast.add(
                at, (reserved + 0.02) * LIMIT, reserved_bytes=reserved * LIMIT, peak_allocated_bytes=0.4 * LIMIT
            )
            assert outlook.level not in ALARMS

    def test_what_others_use_counts(self):
        """The leak is in another process."""
        told, forecast = [], Forecast(LIMIT)
        for at, others in enumerate(flat(0.2, 120) + ramp(0.2, 0.8, 1000)):
            used, own = (others + 0.2) * LIMIT, 0.2 * LIMIT
            told.append(forecast.add(at, used, reserved_bytes=own, peak_allocated_bytes=own))
        assert 1120 - alarms(told)[0] == pytest.approx(300, abs=60)


class TestUse:
    def test_a_limit_that_cannot_be(self):
        with pytest.raises(ValueError, match="limit_bytes must be above 0"):
            Forecast(0)
        with pytest.raises(ValueError, match="horizon_s"):
            Forecast(1, -1)

    def test_looks_that_are_not_newer_are_left_out(self):
        forecast = Forecast(LIMIT)
        for at in range(600):
            assert forecast.add(at, 0.5 * LIMIT) == forecast.add(at, LIMIT) == forecast.add(at - 10, LIMIT) == Outlook()

    def test_a_horizon_of_zero_warns_of_nothing_that_is_ahead(self):
        told = outlooks(flat(0.4, 120) + ramp(0.4, 0.97, 950), horizon_s=0)
        assert {outlook.level for outlook in told} == {""}

    def test_more_than_the_limit_and_less_than_nothing(self):
        told = outlooks(flat(-1.0, 100) + flat(0.5, 300) + flat(3.0, 100))
        assert len(told) == 500
