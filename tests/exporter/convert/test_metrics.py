"""Metrics of a real MeterProvider, read back from the store that took in their segments."""

from datetime import datetime, timezone

import pytest
from opentelemetry import trace
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    Gauge,
    InMemoryMetricReader,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from vigilo_exporter.convert.columns import COLUMNS
from vigilo_exporter.exporters import ClickHouseMetricExporter

RESOURCE = Resource({"service.name": "shop"}, schema_url="https://schema/r")
COMMON = {
    "ResourceAttributes": {"service.name": "shop"},
    "ResourceSchemaUrl": "https://schema/r",
    "ScopeName": "library",
    "ScopeVersion": "1.2",
    "ScopeAttributes": {"a": "1"},
    "ScopeDroppedAttrCount": 0,
    "ScopeSchemaUrl": "https://schema/s",
    "ServiceName": "shop",
    "Flags": 0,
}
SAMPLED = trace.set_span_in_context(
    NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
)
TIMES = ("StartTimeUnix", "TimeUnix", "Exemplars.TimeUnix")
EXEMPLARS = tuple(name for name, _ in COLUMNS["otel_metrics_sum"] if name.startswith("Exemplars."))
NO_EXEMPLARS = {name: [] for name in EXEMPLARS if name not in TIMES}


@pytest.fixture
def exporter(home):
    return ClickHouseMetricExporter(home=home)


@pytest.fixture
def provider(exporter):
    provider = MeterProvider(
        metric_readers=[PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))],
        resource=RESOURCE,
        views=[View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())],
        shutdown_on_exit=False,
    )
    yield provider
    provider.shutdown()


@pytest.fixture
def meter(provider):
    return provider.get_meter("library", "1.2", schema_url="https://schema/s", attributes={"a": 1})


def without_times(row):
    return {name: value for name, value in row.items() if name not in TIMES}


def exemplar(value, **attributes):
    return {
        "Exemplars.FilteredAttributes": [attributes],
        "Exemplars.Value": [value],
        "Exemplars.SpanId": ["000000000000000b"],
        "Exemplars.TraceId": ["0000000000000000000000000000000a"],
    }


def test_sums_gauges_and_exemplars_are_kept(ask, meter, provider):
    started = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    meter.create_counter("tokens", "{token}", "Tokens used").add(3, {"model": "gpt", "n": 1}, context=SAMPLED)
    meter.create_up_down_counter("open").add(-2)
    meter.create_observable_gauge("memory", [lambda _: [Observation(2.5, {"gpu": "0"})]], "By", "Memory used")
    assert provider.force_flush()
    sums, gauges = ask("SELECT * FROM otel_metrics_sum ORDER BY MetricName", "SELECT * FROM otel_metrics_gauge")[
        "answers"
    ]
    described = {"MetricDescription": "Tokens used", "MetricUnit": "{token}"}
    plain = {"MetricDescription": "", "MetricUnit": ""}
    assert [without_times(row) for row in sums] == [
        {
            **COMMON, **plain, **NO_EXEMPLARS, "MetricName": "open", "Attributes": {},
            "Value": -2, "AggregationTemporality": 2, "IsMonotonic": False,
        },
        {
            **COMMON, **described, **exemplar(3), "MetricName": "tokens", "Attributes": {"model": "gpt", "n": "1"},
            "Value": 3, "AggregationTemporality": 2, "IsMonotonic": True,
        },
    ]  # fmt: skip
    described = {"MetricDescription": "Memory used", "MetricUnit": "By"}
    assert [without_times(row) for row in gauges] == [
        {**COMMON, **described, **NO_EXEMPLARS, "MetricName": "memory", "Attributes": {"gpu": "0"}, "Value": 2.5}
    ]
    [sampled] = sums[1]["Exemplars.TimeUnix"]
    assert started <= sampled <= sums[1]["TimeUnix"]
    assert started <= sums[1]["StartTimeUnix"] <= sums[1]["TimeUnix"]


