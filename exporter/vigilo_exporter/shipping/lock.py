"""``ship.lock`` of a home folder: of all processes that write there, its holder alone sends the spool to the server."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

try:
    import fcntl
except ImportError:  # Windows: every process for itself, in a home of its own
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

LOCK_NAME: Final = "ship.lock"
_POLL_S: Final = 0.02


class Holder(NamedTuple):
    """Who sends.

    Attributes:
        pid: of the process.
        failing: why nothing can be sent now; empty while it can.
    """

    pid: int
    failing: str


class ShipLock:
    """The lock, free at first. The kernel frees it when the process ends, however it ends."""

    def __init__(self, home: Path) -> None:
        self.path = home / LOCK_NAME
        self._descriptor: int | None = None
        _all.add(self)

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return self._descriptor is not None

    def acquire(self, wait_s: float = 0.0) -> bool:
        """Takes it; says whether it did.

        Raises:
            OSError: the home folder cannot be written.
        """
        deadline = time.monotonic() + wait_s
        while not self._try():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        self.tell("")
        return True

    def tell(self, failing: str) -> None:
        """Writes for others to read how sending does. Only the holder may."""
        content = json.dumps({"pid": os.getpid(), "failing": failing}).encode()
        with suppress(OSError), _gate:
            if self._descriptor is not None:
                os.pwrite(self._descriptor, content, 0)
                os.ftruncate(self._descriptor, len(content))

    def release(self) -> None:
        """Lets go of it; nothing where it is not held."""
        self.tell("")  # else who takes it next is taken for failing, until it has told otherwise
        with _gate:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                if fcntl is not None:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child that was forked may have the descriptor, too
                os.close(descriptor)

    def _try(self) -> bool:
        with _gate:  # no fork in between: the child would keep the lock and not know it
            if self._descriptor is not None:
                return False
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                if fcntl is not None:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
            return True

    def _after_fork_in_child(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)  # no unlocking: it is the parent's


def holder(home: Path) -> Holder | None:
    """Who holds the lock of a home folder; None where nobody does."""
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            content = json.loads(os.pread(descriptor, 4096, 0))
            return Holder(int(content["pid"]), str(content["failing"]))
        except (ValueError, KeyError, TypeError):  # read while it was being written
            return Holder(0, "")
    finally:
        os.close(descriptor)
    return None


_all: Final[weakref.WeakSet[ShipLock]] = weakref.WeakSet()
_gate = threading.Lock()


def _before_fork() -> None:
    _gate.acquire()


def _after_fork_in_parent() -> None:
    _gate.release()


def _after_fork_in_child() -> None:
    global _gate
    _gate = threading.Lock()
    for lock in list(_all):
        lock._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
