"""Whether a request's body can be sent once more: files and streams that were read are at their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = (bytes, bytearray, str, int, float, bool, type(None))


class Replay:
    """The body of a Stainless SDK's request as it is now, before its first attempt."""

    __slots__ = ("_positions", "is_possible")

    def __init__(self, options: Any) -> None:
        self._positions: list[tuple[Any, int]] = []
        parts = (getattr(options, "content", None), *_files(getattr(options, "files", None)))
        self.is_possible = all(self._remembers(part) for part in parts)

    def rewind(self) -> None:
        """Puts all that was read back to where it began."""
        for part, position in self._positions:
            part.seek(position)

    def _remembers(self, part: Any) -> bool:
        if isinstance(part, _PLAIN):
            return True
        if not callable(getattr(part, "read", None)):
            # What can be gone through once cannot be told from what can be gone through again.
            return type(part) in (list, tuple)
        try:
            if not part.seekable():
                return False
            self._positions.append((part, part.tell()))
        except (AttributeError, OSError, ValueError):
            return False
        return True


def _files(files: Any) -> Iterator[Any]:
    """The contents of the files of a form: ``content``, or ``(name, content, ...)``, by field."""
    if files is None:
        return
    for _, given in files.items() if hasattr(files, "items") else files:
        yield given[1] if isinstance(given, tuple) else given
