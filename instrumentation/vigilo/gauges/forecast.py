"""When will this memory be full: a forecast from what is used of it, one look after the other.

One :class:`Forecast` for each memory: a GPU's, the host's, a cgroup's. Not safe for threads: one thread adds.

How it works: of every five seconds the highest use counts, so that what a training step takes and gives back does not
matter. Growth is looked for over half a minute up to a quarter of an hour, in coarse peaks as well, which lie on a
line when memory goes up and down in cycles. It is believed only as far ahead as it has lasted, or less: models that
are loaded and caches that fill grow just as leaks do, but stop. What the memory did before without harm is no alarm.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from vigilo.gauges.forecast_past import Past
from vigilo.gauges.forecast_trend import MIN_EARLY, pausing, trend

Level = Literal["", "watch", "warn", "critical"]

BUCKET_S = 5.0
SHAPES = ((6, 1), (12, 1), (12, 2), (12, 3), (12, 4), (12, 6), (12, 8), (6, 12), (6, 20), (8, 24))
"""The rows of peaks that are looked at: how many, and of how many buckets each is the highest."""
KEPT = max(count * width for count, width in SHAPES)
SHORT_S, SHORT_REACH, LEAST_REACH_S = 300.0, 0.15, 40.0
"""Growth of less than so many seconds is believed that share of its time ahead, at least as far as a last save takes;
longer growth is believed as far ahead as it lasted."""
FULL, FULL_REACH, FULL_EARLY = 0.9, 2.0, 0.2
"""Above this share of the limit there is little left to stop in: growth is believed that many times its time ahead, and
may be younger than the row."""
HALF = 0.5
"""Below this share of the limit there is no forecast."""
NEW = 0.003
"""Of the limit: by how much a level must exceed the usual one to be new."""
BURST = 0.06
"""Of the limit: what half a minute must add to be looked at alone."""
NEARLY_FULL, CRITICAL_S, LESS_CRITICAL_S = 0.98, 60.0, 90.0
CONFIRMED = 3
"""So many judgements in a row make a warning, unless the end is nearer than LEAST_REACH_S."""
HELD_S, FULL_HELD_S = 60.0, 120.0
"""A warning stays for so long after its reason has gone, the latter above FULL: growth in steps pauses between them."""
RETRY_HELD_S = 60.0
GAP_S = 60.0
"""After so long without a look, growth is looked for anew."""
EMPTY = 0.05
"""Of the limit: less is no use of the memory; after half a minute of it, what comes is a new beginning."""
FLAT, FLAT_BUCKETS, WARM_UP_S = 0.01, 4, 300.0
"""The beginning is over when use stayed within a share of the limit for so many buckets, or after this time."""
COLLAPSED_FROM, COLLAPSED_TO = 0.95, 0.6
"""Of the limit, and of the level before: a fall by which it is known that the memory was exhausted."""
MAX_OVERHEAD = 1.25
"""What torch's cache may hold over what is allocated, as far as it grows with it."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be expected of a memory.

    Attributes:
        time_to_exhaustion_s: None while nothing grows towards the limit. When growth pauses it stays as it was for as
            long as the level does.
        confidence: 0 to 1, how far the growth that was seen bears the forecast; 0 where there is none.
        level: ``watch`` (within two horizons, or nearer where the growth is too young to be believed), ``warn``
            (within the horizon), ``critical`` (within a minute, next to nothing is left, or torch had to flush its
            cache for an allocation), or nothing.
    """

    time_to_exhaustion_s: float | None = None
    confidence: float = 0.0
    level: Level = ""


QUIET = Outlook()


@dataclass(frozen=True, slots=True)
class _Growth:
    """``believed``: it may be warned of."""

    seconds: float
    confidence: float
    believed: bool


class Forecast:
    """Tells when a memory will be full."""

    def __init__(self, limit_bytes: float, horizon_s: float = 300.0) -> None:
        """Args: ``limit_bytes``: more than 0, else ValueError. ``horizon_s``: how long before the end it is warned."""
        if limit_bytes <= 0 or horizon_s < 0:
            raise ValueError(f"limit_bytes must be above 0 and horizon_s not below: {limit_bytes}, {horizon_s}")
        self.limit_bytes, self.horizon_s = limit_bytes, horizon_s
        self._last_s: float | None = None
        self._bucket, self._highest, self._lowest = 0, 0.0, 0.0
        self._peaks: deque[float] = deque(maxlen=KEPT)
        self._past = Past()
        self._warm = _WarmUp()
        self._outlook = QUIET
        self._confirmed, self._hold_until_s, self._retry_until_s = 0, 0.0, 0.0
        self._alloc_retries: int | None = None
        self._torch_peak = 0.0

    def add(
        self,
        monotonic_s: float,
        used_bytes: float,
        *,
        reserved_bytes: float | None = None,
        peak_allocated_bytes: float | None = None,
        alloc_retries: int | None = None,
    ) -> Outlook:
        """Takes one look in, and tells what is to be expected.

        Args:
            monotonic_s: of a clock that does not go back; a look that is not newer than the last one is left out.
                Looks that are further apart than a minute give no forecast.
            used_bytes: of the memory, by all that use it.
            reserved_bytes: what torch's caching allocator holds of it.
            peak_allocated_bytes: the most that was allocated within that since the last look
                (``max_memory_allocated``, reset after each look) or, where that may not be reset, what is now.
            alloc_retries: how many allocations succeeded only after the cache was flushed, since the process began.
        """
        if self._last_s is not None and monotonic_s <= self._last_s:
            return self._outlook
        level = used_bytes / self.limit_bytes
        if reserved_bytes is not None and peak_allocated_bytes is not None:
            level = self._live(used_bytes, reserved_bytes, peak_allocated_bytes) / self.limit_bytes
        bucket = int(monotonic_s // BUCKET_S)
        if self._last_s is None or monotonic_s - self._last_s > GAP_S:
            self._peaks.clear()
            self._outlook, self._confirmed = QUIET, 0
            self._bucket, self._highest, self._lowest = bucket, level, level
        elif bucket == self._bucket:
            self._highest, self._lowest = max(self._highest, level), min(self._lowest, level)
        else:
            for _ in range(bucket - self._bucket):  # more than one where looks are further apart than buckets
                self._close()
            self._bucket, self._highest, self._lowest = bucket, level, level
            self._outlook = self._judged(monotonic_s)
        self._last_s = monotonic_s
        if alloc_retries is not None:
            if self._alloc_retries is not None and alloc_retries > self._alloc_retries:
                self._retry_until_s = monotonic_s + RETRY_HELD_S
                self._outlook = self._critical()
            self._alloc_retries = alloc_retries
        return self._outlook

    def _live(self, used: float, reserved: float, peak: float) -> float:
        """What is used but for what torch's cache holds in vain: it hides leaks as long as they fit into the cache.

        What is allocated needs more than its own size of the cache: as much more as at the highest peak so far.
        """
        self._torch_peak = max(self._torch_peak, peak)
        overhead = reserved / self._torch_peak if self._torch_peak > 0 else 1.0
        return max(0.0, used - reserved) + min(reserved, peak * max(1.0, min(MAX_OVERHEAD, overhead)))

    def _close(self) -> None:
        """One bucket is over."""
        level = self._highest
        if self._peaks and self._peaks[-1] >= COLLAPSED_FROM and level < COLLAPSED_TO * self._peaks[-1]:
            self._past.forget()  # the way to the end is no precedent
            self._peaks.clear()
        self._peaks.append(level)
        self._past.add(level)
        if self._warm.flattened(self._lowest, level):
            for _ in range(len(self._peaks) - FLAT_BUCKETS):
                self._peaks.popleft()

    def _judged(self, now_s: float) -> Outlook:
        growths = self._growths() if self._warm.over and max(self._peaks) >= HALF else []
        believed = [one for one in growths if one.believed]
        if believed:
            self._confirmed += 1
            first = min(believed, key=lambda one: one.seconds)
            if self._confirmed >= CONFIRMED or first.seconds < LEAST_REACH_S or self._warning():
                self._hold_until_s = now_s + (FULL_HELD_S if self._peaks[-1] > FULL else HELD_S)
                critical_s = LESS_CRITICAL_S if self._outlook.level == "critical" else CRITICAL_S
                level: Level = "critical" if first.seconds < critical_s or self._retry_until_s > now_s else "warn"
                return Outlook(first.seconds, first.confidence, level)
        else:
            self._confirmed = 0
        if self._retry_until_s > now_s or self._bursting():
            return self._critical()
        if self._warning() and now_s < self._hold_until_s:
            return self._outlook
        if not growths:
            return QUIET
        first = max(growths, key=lambda one: one.confidence)
        return Outlook(first.seconds, first.confidence, "watch" if first.seconds < 2 * self.horizon_s else "")

    def _growths(self) -> list[_Growth]:
        """What each row of peaks says, as far as it says anything."""
        peaks, last = list(self._peaks), self._peaks[-1]
        least = max(HALF, self._past.usual() + NEW)
        found = []
        for count, width in SHAPES:
            if count * width > len(peaks):
                continue
            row = peaks[-count * width :]
            if width > 1:
                row = [max(row[at : at + width]) for at in range(0, len(row), width)]
            if row[-1] < least or (count * width <= 6 and row[-1] - row[0] < BURST):
                continue
            grown = trend(row, width * BUCKET_S, min_early=FULL_EARLY if last > FULL else MIN_EARLY)
            if grown is None or pausing(peaks[-count * width :]):
                continue
            seconds, lasted_s = grown.time_to_limit_s, count * width * BUCKET_S
            share = FULL_REACH if last > FULL else SHORT_REACH if lasted_s < SHORT_S else 1.0
            reach_s = min(self.horizon_s, max(LEAST_REACH_S, share * lasted_s))
            confidence = grown.agreement * lasted_s / (lasted_s + seconds)
            found.append(_Growth(seconds, confidence, seconds < reach_s))
        return found

    def _bursting(self) -> bool:
        """Next to nothing is left, which is new, and it came within a minute."""
        if not self._warm.over or self._peaks[-1] < NEARLY_FULL:
            return False
        return self._peaks[-1] - min(list(self._peaks)[-12:]) > NEW and self._peaks[-1] > self._past.usual() + NEW

    def _critical(self) -> Outlook:
        return Outlook(self._outlook.time_to_exhaustion_s, max(0.5, self._outlook.confidence), "critical")

    def _warning(self) -> bool:
        return self._outlook.level in ("warn", "critical")


class _WarmUp:
    """The beginning of use, in which it grows as it should: until it was flat once, or lasted for long."""

    def __init__(self) -> None:
        self.over = False
        self._buckets, self._empty = 0, 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=FLAT_BUCKETS)

    def flattened(self, lowest: float, highest: float) -> bool:
        """Takes a bucket in; whether the beginning is over just now because use is flat."""
        if highest < EMPTY:
            self._empty += 1
            if self._empty * BUCKET_S > 30:
                self.over, self._buckets = False, 0
            return False
        self._empty = 0
        self._recent.append((lowest, highest))
        if self.over:
            return False
        self._buckets += 1
        lowest = min(low for low, _ in self._recent)
        flat = (
            len(self._recent) == FLAT_BUCKETS
            and lowest >= EMPTY
            and max(high for _, high in self._recent) - lowest < FLAT
        )
        self.over = flat or self._buckets * BUCKET_S > WARM_UP_S
        return flat
