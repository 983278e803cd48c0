"""The rate that a provider takes, found by trying: more while it takes it, less when it refuses.

There is none, and nobody waits, until the first sign of a limit: a refusal, or headers that say that hardly anything is
left. From then on it is multiplied by 0.7 when calls are refused, at most once a second, and grows back along a cubic
curve: fast at first, slowly near the rate that was refused last, and ever faster beyond it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from vigilo.policy.pace.limits import AMPLE

if TYPE_CHECKING:
    from vigilo.policy.pace.limits import Limits

DECREASE: Final = 0.7
WORST_DECREASE: Final = 0.3
DECREASE_EVERY_S: Final = 1.0
BACK_IN_S: Final = 1.5
"""How long it takes from 0.7 to where it was refused; twice as long to 1.3 times that, three times to 3.4 times."""
BACK_IN_CALLS: Final = 10
"""The same where so many calls take longer: fewer tell nothing."""
SCARCE: Final = 0.1
"""The share of a limit that is left, below which calls are paced before any is refused."""
HURRY_EVERY_S: Final = 0.1
SOFT_DECREASE: Final = 0.85
MIN_PER_S: Final = 1 / 120
FORGET_AFTER_S: Final = 600.0
_IN_USE_S: Final = 5.0
_ENOUGH: Final = 5
_UNKNOWN_PER_S: Final = 10.0


class Recent:
    """Events a second, over the last second or two."""

    __slots__ = ("_before", "_began_s", "_now")

    def __init__(self) -> None:
        self._began_s = 0.0
        self._now = self._before = 0

    def add(self, now_s: float) -> None:
        self._turn(now_s)
        self._now += 1

    def per_s(self, now_s: float) -> float:
        self._turn(now_s)
        return self._now + self._before * (1 - (now_s - self._began_s))

    def _turn(self, now_s: float) -> None:
        passed = now_s - self._began_s
        if passed >= 1:
            self._before = self._now if passed < 2 else 0
            self._now = 0
            self._began_s = now_s if passed >= 2 else self._began_s + 1


class Rate:
    """The rate of one provider, model and key. Times are seconds of one clock that is never set back."""

    def __init__(self) -> None:
        self._low: float | None = None  # what the curve began with, per second
        self._peak = 0.0
        self._since_s = 0.0
        self._decreased_s = self._changed_s = self._sign_s = self._limited_s = float("-inf")
        self._ceiling = float("inf")
        self._sent = Recent()
        self._taken = Recent()
        self._refused = Recent()

    @property
    def is_limited(self) -> bool:
        """Whether there was any sign of a limit."""
        return self._low is not None

    def per_s(self, now_s: float) -> float | None:
        """Calls a second to be sent now; None for any number."""
        low = self._low
        if low is None:
            return None
        if now_s - max(self._sign_s, self._limited_s) > FORGET_AFTER_S:
            self._low = None
            self._ceiling = float("inf")
            return None
        # It grows while it is made use of: a rate that nobody tried says nothing.
        in_use_until_s = max(self._limited_s, self._since_s) + _IN_USE_S + 3 / low
        passed_s = max(0.0, min(now_s, in_use_until_s) - self._since_s)
        peak = self._peak
        back_in_s = max(BACK_IN_S, BACK_IN_CALLS / peak)
        began_at = math.pow(max(0.0, 1 - low / peak) / (1 - DECREASE), 1 / 3)
        rate = peak * (1 + (1 - DECREASE) * math.pow(passed_s / back_in_s - began_at, 3))
        return max(MIN_PER_S, min(rate, self._ceiling))

    def success_ratio(self, now_s: float) -> float | None:
        """The share of answers of the last seconds that were no refusals; None where there was none."""
        taken, refused = self._taken.per_s(now_s), self._refused.per_s(now_s)
        return taken / (taken + refused) if taken + refused else None

    def sent(self, now_s: float, *, limited: bool) -> None:
        """A call was sent. ``limited``: it had to wait for this rate."""
        self._sent.add(now_s)
        if limited:
            self._limited_s = now_s

    def taken(self, now_s: float, limits: Limits) -> None:
        """A call was answered by anything but a refusal."""
        self._taken.add(now_s)
        self._told(now_s, limits)

    def refused(self, now_s: float, limits: Limits, retry_after_s: float | None) -> None:
        """The provider takes no more calls now."""
        self._refused.add(now_s)
        self._sign_s = now_s
        self._told_ceiling(limits)
        if now_s - self._decreased_s >= DECREASE_EVERY_S:
            before = self.per_s(now_s)
            self._decreased_s = now_s
            if before is None:
                self._begin(now_s, limits, retry_after_s)
            else:
                sent = self._sent.per_s(now_s)
                # What was never sent was not refused.
                before = min(before, max(sent, before / 3)) if sent >= _ENOUGH else before
                self._change(now_s, before, self._factor(now_s))
        if retry_after_s and self._low is not None:
            # Who says when to come back takes a call then; and nothing is learnt while nothing is sent.
            self._low = max(self._low, min(0.5, 0.5 / retry_after_s))
            self._peak = max(self._peak, self._low)
            self._since_s = max(self._since_s, now_s + retry_after_s)

    def _factor(self, now_s: float) -> float:
        answers = self._taken.per_s(now_s) + self._refused.per_s(now_s)
        ratio = self.success_ratio(now_s)
        if ratio is None or answers < _ENOUGH:
            return DECREASE
        return max(WORST_DECREASE, min(DECREASE, ratio))

    def _begin(self, now_s: float, limits: Limits, retry_after_s: float | None) -> None:
        passed = self._sent.per_s(now_s) - self._refused.per_s(now_s)
        if passed < _ENOUGH:
            # Too little was sent to tell a rate: one call is as good as what the provider says about the next one.
            passed = max(passed, min(_UNKNOWN_PER_S, 1 / retry_after_s if retry_after_s else 1.0), 0.5)
        self._change(now_s, _told_per_s(limits) or passed, DECREASE)

    def _change(self, now_s: float, peak: float, factor: float) -> None:
        self._peak = max(peak, MIN_PER_S)
        self._low = max(self._peak * factor, MIN_PER_S)
        self._since_s = self._changed_s = now_s

    def _told(self, now_s: float, limits: Limits) -> None:
        of_requests, of_tokens = limits.requests.left, limits.tokens.left
        if of_requests is None and of_tokens is None:
            return
        scarcest = min(1.0 if of_requests is None else of_requests, 1.0 if of_tokens is None else of_tokens)
        if scarcest >= AMPLE:  # it doubles each second
            if self._low is not None:
                self._ceiling = float("inf")
                self._hurry(now_s)
            return
        self._told_ceiling(limits)
        if scarcest >= SCARCE:
            return
        self._sign_s = now_s
        if now_s - self._decreased_s < DECREASE_EVERY_S:
            return
        per_s = _told_per_s(limits)
        rate = self.per_s(now_s)
        if rate is None:
            self._decreased_s = now_s
            sent = max(self._sent.per_s(now_s), MIN_PER_S)
            self._change(now_s, per_s or sent, 1.0 if per_s else SOFT_DECREASE)
        elif scarcest == 0 and per_s is None:
            self._decreased_s = now_s
            self._change(now_s, rate, SOFT_DECREASE)

    def _hurry(self, now_s: float) -> None:
        """There is enough left to try more."""
        passed_s = now_s - self._changed_s
        rate = self.per_s(now_s)
        if rate is not None and passed_s >= HURRY_EVERY_S and now_s >= self._since_s:
            self._change(now_s, rate * math.pow(2, min(passed_s, 1.0)), 1.0)

    def _told_ceiling(self, limits: Limits) -> None:
        if limits.requests.left is not None:
            # What is left may be used up, the slower the less there is.
            per_s = _told_per_s(limits)
            self._ceiling = float("inf") if per_s is None else per_s * (1 + max(0.0, limits.requests.left - SCARCE))


def _told_per_s(limits: Limits) -> float | None:
    """The rate that headers tell; None near a full bucket."""
    left = limits.requests.left
    return limits.requests.per_s if left is not None and left < AMPLE else None
