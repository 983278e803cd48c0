"""Counters, holds, rates and rules in this process only: while the shared ones are away, and for tests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from vigilo.state import ledger
from vigilo.state.ledger import LOST_KEPT_S, NOTHING, SECOND_NS, SETTLED_KEPT_S, SWEEP_EVERY_S, Counter, Rate, Share
from vigilo.state.store import Count, Refused, Reserved, Settlement
from vigilo.state.turns import TakesTurns
from vigilo.tallies import EXPIRED_HOLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vigilo.state.store import Need, Slot

_WAIT_S: Final = 1.0
_Kept = TypeVar("_Kept")


class _Hold(NamedTuple):
    expires_unix_ns: int
    shares: list[Share]
    send_unix_ns: int


class MemoryStore(TakesTurns):
    """A :class:`vigilo.state.store.Store` of one process. After a fork the child's has no holds: they are the parent's.

    Args:
        now_unix_ns: the clock.
    """

    def __init__(self, now_unix_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__()
        self._now_unix_ns = now_unix_ns
        self.rules_version = 0
        self._rules: dict[str, str] = {}
        self._counters: dict[str, Counter] = {}
        self._rates: dict[str, Rate] = {}
        self._holds: dict[str, _Hold] = {}
        self._settled: dict[str, int] = {}
        """When each hold was settled, oldest first."""
        self._lost: dict[str, tuple[int, list[Share]]] = {}
        """When each hold expired, oldest first, and what was charged."""
        self._swept_unix_ns = 0

    def reserve(
        self, hold_id: str, needs: Sequence[Need], slots: Sequence[Slot] = (), *, hold_s: float = 0.0
    ) -> Reserved | Refused:
        expired = 0

        def work() -> Reserved | Refused:
            nonlocal expired
            now_ns = self._now_unix_ns()
            expired = self._sweep_at_times(now_ns)
            if needs and (earlier := self._earlier(hold_id, needs, now_ns)) is not None:
                return earlier
            answer = ledger.reserve(self._counters, self._rates, needs, slots, now_ns)
            if needs and isinstance(answer, Reserved):
                expires_ns, send_ns = now_ns + int(hold_s * SECOND_NS), now_ns + answer.wait_ns
                self._holds[hold_id] = _Hold(expires_ns, ledger.shares_of(needs), send_ns)
            return answer

        answer = self._take_turn(work, _WAIT_S)
        if expired:
            EXPIRED_HOLDS.add(expired)
        return answer

    def _earlier(self, hold_id: str, needs: Sequence[Need], now_ns: int) -> Reserved | None:
        """What was answered when this hold was asked for the first time, as it is now."""
        hold = self._holds.get(hold_id)
        if hold is None and hold_id not in self._settled and hold_id not in self._lost:
            return None
        counts = tuple(self._count(need.key) for need in needs)
        return Reserved(counts, (), max(0, hold.send_unix_ns - now_ns) if hold is not None else 0)

    def settle(self, hold_id: str, needs: Sequence[Need], amounts: Sequence[int]) -> Settlement:
        def work() -> Settlement:
            now_ns = self._now_unix_ns()
            if hold_id in self._settled:
                return Settlement(tuple(self._count(need.key) for need in needs))
            if (hold := self._holds.pop(hold_id, None)) is not None:
                ledger.take_back_held(self._counters, hold.shares)
            elif (lost := self._lost.pop(hold_id, None)) is not None:
                ledger.take_back_charged(self._counters, lost[1])
            self._settled[hold_id] = now_ns
            return ledger.settle(self._counters, needs, amounts, now_ns)

        if len(needs) != len(amounts):
            raise ValueError(f"{len(amounts)} amounts for {len(needs)} needs")
        if not needs:
            return Settlement(())
        settled = self._take_turn_or_put_off(work, _WAIT_S)
        return settled if settled is not None else Settlement(tuple(self._count(need.key) for need in needs))

    def sweep(self) -> int:
        expired = self._take_turn_or_put_off(lambda: self._sweep(self._now_unix_ns()), _WAIT_S) or 0
        if expired:
            EXPIRED_HOLDS.add(expired)
        return expired

    def read(self, keys: Sequence[str]) -> list[Count]:
        return [self._count(key) for key in keys]

    def reset(self, keys: Sequence[str]) -> None:
        def work() -> None:
            for key in keys:
                if (counter := self._counters.get(key)) is not None:
                    counter.used, counter.told = 0, ()

        self._take_turn_or_put_off(work, _WAIT_S)

    def push_back(self, slot_key: str, until_unix_ns: int) -> None:
        def work() -> None:
            ledger.push_back(self._rates, slot_key, until_unix_ns, self._now_unix_ns())

        self._take_turn_or_put_off(work, _WAIT_S)

    def rules(self) -> Mapping[str, str]:
        return dict(self._rules)

    def put_rule(self, name: str, rule: str) -> None:
        def work() -> None:
            self._rules[name] = rule
            self.rules_version += 1

        self._take_turn(work, _WAIT_S)

    def drop_rule(self, name: str) -> bool:
        def work() -> bool:
            if self._rules.pop(name, None) is None:
                return False
            self.rules_version += 1
            return True

        return bool(self._take_turn(work, _WAIT_S))

    def now_unix_s(self) -> float:
        return self._now_unix_ns() / SECOND_NS

    def close(self) -> None:
        """Keeps everything: there is nowhere else to have it."""

    def _count(self, key: str) -> Count:
        counter = self._counters.get(key)
        return NOTHING if counter is None else counter.count

    def _sweep_at_times(self, now_ns: int) -> int:
        # A clock that was set back must not put sweeping off.
        if 0 <= now_ns - self._swept_unix_ns < SWEEP_EVERY_S * SECOND_NS:
            return 0
        return self._sweep(now_ns)

    def _sweep(self, now_ns: int) -> int:
        self._swept_unix_ns = now_ns
        expired = [hold_id for hold_id, hold in self._holds.items() if hold.expires_unix_ns <= now_ns]
        for hold_id in expired:
            shares = self._holds.pop(hold_id).shares
            ledger.expire(self._counters, shares)
            self._lost[hold_id] = (now_ns, shares)
        _forget(self._settled, now_ns - SETTLED_KEPT_S * SECOND_NS, lambda settled_ns: settled_ns)
        _forget(self._lost, now_ns - LOST_KEPT_S * SECOND_NS, lambda lost: lost[0])
        for key in [key for key, kept in self._counters.items() if 0 < kept.forget_unix_s < now_ns // SECOND_NS]:
            del self._counters[key]
        for key in [key for key, rate in self._rates.items() if rate.is_over(now_ns)]:
            del self._rates[key]
        return len(expired)

    def _after_fork_in_child(self) -> None:
        for hold in self._holds.values():
            ledger.take_back_held(self._counters, hold.shares)
        self._holds.clear()


def _forget(kept: dict[str, _Kept], before_unix_ns: int, when_unix_ns: Callable[[_Kept], int]) -> None:
    """Drops what is older, from the front."""
    while kept and when_unix_ns(kept[first := next(iter(kept))]) < before_unix_ns:
        del kept[first]
