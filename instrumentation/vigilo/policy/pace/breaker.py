"""A circuit breaker for each server: where it keeps failing, calls wait until one has found it working."""

from __future__ import annotations

import random
import threading
from typing import Final

OPENS_AFTER: Final = 5
"""Failures in a row: answers of 5xx, connections that could not be made, time-outs."""
FIRST_COOL_DOWN_S: Final = 1.0
MAX_COOL_DOWN_S: Final = 30.0
_JITTER: Final = random.SystemRandom()
"""Not the app's generator, whose order may matter to it; and no two processes have the same."""


class Breaker:
    """The state of one server. Times are seconds of one clock that is never set back."""

    def __init__(self) -> None:
        self._failures = 0
        self._cool_down_s = 0.0
        self._opens_s: float | None = None  # from when on one call may try; None: closed
        self._probe = threading.Lock()  # only ever tried: whoever gets it may send the one call

    @property
    def is_closed(self) -> bool:
        """Whether all calls may pass."""
        return self._opens_s is None

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until a call may try; 0 where all may or one may now, None while another call is trying."""
        opens_s = self._opens_s
        if opens_s is None:
            return 0.0
        if now_s < opens_s:
            return opens_s - now_s
        return None if self._probe.locked() else 0.0

    def take_probe(self) -> bool:
        """Whether this call is the one that tries; it must then say how it went, or give the probe back."""
        return self._probe.acquire(blocking=False)

    def give_back(self) -> None:
        """The probe found nothing out: another one may try."""
        if self._probe.locked():
            self._probe.release()

    def worked(self, *, probe: bool) -> bool:
        """The server answered. True where this closes the circuit."""
        self._failures = 0
        if not probe:
            return False
        self._opens_s = None
        self._cool_down_s = 0.0
        self.give_back()
        return True

    def failed(self, now_s: float, *, probe: bool) -> bool:
        """The server failed. True where this opens the circuit, or keeps it open for longer."""
        self._failures += 1
        if probe:
            self._open(now_s)
            self.give_back()
            return True
        if self._opens_s is None and self._failures >= OPENS_AFTER:
            self._open(now_s)
            return True
        return False

    def _open(self, now_s: float) -> None:
        self._cool_down_s = min(MAX_COOL_DOWN_S, self._cool_down_s * 2 or FIRST_COOL_DOWN_S)
        # Processes that share a server shall not all try at the same moment.
        self._opens_s = now_s + self._cool_down_s * _JITTER.uniform(0.8, 1.0)
