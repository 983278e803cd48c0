"""While the shared state is away: when it is asked again, and what this process counts by itself until then."""

from __future__ import annotations

from random import SystemRandom
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.state.memory import MemoryStore
from vigilo.state.store import Count, Need, Refused, Reserved, Settlement, StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vigilo.state.store import Slot, Store

SHARE: Final = 10
"""A process takes one part in so many of what was left of a limit."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0
_JITTER: Final = SystemRandom()  # not the app's generator, whose order may matter to it


class StateAway(StateError):  # noqa: N818 - what is the case; nothing was asked
    """The store is left alone for ``retry_after_s``, since it did not answer."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"the shared state did not answer lately; it is asked again in {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


class Outage:
    """When the store failed last, and when it is asked again, by the monotonic clock.

    Pauses grow with each failure, and differ from process to process, so that not all ask at once.
    """

    def __init__(self, failed_s: float) -> None:
        self._pause_s = FIRST_PAUSE_S
        self.fail(failed_s)

    def fail(self, failed_s: float) -> None:
        """The store has failed, at first or again."""
        self.failed_s = failed_s
        self.ask_at_s = failed_s + min(_JITTER.uniform(1.0, 1.5) * self._pause_s, LONGEST_PAUSE_S)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def may_ask(self, now_s: float) -> bool:
        """Whether it is time to try; others do not while whoever was told so does."""
        if now_s < self.ask_at_s:
            return False
        self.ask_at_s = now_s + self._pause_s
        return True

    @property
    def retry_after_s(self) -> float:
        return max(0.0, self.ask_at_s - monotonic())


class Held(NamedTuple):
    """A hold of this process' own counters.

    ``fired``: levels that were told of when it was reserved. ``in_doubt``: the shared store may have it as well, as it
    did not answer when it was asked.
    """

    counters: OwnCounters
    needs: tuple[Need, ...]
    fired: tuple[tuple[int, int], ...]
    lost_at_s: float
    in_doubt: bool


class OwnCounters:
    """Counters of this process during one outage; each begins with what was last seen of it.

    Args:
        store: the shared one, for its clock.
        has_limits: whether limits hold, each a tenth of what was left of it.
    """

    def __init__(self, store: Store, *, has_limits: bool) -> None:
        self._store = MemoryStore(lambda: int(store.now_unix_s() * 1e9))
        self._has_limits = has_limits
        self._bases: dict[str, int] = {}
        self.push_back = self._store.push_back

    def __contains__(self, key: str) -> bool:
        return key in self._bases

    def reserve(
        self, hold_id: str, needs: Sequence[Need], slots: Sequence[Slot], hold_s: float, seen: dict[str, Count]
    ) -> Reserved | Refused:
        """As of a store; ``seen`` are the counters as they were told last."""
        own = [self._own(need, seen) for need in needs]
        return self._store.reserve(hold_id, own, slots, hold_s=hold_s)

    def settle(self, hold_id: str, needs: Sequence[Need], amounts: Sequence[int]) -> Settlement:
        """As of a store, but for levels: they are told with the next reservation, here or there."""
        untold = [need._replace(levels=()) for need in needs]
        return self._store.settle(hold_id, untold, amounts)

    def read(self, keys: Sequence[str]) -> list[Count]:
        return self._store.read(keys)

    def _own(self, need: Need, seen: dict[str, Count]) -> Need:
        base = self._bases.get(need.key)
        if base is None:
            base = sum(seen.get(need.key, (0, 0)))
            if base:
                # By an id of the key: two threads do it once. Levels below were told when it was seen.
                self._store.settle(f"seen:{need.key}", [need], [base])
            base = self._bases.setdefault(need.key, base)
        if need.limit is None or not self._has_limits:
            return need._replace(limit=None)
        return need._replace(limit=base + -(-max(0, need.limit - base) // SHARE))
