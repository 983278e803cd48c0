"""Makes one series of those that have the same attributes once they are masked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, Gauge, HistogramDataPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

_MAX_BUCKETS = 160  # the SDK's own default of an exponential histogram


def merged(data: Any, points: Sequence[Any]) -> list[Any]:
    """The points of a metric, those with equal attributes added up; of a gauge the latest stays.

    Args:
        data: what the points are of: a ``Sum``, ``Gauge``, ``Histogram`` or ``ExponentialHistogram``.
        points: the points, in the order in which they were collected.
    """
    by_attributes: dict[Hashable, Any] = {}
    for point in points:
        key = _key(point.attributes)
        known = by_attributes.get(key)
        by_attributes[key] = point if known is None else _added(data, known, point)
    return list(by_attributes.values())


def _key(value: Any) -> Hashable:
    if isinstance(value, dict) or hasattr(value, "items"):
        return frozenset((name, _key(item)) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_key(item) for item in value)
    return (type(value), value)  # 1, 1.0 and True are three values


def _added(data: Any, one: Any, other: Any) -> Any:
    if isinstance(data, Gauge):
        return max(one, other, key=lambda point: point.time_unix_nano)
    both: dict[str, Any] = {
        "start_time_unix_nano": _known(min, one.start_time_unix_nano, other.start_time_unix_nano),
        "time_unix_nano": _known(max, one.time_unix_nano, other.time_unix_nano),
        "exemplars": [*one.exemplars, *other.exemplars],
    }
    if isinstance(one, HistogramDataPoint):
        if list(one.explicit_bounds) != list(other.explicit_bounds):  # never so within one metric of the SDK
            return one
        counts = [a + b for a, b in zip(one.bucket_counts, other.bucket_counts, strict=True)]
        return replace(one, **both, **_totals(one, other), bucket_counts=counts)
    if isinstance(one, ExponentialHistogramDataPoint):
        return _added_exponential(one, other, {**both, **_totals(one, other)})
    return replace(one, **both, value=one.value + other.value)


def _totals(one: Any, other: Any) -> dict[str, Any]:
    return {
        "count": one.count + other.count,
        "sum": one.sum + other.sum,
        "min": _known(min, one.min, other.min),
        "max": _known(max, one.max, other.max),
    }


def _known(choose: Callable[..., Any], one: Any, other: Any) -> Any:
    return choose(one, other) if one is not None and other is not None else one if other is None else other


def _added_exponential(one: Any, other: Any, totals: dict[str, Any]) -> Any:
    scale = min(one.scale, other.scale)
    while True:
        sides = [
            _sum_of_buckets([(point.scale - scale, getattr(point, side)) for point in (one, other)])
            for side in ("positive", "negative")
        ]
        if all(len(counts) <= _MAX_BUCKETS for _, counts in sides):
            break
        scale -= 1
    (positive, negative) = (
        replace(getattr(one, side), offset=offset, bucket_counts=counts)
        for side, (offset, counts) in zip(("positive", "negative"), sides, strict=True)
    )
    return replace(
        one,
        **totals,
        scale=scale,
        zero_count=one.zero_count + other.zero_count,
        positive=positive,
        negative=negative,
    )


def _sum_of_buckets(points: Sequence[tuple[int, Any]]) -> tuple[int, list[int]]:
    """Buckets of several points in one scale: with each step down, two neighbours become one bucket."""
    counts: dict[int, int] = {}
    for steps, buckets in points:
        for place, count in enumerate(buckets.bucket_counts, buckets.offset):
            if count:
                counts[place >> steps] = counts.get(place >> steps, 0) + count
    if not counts:
        return 0, [0]
    first, last = min(counts), max(counts)
    return first, [counts.get(place, 0) for place in range(first, last + 1)]
