"""Log records and events as rows of ``otel_logs``.

What the table has no column for is among the attributes, under names that begin with ``otel.``: when a record was
observed, where that is not its own time, and how many attributes were dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigilo import semconv
from vigilo_exporter.convert.origin import Origins
from vigilo_exporter.convert.rows import Dropped, Row, rows_of
from vigilo_exporter.convert.text import hex_span_id, hex_trace_id, text, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord


def log_rows(records: Sequence[ReadableLogRecord], dropped: Dropped) -> list[Row]:
    """Rows of ``otel_logs``, in the order of its columns; what cannot be converted is counted in ``dropped``."""
    origins = Origins()
    return rows_of("log record", records, lambda record: _row(record, origins), dropped)


def _row(readable: ReadableLogRecord, origins: Origins) -> Row:
    record = readable.log_record
    resource = origins.resource(readable.resource)
    scope = origins.scope(readable.instrumentation_scope)
    severity = record.severity_number
    observed = record.observed_timestamp
    timestamp = record.timestamp or observed  # as the Collector does; events come without the first
    attributes = texts(record.attributes)
    if observed and observed != timestamp:
        attributes[semconv.OTEL_OBSERVED_TIME] = repr(observed)
    dropped = getattr(record.attributes, "dropped", 0)
    if dropped:
        attributes[semconv.OTEL_DROPPED_ATTRIBUTES] = repr(dropped)
    if scope.lost:
        attributes.update(scope.lost)
    return (
        timestamp,
        hex_trace_id(record.trace_id),
        hex_span_id(record.span_id),
        int(record.trace_flags or 0),
        record.severity_text or "",
        severity.value if severity is not None else 0,
        resource.service_name,
        text(record.body),
        resource.schema_url,
        resource.attributes,
        scope.schema_url,
        scope.name,
        scope.version,
        scope.attributes,
        attributes,
        record.event_name or "",
    )