def test_histograms_keep_buckets_extremes_and_exemplars(ask, meter, provider):
    histogram = meter.create_histogram("duration", "s", explicit_bucket_boundaries_advisory=[0.1, 1.0])
    for value in (0.05, 0.5, 7.0):
        histogram.record(value, {"model": "gpt"})
    histogram.record(0.75, {"model": "gpt"}, context=SAMPLED)
    assert provider.force_flush()
    [[row]] = ask("SELECT * FROM otel_metrics_histogram")["answers"]
    assert without_times(row) == {
        **COMMON,
        **exemplar(0.75),
        "MetricName": "duration",
        "MetricDescription": "",
        "MetricUnit": "s",
        "Attributes": {"model": "gpt"},
        "Count": 4,
        "Sum": 8.3,
        "BucketCounts": [1, 2, 1],
        "ExplicitBounds": [0.1, 1],
        "Min": 0.05,
        "Max": 7,
        "AggregationTemporality": 2,
    }


def test_exponential_histograms_keep_their_buckets(ask, meter, provider):
    histogram = meter.create_histogram("exponential")
    for value in (0, 1, 2, 4):
        histogram.record(value)
    assert provider.force_flush()
    [[row]] = ask("SELECT * FROM otel_metrics_exp_histogram")["answers"]
    assert without_times(row) == {
        **COMMON,
        **NO_EXEMPLARS,
        "MetricName": "exponential",
        "MetricDescription": "",
        "MetricUnit": "",
        "Attributes": {},
        "Count": 4,
        "Sum": 7,
        "Scale": row["Scale"],
        "ZeroCount": 1,
        "PositiveOffset": row["PositiveOffset"],
        "PositiveBucketCounts": row["PositiveBucketCounts"],
        "NegativeOffset": 0,
        "NegativeBucketCounts": [0],
        "Min": 0,
        "Max": 4,
        "AggregationTemporality": 2,
    }
    base = 2 ** (2 ** -row["Scale"])
    upper_bounds = [
        base ** (row["PositiveOffset"] + index + 1) for index, count in enumerate(row["PositiveBucketCounts"]) if count
    ]
    assert sum(row["PositiveBucketCounts"]) == 3
    assert upper_bounds == pytest.approx([1, 2, 4], rel=base - 1 + 1e-9)


def test_each_kind_of_metric_is_one_segment(meter, provider, home):
    for name in ("a", "b"):
        meter.create_counter(f"counter.{name}").add(1)
        meter.create_histogram(f"histogram.{name}").record(1)
    assert provider.force_flush()
    tables = [path.name.split(".")[1] for path in (home / "spool").iterdir()]
    assert sorted(tables) == ["otel_metrics_histogram", "otel_metrics_sum"]


def gauge_points(*values):
    points = [NumberDataPoint({"n": str(number)}, 0, 5, value) for number, value in enumerate(values)]
    metric = Metric("g", None, None, Gauge(points))
    scopes = [ScopeMetrics(InstrumentationScope("library"), [metric], "")]
    return MetricsData([ResourceMetrics(RESOURCE, scopes, "")])


def test_a_point_that_cannot_be_stored_costs_no_other(ask, exporter):
    assert exporter.export(gauge_points(1, 10**400, "text", None, 2.5)) is MetricExportResult.SUCCESS
    assert exporter.dropped == 3
    assert ask("SELECT Attributes['n'] AS n, Value FROM otel_metrics_gauge ORDER BY n")["answers"] == [
        [{"n": "0", "Value": 1}, {"n": "4", "Value": 2.5}]
    ]


def test_a_metric_of_an_unknown_kind_is_counted_and_costs_no_other(ask, exporter):
    data = gauge_points(1)
    data.resource_metrics[0].scope_metrics[0].metrics.append(Metric("odd", None, None, object()))
    assert exporter.export(data) is MetricExportResult.SUCCESS
    assert exporter.dropped == 1
    assert ask("SELECT MetricName FROM otel_metrics_gauge")["answers"] == [[{"MetricName": "g"}]]


def test_a_collection_without_points_writes_nothing(exporter, home):
    assert exporter.export(MetricsData([])) is MetricExportResult.SUCCESS
    assert not (home / "spool").exists()


def test_an_instrument_read_by_memory_and_by_us_is_cumulative_for_both(exporter):
    memory = InMemoryMetricReader()
    ours = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
    provider = MeterProvider(metric_readers=[memory, ours], resource=RESOURCE, shutdown_on_exit=False)
    assert ours._instrument_class_temporality == memory._instrument_class_temporality
    provider.shutdown()
