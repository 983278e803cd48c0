"""Spans of other instrumentors, as processors and exporters get them."""

from __future__ import annotations

import copy
import threading

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags, TraceState

from vigilo.policy.export import install
from vigilo.policy.export.spans import MaskedSpan, masked_span

from .conftest import Written

MAIL = "jane.roe@example.com"
CONTEXT = SpanContext(1, 2, is_remote=False)


class Kept(SpanProcessor):
    """Keeps ended spans as they come."""

    def __init__(self):
        self.spans = []

    def on_end(self, span):
        self.spans.append(span)


@pytest.fixture
def kept(provider):
    processor = Kept()
    provider.add_span_processor(processor)
    return processor


def told(span):
    """All that can be read of a span."""
    return repr(
        (
            span.name,
            dict(span.attributes),
            [(event.name, dict(event.attributes or {})) for event in span.events],
            [dict(link.attributes or {}) for link in span.links],
            span.status.description,
            dict(span.resource.attributes),
            span.instrumentation_scope,
            span.to_json(),
            vars(span),
        )
    )


def make(tracer):
    span = tracer.start_span(f"for {MAIL}", links=[Link(CONTEXT, {"by": MAIL})], attributes={"who": MAIL, "n": 1})
    span.add_event(f"sent to {MAIL}", {"to": MAIL})
    span.add_link(CONTEXT, {"by": MAIL})
    span.record_exception(ValueError(MAIL))
    span.set_status(StatusCode.ERROR, f"no {MAIL}")
    span.end()


def test_every_part_is_masked(in_force, kept):
    resource = Resource.create({"service.name": "shop", "owner": MAIL})
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False, resource=resource)
    provider.add_span_processor(kept)
    make(provider.get_tracer("another", attributes={"team": MAIL}))
    (span,) = kept.spans
    assert "jane" not in told(span)
    assert span.name == "for [EMAIL]"
    assert dict(span.attributes) == {"who": "[EMAIL]", "n": 1}
    assert span.status.description == "no [EMAIL]"
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["sent to [EMAIL]", "exception"]
    assert span.events[1].attributes["exception.message"] == "[EMAIL]"
    assert "ValueError: [EMAIL]" in span.events[1].attributes["exception.stacktrace"]
    assert [dict(link.attributes) for link in span.links] == [{"by": "[EMAIL]"}] * 2
    assert span.links[0].context is CONTEXT
    assert span.resource.attributes["owner"] == "[EMAIL]"
    assert span.resource.attributes["service.name"] == "shop"
    assert dict(span.instrumentation_scope.attributes) == {"team": "[EMAIL]"}


def test_what_needs_no_masking_is_the_same(provider, kept):
    state = TraceState([("vendor", "x")])
    parent = SpanContext(7, 8, is_remote=True, trace_state=state)
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    span = provider.get_tracer("another", "1.2").start_span(
        "work", set_span_in_context(NonRecordingSpan(parent)), attributes={"a": "b", "list": [1, 2]}
    )
    span.add_event("went well", {"a": 1})
    attributes, events = span._attributes, span._events
    span.end()
    (ended,) = kept.spans
    assert (ended.name, ended.kind, ended.parent, ended.context) == ("work", span.kind, parent, span.context)
    assert (ended.start_time, ended.end_time) == (span.start_time, span.end_time)
    assert ended.context.trace_state == state
    assert dict(ended.attributes) == dict(attributes)
    assert ended._events is events
    assert ended.resource is provider.resource
    assert ended.instrumentation_scope is span.instrumentation_scope
    assert isinstance(ended, ReadableSpan)
    assert repr(ended.status.status_code) == "<StatusCode.UNSET: 0>"


def test_the_raw_span_is_let_go_once_all_is_read(provider, kept):
    make(provider.get_tracer("another"))
    (span,) = kept.spans
    assert span._raw is not None
    told(span)
    assert span._instrumentation_info is not None
    assert span._raw is None
    assert "jane" not in told(span)


def test_what_was_dropped_stays_counted(in_force, kept):
    limits = SpanLimits(max_span_attributes=2, max_events=1, max_event_attributes=1, max_links=1)
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False, span_limits=limits)
    provider.add_span_processor(kept)
    span = provider.get_tracer("another").start_span("work", attributes={"a": 1, "b": MAIL, "c": MAIL})
    for _ in range(3):
        span.add_event(MAIL, {"a": MAIL, "b": 1})
        span.add_link(CONTEXT, {"a": MAIL})
    span.end()
    (ended,) = kept.spans
    assert (ended.dropped_attributes, ended.dropped_events, ended.dropped_links) == (1, 2, 2)
    assert ended.events[0].dropped_attributes == 1
    assert "jane" not in told(ended)


@pytest.mark.parametrize("write", [copy.deepcopy, copy.copy])
def test_copies_are_masked(provider, kept, write):
    make(provider.get_tracer("another"))
    again = write(kept.spans[0])
    assert "jane" not in told(again)
    assert again.name == "for [EMAIL]"


