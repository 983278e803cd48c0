"""What calls with the same provider, model and key share: their rate, their queue, and the gate after a refusal."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.policy.pace.aimd import Rate
from vigilo.policy.pace.fairness import Turns
from vigilo.state.store import Slot

if TYPE_CHECKING:
    from vigilo.capture.call import Request
    from vigilo.policy.pace.breaker import Breaker

_JITTER: Final = random.SystemRandom()
"""Not the app's generator, whose order may matter to it; and no two processes have the same."""
_SECOND_NS: Final = 1_000_000_000
_BURST_S: Final = 0.2
_MAX_BURST: Final = 50
_ANY_RATE: Final = (1, 1_000_000)
"""Interval and burst where there is no rate yet: the slot then only keeps what a ``Retry-After`` asks of everybody."""


class LaneKey(NamedTuple):
    """What has a limit of its own. ``account``: which key of the provider's, told apart but not told."""

    provider: str
    model: str
    server: str
    account: str

    @property
    def slot(self) -> str:
        """Its key in the shared state."""
        return f"pace|rate|{self.server}|{self.provider}|{self.model}|{self.account}"

    @property
    def scope(self) -> str:
        """How errors name it."""
        return f"{self.provider}/{self.model}" if self.model else self.provider


def lane_key(request: Request) -> LaneKey:
    """Where a call belongs."""
    server = request.server_address or ""
    if request.server_port is not None:
        server = f"{server}:{request.server_port}"
    return LaneKey(request.provider, request.model or "", server, request.account or "")


class Lane:
    """Calls of one key in this process. Times are seconds of the pacer's clock."""

    def __init__(self, key: LaneKey, breaker: Breaker) -> None:
        self.key = key
        self.slot_key = key.slot
        self.breaker = breaker
        self.rate = Rate()
        self.turns = Turns()
        self.gate_s = float("-inf")

    def is_free(self, now_s: float) -> bool:
        """Whether a call may be sent at once, without asking whose turn it is."""
        return not self.rate.is_limited and self.breaker.is_closed and self.gate_s <= now_s and self.turns.idle

    def slot(self, now_s: float, max_wait_s: float) -> Slot:
        """The place in the rate that one call needs."""
        rate = self.rate.per_s(now_s)
        interval_ns, burst = _ANY_RATE
        if rate is not None:
            interval_ns, burst = int(_SECOND_NS / rate), max(1, min(_MAX_BURST, int(rate * _BURST_S)))
        return Slot(self.slot_key, interval_ns, burst, max(0, int(max_wait_s * _SECOND_NS)))

    def shut(self, now_s: float, retry_after_s: float) -> float:
        """Lets nobody pass for as long as the provider asks, and a little longer; returns how long.

        Processes that share a key were told the same, and shall not come back in the same moment.
        """
        wait_s = retry_after_s * _JITTER.uniform(1.0, 1.1)
        if now_s + wait_s > self.gate_s:
            self.gate_s = now_s + wait_s
            self.turns.rouse(self.gate_s)
        return wait_s

    def queue_s(self, user: str, now_s: float, max_wait_s: float) -> float:
        """How long a new call of this user would wait for its turn, about; 0 where that is less than ``max_wait_s``."""
        if not self.turns.waiting:
            return 0.0
        rate = self.rate.per_s(now_s)
        if rate is None or self.turns.waiting <= rate * max_wait_s:
            return 0.0
        wait_s = self.turns.ahead_of(user) / rate
        return wait_s if wait_s > max_wait_s else 0.0
