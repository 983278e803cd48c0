"""Spans that mask themselves when they are first read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, Status

from vigilo.errors import report_internal
from vigilo.policy.export.attributes import MaskedAttributes
from vigilo.policy.export.foreign_calls import call_ended, cost_of
from vigilo.policy.export.masker import masker_of, others_masker
from vigilo.policy.export.origins import masked_resource, masked_scope
from vigilo.policy.mask.spans import REDACTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vigilo.policy.export.masker import Masker


class MaskedSpan(ReadableSpan):
    """An ended span as processors and exporters get it: nothing that can be read of it is unmasked.

    It is made on the app's thread, in as long as the SDK's own ``ReadableSpan`` is. Each part is masked when it is read
    for the first time, which a batch processor does in its own thread, once for all exporters. What a processor puts
    in the place of a part is masked as well.
    """

    # Outside of `__dict__`, so that nobody who writes out the span's dictionary finds it.
    __slots__ = ("_raw",)

    def __init__(self, raw: ReadableSpan) -> None:
        """``raw``: an ended span; it is let go as soon as all parts are masked."""
        parts = self.__dict__
        _set_raw(self, raw)
        parts["_context"] = raw._context
        parts["_kind"] = raw._kind
        parts["_parent"] = raw._parent
        parts["_start_time"] = raw._start_time
        parts["_end_time"] = raw._end_time

    def __getattr__(self, name: str) -> Any:
        # Called for what is not in `__dict__` yet.
        if name not in _PARTS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raw, parts = self._raw, self.__dict__
        if raw is not None:  # else another thread was faster
            scope = raw._instrumentation_scope
            masker = masker_of(scope.name if scope is not None else None)
            # Who asks for one of the texts will ask for all of them; what is asked of every span comes cheaper.
            for each in _TEXTS if name in _TEXTS else _LABELS:
                if each not in parts:
                    parts.setdefault(each, _masked(each, getattr(raw, each), masker, raw))
            if len(parts) >= _WHOLE:
                _set_raw(self, None)
        return parts[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = _masked(name, value, others_masker()) if name in _PARTS else value

    def __getstate__(self) -> dict[str, Any]:
        for name in _PARTS:
            getattr(self, name)
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        _set_raw(self, None)
        self.__dict__.update(state)


_set_raw = MaskedSpan.__dict__["_raw"].__set__


def masked_span(span: Any) -> MaskedSpan:
    """A span that has ended, or was made by somebody else, as one that masks itself."""
    if span.__class__ is MaskedSpan:
        known: MaskedSpan = span
        return known
    call_ended(span)
    return MaskedSpan(span)


def masked_attributes(attributes: Any, masker: Masker, raw: ReadableSpan | None = None) -> Any:
    """Attributes masked, and the price added where they are those of the call ``raw``; the same where nothing changes.

    What the SDK left out, because there was too much, stays counted.
    """
    if not attributes and raw is None:
        return attributes
    known = attributes.copy() if hasattr(attributes, "copy") else dict(attributes or {})
    shown = masker.attributes(known, getattr(attributes, "max_value_len", None))
    cost = {} if raw is None or masker.ours else cost_of(raw, known)
    if shown is None and not cost and raw is None:
        return attributes
    return MaskedAttributes({**(known if shown is None else shown), **cost}, attributes, immutable=True)


def _masked(name: str, value: Any, masker: Masker, raw: ReadableSpan | None = None) -> Any:
    try:
        if name == "_attributes":
            return masked_attributes(value, masker, raw)
        return _PARTS[name](value, masker)
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking a span", error)
        return _NOTHING[name]()


def _name(name: Any, masker: Masker) -> Any:
    return masker.text(name, "name") if isinstance(name, str) else name


def _status(status: Any, masker: Masker) -> Any:
    description = status.description if isinstance(status, Status) else None
    if not description:
        return status
    shown = masker.text(description, "status")
    return status if shown == description else Status(status.status_code, shown)


def _events(events: Sequence[Any], masker: Masker) -> Any:
    return _each(events, _event, masker)


def _event(event: Any, masker: Masker) -> Any:
    name, attributes = masker.text(event.name, "name"), masked_attributes(event.attributes, masker)
    if name == event.name and attributes is event.attributes:
        return event
    return Event(name, attributes, event.timestamp)


def _links(links: Sequence[Any], masker: Masker) -> Any:
    return _each(links, _link, masker)


def _link(link: Any, masker: Masker) -> Any:
    attributes = masked_attributes(link.attributes, masker)
    return link if attributes is link.attributes else Link(link.context, attributes)


def _each(items: Sequence[Any], one: Callable[[Any, Masker], Any], masker: Masker) -> Any:
    """Items masked, and the same sequence where none is changed; how many were dropped before stays told."""
    if not items:
        return items
    shown = [one(item, masker) for item in items]
    if all(new is old for new, old in zip(shown, items, strict=True)):
        return items
    kept = BoundedList.from_seq(None, shown)
    kept.dropped = getattr(items, "dropped", 0)
    return kept


def _info(info: Any, masker: Masker) -> Any:
    """The scope in its older form."""
    return info if info is None or masker.text(info.name, "otel.scope.name") == info.name else None


_TEXTS: dict[str, Callable[[Any, Masker], Any]] = {
    "_attributes": masked_attributes,
    "_events": _events,
    "_links": _links,
}
_LABELS: dict[str, Callable[[Any, Masker], Any]] = {
    "_name": _name,
    "_status": _status,
    "_resource": lambda resource, _: masked_resource(resource),
    "_instrumentation_scope": lambda scope, _: masked_scope(scope),
    "_instrumentation_info": _info,
}
_PARTS = {**_TEXTS, **_LABELS}
_WHOLE = 5 + len(_PARTS)  # with the five that need no masking
_NOTHING: dict[str, Callable[[], Any]] = {
    "_name": lambda: REDACTED,
    "_attributes": dict,
    "_events": tuple,
    "_links": tuple,
    "_status": Status,
    "_resource": lambda: masked_resource(None),
    "_instrumentation_scope": lambda: None,
    "_instrumentation_info": lambda: None,
}