def test_a_span_that_nobody_read_tells_nothing_in_its_dictionary(provider, kept):
    make(provider.get_tracer("another"))
    assert "jane" not in repr(vars(kept.spans[0]))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        kept.spans[0].nonsense  # noqa: B018


class Renaming(SpanProcessor):
    """Changes ended spans, as some vendors' processors do."""

    def on_end(self, span):
        span._attributes = {**span.attributes, "added": MAIL}
        span._name = f"{span.name} of {MAIL}"


@pytest.mark.parametrize("is_read_before", [False, True])
def test_what_a_processor_puts_in_is_masked_and_seen_by_the_next(provider, is_read_before):
    kept = Kept()
    if is_read_before:
        provider.add_span_processor(SimpleSpanProcessor(Written()))
    provider.add_span_processor(Renaming())
    provider.add_span_processor(kept)
    make(provider.get_tracer("another"))
    (span,) = kept.spans
    assert dict(span.attributes) == {"who": "[EMAIL]", "n": 1, "added": "[EMAIL]"}
    assert span.name == "for [EMAIL] of [EMAIL]"


class Unlocking(SpanProcessor):
    """Unlocks the attributes of ended spans, as OpenLLMetry's SDK does for its users' callbacks."""

    def on_end(self, span):
        with pytest.raises(TypeError):
            span._attributes["added"] = MAIL
        span._attributes._immutable = False
        span._attributes["added"] = MAIL
        span._attributes.update({MAIL: 1})
        span._attributes.pop("who", None)
        span._attributes._immutable = True


@pytest.mark.parametrize("attributes", [{"who": MAIL}, {"who": "nobody"}, {}, None])
def test_what_is_added_in_place_is_masked(provider, kept, attributes):
    provider.add_span_processor(Unlocking())
    provider.get_tracer("another").start_span("work", attributes=attributes).end()
    (span,) = kept.spans
    assert dict(span.attributes) == {"added": "[EMAIL]", "[EMAIL]": 1}


class Vendors(BatchSpanProcessor):
    """A vendor's processor: a subclass that reads spans as they end."""

    def on_start(self, span, parent_context=None):
        span.set_attribute("vendor", MAIL)

    def on_end(self, span):
        if span.instrumentation_scope.name == "another":
            super().on_end(span)


class Alone(SpanProcessor):
    """Exports by itself."""

    def __init__(self, exporter):
        self.exporter = exporter

    def on_end(self, span):
        self.exporter.export([span])


@pytest.mark.parametrize("make_processor", [SimpleSpanProcessor, BatchSpanProcessor, Vendors, Alone])
@pytest.mark.parametrize("multi", [None, ConcurrentMultiSpanProcessor])
@pytest.mark.parametrize("is_before", [False, True])
def test_processors_of_any_kind_added_at_any_time_export_masked_spans(make_processor, multi, is_before):
    exporter = Written()
    provider = TracerProvider(
        sampler=ALWAYS_ON, shutdown_on_exit=False, active_span_processor=multi() if multi else None
    )
    tracer = provider.get_tracer("another")
    steps = [lambda: provider.add_span_processor(make_processor(exporter)), lambda: install.hold("test")]
    for step in steps if is_before else reversed(steps):
        step()
    make(tracer)
    provider.force_flush()
    provider.shutdown()
    (span,) = exporter.spans
    assert "jane" not in str(span)
    assert span["attributes"]["who"] == "[EMAIL]"


def test_a_span_made_by_hand_is_masked_by_the_sdks_processors(in_force):
    exporter = Written()
    sampled = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    span = ReadableSpan(MAIL, sampled, attributes={"who": MAIL}, instrumentation_scope=InstrumentationScope("x"))
    for processor in (SimpleSpanProcessor(exporter), BatchSpanProcessor(exporter)):
        processor.on_end(span)
        processor.force_flush()
        processor.shutdown()
    assert [written["name"] for written in exporter.spans] == ["[EMAIL]"] * 2
    assert [written["attributes"] for written in exporter.spans] == [{"who": "[EMAIL]"}] * 2


class Broken(dict):
    def items(self):
        raise RuntimeError(MAIL)

    def copy(self):
        return self


def test_what_cannot_be_masked_is_left_out_and_the_rest_is_exported(in_force, caplog):
    span = masked_span(ReadableSpan("work", CONTEXT, attributes=Broken(a=MAIL), events=(object(),), links=(object(),)))
    assert (span.name, dict(span.attributes), span.events, span.links) == ("work", {}, (), ())
    assert "jane" not in caplog.text


def test_threads_that_read_at_once_get_the_same(provider, kept):
    for _ in range(50):
        make(provider.get_tracer("another"))
    seen = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def read(into):
        start.wait()
        into.extend(told(span) for span in kept.spans)

    threads = [threading.Thread(target=read, args=(into,)) for into in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("jane" not in text for text in seen[0])
    assert [len(into) for into in seen] == [50] * 4


def test_released_everything_is_as_it_was(provider, kept):
    install.release("test")
    try:
        make(provider.get_tracer("another"))
    finally:
        install.hold("test")
    assert kept.spans[0].name == f"for {MAIL}"
    assert not isinstance(kept.spans[0], MaskedSpan)
