"""The instrumentors that OpenTelemetry finds by entry point, one for each SDK."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from vigilo.capture.recorder import Recorder
from vigilo.capture.sdks import SDKS

if TYPE_CHECKING:
    from collections.abc import Collection

    from opentelemetry.instrumentation.dependencies import DependencyConflict

_log = logging.getLogger(__name__)


@cache
def _warn_of_version(found: str, supported: str) -> None:
    """Warns once in a process."""
    _log.warning("vigilo: %s is installed but %s is supported: trying", found, supported)


class _SdkInstrumentor(BaseInstrumentor):
    """Instruments every client of one SDK. The SDK is hooked when the app imports it, never imported here."""

    sdk_name: str

    def instrumentation_dependencies(self) -> Collection[str]:
        return (SDKS[self.sdk_name].requirement,)

    def _check_dependency_conflicts(self) -> DependencyConflict | None:
        """Only an absent SDK is a conflict: OpenTelemetry leaves an instrumentor with one out, and says nothing."""
        conflict = super()._check_dependency_conflicts()
        return conflict if conflict is not None and conflict.found is None else None

    def _instrument(self, **kwargs: Any) -> None:
        if (conflict := super()._check_dependency_conflicts()) is not None:
            if conflict.found is None:
                _log.debug("vigilo: %s is not installed, so it is not instrumented", conflict.required)
            else:
                _warn_of_version(conflict.found, str(conflict.required))
        recorder = Recorder(
            tracer_provider=kwargs.get("tracer_provider"),
            meter_provider=kwargs.get("meter_provider"),
            logger_provider=kwargs.get("logger_provider"),
        )
        for hook in SDKS[self.sdk_name].hooks:
            hook.subscriptions.subscribe(recorder)
            hook.hold("instrumentor")

    def _uninstrument(self, **_: Any) -> None:
        for hook in SDKS[self.sdk_name].hooks:
            hook.subscriptions.subscribe(None)
            hook.release("instrumentor")


class OpenAIInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``openai``, and of every API that is used through it."""

    sdk_name = "openai"


class AnthropicInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``anthropic``; the SDK's own spans are left out for calls that are recorded here."""

    sdk_name = "anthropic"


class GoogleInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``google-genai``."""

    sdk_name = "google"


class GroqInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``groq``."""

    sdk_name = "groq"


class TogetherInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``together``."""

    sdk_name = "together"


class CerebrasInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``cerebras-cloud-sdk``."""

    sdk_name = "cerebras"


INSTRUMENTORS = (
    OpenAIInstrumentor,
    AnthropicInstrumentor,
    GoogleInstrumentor,
    GroqInstrumentor,
    TogetherInstrumentor,
    CerebrasInstrumentor,
)
