"""Puts the policy in front of every exporter of the process."""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vigilo.errors import internal_errors, report_internal

if TYPE_CHECKING:
    from collections.abc import Callable

_holders: set[str] = set()
_originals: list[tuple[type, str, Any]] = []
_warned: set[str] = set()
_has_hooks = False


def hold(holder: str) -> None:
    """Puts the policy in force until everybody who held it releases it. Cheap to repeat; loads nothing of the SDK.

    It holds for all providers, whenever they were made: it changes the SDK's classes, once they are imported.
    """
    global _has_hooks
    is_first = not _holders
    _holders.add(holder)
    if not is_first:
        return
    with internal_errors("putting the policy in front of exporters"):
        if _has_hooks:
            _apply_all()
            return
        _has_hooks = True
        from wrapt import register_post_import_hook

        for module in _MODULES:
            register_post_import_hook(_imported, module)


def release(holder: str) -> None:
    """Ends what :func:`hold` began."""
    _holders.discard(holder)
    if _holders:
        return
    while _originals:
        owner, name, original = _originals.pop()
        setattr(owner, name, original)


def is_in_force() -> bool:
    """Whether anybody holds the policy."""
    return bool(_holders)


def _apply_all() -> None:
    import sys

    for name in _MODULES:
        if (module := sys.modules.get(name)) is not None:
            _imported(module)


def _imported(module: Any) -> None:
    """Called with each module once it is there; what it raised would end the app's import."""
    with internal_errors("putting the policy in front of exporters"):
        if _holders:
            _MODULES[module.__name__](module)


def _replace(owner: type, name: str, wrapper: Callable[[Any], Any]) -> None:
    """Replaces a method of one of the SDK's classes; says so where it has none of that name."""
    original = owner.__dict__.get(name)
    if original is None:
        _warn(
            f"{owner.__qualname__}.{name}",
            "vigilo: this version of opentelemetry-sdk has no %s.%s: what other instrumentors record may be exported "
            "unmasked. Use a version that vigilo supports (vigilo doctor names them).",
            owner.__qualname__,
            name,
        )
        return
    if not any(done[0] is owner and done[1] == name for done in _originals):
        _originals.append((owner, name, original))
        setattr(owner, name, wraps(original)(wrapper(original)))


