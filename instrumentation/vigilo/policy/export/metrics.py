"""Masks what a reader of metrics collects: the attributes of points, and of their exemplars."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricsData

from vigilo.errors import report_internal
from vigilo.policy.export.masker import masker_of
from vigilo.policy.export.origins import masked_resource, masked_scope
from vigilo.policy.export.series import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vigilo.policy.export.masker import Masker


def masked_metrics(collected: Any) -> Any:
    """Collected metrics with everything masked; the same object where there is nothing to mask.

    Where two series of a metric get the same attributes they become one. A metric that cannot be masked is left out.
    """
    if not isinstance(collected, MetricsData):
        return collected
    resources = _each(collected.resource_metrics, _resource_metrics)
    return collected if resources is None else replace(collected, resource_metrics=resources)


def _resource_metrics(one: Any) -> Any:
    resource = masked_resource(one.resource)
    scopes = _each(one.scope_metrics, _scope_metrics)
    if resource is one.resource and scopes is None:
        return one
    return replace(one, resource=resource, scope_metrics=one.scope_metrics if scopes is None else scopes)


def _scope_metrics(one: Any) -> Any:
    scope, masker = masked_scope(one.scope), masker_of(one.scope.name)
    metrics = _each(one.metrics, lambda metric: _metric(metric, masker))
    if scope is one.scope and metrics is None:
        return one
    return replace(one, scope=scope, metrics=one.metrics if metrics is None else metrics)


def _metric(metric: Any, masker: Masker) -> Any:
    points = _each(metric.data.data_points, lambda point: _point(point, masker))
    if points is None:
        return metric
    return replace(metric, data=replace(metric.data, data_points=merged(metric.data, points)))


def _point(point: Any, masker: Masker) -> Any:
    shown = masker.attributes(point.attributes or {})
    exemplars = _each(point.exemplars, lambda exemplar: _exemplar(exemplar, masker)) if point.exemplars else None
    if shown is None and exemplars is None:
        return point
    return replace(
        point,
        attributes=point.attributes if shown is None else shown,
        exemplars=point.exemplars if exemplars is None else exemplars,
    )


def _exemplar(exemplar: Any, masker: Masker) -> Any:
    shown = masker.attributes(exemplar.filtered_attributes or {})
    return exemplar if shown is None else replace(exemplar, filtered_attributes=shown)


def _each(items: Sequence[Any], one: Callable[[Any], Any]) -> list[Any] | None:
    """Each item masked; None where all stay as they are. One that fails is left out."""
    shown, same = [], True
    for item in items:
        try:
            new = one(item)
        except Exception as error:  # noqa: BLE001 - fails closed
            report_internal("masking metrics", error)
            same = False
            continue
        same = same and new is item
        shown.append(new)
    return None if same else shown
