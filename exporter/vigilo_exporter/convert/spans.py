"""Ended spans as rows of ``otel_traces``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind, StatusCode

from vigilo_exporter.convert.origin import Origins
from vigilo_exporter.convert.rows import Dropped, Row, rows_of
from vigilo_exporter.convert.text import hex_span_id, hex_trace_id, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link

# The words of the Collector's pdata, which its tables are queried by.
_KINDS = {
    SpanKind.INTERNAL: "Internal",
    SpanKind.SERVER: "Server",
    SpanKind.CLIENT: "Client",
    SpanKind.PRODUCER: "Producer",
    SpanKind.CONSUMER: "Consumer",
}
_STATUSES = {StatusCode.UNSET: "Unset", StatusCode.OK: "Ok", StatusCode.ERROR: "Error"}
_NO_EVENTS: tuple[tuple[()], ...] = ((), (), ())
_NO_LINKS: tuple[tuple[()], ...] = ((), (), (), ())


def span_rows(spans: Sequence[ReadableSpan], dropped: Dropped) -> list[Row]:
    """Rows of ``otel_traces``, in the order of its columns; what cannot be converted is counted in ``dropped``."""
    origins = Origins()
    return rows_of("span", spans, lambda span: _row(span, origins), dropped)


def _row(span: ReadableSpan, origins: Origins) -> Row:
    context = span.get_span_context()
    start = span.start_time
    if context is None or start is None:
        raise ValueError("a span without identity or start")
    end = span.end_time
    parent = span.parent
    resource = origins.resource(span.resource)
    scope = origins.scope(span.instrumentation_scope)
    status = span.status
    events = span.events
    links = span.links
    return (
        start,
        hex_trace_id(context.trace_id),
        hex_span_id(context.span_id),
        hex_span_id(parent.span_id) if parent is not None else "",
        context.trace_state.to_header() if context.trace_state else "",
        span.name,
        _KINDS[span.kind],
        resource.service_name,
        resource.attributes,
        scope.name,
        scope.version,
        texts(span.attributes),
        max(0, (start if end is None else end) - start),  # clocks are set back
        _STATUSES[status.status_code],
        status.description or "",
        *(_event_arrays(events) if events else _NO_EVENTS),
        *(_link_arrays(links) if links else _NO_LINKS),
    )


def _event_arrays(events: Sequence[Event]) -> Row:
    return (
        [event.timestamp for event in events],
        [event.name for event in events],
        [texts(event.attributes) for event in events],
    )


def _link_arrays(links: Sequence[Link]) -> Row:
    contexts = [link.context for link in links]
    return (
        [hex_trace_id(context.trace_id) for context in contexts],
        [hex_span_id(context.span_id) for context in contexts],
        [context.trace_state.to_header() if context.trace_state else "" for context in contexts],
        [texts(link.attributes) for link in links],
    )
