"""What is registered: the objects by name, and how each becomes files and comes back."""

from __future__ import annotations

import re
import weakref
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from vigilo.checkpoint import formats, states
from vigilo.checkpoint.results import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RANDOM: Final = "_random"
"""The item that every checkpoint has besides: no name of the app's begins with an underscore."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Staged(NamedTuple):
    """An item that is ready to be written, without its object where it was copied.

    Attributes:
        file_name: in the checkpoint's folder.
        write: writes it to an open file; None for items that write their path themselves.
        write_path: writes it to a path that is not there yet; works on the object, so only while that rests.
    """

    name: str
    format: str
    file_name: str
    write: Callable[[IO[bytes]], object] | None
    write_path: Callable[[Path], object] | None = None


class Item:
    """One registered name. The arguments are those of :func:`vigilo.checkpoint.register`."""

    def __init__(
        self,
        name: str,
        obj: Any = None,
        *,
        get: Callable[[], Any] | None = None,
        save: Callable[[Path], object] | None = None,
        load: Callable[[Any], object] | None = None,
        format: str | None = None,
        thread_safe: bool = False,
    ) -> None:
        check_name(name)
        if sum(given is not None for given in (obj, get, save)) != 1:
            raise ValueError(f"give exactly one of `obj`, `get` and `save` for {name!r}")
        if format is not None and (format not in formats.CHOICES or save is not None):
            raise ValueError(f"{format!r} is none of {', '.join(formats.CHOICES)}, or is given beside `save`")
        self.name, self.thread_safe = name, thread_safe
        self._save, self._load, self._format = save, load, format
        self._held = obj is not None
        self._get = get if get is not None else _holding(obj) if obj is not None else None
        if obj is not None:
            states.unwrapped(obj)

    @property
    def can_be_copied(self) -> bool:
        """Whether :meth:`stage` can make a copy. What writes its path by itself does so from the object."""
        if self._save is not None or self._format == formats.KERAS:
            return False
        return self._format is not None or not states.is_keras(self._object())

    def stage(self, *, copy: bool) -> Staged:
        """What is to be written. With ``copy`` it stays as it is now, however the object goes on.

        Raises:
            CheckpointError: the object is gone, or cannot be saved.
        """
        if self._save is not None:
            return Staged(self.name, formats.FILE, self.name, None, self._save)
        obj = self._object()
        chosen = self._format or states.usual_format(obj)
        file_name = self.name + formats.SUFFIXES[chosen or formats.PLAIN]
        if chosen == formats.KERAS:
            return Staged(self.name, chosen, file_name, None, lambda path: obj.save_weights(str(path)))
        encoded = formats.encode(states.take(obj), chosen, copy=copy)
        return Staged(self.name, encoded.format, self.name + formats.SUFFIXES[encoded.format], encoded.write)

    def restore(self, value: Any, format: str) -> bool:
        """Puts what was read back; False where the object cannot be changed in place.

        Raises:
            CheckpointError: the object is gone, or the value does not fit.
        """
        if self._load is not None:
            self._load(value)
            return True
        if format == formats.FILE:
            raise CheckpointError(f"{self.name!r} was written by `save`: register it with `load`")
        obj = self._object()
        if format == formats.KERAS:
            states.load_keras(obj, value)
            return True
        return states.give(obj, value)

    def _object(self) -> Any:
        obj = None if self._get is None else self._get()
        if obj is None and self._held:
            raise CheckpointError(
                f"what was registered as {self.name!r} is gone: register it again, or as "
                f"register({self.name!r}, get=lambda: ...)"
            )
        return states.unwrapped(obj)


def check_name(name: str) -> str:
    """The name, if it can be that of a file; ValueError otherwise."""
    if not _NAME.fullmatch(name) or name == "manifest":
        raise ValueError(f"{name!r} is no name for a file: letters, digits, `_`, `.` and `-`, at most 100")
    return name


def random_item() -> Staged:
    """The states of the random generators, as they are now."""
    encoded = formats.encode(states.take_random_states(), formats.PLAIN, copy=True)
    return Staged(RANDOM, encoded.format, RANDOM + formats.SUFFIXES[formats.PLAIN], encoded.write)


def _holding(obj: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(obj)
    except TypeError:  # lists, dicts and numbers cannot be held so
        return lambda: obj
