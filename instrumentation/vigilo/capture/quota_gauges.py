"""What quotas and pacing tell when metrics are collected; where there are none it is nothing.

All of it is about the process, not about one meter provider: each one that vigilo records to tells the same.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Observation

from vigilo import semconv, tallies
from vigilo.errors import internal_errors
from vigilo.policy import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

    from vigilo.policy.quota.status import QuotaStatus
    from vigilo.tallies import Tally

_COUNTERS = (
    (semconv.QUOTA_REFUSALS, tallies.REFUSALS, "{call}", "Calls that a quota refused"),
    (semconv.QUOTA_THRESHOLDS, tallies.THRESHOLDS, "{event}", "Thresholds of quotas that were reached"),
    (semconv.QUOTA_EXPIRED_HOLDS, tallies.EXPIRED_HOLDS, "{hold}", "Holds of calls whose end nobody saw"),
    (semconv.PACE_REFUSALS, tallies.PACE_REFUSALS, "{call}", "Calls whose turn would have come too late"),
    (semconv.STATE_ERRORS, tallies.STATE_ERRORS, "{error}", "Times that the shared state did not answer"),
)


_telling: weakref.WeakSet[MeterProvider] = weakref.WeakSet()


def tell_quotas(meter: Meter, meter_provider: MeterProvider | None) -> None:
    """Makes the observable instruments of quotas and pacing, once for each provider; None: the global one."""
    if meter_provider is not None:
        if meter_provider in _telling:
            return
        _telling.add(meter_provider)
    for name, tally, unit, description in _COUNTERS:
        meter.create_observable_counter(name, [_counted(tally)], unit=unit, description=description)
    seen = _Seen()
    # No unit: one rule counts calls, another one tokens or US dollars, which the label of the metric says.
    for name, value, description in (
        (semconv.QUOTA_USED, "used", "What is used of a quota, in the unit of its metric"),
        (semconv.QUOTA_LIMIT, "limit", "The limit of a quota, in the unit of its metric"),
        (semconv.QUOTA_HELD, "held", "What calls under way hold of a quota, in the unit of its metric"),
    ):
        meter.create_observable_gauge(name, [seen.gauge(value)], description=description)
    meter.create_observable_gauge(
        semconv.PACE_RATE, [_rates], unit="{request}/s", description="The rate that pacing has found"
    )


def _counted(tally: Tally) -> Callable[[CallbackOptions], list[Observation]]:
    return lambda _: [Observation(count, labels) for count, labels in tally.read()]


class _Seen:
    """The quotas that this process has met: read once for the three gauges of one collection."""

    def __init__(self) -> None:
        self._read: Sequence[QuotaStatus] = ()
        self._told: set[str] = {"used", "limit", "held"}

    def gauge(self, value: str) -> Callable[[CallbackOptions], list[Observation]]:
        def observe(_: CallbackOptions) -> list[Observation]:
            if value in self._told:
                self._told, self._read = set(), _quotas()
            self._told.add(value)
            return [Observation(getattr(one, value), _labels(one)) for one in self._read]

        return observe


def _quotas() -> Sequence[QuotaStatus]:
    with internal_errors("reading quotas for metrics"):
        in_force: Any = guard.in_force()
        return in_force.seen() if in_force is not None else ()
    return ()


def _labels(quota: QuotaStatus) -> dict[str, str]:
    return {
        semconv.QUOTA_METRIC: quota.metric,
        semconv.QUOTA_WINDOW: quota.window,
        semconv.QUOTA_SCOPE: quota.scope,
        semconv.QUOTA_MODE: quota.mode,
    }


def _rates(_: CallbackOptions) -> Iterator[Observation]:
    with internal_errors("reading the rates of pacing"):
        in_force: Any = guard.in_force()
        pacer = getattr(in_force, "pacer", None)
        if pacer is not None:
            for rate_per_s, labels in pacer.rates():
                yield Observation(rate_per_s, labels)
