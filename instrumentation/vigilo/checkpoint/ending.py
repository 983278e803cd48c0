"""The end of the process: a last checkpoint when it gets SIGTERM and when it ends, within a budget of seconds.

A signal comes in the middle of a step, and half a step is no state to go on from. So where steps come often the next
one is waited for, and only where none comes in time it is saved as it is, which the checkpoint then says.
"""

from __future__ import annotations

import atexit
import os
import queue
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.checkpoint.engine import Engine

WAIT_SHARE: Final = 0.5
"""Of the budget may go by until a step ends; the rest is for writing."""


class Helper:
    """One daemon thread that works for a signal handler, so that the handler can stop waiting.

    It is there before the signal: to start one may take a lock that the interrupted code holds.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # `put` may interrupt a `put`
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="vigilo-checkpoint-end", daemon=True)
            self._thread.start()

    def put(self, job: Callable[[], None]) -> bool:
        """Has it done soon; False where there is no thread."""
        if self._thread is None or not self._thread.is_alive():
            return False
        self._jobs.put(job)
        return True

    def run(self, job: Callable[[], None], limit_s: float) -> bool:
        """Has it done and waits for it; False where it took longer. Without a thread it is done here, to its end."""
        done = threading.Event()

        def work() -> None:
            try:
                job()
            finally:
                done.set()

        if not self.put(work):
            job()
            return True
        return done.wait(max(0.0, limit_s))

    def _work(self) -> None:
        while True:
            with internal_errors("writing the last checkpoint"):
                self._jobs.get()()


class Ending:
    """What an engine does with SIGTERM and at exit. All of it happens in the main thread."""

    def __init__(self, engine: Engine, budget_s: float) -> None:
        self._engine, self._budget_s = engine, budget_s
        self._owner = os.getpid()
        self._installed = False
        self._previous: Any = None
        self._above: Any = None
        """A handler that was over ours when that was removed: it may still call ours."""
        self._handler: Any = self._on_sigterm  # one object, to know it again
        self._deadline_s: float | None = None
        self._stop_waiting = threading.Event()
        self.asked = False
        """SIGTERM came, and the next safe point is to end the process."""

    def install(self) -> bool:
        """Puts the handlers in place, once; says whether they are."""
        if self._installed:
            return True
        if threading.current_thread() is not threading.main_thread() or os.getpid() != self._owner:
            return False
        previous = signal.getsignal(signal.SIGTERM)
        if previous is None:  # not set from Python, so it could not be called afterwards
            return False
        self._engine.helper.start()
        if previous is not self._handler and (self._above is None or previous is not self._above):
            self._previous = previous
            signal.signal(signal.SIGTERM, self._handler)
        atexit.register(self._at_exit)
        self._installed = True
        return True

    def remove(self) -> None:
        """Restores what was there. A handler that was put over ours stays, and ours only passes on from then on."""
        if not self._installed:
            return
        self._installed = self.asked = False
        self._stop_waiting.set()
        atexit.unregister(self._at_exit)
        if threading.current_thread() is not threading.main_thread():
            return
        current = signal.getsignal(signal.SIGTERM)
        self._above = None if current is self._handler else current
        if current is self._handler:
            signal.signal(signal.SIGTERM, self._previous)

    def stop_waiting(self) -> None:
        """What was waited for has come: the helper is free."""
        self._stop_waiting.set()

    @property
    def left_s(self) -> float:
        """Of the budget."""
        if self._deadline_s is None:
            return self._budget_s
        return max(0.0, self._deadline_s - self._engine.now_s())

    def go_on(self) -> None:
        """A safe point was reached after SIGTERM and the last checkpoint is written: ends as it would have."""
        self._stop_waiting.set()
        self._deadline_s = 0.0
        if threading.current_thread() is threading.main_thread():
            self._pass_on(signal.SIGTERM, None)
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    def _on_sigterm(self, number: int, frame: Any) -> None:
        if not self._installed or os.getpid() != self._owner or self._deadline_s == 0.0:
            self._pass_on(number, frame)
            return
        with internal_errors("writing a checkpoint on SIGTERM"):
            if self._is_put_off():
                return
            self._engine.save_last("sigterm", self.left_s)
        self._pass_on(number, frame)

    def _is_put_off(self) -> bool:
        """Whether a safe point is to come soon, and is waited for."""
        engine = self._engine
        is_first = self._deadline_s is None
        if is_first:
            self._deadline_s = engine.now_s() + self._budget_s
        if engine.is_writing_here():  # only the interrupted code can end the save, and then ends the process
            if not is_first and self.left_s == 0:
                return False  # it hangs: what it writes has no name yet
            if is_first:
                self._stop_waiting.clear()
                engine.helper.put(lambda: self._ask_again(self._budget_s))
            self.asked = True
            return True
        wait_s = WAIT_SHARE * self._budget_s
        if not is_first or not engine.has_news() or not engine.expects_step_within(wait_s):
            return False
        self._stop_waiting.clear()
        self.asked = engine.helper.put(lambda: self._ask_again(wait_s))
        return self.asked

    def _ask_again(self, wait_s: float) -> None:
        if not self._stop_waiting.wait(wait_s):
            os.kill(os.getpid(), signal.SIGTERM)

    def _pass_on(self, number: int, frame: Any) -> None:
        self._deadline_s, self.asked = None, False
        self._stop_waiting.set()
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _at_exit(self) -> None:
        if os.getpid() != self._owner or not self._installed:
            return
        with internal_errors("writing a checkpoint at exit"):
            # In a kernel it is an error of some cell, and long over.
            failed = getattr(sys, "last_value", None) is not None and "ipykernel" not in sys.modules
            self._engine.save_last("exception" if failed else "exit", self._budget_s)
