"""What is counted in this process besides calls, by label, and told when metrics are collected."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping  # noqa: TC003 - used at run time by the type of a field
from typing import Final

MAX_LABELS: Final = 1000
"""Sets of labels that are kept of one tally; the rest is one sum without labels."""


class Tally:
    """A sum for each set of labels. Adding takes a microsecond, and may happen in a finalizer."""

    def __init__(self) -> None:
        self._sums: dict[tuple[tuple[str, str], ...], int] = {}
        self._lock = threading.RLock()

    def add(self, count: int = 1, labels: Mapping[str, str] | None = None) -> None:
        """Adds to the sum of these labels."""
        key = tuple(sorted(labels.items())) if labels else ()
        with self._lock:
            if key not in self._sums and len(self._sums) >= MAX_LABELS:
                key = ()
            self._sums[key] = self._sums.get(key, 0) + count

    def read(self) -> list[tuple[int, dict[str, str]]]:
        """The sums since the process began, or since it was forked, with their labels."""
        with self._lock:
            return [(count, dict(key)) for key, count in self._sums.items()]

    def _after_fork_in_child(self) -> None:
        # What the parent counted is told by the parent.
        self._lock = threading.RLock()
        self._sums = {}


REFUSALS: Final = Tally()
"""Calls that a quota refused, by the rule's labels."""
THRESHOLDS: Final = Tally()
"""Thresholds that were reached, by the rule's labels and the level."""
EXPIRED_HOLDS: Final = Tally()
PACE_REFUSALS: Final = Tally()
"""Calls whose turn would have come too late, by what limited them."""
STATE_ERRORS: Final = Tally()

_ALL: Final = (REFUSALS, THRESHOLDS, EXPIRED_HOLDS, PACE_REFUSALS, STATE_ERRORS)


def _after_fork_in_child() -> None:
    for tally in _ALL:
        tally._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
