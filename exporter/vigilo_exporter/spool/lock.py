"""The spool's lock: nobody drops segments while somebody names them in a manifest."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows, where nothing delivers: writers alone need no lock
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_NAME = ".lock"
_POLL_S = 0.01
_held: set[int] = set()


@contextmanager
def spool_lock(folder: Path, wait_s: float) -> Iterator[None]:
    """Holds the lock. The kernel lets go of it when the process ends, however it ends.

    Args:
        folder: the spool's; it must be there.
        wait_s: how long to wait for another holder; 0 does not wait.

    Raises:
        TimeoutError: it was still held after ``wait_s``.
        OSError: the folder is gone, or cannot be written.
    """
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    _held.add(descriptor)
    try:
        _wait(descriptor, folder, wait_s)
        yield
    finally:
        if descriptor in _held:  # not in a child that was forked meanwhile
            _held.discard(descriptor)
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # a fork in another thread may have copied the descriptor
            os.close(descriptor)


def _wait(descriptor: int, folder: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another process keeps the spool's lock", str(folder)) from None
            time.sleep(_POLL_S)
        else:
            return


def _after_fork_in_child() -> None:
    """Lets go of what the parent holds: it would stay locked for as long as the child lives."""
    for descriptor in tuple(_held):
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
