"""Metrics as rows of the ``otel_metrics_*`` tables, one row a data point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import ExponentialHistogram, Gauge, Histogram, Sum

from vigilo_exporter.convert.columns import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM
from vigilo_exporter.convert.origin import Origins
from vigilo_exporter.convert.rows import Dropped, Row, rows_of
from vigilo_exporter.convert.text import hex_span_id, hex_trace_id, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        Metric,
        MetricsData,
        NumberDataPoint,
    )

_NO_EXEMPLARS: tuple[tuple[()], ...] = ((), (), (), (), ())
_NO_FLAGS = 0  # the SDK sets them on exponential histograms only


def metric_rows(data: MetricsData, dropped: Dropped) -> dict[str, list[Row]]:
    """Rows by table, in the order of its columns. A point that cannot be converted is counted in ``dropped``."""
    origins = Origins()
    rows: dict[str, list[Row]] = {}
    for resource_metrics in data.resource_metrics:
        resource = origins.resource(resource_metrics.resource)
        for scope_metrics in resource_metrics.scope_metrics:
            scope = origins.scope(scope_metrics.scope)
            origin = (
                resource.attributes,
                resource_metrics.schema_url or resource.schema_url,
                scope.name,
                scope.version,
                scope.attributes,
                scope.dropped_attributes,
                scope_metrics.schema_url or scope.schema_url,
                resource.service_name,
            )
            for metric in scope_metrics.metrics:
                kind = _KINDS.get(type(metric.data))
                if kind is None:
                    dropped.add(f"metric of type {type(metric.data).__name__}", TypeError())
                    continue
                table, rest = kind
                start = (*origin, metric.name, metric.description or "", metric.unit or "")
                points = metric.data.data_points
                rows.setdefault(table, []).extend(
                    rows_of("data point", points, _pointwise(start, metric, rest), dropped)
                )
    return rows


def _pointwise(start: Row, metric: Metric, rest: Callable[[Any, Any], Row]) -> Callable[[Any], Row]:
    def row(point: Any) -> Row:
        times = (point.start_time_unix_nano or 0, point.time_unix_nano)
        return (*start, texts(point.attributes), *times, *rest(metric.data, point))

    return row


def _gauge(_: Gauge, point: NumberDataPoint) -> Row:
    return (point.value, _NO_FLAGS, *_exemplar_arrays(point.exemplars))


def _sum(data: Sum, point: NumberDataPoint) -> Row:
    return (
        point.value,
        _NO_FLAGS,
        *_exemplar_arrays(point.exemplars),
        int(data.aggregation_temporality),
        data.is_monotonic,
    )


def _histogram(data: Histogram, point: HistogramDataPoint) -> Row:
    return (
        point.count,
        point.sum,
        point.bucket_counts,
        point.explicit_bounds,
        *_exemplar_arrays(point.exemplars),
        _NO_FLAGS,
        point.min,
        point.max,
        int(data.aggregation_temporality),
    )


def _exponential_histogram(data: ExponentialHistogram, point: ExponentialHistogramDataPoint) -> Row:
    return (
        point.count,
        point.sum,
        point.scale,
        point.zero_count,
        point.positive.offset,
        point.positive.bucket_counts,
        point.negative.offset,
        point.negative.bucket_counts,
        *_exemplar_arrays(point.exemplars),
        point.flags,
        point.min,
        point.max,
        int(data.aggregation_temporality),
    )


def _exemplar_arrays(exemplars: Sequence[Exemplar]) -> Row:
    if not exemplars:
        return _NO_EXEMPLARS
    return (
        [texts(exemplar.filtered_attributes) for exemplar in exemplars],
        [exemplar.time_unix_nano for exemplar in exemplars],
        [exemplar.value for exemplar in exemplars],
        [hex_span_id(exemplar.span_id) for exemplar in exemplars],
        [hex_trace_id(exemplar.trace_id) for exemplar in exemplars],
    )


_KINDS: dict[type, tuple[str, Callable[[Any, Any], Row]]] = {
    Gauge: (GAUGE, _gauge),
    Sum: (SUM, _sum),
    Histogram: (HISTOGRAM, _histogram),
    ExponentialHistogram: (EXPONENTIAL_HISTOGRAM, _exponential_histogram),
}
