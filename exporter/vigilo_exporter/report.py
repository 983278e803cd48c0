"""What the calls of a span of time came to: in all, and by model, user, conversation, operation, session or service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from vigilo_exporter.calls_between import ALL_ROWS, TOTAL, calls_around, from_calls, from_rollup, with_the_others
from vigilo_exporter.figures import NO_CALLS, Figures, of_calls, of_rollup, together
from vigilo_exporter.queries import query_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vigilo_exporter.calls_between import Queries

EXACT_CALLS = 200_000
"""A span with more calls is read from the rollups."""


@dataclass(frozen=True, slots=True)
class UnpricedModel:
    """A model whose calls used tokens without a known price."""

    provider: str | None
    model: str | None
    calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of the time from ``since`` until ``until``, both UTC; each group's rows dearest first."""

    since: datetime
    until: datetime
    totals: Figures
    by: dict[str, tuple[Figures, ...]]
    unpriced_models: tuple[UnpricedModel, ...] = ()
    """What the costs leave out, most calls first."""
    latency_from: Literal["calls", "buckets"] = "calls"
    """Whether latencies are exact, or read from buckets of the rollups and up to 9 % off. All else is always exact."""
    groups: dict[str, int] = field(default_factory=dict)
    """How many groups there are by each dimension, when rows are left out too."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store holds at all. ``latest`` is when the latest call began, UTC."""

    calls: int
    latest: datetime | None


def build_report(
    store: Queries,
    since: datetime,
    until: datetime,
    by: Sequence[str],
    *,
    limit: int = ALL_ROWS,
    exact_calls: int = EXACT_CALLS,
) -> Report:
    """Asks the store for a report.

    Args:
        store: where the calls are.
        since: first moment that counts; aware.
        until: first moment that does not; aware.
        by: some of ``DIMENSIONS``.
        limit: rows of each dimension; fewer are found faster.
        exact_calls: a span with more calls is read from the rollups.
    """
    around = calls_around(store, since, until)
    if around.calls <= exact_calls:
        return _from_calls(store, since, until, by, limit)
    models = from_rollup(store, "model", since, until, around)
    total = together(models.rows)
    found = {}
    for name in by:
        rows = models if name == "model" else from_rollup(store, name, since, until, around, limit)
        found[name] = with_the_others(store, name, since, until, around, rows, total)
    return Report(
        since,
        until,
        of_rollup(total) if total["calls"] else NO_CALLS,
        {name: tuple(map(of_rollup, rows.rows[:limit])) for name, rows in found.items()},
        _unpriced(models.rows),
        "buckets",
        {name: rows.groups for name, rows in found.items()},
    )


def _from_calls(store: Queries, since: datetime, until: datetime, by: Sequence[str], limit: int) -> Report:
    total = from_calls(store, TOTAL, since, until).rows
    models = from_calls(store, "model", since, until)
    found = {name: models if name == "model" else from_calls(store, name, since, until, limit) for name in by}
    return Report(
        since,
        until,
        of_calls(total[0]) if total else NO_CALLS,
        {name: tuple(map(of_calls, rows.rows[:limit])) for name, rows in found.items()},
        _unpriced(models.rows),
        "calls",
        {name: rows.groups for name, rows in found.items()},
    )


def kept(store: Queries) -> Kept:
    """How many calls the store holds, and since when there were no more."""
    row = store.query(query_text("latest_call"))[0]
    if not row["calls"]:
        return Kept(0, None)
    # Nanoseconds are more digits than Python 3.10 parses.
    latest = datetime.strptime(row["latest"][:26], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc)
    return Kept(row["calls"], latest)


def _unpriced(models: list[dict[str, Any]]) -> tuple[UnpricedModel, ...]:
    unpriced = [row for row in models if row["unpriced_calls"] > 0]
    unpriced.sort(key=lambda row: (-row["unpriced_calls"], row["provider"], row["key"]))
    return tuple(
        UnpricedModel(row["provider"] or None, row["key"] or None, row["unpriced_calls"], row["unpriced_tokens"])
        for row in unpriced
    )
