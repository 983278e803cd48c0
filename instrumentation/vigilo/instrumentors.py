"""The instrumentors that OpenTelemetry finds by entry point, one for each SDK."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from vigilo.capture.sdks import SDKS

if TYPE_CHECKING:
    from collections.abc import Collection

    from opentelemetry.instrumentation.dependencies import DependencyConflict

    from vigilo.capture.recorder import Recorder


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
        sdk = SDKS[self.sdk_name]
        sdk.warn_of_version()
        providers = {name: kwargs.get(name) for name in ("tracer_provider", "meter_provider", "logger_provider")}
        sdk.hold("instrumentor", partial(_recorder, providers))

    def _uninstrument(self, **_: Any) -> None:
        SDKS[self.sdk_name].release("instrumentor")


def _recorder(providers: dict[str, Any]) -> Recorder:
    from vigilo.capture.recorder import Recorder

    return Recorder(**providers)


class OpenAIInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``openai``, and of every API that is used through it."""

    sdk_name = "openai"


class AnthropicInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``anthropic``; the SDK's own spans are left out for calls that are recorded here."""

    sdk_name = "anthropic"


class GoogleInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``google-genai``."""

    sdk_name = "google"


class GenerativeAIInstrumentor(_SdkInstrumentor):
    """Sees the calls of ``google-generativeai``, Google's older SDK, and of the generated client that it uses."""

    sdk_name = "generativeai"


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
    GenerativeAIInstrumentor,
    GroqInstrumentor,
    TogetherInstrumentor,
    CerebrasInstrumentor,
)
