"""What the SDK dropped because of its limits is told, where there is no column for it among the attributes."""

import warnings

import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext

from vigilo_exporter.convert.columns import COLUMNS, LOGS, TRACES
from vigilo_exporter.convert.logs import log_rows
from vigilo_exporter.convert.rows import Dropped, block
from vigilo_exporter.convert.spans import span_rows
from vigilo_exporter.native_reader import read

LINKED = SpanContext(5, 6, is_remote=False)
LIMITS = SpanLimits(max_span_attributes=2, max_events=1, max_links=1, max_event_attributes=1, max_link_attributes=1)


def rows_of(table, rows):
    """Rows as they are read back from the block that is written."""
    dropped = Dropped()
    content = read(block(table, rows(dropped), dropped).content)
    assert dropped.count == 0
    assert content.columns == COLUMNS[table]
    return list(content.rows())


@pytest.fixture
def row():
    """Ends a span under limits, and gives its row."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({}), span_limits=LIMITS, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))

    def end(*events, scope=None, **arguments):
        span = provider.get_tracer("library", attributes=scope).start_span("s", **arguments)
        for event in events:
            span.add_event("e", event)
        span.end()
        [found] = rows_of(TRACES, lambda dropped: span_rows(memory.get_finished_spans(), dropped))
        memory.clear()
        return found

    yield end
    provider.shutdown()


def test_what_was_dropped_of_a_span_is_counted(row):
    many = {"a": 1, "b": 2, "c": 3, "d": 4}
    found = row({}, {}, {}, attributes=many, links=[Link(LINKED)] * 4)
    assert found["SpanAttributes"] == {
        "c": "3",
        "d": "4",
        "otel.dropped_attributes_count": "2",
        "otel.dropped_events_count": "2",
        "otel.dropped_links_count": "3",
    }
    assert (len(found["Events.Name"]), len(found["Links.SpanId"])) == (1, 1)


def test_what_was_dropped_of_events_and_links_is_counted_with_each(row):
    many = {"a": 1, "b": 2, "c": 3}
    found = row(many, links=[Link(LINKED, many)])
    assert found["Events.Attributes"] == [{"c": "3", "otel.dropped_attributes_count": "2"}]
    assert found["Links.Attributes"] == [{"c": "3", "otel.dropped_attributes_count": "2"}]
    assert found["SpanAttributes"] == {}


def test_where_nothing_was_dropped_nothing_is_added(row):
    found = row({"a": 1}, attributes={"k": "v"}, links=[Link(LINKED, {"a": 1})])
    assert (found["SpanAttributes"], found["Events.Attributes"], found["Links.Attributes"]) == (
        {"k": "v"},
        [{"a": "1"}],
        [{"a": "1"}],
    )
    assert found["ResourceAttributes"] == {}


@pytest.mark.parametrize(("is_remote", "told"), [(True, {"otel.span.parent.origin": "remote"}), (False, {})])
def test_a_parent_in_another_process_is_told(row, is_remote, told):
    parent = SpanContext(1, 2, is_remote=is_remote, trace_flags=trace.TraceFlags(1))
    found = row(context=trace.set_span_in_context(NonRecordingSpan(parent)))
    assert found["SpanAttributes"] == told


def test_attributes_of_a_scope_are_with_each_of_its_spans(row):
    assert row(scope={"tier": "gold", "n": 1})["SpanAttributes"] == {"otel.scope.tier": "gold", "otel.scope.n": "1"}


def record(attributes=None, **arguments):
    return ReadableLogRecord(LogRecord(attributes=attributes, **arguments), Resource({}))


def log_attributes(one):
    [found] = rows_of(LOGS, lambda dropped: log_rows([one], dropped))
    return found["LogAttributes"]


def test_dropped_attributes_of_a_log_record_are_counted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bounded = BoundedAttributes(maxlen=1, attributes={"a": 1, "b": 2, "c": 3})
    found = log_attributes(record(bounded, timestamp=7, observed_timestamp=7))
    assert found == {"c": "3", "otel.dropped_attributes_count": "2"}


@pytest.mark.parametrize(
    ("timestamp", "observed", "told"),
    [(7, 7, {}), (None, 7, {}), (7, 9, {"otel.observed_time_unix_nano": "9"}), (7, 0, {})],
)
def test_when_a_log_record_was_observed_is_told_where_it_differs(timestamp, observed, told):
    assert log_attributes(record(timestamp=timestamp, observed_timestamp=observed)) == told


def test_the_attributes_of_the_app_are_not_touched():
    attributes = {"k": 1}
    log_attributes(record(attributes, timestamp=7, observed_timestamp=9))
    assert attributes == {"k": 1}
