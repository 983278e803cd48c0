"""When will this memory be full: a forecast from what is used of it, one look after the other.

One :class:`Forecast` for each memory: a GPU's, the host's, a cgroup's. Not safe for threads: one thread adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["", "watch", "warn", "critical"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be expected of a memory.

    Attributes:
        time_to_exhaustion_s: None while nothing grows towards the limit.
        confidence: 0 to 1, how far the growth that was seen bears the forecast; 0 where there is none.
        level: ``watch`` (within two horizons), ``warn`` (within the horizon), ``critical`` (within a minute, or next
            to nothing is left), or nothing.
    """

    time_to_exhaustion_s: float | None = None
    confidence: float = 0.0
    level: Level = ""


QUIET = Outlook()


class Forecast:
    """Tells when a memory will be full."""

    def __init__(self, limit_bytes: float, horizon_s: float = 300.0) -> None:
        """Args: ``limit_bytes``: more than 0, else ValueError. ``horizon_s``: how long before the end it is warned."""
        if limit_bytes <= 0 or horizon_s < 0:
            raise ValueError(f"limit_bytes must be above 0 and horizon_s not below: {limit_bytes}, {horizon_s}")
        self.limit_bytes, self.horizon_s = limit_bytes, horizon_s

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
            used_bytes: of the memory, by all that use it.
            reserved_bytes: what torch's caching allocator holds of it.
            peak_allocated_bytes: the most that was allocated within that since the last look
                (``max_memory_allocated``, reset after each look) or, where that may not be reset, what is now.
            alloc_retries: how many allocations succeeded only after the cache was flushed, since the process began.
        """
        return QUIET
