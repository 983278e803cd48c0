"""Resources and instrumentation scopes, masked: many spans share one, so each is masked once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from vigilo.errors import report_internal
from vigilo.policy.export.masker import Masker, masker_of, others_masker
from vigilo.policy.mask.spans import REDACTED

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_REMEMBERED = 1024


class _Once:
    """Remembers what was made of an object, by its identity: comparing resources takes longer than masking them."""

    def __init__(self, make: Callable[[Any, Masker], Any]) -> None:
        self._make = make
        self._made: dict[int, tuple[Any, Masker, Any]] = {}

    def __call__(self, source: Any, masker: Masker) -> Any:
        known = self._made.get(id(source))
        if known is not None and known[0] is source and known[1] is masker:
            return known[2]
        made = self._make(source, masker)
        if len(self._made) >= _MAX_REMEMBERED:
            self._made = {}
        self._made[id(source)] = (source, masker, made)
        if made is not source:
            self._made[id(made)] = (made, masker, made)
        return made


def masked_resource(resource: Any) -> Any:
    """The resource with its attributes masked; the same one where there is nothing to mask."""
    return _resources(resource, others_masker()) if isinstance(resource, Resource) else resource


def masked_scope(scope: Any) -> Any:
    """The instrumentation scope with its name, version and attributes masked; the same where there is nothing."""
    if not isinstance(scope, InstrumentationScope):
        return scope
    return _scopes(scope, masker_of(scope.name))


def _resource(resource: Resource, masker: Masker) -> Resource:
    try:
        shown = masker.attributes(resource.attributes)
        return resource if shown is None else Resource(shown, resource.schema_url)
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking a resource", error)
        return Resource({})


def _scope(scope: InstrumentationScope, masker: Masker) -> InstrumentationScope:
    try:
        name = masker.text(scope.name, "otel.scope.name")
        version = masker.text(scope.version, "otel.scope.version") if scope.version else scope.version
        shown = masker.attributes(scope.attributes or {})
        if name == scope.name and version == scope.version and shown is None:
            return scope
        return InstrumentationScope(name, version, scope.schema_url, scope.attributes if shown is None else shown)
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking an instrumentation scope", error)
        return InstrumentationScope(REDACTED)


_resources = _Once(_resource)
_scopes = _Once(_scope)
