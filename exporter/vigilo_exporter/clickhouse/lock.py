"""The lock of a home folder: who holds it is the one owner of the database in it."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vigilo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_NAME = "owner.lock"
_POLL_S = 0.02


@contextmanager
def owner_lock(home: Path, wait_s: float) -> Iterator[None]:
    """Holds ``owner.lock``. The kernel lets go of it when the process ends, however it ends: it is never stale.

    Args:
        home: the folder; made when it is not there.
        wait_s: how long to wait for another owner to finish.

    Raises:
        StoreError: it was still held after ``wait_s``, or the folder cannot be written.
    """
    path = home / LOCK_NAME
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is said to models is in it
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot write in {home}: {error.strerror}; set `VIGILO_HOME` to another folder") from None
    try:
        _wait(descriptor, path, wait_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"
                raise StoreError(
                    f"process {holder} holds the store ({path}), still after {wait_s:g} s: try again when it has ended"
                ) from None
            time.sleep(_POLL_S)
        else:
            return
