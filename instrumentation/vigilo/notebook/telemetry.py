"""Telemetry of a notebook: no command starts a kernel, so what ``opentelemetry-instrument`` does is done here."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from vigilo import semconv
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from vigilo.notebook.platform import Platform
    from vigilo.notebook.session import Session

FLUSH_TIMEOUT_S: Final = 5.0
"""How long each of spans, metrics and log records may take on their way to the disk."""
_GAUGES: Final = ("GpuInstrumentor", "HostInstrumentor")
_told = False


def turn_on(platform: Platform) -> ExitStack:
    """Configures OpenTelemetry unless the user did, and has LLM calls, GPUs and the host seen.

    What is on already, as under ``opentelemetry-instrument``, is left as it is.

    Returns:
        What turns off again what was turned on here. The providers stay: OpenTelemetry keeps the first ones it gets.
    """
    undo = ExitStack()
    with internal_errors("configuring OpenTelemetry"):
        configure(platform)
    undo.callback(flush)
    with internal_errors("instrumenting LLM calls"):
        _instrument_calls(undo)
    for name in _GAUGES:
        with internal_errors("instrumenting GPUs and the host"):
            _instrument_gauges(name, undo)
    return undo


def configure(platform: Platform) -> bool:
    """Sets up the SDK as vigilo's distro would, and the ``OTEL_*`` variables say; no variable is changed.

    Returns:
        False where it is set up already, or ``OTEL_SDK_DISABLED`` is true.
    """
    from opentelemetry import trace

    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return False
    from vigilo.distro import VigiloConfigurator, default_exporters

    def exporters(signal: str) -> list[str]:
        chosen = os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip()  # the configurator reads these itself
        return [] if chosen else default_exporters(signal).split(",")

    attributes = {semconv.NOTEBOOK_PLATFORM: platform.name}
    if platform.variant:
        attributes[semconv.NOTEBOOK_PLATFORM_VARIANT] = platform.variant
    configurator: Any = VigiloConfigurator  # the SDK's base has no types
    configurator().configure(
        trace_exporter_names=exporters("TRACES"),
        metric_exporter_names=exporters("METRICS"),
        log_exporter_names=exporters("LOGS"),
        resource_attributes=attributes,
    )
    return True


def tell_session(session: Session) -> None:
    """Makes the instruments of the session, once a process: what is told of it is nothing while it is stopped."""
    global _told
    if _told:
        return
    _told = True
    from opentelemetry.metrics import get_meter

    from vigilo.capture.instruments import SCOPE, vigilo_version

    session.tell(get_meter(SCOPE, vigilo_version(), None, semconv.SCHEMA_URL))


def flush() -> None:
    """Hands over what waits in memory, as before a report is made of it."""
    with internal_errors("exporting telemetry of the notebook"):
        from opentelemetry import _logs, metrics, trace

        for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()):
            force_flush = getattr(provider, "force_flush", None)  # the API's own providers have nothing to flush
            if force_flush is not None:
                force_flush(timeout_millis=int(FLUSH_TIMEOUT_S * 1000))


def _instrument_calls(undo: ExitStack) -> None:
    import vigilo
    from vigilo.instrumentors import INSTRUMENTORS

    if any(instrumentor().is_instrumented_by_opentelemetry for instrumentor in INSTRUMENTORS):
        return
    vigilo.instrument()
    undo.callback(vigilo.uninstrument)


def _instrument_gauges(name: str, undo: ExitStack) -> None:
    from vigilo import instrumentors

    instrumentor = getattr(instrumentors, name)()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument()
        undo.callback(instrumentor.uninstrument)
