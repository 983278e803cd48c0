"""A limit that the provider enforces: a bucket of calls that refills steadily; a neighbour may take a share."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Neighbour(NamedTuple):
    """Somebody else with the same key, who takes a share of all calls for a time.

    ``share``: from 0 to 1. ``from_s`` and ``until_s``: seconds since the limit was set.
    """

    share: float
    from_s: float = 0.0
    until_s: float = float("inf")


class Standing(NamedTuple):
    """What is left of a limit. ``retry_after_s``: None for a call that may pass."""

    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float | None = None


class RateLimit:
    """So many calls per so many seconds; as many may come at once.

    Args:
        calls: the size of the bucket.
        per_s: in how many seconds an empty one is full again.
        neighbour: who takes a share of what comes back.
        clock: seconds, never set back.
    """

    def __init__(
        self,
        calls: int,
        per_s: float = 60.0,
        neighbour: Neighbour | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if calls < 1 or per_s <= 0:
            raise ValueError(f"{calls} calls per {per_s} s are no limit: both must be above 0")
        if neighbour is not None and not 0 <= neighbour.share <= 1:
            raise ValueError(f"the neighbour's share is {neighbour.share}; it lies between 0 and 1")
        self._calls = calls
        self._per_s = calls / per_s
        self._neighbour = neighbour
        self._clock = clock
        self._began_s = self._seen_s = clock()
        self._left = float(calls)
        self.passed = self.refusals = 0
        self._lock = threading.Lock()

    def take(self) -> Standing:
        """One call of the bucket, if there is one."""
        with self._lock:
            self._refill()
            if self._left < 1:
                self.refusals += 1
                return self._standing((1 - self._left) / self._per_s)
            self._left -= 1
            self.passed += 1
            return self._standing(None)

    def ideal(self, seconds: float) -> float:
        """How many calls the limit lets pass in its first so many seconds, if nothing is ever left unused."""
        return self._calls + self._per_s * (seconds - self._taken_s(0.0, seconds))

    def _refill(self) -> None:
        now_s = self._clock()
        since_s, until_s = self._seen_s - self._began_s, now_s - self._began_s
        came_back = self._per_s * (until_s - since_s - self._taken_s(since_s, until_s))
        self._left = min(float(self._calls), self._left + came_back)
        self._seen_s = now_s

    def _taken_s(self, since_s: float, until_s: float) -> float:
        """The seconds' worth of refill that the neighbour takes in that time."""
        if self._neighbour is None:
            return 0.0
        share, from_s, to_s = self._neighbour
        return share * max(0.0, min(until_s, to_s) - max(since_s, from_s))

    def _standing(self, retry_after_s: float | None) -> Standing:
        reset_s = (self._calls - self._left) / self._per_s
        return Standing(self._calls, int(self._left), reset_s, retry_after_s)


def openai_headers(standing: Standing) -> Mapping[str, str]:
    """As OpenAI tells it, with durations."""
    return {
        "x-ratelimit-limit-requests": str(standing.limit),
        "x-ratelimit-remaining-requests": str(standing.remaining),
        "x-ratelimit-reset-requests": _duration(standing.reset_s),
    }


def anthropic_headers(standing: Standing) -> Mapping[str, str]:
    """As Anthropic tells it, with times."""
    reset_at = datetime.now(timezone.utc) + timedelta(seconds=standing.reset_s)
    return {
        "anthropic-ratelimit-requests-limit": str(standing.limit),
        "anthropic-ratelimit-requests-remaining": str(standing.remaining),
        "anthropic-ratelimit-requests-reset": reset_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def no_headers(standing: Standing) -> Mapping[str, str]:
    """As Google tells it: not at all, but for the body of a refusal."""
    return {}


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.3f}s" if minutes else f"{rest:.3f}s"
