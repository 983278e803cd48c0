"""What the calls of one group came to, made from an answer of the store."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BUCKETS_PER_DOUBLING = 8
"""Bucket b holds durations from 2^(b/8) to 2^((b+1)/8) ns: whatever is read from one is within 9 %."""
_SUMS = (
    "calls",
    "errors",
    "retries",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "priced_calls",
    "unpriced_calls",
    "unpriced_tokens",
)
_COUNTS = ("priced_by", "duration_buckets", "first_chunk_buckets")


@dataclass(frozen=True, slots=True)
class PriceOrigin:
    """Where prices came from: a price table and its snapshot, ``provider`` or ``span``, which have none."""

    source: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The calls of one group. ``key`` is None where the calls carry no such thing, such as no user.

    ``input_tokens`` contain those read from and written to caches, ``output_tokens`` those spent on reasoning.
    """

    key: str | None
    provider: str | None
    """Only when grouped by model."""
    calls: int
    errors: int
    retries: int
    """Attempts after the first, of all calls together."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal | None
    """Of the calls that have a price; None when none has."""
    priced_calls: int
    priced_by: tuple[PriceOrigin, ...]
    """Where the costs come from, by source and snapshot."""
    unpriced_calls: int
    """Calls that used tokens whose price is not known. A failed call without tokens is not one of them."""
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    time_to_first_chunk_p50_ms: float | None
    """Of the streamed calls; None when there are none."""


NO_CALLS = Figures(
    key=None,
    provider=None,
    calls=0,
    errors=0,
    retries=0,
    input_tokens=0,
    output_tokens=0,
    cache_read_tokens=0,
    cache_write_tokens=0,
    reasoning_tokens=0,
    cost_usd=None,
    priced_calls=0,
    priced_by=(),
    unpriced_calls=0,
    latency_p50_ms=None,
    latency_p95_ms=None,
    time_to_first_chunk_p50_ms=None,
)


def of_calls(row: Mapping[str, Any]) -> Figures:
    """From a row of ``calls.sql``, whose latencies are exact."""
    p50_ns, p95_ns = row["latency_ns"]
    first_chunk_ns = row["time_to_first_chunk_ns"] if row["streamed_calls"] else None
    return _figures(row, row["priced_by"], p50_ns, p95_ns, first_chunk_ns)


def of_rollup(row: Mapping[str, Any]) -> Figures:
    """From a row of ``rollup_figures.sql``, whose latencies are counts of buckets."""
    durations = _counts(row["duration_buckets"])
    first_chunks = _counts(row["first_chunk_buckets"])
    return _figures(
        row,
        [price for price, calls in row["priced_by"].items() if calls > 0],
        bucket_quantile(durations, 0.5),
        bucket_quantile(durations, 0.95),
        bucket_quantile(first_chunks, 0.5),
    )


def bucket_quantile(buckets: Mapping[int, int], level: float) -> float | None:
    """A quantile in nanoseconds, at most 9 % off; None without any calls.

    Args:
        buckets: calls by bucket.
        level: 0.95 is the time that 95 of 100 calls do not exceed.
    """
    total = sum(buckets.values())
    if not total:
        return None
    rank = min(int(level * total), total - 1)  # as quantileExact counts
    ascending = sorted(buckets.items())
    ends = list(accumulate(calls for _, calls in ascending))
    index = bisect_right(ends, rank)
    bucket, calls = ascending[index]
    inside = 1 - (ends[index] - rank - 0.5) / calls
    return float(2 ** ((bucket + inside) / BUCKETS_PER_DOUBLING))


def together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The row of ``rollup_figures.sql`` for the calls of several rows."""
    whole: dict[str, Any] = {"key": "", "provider": ""}
    for name in _SUMS:
        whole[name] = sum(row[name] for row in rows)
    for name in _COUNTS:
        counts: Counter[str] = Counter()
        for row in rows:
            counts.update(row[name])
        whole[name] = dict(counts)
    whole["cost_usd"] = _digits(sum((Decimal(row["cost_usd"]) for row in rows), Decimal(0)))
    return whole


def remainder(whole: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """The row of ``rollup_figures.sql`` for the calls of one row that are not in the other."""
    rest: dict[str, Any] = {"key": "", "provider": ""}
    for name in _SUMS:
        rest[name] = whole[name] - part[name]
    for name in _COUNTS:
        counts = Counter(whole[name])
        counts.subtract(part[name])
        rest[name] = dict(counts)
    rest["cost_usd"] = _digits(Decimal(whole["cost_usd"]) - Decimal(part["cost_usd"]))
    return rest


def _digits(usd: Decimal) -> str:
    """As the store writes it, without zeros at the end."""
    return format(usd.normalize(), "f")


def _counts(buckets: Mapping[str, int]) -> dict[int, int]:
    return {int(bucket): calls for bucket, calls in buckets.items() if calls > 0}


def _figures(
    row: Mapping[str, Any],
    prices: Iterable[str],
    p50_ns: float | None,
    p95_ns: float | None,
    first_chunk_ns: float | None,
) -> Figures:
    return Figures(
        key=row["key"] or None,
        provider=row["provider"] or None,
        calls=row["calls"],
        errors=row["errors"],
        retries=row["retries"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cache_read_tokens=row["cache_read_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        cost_usd=Decimal(row["cost_usd"]) if row["priced_calls"] else None,
        priced_calls=row["priced_calls"],
        priced_by=tuple(PriceOrigin(*price) for price in sorted(price.split("\t", 1) for price in prices)),
        unpriced_calls=row["unpriced_calls"],
        latency_p50_ms=_milliseconds(p50_ns),
        latency_p95_ms=_milliseconds(p95_ns),
        time_to_first_chunk_p50_ms=_milliseconds(first_chunk_ns),
    )


def _milliseconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / 1e6, 3)
