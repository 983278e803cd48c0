"""Where telemetry comes from, as the tables write it: resources and scopes, each converted once a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vigilo import semconv
from vigilo_exporter.convert.text import texts

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope


class ResourceText(NamedTuple):
    """A resource, its attributes as text; ``whole`` has its schema URL too, for a table without a column for that."""

    service_name: str
    attributes: dict[str, str]
    schema_url: str
    whole: dict[str, str]


class ScopeText(NamedTuple):
    """An instrumentation scope, its attributes as text.

    ``lost`` is what ``otel_logs`` has no column for, and ``rest`` what ``otel_traces`` has none for.
    """

    name: str
    version: str
    attributes: dict[str, str]
    dropped_attributes: int
    schema_url: str
    lost: dict[str, str]
    rest: dict[str, str]


_NO_SCOPE = ScopeText("", "", {}, 0, "", {}, {})


class Origins:
    """Remembers what it has converted. Use one for one batch: it knows objects by their identity."""

    __slots__ = ("_resources", "_scopes")

    def __init__(self) -> None:
        self._resources: dict[int, ResourceText] = {}
        self._scopes: dict[int, ScopeText] = {}

    def resource(self, resource: Resource) -> ResourceText:
        """The resource as text; the service's name is empty when it has none."""
        known = self._resources.get(id(resource))
        if known is None:
            attributes = texts(resource.attributes)
            schema_url = resource.schema_url or ""
            whole = {**attributes, semconv.OTEL_RESOURCE_SCHEMA_URL: schema_url} if schema_url else attributes
            known = ResourceText(attributes.get("service.name", ""), attributes, schema_url, whole)
            self._resources[id(resource)] = known
        return known

    def scope(self, scope: InstrumentationScope | None) -> ScopeText:
        """The scope as text; all empty when there is none."""
        if scope is None:
            return _NO_SCOPE
        known = self._scopes.get(id(scope))
        if known is None:
            attributes = texts(scope.attributes)
            dropped = getattr(scope.attributes, "dropped", 0)
            schema_url = scope.schema_url or ""
            lost = {semconv.OTEL_SCOPE_DROPPED_ATTRIBUTES: str(dropped)} if dropped else {}
            rest = {semconv.OTEL_SCOPE + key: value for key, value in attributes.items()} | lost
            if schema_url:
                rest[semconv.OTEL_SCOPE_SCHEMA_URL] = schema_url
            known = ScopeText(scope.name or "", scope.version or "", attributes, dropped, schema_url, lost, rest)
            self._scopes[id(scope)] = known
        return known
