"""The locks of a home folder: who holds ``owner.lock`` is the one owner of the database in it."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from vigilo.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_NAME = "owner.lock"
POLL_S = 0.02


@contextmanager
def owner_lock(home: Path, wait_s: float, name: str = LOCK_NAME) -> Iterator[None]:
    """Holds a lock. The kernel lets go of it when the process ends, however it ends: it is never stale.

    Args:
        home: the folder; made when it is not there.
        wait_s: how long to wait for another holder to finish.
        name: which lock of the folder.

    Raises:
        StoreError: it was still held after ``wait_s``, or the folder cannot be written.
    """
    deadline = time.monotonic() + wait_s
    with ExitStack() as stack:
        while not take_lock(home, stack, name):
            if time.monotonic() >= deadline:
                raise still_held(home, wait_s, name)
            time.sleep(POLL_S)
        yield


def take_lock(home: Path, stack: ExitStack, name: str = LOCK_NAME) -> bool:
    """Takes a lock until the stack is closed, or gives False where another process holds it.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is said to models is in it
        descriptor = os.open(home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot write in {home}: {error.strerror}; set `VIGILO_HOME` to another folder") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    stack.callback(os.close, descriptor)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return True


def holder_of(home: Path, name: str = LOCK_NAME) -> str:
    """Id of the process that holds a lock, as far as it can be told: who held it last, if nobody does."""
    try:
        return (home / name).read_text("ascii", "replace")[:20]
    except OSError:
        return ""


def still_held(home: Path, wait_s: float, name: str = LOCK_NAME) -> StoreError:
    """What to tell of a lock that another process keeps."""
    return StoreError(
        f"process {holder_of(home, name) or 'unknown'} holds the store ({home / name}), still after {wait_s:g} s: "
        "try again when it has ended"
    )
