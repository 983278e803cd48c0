"""Which answers were counted: a result that is polled for may be fetched many times, and its tokens count once."""

from __future__ import annotations

import threading


class Once:
    """Remembers the ids of this process that were told before; of many, the latest.

    Another process that fetches the same result counts it too: nothing that both could look at tells them.
    """

    def __init__(self, keeps: int = 10_000) -> None:
        """``keeps``: how many ids are remembered, about 100 bytes each."""
        self._keeps = keeps
        self._told: dict[str, None] = {}
        self._lock = threading.RLock()  # a dropped stream may be put together in the middle of this

    def first(self, told: str | None) -> bool:
        """True the first time an id is told; an answer without an id is always a first."""
        if told is None:
            return True
        with self._lock:
            if told in self._told:
                return False
            self._told[told] = None
            if len(self._told) > self._keeps:
                del self._told[next(iter(self._told))]
            return True
