"""What ``opentelemetry-instrument`` finds by entry point: the distro, the configurator and the pre-instrument hook."""

from __future__ import annotations

import logging
import os
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry import propagate
from opentelemetry.environment_variables import OTEL_PROPAGATORS
from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

from vigilo.capture.incoming import IncomingPropagator
from vigilo.capture.neighbours import left_out
from vigilo.errors import internal_errors

_log = logging.getLogger(__name__)
EXPORTER = "vigilo_clickhouse"
_SIGNALS = ("TRACES", "METRICS", "LOGS")


class VigiloDistro(BaseDistro):
    """Sends all signals to vigilo's store, and reads incoming requests, unless ``OTEL_*`` variables say otherwise."""

    def _configure(self, **_: Any) -> None:
        with internal_errors("choosing exporters"):
            for signal in _SIGNALS:
                os.environ.setdefault(f"OTEL_{signal}_EXPORTER", default_exporters(signal))
        with internal_errors("choosing propagators"):
            if not os.environ.get(OTEL_PROPAGATORS):
                read_incoming_requests()

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Loads an instrumentor, unless it is somebody else's for an SDK that vigilo instruments as well."""
        other = left_out(entry_point.module)
        if other is None:
            super().load_instrumentor(entry_point, **kwargs)
            return
        _log.warning(
            "vigilo: %s is not loaded, as vigilo records the calls of %s; to have it instead, set "
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=%s",
            other.package,
            " and ".join(other.sdks),
            ",".join(f"vigilo_{sdk}" for sdk in other.sdks),
        )


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


def read_incoming_requests() -> None:
    """Adds vigilo's propagator to those in use.

    ``OTEL_PROPAGATORS`` would be too late: OpenTelemetry reads it at an import that comes before any distro. It would
    also reach child processes without vigilo, whose import of OpenTelemetry fails at the name of an unknown propagator.
    """
    propagators = [propagate.get_global_textmap(), IncomingPropagator()]
    propagate.set_global_textmap(CompositePropagator(propagators))


def pre_instrument() -> None:
    """Runs before the instrumentors, in every process with vigilo installed, also beside another vendor's distro.

    Reads the settings, so that a wrong one is reported once and at the start, and puts the policy in front of every
    exporter. Never raises: an exception here would stop every instrumentor of every vendor.
    """
    with internal_errors("reading the settings"):
        from vigilo.settings import app_settings

        app_settings()
    with internal_errors("watching children of multiprocessing"):
        from vigilo.child_exits import flush_at_exit

        flush_at_exit()
    with internal_errors("putting the policy in front of exporters"):
        from vigilo.policy.export.install import hold

        hold("process")