def _lazily(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is loaded at its first call: the start of an app does not wait for the patterns."""
    loaded: list[Callable[..., Any]] = []

    def function(*args: Any) -> Any:
        if not loaded:
            loaded.append(getattr(import_module(f"vigilo.policy.export.{module}"), name))
        return loaded[0](*args)

    return function


_masked_span = _lazily("spans", "masked_span")
_masked_record = _lazily("records", "masked_record")
_masked_resource = _lazily("origins", "masked_resource")
_masked_scope = _lazily("origins", "masked_scope")
_masked_metrics = _lazily("metrics", "masked_metrics")
_masked_baggage = _lazily("baggage", "masked_baggage")


def _traces(module: Any) -> None:
    def readable(original: Any) -> Any:
        def _readable_span(span: Any) -> Any:
            try:
                return _masked_span(span)
            except Exception as error:  # noqa: BLE001 - fails closed, and the app goes on
                report_internal("masking a span", error)
                return module.ReadableSpan("[REDACTED]", span.get_span_context())

        return _readable_span

    _replace(module.Span, "_readable_span", readable)
    _replace(module.TracerProvider, "add_span_processor", _checking)


def _span_processors(module: Any) -> None:
    """For spans that do not come from a tracer of the SDK: those that Logfire shows while they are running."""

    def ending(original: Any) -> Any:
        def on_end(processor: Any, span: Any) -> None:
            try:
                shown = _masked_span(span)
            except Exception as error:  # noqa: BLE001 - fails closed: it is not exported
                report_internal("masking a span", error)
                return
            original(processor, shown)

        return on_end

    _replace(module.SimpleSpanProcessor, "on_end", ending)
    _replace(module.BatchSpanProcessor, "on_end", ending)


def _checking(original: Any) -> Any:
    """Of a processor that may export spans before they end it is said that they are not masked: they still change."""

    def add_span_processor(provider: Any, span_processor: Any) -> None:
        with internal_errors("looking at a span processor"):
            _warn_of_running_spans(span_processor)
        original(provider, span_processor)

    return add_span_processor


def _warn_of_running_spans(processor: Any) -> None:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

    kind = type(processor)
    if issubclass(kind, (BatchSpanProcessor, SimpleSpanProcessor)):
        return
    reads_running = any(
        getattr(kind, name, None) is not getattr(SpanProcessor, name) for name in ("on_start", "_on_ending")
    )
    exports = any(isinstance(part, SpanExporter) for part in getattr(processor, "__dict__", {}).values())
    if reads_running and exports:
        name = f"{kind.__module__}.{kind.__qualname__}"
        _warn(
            name,
            "vigilo: %s has an exporter of its own and sees spans before they end: what it exports then is not masked. "
            "Let it export in on_end, or give its exporter to a BatchSpanProcessor.",
            name,
        )


def _logs(module: Any) -> None:
    def made(original: Any) -> Any:
        def __post_init__(record: Any) -> None:  # noqa: N807 - the dataclass's
            original(record)
            try:
                scope = record.instrumentation_scope
                record.log_record = _masked_record(record.log_record, scope.name if scope is not None else None)
                record.resource = _masked_resource(record.resource)
                record.instrumentation_scope = _masked_scope(scope)
            except Exception as error:  # noqa: BLE001 - fails closed, and the app goes on
                report_internal("masking a log record", error)
                record.log_record.body = "[REDACTED]"
                record.log_record.attributes = {}

        return __post_init__

    _replace(module.ReadWriteLogRecord, "__post_init__", made)


def _metrics(module: Any) -> None:
    from opentelemetry.sdk.metrics.export import MetricReader

    def setting(original: Any) -> Any:
        def _set_collect_callback(reader: Any, func: Any) -> None:
            original(reader, _collecting(func))

        return _set_collect_callback

    _replace(MetricReader, "_set_collect_callback", setting)
    for reader in list(getattr(module.MeterProvider, "_all_metric_readers", ())):
        reader._collect = _collecting(getattr(reader, "_collect", None))


def _collecting(func: Any) -> Any:
    """A reader's callback that hands over masked metrics; readers keep it, so it asks whether that is still wanted."""
    if func is None or getattr(func, "_vigilo_masks", False):
        return func

    def collect(*args: Any, **kwargs: Any) -> Any:
        collected = func(*args, **kwargs)
        if not _holders:
            return collected
        try:
            return _masked_metrics(collected)
        except Exception as error:  # noqa: BLE001 - fails closed: they are not exported
            report_internal("masking metrics", error)
            return None

    collect._vigilo_masks = True  # type: ignore[attr-defined]
    return collect


def _propagators(module: Any) -> None:
    """All at once: baggage is also what Jaeger's propagator sends."""
    _replace(module.CompositePropagator, "inject", _injecting)


def _baggage(module: Any) -> None:
    """For whoever uses it by itself."""
    _replace(module.W3CBaggagePropagator, "inject", _injecting)


def _injecting(original: Any) -> Any:
    def inject(propagator: Any, carrier: Any, context: Any = None, *args: Any, **kwargs: Any) -> None:
        original(propagator, carrier, _masked_baggage(context), *args, **kwargs)

    return inject


def _warn(key: str, message: str, *args: object) -> None:
    if key in _warned:
        return
    _warned.add(key)
    import logging

    logging.getLogger("vigilo").warning(message, *args)


_MODULES: dict[str, Callable[[Any], None]] = {
    "opentelemetry.sdk.trace": _traces,
    "opentelemetry.sdk.trace.export": _span_processors,
    "opentelemetry.sdk._logs": _logs,
    "opentelemetry.sdk.metrics": _metrics,
    "opentelemetry.baggage.propagation": _baggage,
    "opentelemetry.propagators.composite": _propagators,
}
"""What is changed once a module is imported."""
