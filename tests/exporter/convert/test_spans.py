"""Spans of a real TracerProvider, read back from the store that took in their segments."""

import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from vigilo_exporter.exporters import ClickHouseSpanExporter

TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
SPAN_ID = 0x00F067AA0BA902B7
START_NS = 1_795_253_894_714_369_686


@pytest.fixture
def exporter(home):
    return ClickHouseSpanExporter(home=home)


@pytest.fixture
def tracer(exporter):
    resource = Resource({"service.name": "shop", "process.pid": 7}, schema_url="https://schema/r")
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("library", "1.2", schema_url="https://schema/s", attributes={"tier": "gold"})


@pytest.fixture
def ended():
    """Makes spans that have ended, without exporting them."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))

    def make(*names, **arguments):
        memory.clear()
        for name in names:
            provider.get_tracer("library").start_span(name, **arguments).end()
        return list(memory.get_finished_spans())

    return make


def test_nothing_of_a_span_is_lost(ask, tracer):
    state = TraceState([("vendor", "1"), ("other", "2")])
    parent = SpanContext(TRACE_ID, SPAN_ID, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    span = tracer.start_span(
        "chat gpt-4o",
        context=trace.set_span_in_context(NonRecordingSpan(parent)),
        kind=SpanKind.CLIENT,
        attributes={"text": "naïve 日本語 \0", "n": 12, "ok": True, "cost": 0.1, "reasons": ["stop", "length"]},
        links=[Link(parent, {"why": "retry", "n": 2}), Link(SpanContext(5, 6, is_remote=False))],
        start_time=START_NS,
    )
    span.add_event("chunk", {"index": 0}, timestamp=START_NS + 1)
    span.add_event("done", timestamp=START_NS + 2)
    span.set_status(Status(StatusCode.ERROR, "it failed"))
    span.end(START_NS + 1_500_000_001)
    [[row]] = ask("SELECT * FROM otel_traces")["answers"]
    assert row == {
        "Timestamp": "2026-11-21 09:38:14.714369686",
        "TraceId": "0af7651916cd43dd8448eb211c80319c",
        "SpanId": format(span.get_span_context().span_id, "016x"),
        "ParentSpanId": "00f067aa0ba902b7",
        "TraceState": "vendor=1,other=2",
        "SpanName": "chat gpt-4o",
        "SpanKind": "Client",
        "ServiceName": "shop",
        "ResourceAttributes": {
            "service.name": "shop",
            "process.pid": "7",
            "otel.resource.schema_url": "https://schema/r",
        },
        "ScopeName": "library",
        "ScopeVersion": "1.2",
        "SpanAttributes": {
            "text": "naïve 日本語 \0",
            "n": "12",
            "ok": "true",
            "cost": "0.1",
            "reasons": '["stop","length"]',
            "otel.scope.tier": "gold",
            "otel.scope.schema_url": "https://schema/s",
            "otel.span.parent.origin": "remote",
        },
        "Duration": 1_500_000_001,
        "StatusCode": "Error",
        "StatusMessage": "it failed",
        "Events.Timestamp": ["2026-11-21 09:38:14.714369687", "2026-11-21 09:38:14.714369688"],
        "Events.Name": ["chunk", "done"],
        "Events.Attributes": [{"index": "0"}, {}],
        "Links.TraceId": ["0af7651916cd43dd8448eb211c80319c", "0" * 31 + "5"],
        "Links.SpanId": ["00f067aa0ba902b7", "0" * 15 + "6"],
        "Links.TraceState": ["vendor=1,other=2", ""],
        "Links.Attributes": [{"why": "retry", "n": "2"}, {}],
    }


def test_kinds_and_statuses_have_the_collectors_words(ask, tracer):
    for kind in SpanKind:
        tracer.start_span(kind.name, kind=kind).end()
    for code in StatusCode:
        span = tracer.start_span(code.name, kind=SpanKind.INTERNAL)
        span.set_status(code)
        span.end()
    kinds, codes = ask(
        "SELECT SpanName, SpanKind FROM otel_traces WHERE SpanName NOT IN ('UNSET', 'OK', 'ERROR')",
        "SELECT SpanName, StatusCode FROM otel_traces WHERE SpanName IN ('UNSET', 'OK', 'ERROR')",
    )["answers"]
    assert {row["SpanName"]: row["SpanKind"] for row in kinds} == {
        "INTERNAL": "Internal",
        "SERVER": "Server",
        "CLIENT": "Client",
        "PRODUCER": "Producer",
        "CONSUMER": "Consumer",
    }
    assert {row["SpanName"]: row["StatusCode"] for row in codes} == {"UNSET": "Unset", "OK": "Ok", "ERROR": "Error"}


def test_a_batch_of_spans_of_several_resources_keeps_them_apart(ask, exporter):
    spans = []
    for service in ("a", "b", "a"):
        memory = InMemorySpanExporter()
        provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(memory))
        provider.get_tracer(f"library {service}").start_span("s").end()
        spans += memory.get_finished_spans()
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    [rows] = ask("SELECT ServiceName, ScopeName, count() AS n FROM otel_traces GROUP BY ALL ORDER BY ALL")["answers"]
    assert rows == [
        {"ServiceName": "a", "ScopeName": "library a", "n": 2},
        {"ServiceName": "b", "ScopeName": "library b", "n": 1},
    ]


def test_a_span_without_resource_attributes_or_scope_is_kept(ask, exporter):
    bare = ReadableSpan(
        "bare",
        context=SpanContext(1, 2, is_remote=False),
        resource=Resource({}),
        start_time=START_NS,
        end_time=START_NS,
    )
    assert exporter.export([bare]) is SpanExportResult.SUCCESS
    [[row]] = ask("SELECT ServiceName, ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes FROM otel_traces")[
        "answers"
    ]
    assert row == {
        "ServiceName": "",
        "ResourceAttributes": {},
        "ScopeName": "",
        "ScopeVersion": "",
        "SpanAttributes": {},
    }


def test_a_clock_that_was_set_back_gives_no_time(ask, exporter):
    late = ReadableSpan("s", context=SpanContext(1, 2, is_remote=False), start_time=START_NS, end_time=START_NS - 5)
    assert exporter.export([late]) is SpanExportResult.SUCCESS
    assert ask("SELECT Duration FROM otel_traces")["answers"] == [[{"Duration": 0}]]


def test_spans_that_cannot_be_converted_cost_nobody_else(ask, exporter, ended, caplog):
    good = ended("one", "two")
    endless = {}
    endless["again"] = endless
    context = SpanContext(1, 2, is_remote=False)
    bad = [
        *ended("too many digits", attributes={"n": 10**5000}),
        *ended("starts after ClickHouse's last moment", start_time=2**70),
        ReadableSpan("nested without end", context=context, attributes=endless, start_time=1, end_time=2),
        ReadableSpan("no identity", start_time=1, end_time=2),
        ReadableSpan("no start", context=context),
        ReadableSpan(None, context=context, start_time=1, end_time=2),
    ]
    with caplog.at_level(logging.ERROR, "vigilo"):
        assert exporter.export([good[0], *bad, good[1]]) is SpanExportResult.SUCCESS
        assert exporter.dropped == len(bad)
        logged = len(caplog.records)
        assert exporter.export(bad) is SpanExportResult.SUCCESS
    assert exporter.dropped == 2 * len(bad)
    assert len(caplog.records) == logged  # each kind of failure once
    assert all("too many digits" not in record.getMessage() for record in caplog.records)
    assert ask("SELECT SpanName FROM otel_traces ORDER BY SpanName")["answers"] == [
        [{"SpanName": "one"}, {"SpanName": "two"}]
    ]


def test_text_that_is_no_unicode_is_replaced(ask, exporter, ended):
    assert exporter.export(ended("a\ud800", attributes={"k\udfff": "v\ud83d"})) is SpanExportResult.SUCCESS
    assert exporter.dropped == 0
    assert ask("SELECT SpanName, SpanAttributes FROM otel_traces")["answers"] == [
        [{"SpanName": "a?", "SpanAttributes": {"k?": "v?"}}]
    ]


def test_an_empty_batch_writes_nothing(exporter, home):
    assert exporter.export([]) is SpanExportResult.SUCCESS
    assert not (home / "spool").exists()
