"""What the export of telemetry tells of itself when metrics are collected; without vigilo's exporters it is nothing."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from opentelemetry.metrics import Observation

from vigilo import semconv, tallies
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

    from vigilo.tallies import Tally

_COUNTERS = (
    (semconv.EXPORT_ROWS, tallies.EXPORT_ROWS, "{row}", "Rows of telemetry, by what became of them"),
    (
        semconv.EXPORT_FAILURES,
        tallies.EXPORT_FAILURES,
        "{failure}",
        "Times that telemetry could not be written or sent",
    ),
)
_telling: weakref.WeakSet[MeterProvider] = weakref.WeakSet()


def tell_export(meter: Meter, meter_provider: MeterProvider | None) -> None:
    """Makes the observable instruments of the export, once for each provider; None: the global one."""
    if meter_provider is not None:
        if meter_provider in _telling:
            return
        _telling.add(meter_provider)
    for name, tally, unit, description in _COUNTERS:
        meter.create_observable_counter(name, [_Counted(tally)], unit=unit, description=description)
    meter.create_observable_gauge(
        semconv.EXPORT_SPOOL_SIZE, [_spool_size], unit="By", description="Telemetry that waits on disk"
    )


class _Counted:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __call__(self, _: CallbackOptions) -> list[Observation]:
        return [Observation(count, labels) for count, labels in self._tally.read()]


def _spool_size(_: CallbackOptions) -> Iterator[Observation]:
    with internal_errors("reading the size of the spool for metrics"):
        size = tallies.SPOOL_BYTES.read()
        if size is not None:
            yield Observation(size)
