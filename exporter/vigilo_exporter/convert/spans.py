"""Ended spans as rows of ``otel_traces``.

What the table has no column for is among the attributes, under names that begin with ``otel.``: how much was dropped of
a span, an event or a link, a parent in another process, the scope's attributes and schema URL; the resource's schema
URL is with the resource. Trace flags are not kept: of what is exported they say nothing but "sampled".
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from vigilo import semconv
from vigilo_exporter.convert.origin import Origins
from vigilo_exporter.convert.rows import Dropped, Row, rows_of
from vigilo_exporter.convert.text import hex_span_id, hex_trace_id, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import Event
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


def _field(name: str) -> Callable[[ReadableSpan], Any]:
    """Reads a field of a span past its property, which makes a copy: that is a tenth of what a row costs."""
    span = ReadableSpan("", resource=Resource({}))
    return attrgetter(f"_{name}" if hasattr(span, f"_{name}") else name)


_attributes, _events, _links = _field("attributes"), _field("events"), _field("links")


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
    events = span.events if _events(span) else ()
    links = span.links if _links(span) else ()
    attributes = texts(_attributes(span))
    if scope.rest:
        attributes.update(scope.rest)
    if (
        span.dropped_attributes
        or span.dropped_events
        or span.dropped_links
        or (parent is not None and parent.is_remote)
    ):
        _add_rest(attributes, span)
    trace_state = context.trace_state
    return (
        start,
        hex_trace_id(context.trace_id),
        hex_span_id(context.span_id),
        hex_span_id(parent.span_id) if parent is not None else "",
        trace_state.to_header() if trace_state else "",
        span.name,
        _KINDS[span.kind],
        resource.service_name,
        resource.whole,
        scope.name,
        scope.version,
        attributes,
        max(0, (start if end is None else end) - start),  # clocks are set back
        _STATUSES[status.status_code],
        status.description or "",
        *(_event_arrays(events) if events else _NO_EVENTS),
        *(_link_arrays(links) if links else _NO_LINKS),
    )


def _add_rest(attributes: dict[str, str], span: ReadableSpan) -> None:
    """Adds to a span's attributes what there is no column for, if there is any."""
    counts = {
        semconv.OTEL_DROPPED_ATTRIBUTES: span.dropped_attributes,
        semconv.OTEL_DROPPED_EVENTS: span.dropped_events,
        semconv.OTEL_DROPPED_LINKS: span.dropped_links,
    }
    attributes.update((name, repr(count)) for name, count in counts.items() if count)
    if span.parent is not None and span.parent.is_remote:
        attributes[semconv.OTEL_PARENT_ORIGIN] = "remote"


def _event_arrays(events: Sequence[Event]) -> Row:
    return (
        [event.timestamp for event in events],
        [event.name for event in events],
        [_with_dropped(event) for event in events],
    )


def _link_arrays(links: Sequence[Link]) -> Row:
    contexts = [link.context for link in links]
    return (
        [hex_trace_id(context.trace_id) for context in contexts],
        [hex_span_id(context.span_id) for context in contexts],
        [context.trace_state.to_header() if context.trace_state else "" for context in contexts],
        [_with_dropped(link) for link in links],
    )


def _with_dropped(item: Event | Link) -> dict[str, str]:
    attributes = texts(item.attributes)
    if item.dropped_attributes:
        attributes[semconv.OTEL_DROPPED_ATTRIBUTES] = repr(item.dropped_attributes)
    return attributes
