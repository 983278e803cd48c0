"""Hands messages to something slow in a thread of its own, so that no call ever waits for it."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from queue import SimpleQueue
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Message = Mapping[str, Any]

MOST_WAITING: Final = 100
ATTEMPTS: Final = 3
BACK_OFF_S: Final = 0.5
"""Before the second attempt, four times as long before the third; up to half of it more by chance."""
EXIT_S: Final = 2.0
"""How long the interpreter's exit waits for what is still to be handed over."""

_JITTER: Final = SystemRandom()  # not the app's generator, whose order may matter to it
_log = logging.getLogger("vigilo")


class UndeliverableError(Exception):
    """A message that could not be handed over; ``again``: another attempt may do better.

    The text is logged: it must hold neither the address, which is often as good as a password, nor anybody's data.
    """

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class Outbox:
    """A queue and a thread. ``deliver`` gets one message at a time and may take its time and raise anything."""

    def __init__(self, name: str, deliver: Callable[[Message], None]) -> None:
        self._name = name
        self._deliver = deliver
        self.dropped = 0
        """Messages that were never handed over, in this process."""
        self._start_over()
        _outboxes.add(self)

    def put(self, message: Message) -> None:
        """Takes a message, or drops it where too many wait. Never blocks or raises; a finalizer may call it too."""
        if self._queue.qsize() >= MOST_WAITING:
            self._drop("more of them than it takes")
            return
        # Written in C, it takes no lock that this thread may hold already.
        self._queue.put(message)
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def flush(self, wait_s: float) -> bool:
        """Waits until all that was put is handed over or given up; False where the time is over before."""
        if self._thread is None or not self._thread.is_alive():
            return self._queue.empty()
        reached = threading.Event()
        self._queue.put(reached)
        return reached.wait(wait_s)

    def _start_over(self) -> None:
        self._queue: SimpleQueue[Message | threading.Event] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._logged: set[str] = set()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, args=(self._queue,), name=f"vigilo-{self._name}", daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter is about to exit
            self._thread = None
            self._log("no thread can be started")

    def _run(self, queue: SimpleQueue[Message | threading.Event]) -> None:
        while True:
            item = queue.get()
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._hand_over(item)

    def _hand_over(self, message: Message) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                longer = 1 + _JITTER.random() / 2
                time.sleep(BACK_OFF_S * 4 ** (attempt - 1) * longer)
            try:
                self._deliver(message)
                return
            except UndeliverableError as error:
                why = str(error)
                if not error.again:
                    break
            except Exception as error:  # noqa: BLE001 - the thread goes on whatever it was
                why = type(error).__qualname__
                break
        self._drop(why)

    def _drop(self, why: str) -> None:
        self.dropped += 1
        self._log(why)

    def _log(self, why: str) -> None:
        if why not in self._logged:
            self._logged.add(why)
            _log.error("vigilo: the %s of quotas is not told of a threshold: %s (logged once)", self._name, why)


_outboxes: Final[weakref.WeakSet[Outbox]] = weakref.WeakSet()


def _flush_all() -> None:
    until = time.monotonic() + EXIT_S
    for outbox in list(_outboxes):
        outbox.flush(max(0.0, until - time.monotonic()))


def _after_fork_in_child() -> None:
    # The thread is the parent's, and so is what it was about to hand over.
    for outbox in list(_outboxes):
        outbox._start_over()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
