"""What runs for long, how far it is and when it will be done: ``vigilo.task("train", total=1000)``.

A task counts; it saves nothing. Steps after which a checkpoint may be written are told to ``vigilo.checkpoint.step()``.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from operator import index
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.metrics import CallbackOptions, Observation

Item = TypeVar("Item")

RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
MAX_TASKS: Final = 50
"""Tasks that are remembered: all that run, at the most this many, and of those that ended the latest."""
_MEMORY_STEPS: Final = 50
"""The time of a step is smoothed over about this many."""


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """A task as it is now.

    Attributes:
        name: as given.
        state: ``running``, ``finished``, ``stopped`` (left before its end, by an error too) or ``failed``.
        done: steps that are behind it, those of an earlier session included where they were told.
        total: steps in all; None where that is not known.
        elapsed_s: since it began; of one that ended, until then.
        remaining_s: estimated from the last steps; None where the total is not known, or no step is done yet.
    """

    name: str
    state: str
    done: int
    total: int | None
    elapsed_s: float
    remaining_s: float | None

    @property
    def progress(self) -> float | None:
        """0 to 1; None where the total is not known."""
        return min(1.0, self.done / self.total) if self.total else None


class Task(Generic[Item]):
    """One loop. Iterate over it, or use it in ``with`` and count with :meth:`advance`. Made by :func:`task`.

    Counting is for one thread; the status may be asked for from any.
    """

    def __init__(
        self,
        name: str,
        items: Iterable[Item],
        total: int | None,
        done: int = 0,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.total, self.done, self.state = name, total, done, RUNNING
        self._items, self._monotonic_s = items, monotonic_s
        self._began_s = self._counted_s = monotonic_s()
        self._ended_s: float | None = None
        self._step_s: float | None = None
        self._counted = 0
        self._thread = threading.get_ident()
        self._iterates = False

    def advance(self, steps: int = 1) -> None:
        """Tells that steps are done. One that had ended runs again."""
        now = self._monotonic_s()
        self.done += steps
        if self.state != RUNNING:
            self.state, self._ended_s = RUNNING, None
        elif steps > 0:
            self._counted += steps
            per_step = (now - self._counted_s) / steps
            share = min(1.0, max(steps / self._counted, steps / _MEMORY_STEPS))
            self._step_s = per_step if self._step_s is None else self._step_s + share * (per_step - self._step_s)
        self._counted_s = now

    def end(self, state: str = FINISHED) -> None:
        """Tells that it is over: ``finished``, ``stopped`` or ``failed``. Only the first end counts."""
        if self.state == RUNNING:
            self.state, self._ended_s = state, self._monotonic_s()

    def status(self) -> TaskStatus:
        """How far it is."""
        ended_s = self._ended_s
        now = self._monotonic_s() if ended_s is None else ended_s
        remaining_s = None
        if self.total is not None and (self._step_s is not None or self.done >= self.total):
            # The step that is under way counts as far as it got, and never as more than one.
            under_way_s = min(now - self._counted_s, self._step_s or 0.0)
            remaining_s = max(0.0, (self.total - self.done) * (self._step_s or 0.0) - under_way_s)
        return TaskStatus(self.name, self.state, self.done, self.total, now - self._began_s, remaining_s)

    def __iter__(self) -> Iterator[Item]:
        self._thread, self._iterates = threading.get_ident(), True
        self._counted_s = self._monotonic_s()
        state = FAILED
        try:
            for item in self._items:
                yield item
                self.advance()
            state = FINISHED
        except GeneratorExit:  # the loop was left
            state = STOPPED
            raise
        finally:
            self._iterates = False
            self.end(state)

    def __enter__(self) -> Task[Item]:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.end(FINISHED if kind is None else FAILED)


@overload
def task(name: str, total: int | None = None, *, done: int = 0) -> Task[int]: ...


@overload
def task(name: str, total: Iterable[Item], *, done: int = 0) -> Task[Item]: ...


def task(name: str, total: Any = None, *, done: int = 0) -> Task[Any]:
    """A loop whose progress is seen in the status card and in the metrics ``notebook.task.*``.

    In one of three ways::

        for step in vigilo.task("train", total=1000, done=resumed_step): ...
        for batch in vigilo.task("train", loader): ...
        with vigilo.task("download", total=len(urls)) as download: ...; download.advance()

    Args:
        name: of the loop; a label of metrics, so one of few.
        total: steps in all, or what is gone through; without it it counts for ever.
        done: steps that an earlier session made; a loop over numbers begins there.

    Returns:
        The task: it runs from now on.

    Raises:
        ValueError: a number is negative.
        TypeError: ``total`` is no whole number and cannot be gone through.
    """
    items: Iterable[Any]
    steps: int | None = None
    if total is None:
        items = count(done)
    elif hasattr(type(total), "__index__"):
        steps = index(total)
        items = range(done, steps)
    elif hasattr(type(total), "__iter__") or hasattr(type(total), "__getitem__"):
        items = total
        with suppress(TypeError):  # a loader over a stream may have the method, and no length
            steps = done + len(total)
    else:
        raise TypeError(f"total is {total!r}; it is a whole number, or what is gone through")
    if done < 0 or (steps or 0) < 0:
        raise ValueError("neither total nor done may be negative")
    made = Task(str(name), items, steps, done)
    _register(made)
    return made


def tasks() -> list[TaskStatus]:
    """All that are remembered, in the order in which they began; empty in a forked child."""
    with _lock:
        return [one.status() for one in _known]


def end_tasks_of_cell() -> None:
    """Stops the loops of this thread: no ``for`` of a cell goes on after it, though a traceback may keep it alive."""
    with _lock:
        left = [one for one in _known if one._iterates and one._thread == threading.get_ident()]
    for one in left:
        one.end(STOPPED)


def _register(made: Task[Any]) -> None:
    global _told
    with _lock:
        _known.append(made)
        if len(_known) > MAX_TASKS:
            _known.remove(next((one for one in _known if one.state != RUNNING), _known[0]))
        tell, _told = not _told, True
    if tell:
        with internal_errors("making the metrics of tasks"):
            _tell()


def _tell() -> None:
    """Makes the instruments, once a process: they tell the tasks that run at the time of an export."""
    from opentelemetry.metrics import Observation, get_meter

    from vigilo import semconv
    from vigilo.capture.instruments import SCOPE, vigilo_version

    def observe(value: str) -> Callable[[CallbackOptions], list[Observation]]:
        def callback(_: CallbackOptions) -> list[Observation]:
            latest = {one.name: getattr(one, value) for one in tasks() if one.state == RUNNING}
            return [
                Observation(number, {semconv.TASK_NAME: name}) for name, number in latest.items() if number is not None
            ]

        return callback

    meter = get_meter(SCOPE, vigilo_version(), None, semconv.SCHEMA_URL)
    meter.create_observable_gauge(
        semconv.TASK_PROGRESS, [observe("progress")], unit="1", description="How far tasks are that run, 0 to 1"
    )
    meter.create_observable_gauge(
        semconv.TASK_REMAINING, [observe("remaining_s")], unit="s", description="Estimated time until a task is done"
    )


def _forget() -> None:
    """In a forked child: what runs, runs in the parent, and only it tells of it."""
    global _lock, _told
    _lock, _told = threading.Lock(), True
    _known.clear()


_lock = threading.Lock()
_known: list[Task[Any]] = []
_told = False
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
