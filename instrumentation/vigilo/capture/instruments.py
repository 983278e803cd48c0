"""The metrics and events of calls, in the conventions' names, units and buckets."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import SeverityNumber, get_logger
from opentelemetry.metrics import get_meter

from vigilo import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider

    from vigilo.capture.call import Usage

SCOPE = "vigilo"


class Instruments:
    """The instruments of one pair of providers; the global ones by default."""

    def __init__(self, meter_provider: MeterProvider | None, logger_provider: LoggerProvider | None) -> None:
        meter = get_meter(SCOPE, vigilo_version(), meter_provider, semconv.SCHEMA_URL)
        # Without the advised bounds the SDK's own are taken, which are meant for milliseconds.
        seconds, tokens = list(semconv.DURATION_BUCKETS_S), list(semconv.TOKEN_BUCKETS)
        self._duration = meter.create_histogram(
            semconv.CLIENT_OPERATION_DURATION,
            unit="s",
            description="Duration of a call, with its retries and the reading of its stream",
            explicit_bucket_boundaries_advisory=seconds,
        )
        self._tokens = meter.create_histogram(
            semconv.CLIENT_TOKEN_USAGE,
            unit="{token}",
            description="Tokens of a call, in and out",
            explicit_bucket_boundaries_advisory=tokens,
        )
        self._time_to_first_chunk = meter.create_histogram(
            semconv.CLIENT_TIME_TO_FIRST_CHUNK,
            unit="s",
            description="Time from the request to the first chunk of a stream",
            explicit_bucket_boundaries_advisory=seconds,
        )
        self._time_per_output_chunk = meter.create_histogram(
            semconv.CLIENT_TIME_PER_OUTPUT_CHUNK,
            unit="s",
            description="Mean time between the chunks of a stream, recorded once a stream",
            explicit_bucket_boundaries_advisory=seconds,
        )
        self.cost = meter.create_counter(semconv.VIGILO_COST, unit="USD", description="Price of the calls")
        self._logger = get_logger(SCOPE, vigilo_version(), logger_provider=logger_provider)

    def record_call(
        self,
        labels: Mapping[str, Any],
        usage: Usage,
        *,
        duration_s: float,
        first_chunk_s: float | None,
        chunk_gap_s: float | None,
    ) -> None:
        """Records the histograms of one call; what is None is not recorded."""
        self._duration.record(duration_s, labels)
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count is not None:
                self._tokens.record(count, {**labels, semconv.TOKEN_TYPE: kind})
        if first_chunk_s is not None:
            self._time_to_first_chunk.record(first_chunk_s, labels)
        if chunk_gap_s is not None:
            self._time_per_output_chunk.record(chunk_gap_s, labels)

    def emit_exception(self, kind: str, message: str | None, labels: Mapping[str, Any], context: Context) -> None:
        """Emits the conventions' event of a failed call; ``message`` is masked already."""
        told = {semconv.EXCEPTION_TYPE: kind, **({semconv.EXCEPTION_MESSAGE: message} if message else {})}
        self._logger.emit(
            event_name=semconv.EXCEPTION_EVENT,
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            attributes={**labels, **told},
            context=context,
        )


@cache
def vigilo_version() -> str:
    """The version of vigilo, for the instrumentation scope."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vigilo-otel")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0"
