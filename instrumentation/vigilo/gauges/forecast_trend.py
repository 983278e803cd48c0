"""Whether a row of peaks grows towards a limit, and when it would be there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

USABLE = 0.985
"""Of the limit: an allocation fails before the last byte is taken."""
MIN_GROWTH = 0.01
"""Of the limit: growth of less says nothing."""
MIN_AGREEMENT = 0.6
"""How many more pairs of peaks must rise than fall, of all pairs (Kendall's tau)."""
MIN_STEPS = 3.5
"""In how many steps, as if all were of one size, it must have grown: a few allocations are no trend."""
MIN_EARLY = 0.3
"""Of the growth that must be in the first half of the row: else the growth is younger than the row."""
MIN_LATE = 0.25
"""Of the rate at which the last quarter must still grow: else it has stopped."""
SLOWING = 0.9
"""Growth in the later half, over that in the first, from which on it counts as even."""
RECORD = 0.03
"""Of the growth: what a level must exceed the last record by to be one."""
CLEAN = 0.9
"""The agreement from which on it is looked at whether growth gets faster."""
MIN_SIGNAL = 2.0
"""Times the noise of the steps that the growth must be."""
NOISE = 1.4826
"""What the median of absolute deviations is multiplied by for a standard deviation of normal noise."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Growth that was found. ``agreement``: 0 to 1, of the pairs of peaks."""

    time_to_limit_s: float
    agreement: float


def trend(peaks: Sequence[float], bucket_s: float, *, min_early: float = MIN_EARLY) -> Trend | None:
    """What a row of at least six peaks, shares of the limit, one in each ``bucket_s`` seconds, says of the way there.

    None where it does not grow, grows in a few jumps, has stopped, or slows down so that it ends below the limit.
    """
    count, last = len(peaks), peaks[-1]
    growth, half, quarter = last - peaks[0], count // 2, max(1, count // 4)
    if growth < MIN_GROWTH:
        return None
    early, late = peaks[half] - peaks[0], last - peaks[count - 1 - half]
    if early < min_early * growth or late <= 0:
        return None
    steps = [later - earlier for earlier, later in pairwise(peaks)]
    ups = [step for step in steps if step > 0]
    if sum(ups) ** 2 < MIN_STEPS * sum(step * step for step in ups):
        return None
    agreement, rate = _agreement(peaks), _rate(peaks)
    if agreement < MIN_AGREEMENT or rate <= 0:
        return None
    if growth < MIN_SIGNAL * NOISE * median([abs(step - rate) for step in steps]):
        return None
    if last - peaks[-1 - quarter] < MIN_LATE * rate * quarter:
        return None
    room, slowing = max(0.0, USABLE - last), late / early
    if slowing < SLOWING:
        # Each half row adds `slowing` times what the one before it did: a geometric series, which has a sum.
        if late * slowing / (1 - slowing) < room:
            return None
        rate = late / half
    else:
        rate = max(rate, min(late / half, 2 * rate))
    seconds = room / rate * bucket_s
    if agreement >= CLEAN and count >= 8:
        seconds = min(seconds, _accelerating(peaks, room) * bucket_s)
    return Trend(seconds, agreement)


def _accelerating(peaks: Sequence[float], room: float) -> float:
    """How many more peaks until the room is used up if growth goes on getting faster; infinite where it does not.

    Three parts of the row must each grow by more than the one before: a row in which even growth began somewhere does
    not look so.
    """
    part = (len(peaks) - 1) // 3
    third, second, first = (peaks[-1 - part * at] - peaks[-1 - part * (at + 1)] for at in range(3))
    faster = min(third - second, second - first) / part**2
    if faster <= 0 or third <= 0:
        return math.inf
    speed = third / part + faster * part / 2
    return (math.sqrt(speed * speed + 2 * faster * room) - speed) / faster


def pausing(levels: Sequence[float]) -> bool:
    """Whether it stopped at the end: no new record for longer than the pauses between records lately let expect."""
    record, pauses, pause = levels[0], [], 0
    least = RECORD * (max(levels) - record)
    for level in levels:
        pause += 1
        if level > record + least:
            record = level
            pauses.append(pause)
            pause = 0
    return pause > 2 + max(pauses[len(pauses) // 2 :], default=0)


def _agreement(peaks: Sequence[float]) -> float:
    """Kendall's tau of the peaks with time."""
    count, balance = len(peaks), 0
    for at, peak in enumerate(peaks):
        for later in peaks[at + 1 :]:
            balance += (later > peak) - (later < peak)
    return 2 * balance / (count * (count - 1))


def _rate(peaks: Sequence[float]) -> float:
    """Growth for each peak: the median slope of pairs that lie half a row apart or more (after Theil and Sen)."""
    count = len(peaks)
    return median(
        [(peaks[at + lag] - peaks[at]) / lag for lag in range(count // 2, count) for at in range(count - lag)]
    )
