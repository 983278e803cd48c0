"""The metrics of the memory watch: what is forecast now, and which levels were reached."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from opentelemetry.metrics import Observation, get_meter_provider

from vigilo import semconv
from vigilo.errors import internal_errors
from vigilo.gauges.memory_watch import current_watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

_telling: weakref.WeakSet[MeterProvider] = weakref.WeakSet()


def tell_memory(meter: Meter, meter_provider: MeterProvider | None) -> None:
    """Makes the observable instruments of the watch, once for each provider, whoever asks; None: the global one."""
    provider = meter_provider or get_meter_provider()
    if provider in _telling:
        return
    _telling.add(provider)
    meter.create_observable_gauge(
        semconv.MEMORY_TIME_TO_EXHAUSTION, [_left], unit="s", description="Time until a memory is full, at this growth"
    )
    meter.create_observable_gauge(
        semconv.MEMORY_FORECAST_CONFIDENCE, [_confidence], unit="1", description="How sure that forecast is"
    )
    meter.create_observable_counter(
        semconv.MEMORY_FORECAST_WARNINGS, [_warnings], unit="{warning}", description="Levels that forecasts reached"
    )


def _left(_: CallbackOptions) -> Iterator[Observation]:
    with internal_errors("reading the forecast of memory for metrics"):
        watch = current_watch()
        for memory in watch.memories() if watch is not None else ():
            left_s = memory.outlook.time_to_exhaustion_s
            if left_s is not None:
                yield Observation(left_s, memory.labels)


def _confidence(_: CallbackOptions) -> Iterator[Observation]:
    with internal_errors("reading the forecast of memory for metrics"):
        watch = current_watch()
        for memory in watch.memories() if watch is not None else ():
            if memory.outlook.time_to_exhaustion_s is not None:
                yield Observation(memory.outlook.confidence, memory.labels)


def _warnings(_: CallbackOptions) -> Iterator[Observation]:
    with internal_errors("reading the warnings of memory for metrics"):
        watch = current_watch()
        for count, labels in watch.warnings.read() if watch is not None else ():
            yield Observation(count, labels)
