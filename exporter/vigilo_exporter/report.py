"""What the calls of a span of time came to: in all, and by model, user, conversation or operation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from vigilo_exporter.queries import query_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIMENSIONS = ("model", "user", "conversation", "operation")
_EPOCH = datetime.fromtimestamp(0, timezone.utc)


class Queries(Protocol):
    """A store that answers SELECTs, such as :class:`~vigilo_exporter.clickhouse.store.Store`."""

    def query(self, sql: str, parameters: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class PriceOrigin:
    """Where prices came from: a price table and its snapshot, ``provider`` or ``span``, which have none."""

    source: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class UnpricedModel:
    """A model whose calls used tokens without a known price."""

    provider: str | None
    model: str | None
    calls: int
    tokens: int


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


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of the time from ``since`` until ``until``, both UTC; each group's rows dearest first."""

    since: datetime
    until: datetime
    totals: Figures
    by: dict[str, tuple[Figures, ...]]
    unpriced_models: tuple[UnpricedModel, ...] = ()
    """What the costs leave out, most calls first."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store holds at all. ``latest`` is when the latest call began, UTC."""

    calls: int
    latest: datetime | None


def build_report(store: Queries, since: datetime, until: datetime, by: Sequence[str]) -> Report:
    """Asks the store for a report.

    Args:
        store: where the calls are.
        since: first moment that counts; aware.
        until: first moment that does not; aware.
        by: some of ``DIMENSIONS``.
    """
    totals = _figures(store, "total", since, until)
    unpriced = store.query(query_text("unpriced_models"), {"since": _parameter(since), "until": _parameter(until)})
    return Report(
        since,
        until,
        totals[0] if totals else NO_CALLS,
        {name: _figures(store, name, since, until) for name in by},
        tuple(
            UnpricedModel(row["provider"] or None, row["model"] or None, row["calls"], row["tokens"])
            for row in unpriced
        ),
    )


def kept(store: Queries) -> Kept:
    """How many calls the store holds, and since when there were no more."""
    row = store.query(query_text("latest_call"))[0]
    if not row["calls"]:
        return Kept(0, None)
    # Nanoseconds are more digits than Python 3.10 parses.
    latest = datetime.strptime(row["latest"][:26], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc)
    return Kept(row["calls"], latest)


def _figures(store: Queries, by: str, since: datetime, until: datetime) -> tuple[Figures, ...]:
    rows = store.query(query_text("calls"), {"by": by, "since": _parameter(since), "until": _parameter(until)})
    return tuple(_from_row(row) for row in rows)


def _from_row(row: dict[str, Any]) -> Figures:
    p50_ns, p95_ns = row["latency_ns"]
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
        priced_by=tuple(PriceOrigin(source, snapshot) for source, snapshot in row["priced_by"]),
        unpriced_calls=row["unpriced_calls"],
        latency_p50_ms=_milliseconds(p50_ns),
        latency_p95_ms=_milliseconds(p95_ns),
        time_to_first_chunk_p50_ms=_milliseconds(row["time_to_first_chunk_ns"]) if row["streamed_calls"] else None,
    )


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


def _milliseconds(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)


def _parameter(moment: datetime) -> str:
    """A moment as the engine takes it: UTC, and not before 1970, which is as far back as a span can be."""
    utc = max(moment.astimezone(timezone.utc), _EPOCH)
    return utc.strftime("%Y-%m-%d %H:%M:%S.%f")
