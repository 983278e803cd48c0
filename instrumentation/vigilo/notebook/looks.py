"""A question that may hang, such as one to a mounted drive: asked in a thread of its own, at most one at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Look(Generic[T]):
    """Asks again and again, and gives the last answer meanwhile.

    Args:
        what: what it does, for the log: ``looking at Drive``.
        ask: the question; may hang for ever, which costs one daemon thread.
        every_s: seconds between two questions.
        patience_s: seconds after which an answer is late.
        monotonic_s: the clock.
    """

    def __init__(
        self, what: str, ask: Callable[[], T], *, every_s: float, patience_s: float, monotonic_s: Callable[[], float]
    ) -> None:
        self.every_s, self.patience_s = every_s, patience_s
        self.last: T | None = None
        self._what, self._ask, self._monotonic_s = what, ask, monotonic_s
        self._asked_s: float | None = None
        self._done = threading.Event()
        self._done.set()
        self._waited_out = False
        self._lock = threading.RLock()  # a signal may come between, and its handler ask as well

    def answer(self, wait_s: float = 0.0) -> T | None:
        """The last answer, None before the first; asks where it is time to.

        Args:
            wait_s: seconds to wait for the answer to a question under way, at most the patience.
        """
        with self._lock:
            now_s = self._monotonic_s()
            if self._done.is_set() and (self._asked_s is None or now_s - self._asked_s >= self.every_s):
                self._asked_s = now_s
                self._begin()
            done = self._done
        if wait_s > 0 and not done.wait(min(wait_s, self.patience_s)) and wait_s >= self.patience_s:
            self._waited_out = True
        return self.last

    @property
    def late(self) -> bool:
        """Whether a question under way has been asked for longer than the patience."""
        if self._done.is_set() or self._asked_s is None:
            return False
        return self._waited_out or self._monotonic_s() - self._asked_s > self.patience_s

    def soon(self) -> None:
        """Has the next call ask, whenever the last question was."""
        self._asked_s = None

    def _begin(self) -> None:
        self._done, self._waited_out = threading.Event(), False
        try:
            threading.Thread(target=self._run, args=(self._done,), name=f"vigilo: {self._what}", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter ends
            self._done.set()

    def _run(self, done: threading.Event) -> None:
        try:
            with internal_errors(self._what):
                self.last = self._ask()
        finally:
            done.set()
