"""The metrics and events of calls, in the conventions' names, units and buckets."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a named tuple's fields are read at run time
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.metrics import get_meter

from vigilo import semconv
from vigilo.capture.export_gauges import tell_export
from vigilo.capture.quota_gauges import tell_quotas
from vigilo.capture.spending import spending_of, unpriced_calls_of
from vigilo.policy.mask.labels import mask_label

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider

    from vigilo.capture.call import Usage

SCOPE = semconv.SCOPE


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
        self._spending = spending_of(meter_provider)
        meter.create_observable_counter(
            semconv.VIGILO_COST, [self._spending.observe], unit="USD", description="Price of the calls"
        )
        self._unpriced = unpriced_calls_of(meter_provider)
        meter.create_observable_counter(
            semconv.UNPRICED_CALLS,
            [self._unpriced.observe],
            unit="{call}",
            description="Calls that used something that has no known price",
        )
        self._waits = meter.create_histogram(
            semconv.PACE_WAITS,
            unit="s",
            description="Time that a call waited for its turn, where it did",
            explicit_bucket_boundaries_advisory=seconds,
        )
        tell_quotas(meter, meter_provider)
        tell_export(meter, meter_provider)
        self._logger = get_logger(SCOPE, vigilo_version(), logger_provider=logger_provider)

    def record_call(
        self,
        labels: Labels,
        usage: Usage,
        *,
        duration_s: float,
        first_chunk_s: float | None = None,
        chunk_gap_s: float | None = None,
        cost_usd: float | None = None,
        unpriced: bool = False,
        waited_s: float | None = None,
    ) -> None:
        """Records the metrics of one call; what is None is not recorded."""
        self._duration.record(duration_s, labels.call)
        if usage.input_tokens is not None:
            self._tokens.record(usage.input_tokens, labels.input)
        if usage.output_tokens is not None:
            self._tokens.record(usage.output_tokens, labels.output)
        if cost_usd is not None:
            self._spending.add(cost_usd, labels.key, labels.call)
        elif unpriced:
            self._unpriced.add(1, labels.key, labels.call)
        if first_chunk_s is not None:
            self._time_to_first_chunk.record(first_chunk_s, labels.call)
        if chunk_gap_s is not None:
            self._time_per_output_chunk.record(chunk_gap_s, labels.call)
        if waited_s is not None:
            self._waits.record(waited_s, labels.call)

    def emit_exception(self, kind: str, message: str | None, labels: Labels, context: Context) -> None:
        """Emits the conventions' event of a failed call; ``message`` is masked already."""
        told = {semconv.EXCEPTION_TYPE: kind, **({semconv.EXCEPTION_MESSAGE: message} if message else {})}
        self._logger.emit(
            event_name=semconv.EXCEPTION_EVENT,
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            attributes={**labels.call, **told},
            context=context,
        )

    def emit(self, event: LogRecord) -> None:
        """Emits an event that was made with :func:`details_event`."""
        self._logger.emit(event)


class Labels(NamedTuple):
    """The attributes of a call's metrics, and of its token counts; ``key`` is what they were made of."""

    key: tuple[Any, ...]
    call: Mapping[str, Any]
    input: Mapping[str, Any]
    output: Mapping[str, Any]


def labels_of(
    operation: str,
    provider: str,
    model: str | None,
    server_address: str | None,
    server_port: int | None,
    response_model: str | None = None,
    error_type: str | None = None,
) -> Labels:
    """The labels of calls that are alike, made once: they are the same objects from call to call, never changed."""
    return _labels(
        (
            operation,
            provider,
            mask_label(model) if model else None,
            server_address,
            server_port,
            mask_label(response_model) if response_model else response_model,
            error_type,
        )
    )


_LABELS = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.REQUEST_MODEL,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
    semconv.RESPONSE_MODEL,
    semconv.ERROR_TYPE,
)


@lru_cache(maxsize=1024)
def _labels(key: tuple[Any, ...]) -> Labels:
    call = {name: value for name, value in zip(_LABELS, key, strict=True) if value is not None}
    return Labels(key, call, {**call, semconv.TOKEN_TYPE: "input"}, {**call, semconv.TOKEN_TYPE: "output"})


def details_event(attributes: Mapping[str, Any], context: Context) -> LogRecord:
    """The conventions' event that tells a whole call."""
    return LogRecord(
        event_name=semconv.DETAILS_EVENT,
        severity_number=SeverityNumber.DEBUG,
        severity_text="DEBUG",
        attributes=attributes,
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
