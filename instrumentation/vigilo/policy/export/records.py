"""Log records that mask themselves when they are first read."""

from __future__ import annotations

from traceback import format_exception
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord

from vigilo import semconv
from vigilo.errors import report_internal
from vigilo.policy.export.attributes import MaskedAttributes
from vigilo.policy.export.masker import masker_of, others_masker
from vigilo.policy.mask.spans import REDACTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.policy.export.masker import Masker


class MaskedRecord(LogRecord):
    """A log record as processors and exporters get it; see ``MaskedSpan``.

    Processors may change log records. What they set is masked at once, so their order does not matter.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: LogRecord, masker: Masker) -> None:
        _set_raw(self, (raw, masker))
        parts = self.__dict__
        parts["timestamp"] = raw.timestamp
        parts["observed_timestamp"] = raw.observed_timestamp
        parts["context"] = raw.context
        parts["trace_id"] = raw.trace_id
        parts["span_id"] = raw.span_id
        parts["trace_flags"] = raw.trace_flags
        parts["severity_number"] = raw.severity_number
        # What it says is in the attributes; the exception itself would show its arguments to whoever prints it.
        parts["exception"] = None

    def __getattr__(self, name: str) -> Any:
        if name not in _PARTS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        known, parts = self._raw, self.__dict__
        if known is not None:
            raw, masker = known
            parts.setdefault(name, _masked(name, raw, getattr(raw, name), masker))
            if parts.keys() >= _PARTS.keys():
                _set_raw(self, None)
        return parts[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = _masked(name, self, value, others_masker()) if name in _PARTS else value

    def __getstate__(self) -> dict[str, Any]:
        for name in _PARTS:
            getattr(self, name)
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        _set_raw(self, None)
        self.__dict__.update(state)


_set_raw = MaskedRecord.__dict__["_raw"].__set__


def masked_record(record: Any, scope_name: str | None) -> Any:
    """A log record that is being emitted as one that masks itself."""
    return record if isinstance(record, MaskedRecord) else MaskedRecord(record, masker_of(scope_name))


def _masked(name: str, record: LogRecord, value: Any, masker: Masker) -> Any:
    try:
        return _PARTS[name](value, masker, record)
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking a log record", error)
        return {} if name == "attributes" else REDACTED


def _text(value: Any, masker: Masker, _: LogRecord) -> Any:
    return masker.text(value, "name") if isinstance(value, str) else value


def _body(value: Any, masker: Masker, record: LogRecord) -> Any:
    if masker.drops_content and (record.event_name or "").startswith(semconv.GEN_AI):
        return None  # the conventions once had messages there
    return masker.value(value, "body")


def _attributes(value: Any, masker: Masker, record: LogRecord) -> Any:
    if value is None:
        return None
    known = value.copy() if hasattr(value, "copy") else dict(value)
    if record.exception is not None and semconv.EXCEPTION_TYPE not in known:
        known.update(_told(record.exception))  # the SDK has yet to do so where the app made its record
    shown = masker.attributes(known, getattr(value, "max_value_len", None))
    return MaskedAttributes(known if shown is None else shown, value, immutable=False)


def _told(error: BaseException) -> dict[str, str]:
    """An exception as the conventions tell it."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    trace = "".join(format_exception(type(error), error, error.__traceback__))
    return {semconv.EXCEPTION_TYPE: kind, semconv.EXCEPTION_MESSAGE: str(error), "exception.stacktrace": trace}


_PARTS: dict[str, Callable[[Any, Masker, LogRecord], Any]] = {
    "body": _body,
    "attributes": _attributes,
    "event_name": _text,
    "severity_text": _text,
}
