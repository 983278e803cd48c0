"""What is counted in this process besides calls, by label, and told when metrics are collected."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


class Reading:
    """A quantity that is read when metrics are collected, at each place where there is some of it."""

    def __init__(self) -> None:
        self._readers: dict[object, Callable[[], int]] = {}

    def reads(self, place: object, read: Callable[[], int]) -> None:
        """Has it read so; there is one way for each place."""
        self._readers[place] = read

    def read(self) -> int | None:
        """The sum over all places; None where there is none."""
        readers = list(self._readers.values())
        return sum(read() for read in readers) if readers else None

    def forget(self) -> None:
        """Reads at no place any more."""
        self._readers.clear()


REFUSALS: Final = Tally()
"""Calls that a quota refused, by the rule's labels."""
THRESHOLDS: Final = Tally()
"""Thresholds that were reached, by the rule's labels and the level."""
EXPIRED_HOLDS: Final = Tally()
PACE_REFUSALS: Final = Tally()
"""Calls whose turn would have come too late, by what limited them."""
STATE_ERRORS: Final = Tally()
EXPORT_ROWS: Final = Tally()
"""Rows of telemetry, by table and outcome."""
EXPORT_FAILURES: Final = Tally()
"""Times that telemetry could not be written to disk, or sent to a server."""
SPOOL_BYTES: Final = Reading()

_ALL: Final = (REFUSALS, THRESHOLDS, EXPIRED_HOLDS, PACE_REFUSALS, STATE_ERRORS, EXPORT_ROWS, EXPORT_FAILURES)


def forget() -> None:
    """Counts from nothing again, and reads at no place."""
    SPOOL_BYTES.forget()
    _after_fork_in_child()


def _after_fork_in_child() -> None:
    for tally in _ALL:
        tally._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
