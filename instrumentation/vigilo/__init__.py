"""OpenTelemetry for LLM apps that acts: every call of OpenAI, Anthropic and Google seen, priced, masked and stored.

``opentelemetry-instrument python app.py`` needs no code at all. In code:

- ``vigilo.instrument()`` turns capture on for every client, ``vigilo.uninstrument()`` off
- ``vigilo.wrap(client)`` turns it on for one client, ``vigilo.unwrap(client)`` off
- ``with vigilo.track(user="ada", conversation="c1"):`` says for whom and for what the calls inside are made
- ``vigilo.quota.set(metric="tokens", limit=10_000, window="day", user="ada", mode="block")`` sets a limit
- ``with vigilo.balance() as b:`` counts what the calls inside use, and what is left
- ``vigilo.checkpoint.register("model", model)`` and ``vigilo.checkpoint.step()`` keep long work on disk
- ``for batch in vigilo.task("train", batches):`` tells how far it is; ``%load_ext vigilo`` shows it in a notebook
- ``vigilo.mask(text)`` and ``vigilo.price(provider, model, usage)`` are the policies, to use on their own
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from vigilo.errors import QuotaExceeded, RateLimited, VigiloError

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    import vigilo.checkpoint as checkpoint
    import vigilo.quota as quota
    from vigilo.capture.balance import balance
    from vigilo.capture.track import track
    from vigilo.notebook.extension import load_ipython_extension, unload_ipython_extension
    from vigilo.notebook.tasks import task
    from vigilo.policy.mask import mask
    from vigilo.policy.pricing import price

__all__ = [
    "QuotaExceeded",
    "RateLimited",
    "VigiloError",
    "balance",
    "checkpoint",
    "instrument",
    "load_ipython_extension",
    "mask",
    "price",
    "quota",
    "task",
    "track",
    "uninstrument",
    "unload_ipython_extension",
    "unwrap",
    "wrap",
]

Client = TypeVar("Client")
_LAZY = {
    "balance": "vigilo.capture.balance",
    "load_ipython_extension": "vigilo.notebook.extension",
    "mask": "vigilo.policy.mask",
    "price": "vigilo.policy.pricing",
    "task": "vigilo.notebook.tasks",
    "track": "vigilo.capture.track",
    "unload_ipython_extension": "vigilo.notebook.extension",
}


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
) -> None:
    """Turns capture on for every client of every supported SDK, those that exist already included.

    From then on the telemetry of other instrumentors is masked and priced as well, whoever exports it.

    Args:
        tracer_provider: where spans go; OpenTelemetry's global provider by default.
        meter_provider: where metrics go; the global provider by default.
        logger_provider: where events go; the global provider by default.
    """
    from vigilo.instrumentors import INSTRUMENTORS
    from vigilo.policy.export.install import hold

    hold("instrument")
    for instrumentor in INSTRUMENTORS:
        instrumentor().instrument(
            skip_dep_check=True,  # an SDK that is absent is no error here; a version that is not supported is warned of
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            logger_provider=logger_provider,
        )


def uninstrument() -> None:
    """Turns off what :func:`instrument` turned on; wrapped clients stay wrapped."""
    from vigilo.instrumentors import INSTRUMENTORS
    from vigilo.policy.export.install import release

    release("instrument")
    for instrumentor in INSTRUMENTORS:
        if instrumentor().is_instrumented_by_opentelemetry:
            instrumentor().uninstrument()


def wrap(
    client: Client,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
) -> Client:
    """Turns capture on for one client of a supported SDK, such as ``openai.OpenAI()``, and for its copies.

    Returns:
        The same client. Wrapping it again changes nothing.

    Raises:
        VigiloError: it is no client of a supported SDK.
    """
    from vigilo.capture.recorder import Recorder
    from vigilo.capture.sdks import wrap_client
    from vigilo.policy.export.install import hold

    hold("wrap")
    wrap_client(client, Recorder(tracer_provider, meter_provider, logger_provider))
    return client


def unwrap(client: Client) -> Client:
    """Ends what :func:`wrap` began, for the client and its copies; one that was never wrapped stays as it is.

    Returns:
        The same client.

    Raises:
        VigiloError: it is no client of a supported SDK.
    """
    from vigilo.capture.sdks import unwrap_client

    unwrap_client(client)
    return client


def __getattr__(name: str) -> Any:
    # Loaded at first use: `import vigilo` stays free of what an app may never need.
    from importlib import import_module

    if name in ("checkpoint", "quota"):
        return import_module(f"vigilo.{name}")
    if (module := _LAZY.get(name)) is not None:
        globals()[name] = value = getattr(import_module(module), name)
        return value
    if name == "__version__":
        from importlib.metadata import version

        return version("vigilo-otel")
    raise AttributeError(f"module 'vigilo' has no attribute {name!r}")
