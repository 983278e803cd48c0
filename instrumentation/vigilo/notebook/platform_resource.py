"""The platform as attributes of the resource: ``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=vigilo_notebook``."""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource, ResourceDetector

from vigilo import semconv
from vigilo.errors import internal_errors
from vigilo.notebook.place import Place
from vigilo.notebook.platform import platform_of
from vigilo.settings import app_settings


class PlatformResourceDetector(ResourceDetector):
    """Tells ``notebook.platform`` and, where there is one, its variant."""

    def detect(self) -> Resource:
        """The attributes of this machine; none where they cannot be told."""
        attributes: dict[str, str] = {}
        with internal_errors("finding out the platform"):
            platform = platform_of(Place.here(), app_settings())
            attributes[semconv.NOTEBOOK_PLATFORM] = platform.name
            if platform.variant:
                attributes[semconv.NOTEBOOK_PLATFORM_VARIANT] = platform.variant
        return Resource(attributes)
