"""What a store has still to be told, since it was away: how holds of it ended, and what was used meanwhile.

Every telling has an id that the store remembers, so that one whose answer was lost can be told again. The store's
memory of it ends, and so does the telling again: rather too little is charged than twice.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.state.ledger import SETTLED_KEPT_S
from vigilo.state.store import Need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vigilo.state.store import Store

MAX_HOLDS: Final = 10_000
"""Settlements that are kept; holds of further ones expire in the store."""
MAX_KEYS: Final = 10_000
"""Counters of which what was used is kept."""
KEYS_AT_ONCE: Final = 100
TELL_AGAIN_S: Final = SETTLED_KEPT_S - 60
"""How long one is told again; a hold that expires later than that is charged by the store."""
_ADD_UP_AT: Final = 1_000


class _Telling(NamedTuple):
    """``since_s``: since when the store may have heard of it; None where it was not asked yet."""

    hold_id: str
    needs: tuple[Need, ...]
    amounts: tuple[int, ...]
    since_s: float | None


class _Sum:
    """What was used of a counter, and the levels of it that were told."""

    __slots__ = ("amount", "expires_unix_s", "told")

    def __init__(self) -> None:
        self.amount, self.expires_unix_s = 0, 0
        self.told: frozenset[int] = frozenset()


class Owed:
    """Settlements and sums; noting one never waits, and may happen in a finalizer in the middle of telling."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forgets everything: in a forked process it is the parent's to tell."""
        self._tellings: deque[_Telling] = deque()
        self._spent: deque[tuple[Need, int, tuple[int, ...]]] = deque()
        self._sums: dict[str, _Sum] = {}
        self._busy = threading.Lock()  # only ever tried, never waited for
        self.lost = 0
        """Settlements and counters that were too many, or too old, to be told."""

    def __bool__(self) -> bool:
        return bool(self._tellings or self._spent or self._sums)

    def settle(
        self,
        hold_id: str,
        needs: Sequence[Need],
        amounts: Sequence[int],
        fired: Sequence[tuple[int, int]] = (),
        *,
        asked: bool,
    ) -> None:
        """Notes how a hold ended that the store has or may have; ``asked``: and may have been told of."""
        if len(self._tellings) >= MAX_HOLDS:
            self.lost += 1
            return
        told = tuple(need._replace(levels=_told(need, index, fired)) for index, need in enumerate(needs))
        self._tellings.append(_Telling(hold_id, told, tuple(amounts), monotonic() if asked else None))

    def charge(self, needs: Sequence[Need], amounts: Sequence[int], fired: Sequence[tuple[int, int]] = ()) -> None:
        """Notes what a call used that the store knows nothing of."""
        for index, (need, amount) in enumerate(zip(needs, amounts, strict=True)):
            told = _told(need, index, fired)
            if amount or told:
                self._spent.append((need, amount, told))
        if len(self._spent) >= _ADD_UP_AT and self._busy.acquire(blocking=False):
            try:
                self._add_up()
            finally:
                self._busy.release()

    def tell(self, store: Store, until_s: float) -> None:
        """Tells the store, until it is all told or it is ``until_s`` of the monotonic clock.

        Raises:
            StateError: the store does not answer; what it was asked last is asked again the next time.
        """
        if not self._busy.acquire(blocking=False):
            return  # another thread does, or this one is in the middle of it
        try:
            while monotonic() < until_s and (self._tellings or self._gather()):
                telling = self._tellings[0]
                if telling.since_s is not None and monotonic() - telling.since_s > TELL_AGAIN_S:
                    self.lost += 1
                else:
                    if telling.since_s is None:
                        self._tellings[0] = telling._replace(since_s=monotonic())
                    store.settle(telling.hold_id, telling.needs, telling.amounts)
                self._tellings.popleft()
        finally:
            self._busy.release()

    def _gather(self) -> bool:
        """Makes a telling of the sums of some counters; False where there is none left."""
        self._add_up()
        if not self._sums:
            return False
        some = list(self._sums)[:KEYS_AT_ONCE]
        sums = [self._sums.pop(key) for key in some]
        needs = tuple(
            Need(key, 0, None, 0, tuple(sorted(kept.told)), kept.expires_unix_s)
            for key, kept in zip(some, sums, strict=True)
        )
        self._tellings.appendleft(_Telling(uuid.uuid4().hex, needs, tuple(kept.amount for kept in sums), None))
        return True

    def _add_up(self) -> None:
        while self._spent:
            need, amount, told = self._spent.popleft()
            kept = self._sums.get(need.key)
            if kept is None:
                if len(self._sums) >= MAX_KEYS:
                    self.lost += 1
                    continue
                kept = self._sums[need.key] = _Sum()
            kept.amount += amount
            kept.expires_unix_s = need.expires_unix_s
            kept.told = kept.told.union(told)


def _told(need: Need, index: int, fired: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The levels of a need that people were told of; of others they are told with the next call."""
    return tuple(need.levels[level] for at, level in fired if at == index)
