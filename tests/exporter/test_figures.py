"""Quantiles from counts of log buckets."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from vigilo_exporter.figures import BUCKETS_PER_DOUBLING, bucket_quantile


def _bucket(duration_ns: int) -> int:
    return math.floor(math.log2(max(duration_ns, 1)) * BUCKETS_PER_DOUBLING)


def _exact(durations: list[int], level: float) -> int:
    return sorted(durations)[min(int(level * len(durations)), len(durations) - 1)]


@pytest.mark.parametrize("level", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("seed", range(20))
def test_a_quantile_is_within_nine_percent_of_the_exact_one(seed, level):
    chance = random.Random(seed)
    durations = [int(chance.lognormvariate(20, 2)) for _ in range(chance.choice([1, 2, 19, 500]))]
    found = bucket_quantile(Counter(map(_bucket, durations)), level)

    assert found == pytest.approx(_exact(durations, level), rel=2 ** (1 / BUCKETS_PER_DOUBLING) - 1)


def test_a_quantile_grows_with_its_level_inside_one_bucket():
    inside = [bucket_quantile({160: 10}, level) for level in (0.1, 0.5, 0.9)]

    assert inside == sorted(set(inside))
    assert inside[0] > 2**20
    assert inside[-1] < 2 ** (161 / 8)


def test_no_calls_have_no_quantile():
    assert bucket_quantile({}, 0.5) is None
