"""A store that goes on while the shared one is away: without limits, not at all, or with a share of what was left."""

from __future__ import annotations

import os
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vigilo.state.outage import FIRST_PAUSE_S, Held, Outage, OwnCounters, StateAway
from vigilo.state.owed import Owed
from vigilo.state.store import Count, Reserved, Settlement, StateError
from vigilo.tallies import STATE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vigilo.state.store import Need, Refused, Slot, Store

Answer = TypeVar("Answer")

MODES: Final = ("open", "closed", "local")
MAX_SEEN: Final = 10_000
"""Counters whose last state is known."""
MAX_UNHELD: Final = 1_000
"""Reservations that were refused as the store is away, and that are released all the same."""
TELL_S: Final = 0.01
"""How long a call tells the store what it missed, beside its own question."""
TELL_AT_CLOSE_S: Final = 1.0
LOOK_FOR_LOST_S: Final = 1.0
LOG_EVERY_S: Final = 60.0
_NOTHING: Final = Count(0, 0)
_HELD: Final = object()


class Failover:
    """A store that asks another one, and helps itself while that one is away.

    After an error the store is left alone for half a second up to five, so that an outage costs a time-out now and then
    and not one a call. What is used meanwhile is brought to the store when it is back, unless this process is killed.

    Args:
        store: the one that is shared.
        mode: ``open`` lets calls pass, ``closed`` raises :class:`vigilo.state.outage.StateAway`, ``local`` grants a
            tenth of what was left of each limit when it was last seen. Rates are counted in the process.
    """

    def __init__(self, store: Store, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"{mode!r} is none of {', '.join(MODES)}")
        self.store, self.mode = store, mode
        self.rules_version = 0
        self._rules: Mapping[str, str] | None = None
        self._seen: dict[str, Count] = {}
        self._outage: Outage | None = None
        self._own = self._own_counters()
        self._held: dict[str, Held] = {}
        """Holds of this process' own counters, also of an outage that is over."""
        self._unheld: dict[str, object] = {}
        self._parents: frozenset[str] = frozenset()
        self._owed = Owed()
        self._looked_s, self._logged_s, self._told_lost = float("-inf"), float("-inf"), False
        _all.add(self)

    @property
    def degraded(self) -> str:
        """``local``, ``open`` or ``closed`` while the store is away, otherwise empty."""
        return self.mode if self._outage is not None else ""

    # What a call asks

    def reserve(
        self, hold_id: str, needs: Sequence[Need], slots: Sequence[Slot] = (), *, hold_s: float = 0.0
    ) -> Reserved | Refused:
        try:
            answer = self._ask(lambda: self.store.reserve(hold_id, needs, slots, hold_s=hold_s))
        except StateError as error:
            in_doubt = bool(needs) and not isinstance(error, StateAway)
            if self.mode == "closed" and needs:
                if in_doubt:
                    self._release(hold_id, needs)
                self._unheld[hold_id] = None
                _shorten(self._unheld, MAX_UNHELD)
                raise self._away() from error
        else:
            self._unheld.pop(hold_id, None)
            if isinstance(answer, Reserved):
                self._see([need.key for need in needs], answer.counts)
            elif answer.need is not None:
                self._see([needs[answer.need].key], [answer.counter])
            return answer
        own = self._own
        if self._held:
            self._charge_lost()
        try:
            answer = own.reserve(hold_id, needs, slots, hold_s, self._seen)
        except StateError:
            if in_doubt:
                self._release(hold_id, needs)
            raise
        if needs and isinstance(answer, Reserved):
            self._held[hold_id] = Held(own, tuple(needs), answer.fired, monotonic() + hold_s, in_doubt)
        elif in_doubt:
            self._release(hold_id, needs)
        return answer

    def settle(self, hold_id: str, needs: Sequence[Need], amounts: Sequence[int]) -> Settlement:
        if hold_id in self._parents or self._unheld.pop(hold_id, _HELD) is None:
            return Settlement(tuple(self._seen.get(need.key, _NOTHING) for need in needs))
        held = self._held.pop(hold_id, None)
        try:
            settlement = self._ask(lambda: self.store.settle(hold_id, needs, amounts))
        except StateError as error:
            asked = not isinstance(error, StateAway)
            if held is None:
                self._owed.settle(hold_id, needs, amounts, asked=asked)
                return self._settled_unseen(needs, amounts)
            settlement = held.counters.settle(hold_id, needs, amounts)
            if asked or held.in_doubt:
                self._owed.settle(hold_id, needs, amounts, held.fired, asked=asked)
            else:
                self._owed.charge(needs, amounts, held.fired)
            return settlement
        self._see([need.key for need in needs], settlement.counts)
        return settlement

    def push_back(self, slot_key: str, until_unix_ns: int) -> None:
        try:
            self._ask(lambda: self.store.push_back(slot_key, until_unix_ns))
        except StateError:
            self._own.push_back(slot_key, until_unix_ns)

    def read(self, keys: Sequence[str]) -> list[Count]:
        try:
            counts = self._ask(lambda: self.store.read(keys))
        except StateError:
            own, seen = self._own, self._seen
            if keys and not any(key in own or key in seen for key in keys):
                raise
            pairs = zip(keys, own.read(keys), strict=True)
            return [count if key in own else seen.get(key, _NOTHING) for key, count in pairs]
        self._see(keys, counts)
        return counts

    def rules(self) -> Mapping[str, str]:
        try:
            self._rules = self._ask(self.store.rules)
        except StateError:
            if self._rules is None:
                raise
        return self._rules

    def put_rule(self, name: str, rule: str) -> None:
        self._ask(lambda: self.store.put_rule(name, rule))

    def drop_rule(self, name: str) -> bool:
        return self._ask(lambda: self.store.drop_rule(name))

    def reset(self, keys: Sequence[str]) -> None:
        self._ask(lambda: self.store.reset(keys))
        for key in keys:
            self._seen.pop(key, None)

    def sweep(self) -> int:
        return self._ask(self.store.sweep)

    def now_unix_s(self) -> float:
        return self.store.now_unix_s()

    def close(self) -> None:
        """Tells the store what it missed, unless it is away, and lets go of it."""
        if self._outage is None:
            try:
                self._tell(TELL_AT_CLOSE_S)
            except StateError:
                STATE_ERRORS.add()
        self.store.close()

    # The store, and how it does

    def _ask(self, ask: Callable[[], Answer]) -> Answer:
        """The store's answer.

        Raises:
            StateAway: it was not asked.
            StateError: it failed, and may have done what it was asked all the same.
        """
        asked_s, outage = monotonic(), self._outage
        if outage is not None and not outage.may_ask(asked_s):
            raise self._away()
        try:
            answer = ask()
        except StateError as error:
            self._fail(error, asked_s)
            raise
        outage = self._outage
        if outage is not None and asked_s > outage.failed_s:
            self._outage = None
        self.rules_version = self.store.rules_version
        if self._owed or self._held:
            try:
                self._tell(TELL_S)
            except StateError as error:
                self._fail(error, monotonic())
        return answer

    def _fail(self, error: StateError, asked_s: float) -> None:
        STATE_ERRORS.add()
        outage, now_s = self._outage, monotonic()
        if outage is not None:
            if asked_s > outage.failed_s:  # otherwise it is the same failure, of another thread
                outage.fail(now_s)
            return
        self._own = self._own_counters()
        self._outage = Outage(now_s)
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            self._log(
                "vigilo: the shared state of quotas cannot be reached (%s); until it is back `on_store_error` is in "
                "force, which is `%s`",
                error,
                self.mode,
            )

    def _away(self) -> StateAway:
        outage = self._outage
        return StateAway(FIRST_PAUSE_S if outage is None else outage.retry_after_s)

    def _own_counters(self) -> OwnCounters:
        return OwnCounters(self.store, has_limits=self.mode != "open")

    def _tell(self, for_s: float) -> None:
        """Tells the store what it missed; raises StateError where it is away again."""
        self._charge_lost()
        if self._owed:
            self._owed.tell(self.store, monotonic() + for_s)
        if self._owed.lost and not self._told_lost:
            self._told_lost = True
            self._log("vigilo: not all that was used while the shared state was away can be brought to it (told once)")

    def _charge_lost(self) -> None:
        """Charges holds of this process that nobody settled; looks for them once a second at the most."""
        now_s = monotonic()
        if now_s - self._looked_s < LOOK_FOR_LOST_S:
            return
        self._looked_s = now_s
        for hold_id, held in list(self._held.items()):
            if held.lost_at_s <= now_s and self._held.pop(hold_id, None) is not None:
                # By its own id: should it be settled after all, that is not counted besides.
                charged = [need.charge_if_lost for need in held.needs]
                self._owed.settle(hold_id, held.needs, charged, held.fired, asked=False)

    def _log(self, message: str, *args: object) -> None:
        import logging

        logging.getLogger("vigilo").warning(message, *args)

    def _release(self, hold_id: str, needs: Sequence[Need]) -> None:
        """Has the store let go of a hold that it may have: it did not answer."""
        self._owed.settle(hold_id, needs, [0] * len(needs), asked=False)

    def _settled_unseen(self, needs: Sequence[Need], amounts: Sequence[int]) -> Settlement:
        """The counters as they will be once the store hears of it."""
        counts = []
        for need, amount in zip(needs, amounts, strict=True):
            seen = self._seen.get(need.key, _NOTHING)
            counts.append(Count(seen.used + amount, max(0, seen.held - need.amount)))
        self._see([need.key for need in needs], counts)
        return Settlement(tuple(counts))

    def _see(self, keys: Sequence[str], counts: Sequence[Count]) -> None:
        self._seen.update(zip(keys, counts, strict=True))
        _shorten(self._seen, MAX_SEEN)

    def _after_fork_in_child(self) -> None:
        # What was used is the parent's to tell, and so are its holds.
        self._parents = self._parents.union(self._held)
        self._held = {}
        self._owed.begin()


def _shorten(known: dict[str, Any], length: int) -> None:
    """Drops the first that became known."""
    while len(known) > length:
        try:
            del known[next(iter(known))]
        except (KeyError, RuntimeError, StopIteration):
            return  # another thread does so, too


_all: Final[weakref.WeakSet[Failover]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for failover in list(_all):
        failover._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
