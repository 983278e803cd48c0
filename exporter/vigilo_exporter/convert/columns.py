"""Tables, and the columns that are inserted: those of the OpenTelemetry Collector's clickhouseexporter, in its order.

Source: the ``*_insert.sql`` and ``*_table.sql`` templates in
https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/v0.140.0/exporter/clickhouseexporter/internal/sqltemplates
"""

from __future__ import annotations

from typing import Final

TRACES: Final = "otel_traces"
LOGS: Final = "otel_logs"
GAUGE: Final = "otel_metrics_gauge"
SUM: Final = "otel_metrics_sum"
HISTOGRAM: Final = "otel_metrics_histogram"
EXPONENTIAL_HISTOGRAM: Final = "otel_metrics_exp_histogram"
SUMMARY: Final = "otel_metrics_summary"

Columns = tuple[tuple[str, str], ...]

_STRINGS = "Array(String)"
_WORD = "LowCardinality(String)"
_ATTRIBUTES = f"Map({_WORD}, String)"
_TIME = "DateTime64(9)"

_POINT: Columns = (
    ("ResourceAttributes", _ATTRIBUTES),
    ("ResourceSchemaUrl", "String"),
    ("ScopeName", "String"),
    ("ScopeVersion", "String"),
    ("ScopeAttributes", _ATTRIBUTES),
    ("ScopeDroppedAttrCount", "UInt32"),
    ("ScopeSchemaUrl", "String"),
    ("ServiceName", _WORD),
    ("MetricName", "String"),
    ("MetricDescription", "String"),
    ("MetricUnit", "String"),
    ("Attributes", _ATTRIBUTES),
    ("StartTimeUnix", _TIME),
    ("TimeUnix", _TIME),
)
_EXEMPLARS: Columns = (
    ("Exemplars.FilteredAttributes", f"Array({_ATTRIBUTES})"),
    ("Exemplars.TimeUnix", f"Array({_TIME})"),
    ("Exemplars.Value", "Array(Float64)"),
    ("Exemplars.SpanId", _STRINGS),
    ("Exemplars.TraceId", _STRINGS),
)
_DISTRIBUTION_END: Columns = (
    *_EXEMPLARS,
    ("Flags", "UInt32"),
    ("Min", "Float64"),
    ("Max", "Float64"),
    ("AggregationTemporality", "Int32"),
)

COLUMNS: Final[dict[str, Columns]] = {
    TRACES: (
        ("Timestamp", _TIME),
        ("TraceId", "String"),
        ("SpanId", "String"),
        ("ParentSpanId", "String"),
        ("TraceState", "String"),
        ("SpanName", _WORD),
        ("SpanKind", _WORD),
        ("ServiceName", _WORD),
        ("ResourceAttributes", _ATTRIBUTES),
        ("ScopeName", "String"),
        ("ScopeVersion", "String"),
        ("SpanAttributes", _ATTRIBUTES),
        ("Duration", "UInt64"),
        ("StatusCode", _WORD),
        ("StatusMessage", "String"),
        ("Events.Timestamp", f"Array({_TIME})"),
        ("Events.Name", f"Array({_WORD})"),
        ("Events.Attributes", f"Array({_ATTRIBUTES})"),
        ("Links.TraceId", _STRINGS),
        ("Links.SpanId", _STRINGS),
        ("Links.TraceState", _STRINGS),
        ("Links.Attributes", f"Array({_ATTRIBUTES})"),
    ),
    LOGS: (
        ("Timestamp", _TIME),
        ("TraceId", "String"),
        ("SpanId", "String"),
        ("TraceFlags", "UInt8"),
        ("SeverityText", _WORD),
        ("SeverityNumber", "UInt8"),
        ("ServiceName", _WORD),
        ("Body", "String"),
        ("ResourceSchemaUrl", _WORD),
        ("ResourceAttributes", _ATTRIBUTES),
        ("ScopeSchemaUrl", _WORD),
        ("ScopeName", "String"),
        ("ScopeVersion", _WORD),
        ("ScopeAttributes", _ATTRIBUTES),
        ("LogAttributes", _ATTRIBUTES),
        ("EventName", "String"),
    ),
    GAUGE: (*_POINT, ("Value", "Float64"), ("Flags", "UInt32"), *_EXEMPLARS),
    SUM: (
        *_POINT,
        ("Value", "Float64"),
        ("Flags", "UInt32"),
        *_EXEMPLARS,
        ("AggregationTemporality", "Int32"),
        ("IsMonotonic", "Bool"),
    ),
    HISTOGRAM: (
        *_POINT,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("BucketCounts", "Array(UInt64)"),
        ("ExplicitBounds", "Array(Float64)"),
        *_DISTRIBUTION_END,
    ),
    EXPONENTIAL_HISTOGRAM: (
        *_POINT,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("Scale", "Int32"),
        ("ZeroCount", "UInt64"),
        ("PositiveOffset", "Int32"),
        ("PositiveBucketCounts", "Array(UInt64)"),
        ("NegativeOffset", "Int32"),
        ("NegativeBucketCounts", "Array(UInt64)"),
        *_DISTRIBUTION_END,
    ),
    # Python's SDK has no summaries; the table is there for what the Collector writes.
    SUMMARY: (
        *_POINT,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("ValueAtQuantiles.Quantile", "Array(Float64)"),
        ("ValueAtQuantiles.Value", "Array(Float64)"),
        ("Flags", "UInt32"),
    ),
}
