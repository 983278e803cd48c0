"""Replaces attributes of an SDK's classes, and puts them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_INHERITED = object()


class Patches:
    """The replaced attributes of one SDK: one list for putting in and for taking out."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any, Any]] = []

    def put(self, owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
        """Replaces ``owner.name`` by ``wrapper`` of it."""
        original = owner.__dict__[name]
        self._put(owner, name, original, wrapper(original))

    def override(self, owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
        """As ``put``, for a method that may be inherited: the class it comes from stays as it is."""
        self._put(owner, name, owner.__dict__.get(name, _INHERITED), wrapper(getattr(owner, name)))

    def _put(self, owner: Any, name: str, original: Any, replacement: Any) -> None:
        setattr(owner, name, replacement)
        self._done.append((owner, name, original, replacement))

    def __bool__(self) -> bool:
        return bool(self._done)

    def undo(self) -> None:
        """Puts every original back, except where somebody else has wrapped our wrapper since."""
        while self._done:
            owner, name, original, replacement = self._done.pop()
            if owner.__dict__.get(name) is not replacement:
                continue
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
