"""What ``opentelemetry-instrument`` finds by entry point: the distro, the configurator and the pre-instrument hook."""

from __future__ import annotations

import logging
import os
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

from vigilo.errors import internal_errors

_log = logging.getLogger(__name__)
EXPORTER = "vigilo_clickhouse"
_SIGNALS = ("TRACES", "METRICS", "LOGS")


class VigiloDistro(BaseDistro):
    """Sends all signals to vigilo's store unless the user's ``OTEL_*`` variables say otherwise."""

    def _configure(self, **_: Any) -> None:
        with internal_errors("choosing exporters"):
            for signal in _SIGNALS:
                os.environ.setdefault(f"OTEL_{signal}_EXPORTER", default_exporters(signal))


class VigiloConfigurator(_OTelSDKConfigurator):
    """The SDK's own configurator, named so that it is chosen together with the distro."""


def default_exporters(signal: str) -> str:
    """The exporters of a signal that the user chose none for.

    vigilo's own; and OTLP beside it where an endpoint is set, since that asks for OTLP as plainly as
    ``OTEL_TRACES_EXPORTER=otlp`` does.
    """
    asked = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    endpoint = next((name for name in asked if os.environ.get(name)), None)
    if endpoint is None:
        return EXPORTER
    if entry_points(group=f"opentelemetry_{signal.lower()}_exporter", name="otlp"):
        return f"{EXPORTER},otlp"
    _log.warning("vigilo: %s is set but no OTLP exporter is installed: pip install 'vigilo-otel[otlp]'", endpoint)
    return EXPORTER


def pre_instrument() -> None:
    """Runs before the instrumentors, in every process with vigilo installed, also beside another vendor's distro.

    Reads the settings, so that a wrong one is reported once and at the start. Never raises: an exception here would
    stop every instrumentor of every vendor.
    """
    with internal_errors("reading the settings"):
        from vigilo.settings import app_settings

        app_settings()
