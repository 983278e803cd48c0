"""One operation of a store at a time in this process, whoever asks: threads, greenlets, finalizers, a fork.

A finalizer may run anywhere, so also in the middle of an operation of the same thread. What it asks for then is put
off, and done by that operation before it ends.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vigilo.state.store import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

MAX_PUT_OFF: Final = 10_000
"""Operations that are kept for later; of more than these the first are lost, and their holds expire."""
FORK_WAIT_S: Final = 2.0

_all: Final[weakref.WeakSet[TakesTurns]] = weakref.WeakSet()
_held_over_fork: Final[list[TakesTurns]] = []


class TakesTurns:
    """A store that does one operation at a time. A fork waits for it, so that the child finds nothing half done."""

    def __init__(self) -> None:
        self._begin_turns()
        _all.add(self)

    def _begin_turns(self) -> None:
        # Both at once: either both are gevent's, or neither is.
        self._lock, self._sleep = threading.RLock(), time.sleep
        self._busy = False
        self._put_off: deque[Callable[[], Any]] = deque(maxlen=MAX_PUT_OFF)

    def _before_fork(self) -> None:
        """Lets go of what no two processes may share; no operation is under way."""

    def _after_fork_in_child(self) -> None:
        """Forgets what is the parent's."""

    def _take_turn(self, work: Callable[[], Result], wait_s: float) -> Result:
        """Does the work when no other is done.

        Raises:
            StateError: others took longer than ``wait_s``, or this is the middle of an operation.
        """
        if not self._lock.acquire(timeout=wait_s):
            raise StateError(f"other threads kept the state busy for {wait_s} s")
        try:
            if self._busy:
                raise StateError("asked by a finalizer or a signal handler in the middle of an operation")
            self._busy = True
            try:
                result = work()
                if self._put_off:
                    self._catch_up()
                return result
            finally:
                self._busy = False
        finally:
            self._lock.release()

    def _take_turn_or_put_off(self, work: Callable[[], Result], wait_s: float) -> Result | None:
        """As :meth:`_take_turn`; in the middle of an operation of this thread the work is put off, and None returned.

        Raises:
            StateError: others took longer than ``wait_s``.
        """
        if not self._lock.acquire(timeout=wait_s):
            raise StateError(f"other threads kept the state busy for {wait_s} s")
        try:
            if not self._busy:
                return self._take_turn(work, wait_s)
            self._put_off.append(work)
            return None
        finally:
            self._lock.release()

    def _catch_up(self) -> None:
        while self._put_off:
            work = self._put_off.popleft()
            try:
                work()
            except StateError:
                self._put_off.appendleft(work)  # the next operation may have better luck
                return


def _before_fork() -> None:
    for store in list(_all):
        if store._lock.acquire(timeout=FORK_WAIT_S):
            _held_over_fork.append(store)
            if not store._busy:  # it is where a signal handler forks
                store._before_fork()


def _after_fork_in_parent() -> None:
    while _held_over_fork:
        _held_over_fork.pop()._lock.release()


def _after_fork_in_child() -> None:
    _held_over_fork.clear()
    for store in list(_all):
        store._begin_turns()
        store._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
