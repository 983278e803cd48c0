"""The levels that a memory was at before, and that did no harm."""

from __future__ import annotations

from collections import deque

BINS = 256
RECENT = 12
"""Levels that are not the past yet."""
USUAL = 0.99
"""Of the past: below the usual level."""
OLD = 1024
"""After so many levels those before count half."""


class Past:
    """What is usual: the level below which nearly all of the past was spent. Levels are shares of the limit."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing that was is usual any more."""
        self._recent: deque[float] = deque()
        self._bins = [0.0] * BINS
        self._count = self._since_aged = 0.0

    def add(self, level: float) -> None:
        self._recent.append(level)
        if len(self._recent) <= RECENT:
            return
        self._bins[max(0, min(BINS - 1, int(self._recent.popleft() * BINS)))] += 1
        self._count += 1
        self._since_aged += 1
        if self._since_aged >= OLD:
            self._bins = [one / 2 for one in self._bins]
            self._count, self._since_aged = self._count / 2, 0.0

    def usual(self) -> float:
        """0 while there is no past."""
        above, rare = 0.0, (1 - USUAL) * self._count
        for at in range(BINS - 1, -1, -1):
            above += self._bins[at]
            if above > rare:
                return (at + 1) / BINS
        return 0.0
