"""What checkpoints tell when metrics are collected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import Observation, get_meter

from vigilo import semconv
from vigilo.checkpoint.requests import ORDER
from vigilo.errors import internal_errors
from vigilo.tallies import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.metrics import CallbackOptions, MeterProvider

_BOUNDS_S: Final = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]


class Instruments:
    """The instruments of one engine.

    Args:
        size_bytes: of the last checkpoint; None before the first.
        age_s: of it.
    """

    def __init__(
        self,
        meter_provider: MeterProvider | None,
        size_bytes: Callable[[], int | None],
        age_s: Callable[[], float | None],
    ) -> None:
        meter = get_meter(semconv.SCOPE, meter_provider=meter_provider, schema_url=semconv.SCHEMA_URL)
        self._count, self._failures = Tally(), Tally()
        meter.create_observable_counter(
            semconv.CHECKPOINT_COUNT, [_told(self._count)], unit="{checkpoint}", description="Checkpoints written"
        )
        meter.create_observable_counter(
            semconv.CHECKPOINT_FAILURES,
            [_told(self._failures)],
            unit="{failure}",
            description="Checkpoints that could not be written",
        )
        meter.create_observable_gauge(
            semconv.CHECKPOINT_SIZE, [_read(size_bytes)], unit="By", description="Size of the last checkpoint"
        )
        meter.create_observable_gauge(
            semconv.CHECKPOINT_AGE, [_read(age_s)], unit="s", description="Time since the last checkpoint"
        )
        self._duration = meter.create_histogram(
            semconv.CHECKPOINT_DURATION,
            unit="s",
            description="Time that a checkpoint took, all places together",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )

    def saved(self, reason: str, duration_s: float, *, ending: bool) -> None:
        """A checkpoint was written; as the process ends only counts, for a histogram's lock may be held just then."""
        self._count.add(1, _labels(reason))
        if not ending:
            self._duration.record(duration_s, _labels(reason))

    def failed(self, reason: str, error: BaseException) -> None:
        """None could be written."""
        self._failures.add(1, {**_labels(reason), semconv.ERROR_TYPE: type(error).__qualname__})


def _labels(reason: str) -> dict[str, str]:
    return {semconv.CHECKPOINT_REASON: reason if reason in ORDER else "other"}


def _told(tally: Tally) -> Callable[[CallbackOptions], list[Observation]]:
    return lambda _: [Observation(count, labels) for count, labels in tally.read()]


def _read(value: Callable[[], float | None]) -> Callable[[CallbackOptions], Iterator[Observation]]:
    def observe(_: CallbackOptions) -> Iterator[Observation]:
        with internal_errors("reading checkpoints for metrics"):
            found = value()
            if found is not None:
                yield Observation(found)

    return observe
