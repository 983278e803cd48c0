"""Who asks for a checkpoint, and when it is their turn: asking costs nothing, and only one save comes of many."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER: Final = (
    "sigterm",
    "exit",
    "memory",
    "session",
    "quota",
    "disk",
    "output",
    "idle",
    "exception",
    "manual",
    "period",
)
"""Reasons, the one that is told first where several ask; others come after them."""
DEADLINES: Final = frozenset({"sigterm", "exit", "session", "quota", "manual"})
"""They wait for nothing: after them there may be no later."""
MIN_INTERVAL_S: Final = 300.0
MIN_INTERVALS_S: Final = {"memory": 60.0}
"""Seconds after the last checkpoint before this reason gets another one."""
QUIET_S: Final = 600.0
"""A reason that goes on being asked for is served once, and again when it was quiet for so long."""
DEADLINE_PAUSE_S: Final = 10.0
"""Seconds between two checkpoints for the same deadline: who asks all the time would have one a step."""
RETRY_S: Final = 30.0


class Requests:
    """What is asked for and not yet served. Asking takes no lock: signal handlers and any thread may.

    Args:
        monotonic_s: the clock.
        every_s: seconds between checkpoints that nobody asked for; 0 for none.
    """

    def __init__(self, monotonic_s: Callable[[], float], every_s: float) -> None:
        self._now, self._every_s = monotonic_s, every_s
        self._asked: deque[tuple[str, float]] = deque()
        self._pending: dict[str, float] = {}
        self._last_asked: dict[str, float] = {}
        self._served: dict[str, float] = {}
        self._saved_s: float | None = None
        self._retry_s = float("-inf")
        self._period_s: float | None = None

    def ask(self, reason: str) -> None:
        """Asks for a checkpoint."""
        self._asked.append((reason, self._now()))

    @property
    def waiting(self) -> bool:
        """Whether something was asked for that was not looked at, or waits for its turn."""
        return bool(self._asked or self._pending)

    def begin_period(self) -> None:
        """From now on the time to the next periodic one runs."""
        if self._every_s > 0 and self._period_s is None:
            self._period_s = self._now() + self._every_s

    def is_idle(self) -> bool:
        """Whether there is nothing to look at, as at most steps: the cheap question."""
        return not self._asked and not self._pending and (self._period_s is None or self._now() < self._period_s)

    def due(self) -> str | None:
        """The highest reason whose turn it is; None where there is none."""
        now_s = self._now()
        while self._asked:
            self._take(*self._asked.popleft())
        if now_s < self._retry_s:
            return None
        turns = [reason for reason in self._pending if self._has_turn(reason, now_s)]
        if self._period_s is not None and now_s >= self._period_s:
            turns.append("period")
        return min(turns, key=_rank, default=None)

    def served(self) -> None:
        """A checkpoint was written: all that were asked for have it."""
        now_s = self._now()
        self._served.update(dict.fromkeys(self._pending, now_s))
        self._pending.clear()
        self._saved_s, self._retry_s = now_s, float("-inf")
        self._period_s = now_s + self._every_s if self._every_s > 0 else None

    def drop(self) -> None:
        """Nothing is new since the last one: what was asked for is there already."""
        self._pending.clear()
        if self._period_s is not None:
            self._period_s = self._now() + self._every_s

    def failed(self) -> None:
        """None could be written: what was asked for stays so, and is tried again after a while."""
        now_s = self._now()
        self._retry_s = now_s + RETRY_S
        if self._period_s is not None:
            self._period_s = now_s + min(self._every_s, MIN_INTERVAL_S)

    def pending(self) -> list[str]:
        """What is asked for, highest first."""
        return sorted({*self._pending, *(reason for reason, _ in list(self._asked))}, key=_rank)

    def _take(self, reason: str, asked_s: float) -> None:
        before_s = self._last_asked.get(reason)
        self._last_asked[reason] = asked_s
        served_s = self._served.get(reason)
        if served_s is not None:
            if reason in DEADLINES:
                if reason != "manual" and asked_s - served_s < DEADLINE_PAUSE_S:
                    return
            elif before_s is not None and asked_s - before_s < QUIET_S:
                return
        self._pending.setdefault(reason, asked_s)

    def _has_turn(self, reason: str, now_s: float) -> bool:
        if reason in DEADLINES or self._saved_s is None:
            return True
        return now_s - self._saved_s >= MIN_INTERVALS_S.get(reason, MIN_INTERVAL_S)


def highest(reasons: list[str]) -> str:
    """The one that is told where several ask."""
    return min(reasons, key=_rank)


def _rank(reason: str) -> tuple[int, str]:
    return (ORDER.index(reason) if reason in ORDER else len(ORDER), reason)
