"""Attributes that stay masked."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes

from vigilo.policy.export.masker import others_masker

if TYPE_CHECKING:
    from collections.abc import Mapping


class MaskedAttributes(BoundedAttributes):
    """Attributes of a span or a log record, masked, that mask what is set later.

    Processors may add to log records; of spans they may not, but some unlock the attributes and do.
    """

    def __init__(self, shown: dict[str, Any], source: Any, *, immutable: bool) -> None:
        """Takes over what is masked, without the checks that ``source``, the SDK's attributes, made already."""
        self._dict = shown
        self.maxlen = getattr(source, "maxlen", None)
        self.max_value_len = getattr(source, "max_value_len", None)
        self.dropped = getattr(source, "dropped", 0)
        self._lock = Lock()
        self._immutable = immutable

    def __setitem__(self, key: str, value: Any) -> None:
        self._set_items({key: value})

    def _set_items(self, attributes: Mapping[str, Any]) -> None:
        self._raise_if_immutable()
        shown = others_masker().attributes(attributes)
        super()._set_items(attributes if shown is None else shown)
