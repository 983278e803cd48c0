"""The instrumentors that OpenTelemetry finds by entry point, one for each SDK, and for the host."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from vigilo import semconv
from vigilo.capture.sdks import SDKS
from vigilo.errors import internal_errors
from vigilo.settings import app_settings

if TYPE_CHECKING:
    from collections.abc import Collection

    from opentelemetry.instrumentation.dependencies import DependencyConflict

    from vigilo.capture.recorder import Recorder
    from vigilo.gauges.gpu import GpuGauges
    from vigilo.gauges.host_gauges import HostGauges


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


class GpuInstrumentor(BaseInstrumentor):
    """Tells GPUs and other accelerators by the conventions, and warns before their memory runs out.

    Where there is none, or no package that finds it (the extra ``gpu``), it is nothing.
    """

    _gauges: GpuGauges | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        from opentelemetry.metrics import get_meter, get_meter_provider

        from vigilo.capture.instruments import vigilo_version
        from vigilo.gauges.gpu import GpuGauges
        from vigilo.gauges.memory_gauges import tell_memory
        from vigilo.gauges.memory_watch import watch_memory

        provider = kwargs.get("meter_provider") or get_meter_provider()
        meter = get_meter(semconv.SCOPE, vigilo_version(), provider, semconv.SCHEMA_URL)
        with internal_errors("beginning to look at accelerators"):
            if self._gauges is None:
                self._gauges = GpuGauges()
            self._gauges.tell(meter, provider)
        with internal_errors("beginning to watch memory"):
            if watch_memory(app_settings(), holder="vigilo_gpu") is not None:
                tell_memory(meter, provider)

    def _uninstrument(self, **_: Any) -> None:
        from vigilo.gauges.memory_watch import release

        release("vigilo_gpu")
        if self._gauges is not None:
            self._gauges.stop()


class HostInstrumentor(BaseInstrumentor):
    """Tells the host and this process by the conventions, and warns before their memory runs out. Needs psutil.

    Beside opentelemetry-instrumentation-system-metrics it leaves out what that tells, unless ``host_metrics`` says
    otherwise.
    """

    _gauges: HostGauges | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        return ("psutil >= 5.9",)

    def _instrument(self, **kwargs: Any) -> None:
        from opentelemetry.metrics import get_meter, get_meter_provider

        from vigilo.capture.instruments import vigilo_version
        from vigilo.gauges.memory_gauges import tell_memory
        from vigilo.gauges.memory_watch import watch_memory

        settings, provider = app_settings(), kwargs.get("meter_provider") or get_meter_provider()
        meter = get_meter(semconv.SCOPE, vigilo_version(), provider, semconv.SCHEMA_URL)
        with internal_errors("beginning to look at the host"):
            if settings.host_metrics != "off":
                from vigilo.gauges.host import HostSnapshot
                from vigilo.gauges.host_gauges import HostGauges

                if self._gauges is None:
                    self._gauges = HostGauges(HostSnapshot())
                self._gauges.tell(meter, provider, beside=settings.host_metrics == "auto")
        with internal_errors("beginning to watch memory"):
            if watch_memory(settings, holder="vigilo_host") is not None:
                tell_memory(meter, provider)

    def _uninstrument(self, **_: Any) -> None:
        from vigilo.gauges.memory_watch import release

        release("vigilo_host")
        if self._gauges is not None:
            self._gauges.stop()


INSTRUMENTORS = (
    OpenAIInstrumentor,
    AnthropicInstrumentor,
    GoogleInstrumentor,
    GenerativeAIInstrumentor,
    GroqInstrumentor,
    TogetherInstrumentor,
    CerebrasInstrumentor,
)
