"""Whose turn it is: callers of one rate in a queue, their users taking turns.

Threads, and tasks of any event loop, wait in the same queue. Nobody holds a lock while waiting, nor while finalizers
may run: what is to be done with the queue is put down first, and done by whoever has the queue at that moment.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from vigilo.policy.pause import Waker

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiter:
    """One call in the queue. ``deadline_s``: by the pacer's clock. ``has_turn``: it may go on, and must then leave."""

    __slots__ = ("deadline_s", "has_turn", "left", "user", "waker")

    def __init__(self, user: str, deadline_s: float) -> None:
        self.user = user
        self.deadline_s = deadline_s
        self.waker = Waker()
        self.has_turn = False
        self.left = False


class Turns:
    """A queue that lets one caller through at a time: the users in turn, each user's calls as they came."""

    def __init__(self) -> None:
        self._to_do: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()
        self._busy = threading.Lock()
        self._queues: dict[str, deque[Waiter]] = {}  # in the order in which the users get their turns
        self._holder: Waiter | None = None
        self.waiting = 0

    @property
    def idle(self) -> bool:
        """Whether nobody is in the queue, nor has the turn."""
        return self._holder is None and not self.waiting and not self._to_do

    def join(self, waiter: Waiter, *, first: bool = False) -> None:
        """Puts a call into the queue, before its user's others if ``first``; its waker is woken at its turn."""
        self._do(self._join, waiter, first)

    def leave(self, waiter: Waiter) -> None:
        """Takes a call out, whether it still waits or has its turn, which then is the next one's. Again: no change."""
        self._do(self._leave, waiter)

    def rouse(self, before_s: float) -> None:
        """Wakes those whose deadline is before that time, to see whether waiting still makes sense."""
        self._do(self._rouse, before_s)

    def ahead_of(self, user: str) -> int:
        """How many calls would come before a new one of this user; about, where others come and go."""
        mine = len(self._queues.get(user, ()))
        return sum(min(len(queue), mine + 1) for queue in list(self._queues.values()))

    def _do(self, change: Callable[..., None], *args: object) -> None:
        """Also called by finalizers, in the middle of this very method of the same thread."""
        self._to_do.append((change, args))
        while self._to_do and self._busy.acquire(blocking=False):
            try:
                while True:
                    try:
                        change, args = self._to_do.popleft()
                    except IndexError:
                        break
                    change(*args)
            finally:
                self._busy.release()

    def _join(self, waiter: Waiter, first: bool) -> None:
        if waiter.left:
            return
        if self._holder is None and not self._queues:
            self._holder = waiter
            waiter.has_turn = True
            waiter.waker.wake()
            return
        queue = self._queues.get(waiter.user)
        if queue is None:
            queue = self._queues[waiter.user] = deque()
        if first:
            queue.appendleft(waiter)
        else:
            queue.append(waiter)
        self.waiting += 1
        self._next()

    def _leave(self, waiter: Waiter) -> None:
        if waiter.left:
            return
        waiter.left = True
        if self._holder is waiter:
            self._holder = None
            self._next()
            return
        queue = self._queues.get(waiter.user)
        if queue is None or waiter not in queue:
            return
        queue.remove(waiter)
        self.waiting -= 1
        if not queue:
            del self._queues[waiter.user]

    def _next(self) -> None:
        if self._holder is not None or not self._queues:
            return
        user, queue = next(iter(self._queues.items()))
        waiter = queue.popleft()
        del self._queues[user]
        if queue:
            self._queues[user] = queue  # behind the other users
        self.waiting -= 1
        self._holder = waiter
        waiter.has_turn = True
        waiter.waker.wake()

    def _rouse(self, before_s: float) -> None:
        if self._holder is not None:
            self._holder.waker.wake()
        for queue in self._queues.values():
            for waiter in queue:
                if waiter.deadline_s < before_s:
                    waiter.waker.wake()
