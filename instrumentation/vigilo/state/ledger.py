"""What reserving and settling do to counters and rates; how those are kept is for the stores that use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from vigilo.state.store import Count, Refused, Reserved, Settlement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from vigilo.state.store import Need, Slot

SECOND_NS: Final = 1_000_000_000
NOTHING: Final = Count(0, 0)
SWEEP_EVERY_S: Final = 1.0
SETTLED_KEPT_S: Final = 600
"""How long a hold that was settled is known, so that it is settled once."""
LOST_KEPT_S: Final = 2 * 86_400
"""How long a hold that expired is known, so that a late settlement sets right what was charged for it."""
COUNTER_KEPT_S: Final = 2 * 86_400
"""How long a counter is kept after its window at the most, and a share of it for shorter windows."""
COUNTER_KEPT_MIN_S: Final = 3_600
_MAX_TOLD: Final = 32
_new: Final = tuple.__new__  # a third faster than the named tuple's own


class Counter:
    """What is used and held, and which levels were told."""

    __slots__ = ("forget_unix_s", "held", "told", "used")

    def __init__(self, used: int = 0, held: int = 0, told: tuple[int, ...] = (), forget_unix_s: int = 0) -> None:
        self.used, self.held, self.told, self.forget_unix_s = used, held, told, forget_unix_s

    @property
    def count(self) -> Count:
        return Count(self.used, self.held)


class Rate(NamedTuple):
    """When the bucket of a rate is full again, before when there is no place, and when it was looked at last.

    All are nanoseconds since 1970, by a clock that may be set back: a rate that was seen later than now tells how far.
    """

    full_unix_ns: int
    not_before_unix_ns: int
    seen_unix_ns: int

    def at(self, now_unix_ns: int) -> Rate:
        """The rate by the clock as it is now; as far away as before if that was set back meanwhile."""
        back_ns = max(0, self.seen_unix_ns - now_unix_ns)
        return Rate(self.full_unix_ns - back_ns, self.not_before_unix_ns - back_ns, now_unix_ns)

    def is_over(self, now_unix_ns: int) -> bool:
        """Whether it is as one that was never used."""
        return max(self) <= now_unix_ns


Share: TypeAlias = Sequence[Any]
"""What a hold has of one counter: its key, the amount, and what is charged if nobody settles it."""


def reserve(
    counters: MutableMapping[str, Counter],
    rates: MutableMapping[str, Rate],
    needs: Sequence[Need],
    slots: Sequence[Slot],
    now_unix_ns: int,
) -> Reserved | Refused:
    """Holds all needs and takes all slots in ``counters`` and ``rates``, or changes no counter and takes no place.

    A rate whose clock was set back is put right even then.
    """
    refused = _first_without_room(counters, needs)
    if refused is not None:
        return refused
    taken: dict[str, Rate] = {}
    wait_ns = 0
    for index, slot in enumerate(slots):
        rate = taken.get(slot.key) or rates.get(slot.key)
        if rate is None:
            rate = Rate(0, 0, now_unix_ns)
        elif rate.seen_unix_ns > now_unix_ns:
            rate = rates[slot.key] = rate.at(now_unix_ns)
        sent_at = max(now_unix_ns, rate.not_before_unix_ns)
        full_at = max(rate.full_unix_ns, sent_at)
        slot_wait_ns = max(sent_at, full_at - (slot.burst - 1) * slot.interval_ns) - now_unix_ns
        if slot_wait_ns > slot.max_wait_ns:
            return Refused(None, NOTHING, index, slot_wait_ns)
        taken[slot.key] = Rate(full_at + slot.interval_ns, rate.not_before_unix_ns, now_unix_ns)
        wait_ns = max(wait_ns, slot_wait_ns)
    rates.update(taken)
    for need in needs:
        _counter(counters, need, now_unix_ns).held += need.amount
    return Reserved(*counts_and_fired(counters, needs), wait_ns)


def settle(
    counters: MutableMapping[str, Counter], needs: Sequence[Need], amounts: Sequence[int], now_unix_ns: int
) -> Settlement:
    """Charges what was used; what was held or charged before is to be taken back first."""
    for need, amount in zip(needs, amounts, strict=True):
        _counter(counters, need, now_unix_ns).used += amount
    return Settlement(*counts_and_fired(counters, needs))


def take_back_held(counters: Mapping[str, Counter], shares: Iterable[Share]) -> None:
    """Ends what is held; never below nothing."""
    for key, amount, _ in shares:
        if (counter := counters.get(key)) is not None:
            counter.held = max(0, counter.held - amount)


def take_back_charged(counters: Mapping[str, Counter], shares: Iterable[Share]) -> None:
    """Takes back what was charged for a hold that expired; never below nothing, as after a reset."""
    for key, _, charge_if_lost in shares:
        if (counter := counters.get(key)) is not None:
            counter.used = max(0, counter.used - charge_if_lost)


def expire(counters: Mapping[str, Counter], shares: Iterable[Share]) -> None:
    """Charges a hold that nobody settled with what is known for sure."""
    for key, amount, charge_if_lost in shares:
        if (counter := counters.get(key)) is not None:
            counter.held = max(0, counter.held - amount)
            counter.used += charge_if_lost


def counts_and_fired(
    counters: Mapping[str, Counter], needs: Sequence[Need]
) -> tuple[tuple[Count, ...], tuple[tuple[int, int], ...]]:
    """The counters of the needs, and the levels that they have reached and that nobody was told; now they are told."""
    counts: list[Count] = []
    fired: list[tuple[int, int]] = []
    for index, need in enumerate(needs):
        counter = counters.get(need.key)
        if counter is None:
            counts.append(NOTHING)
            continue
        used, held = counter.used, counter.held
        counts.append(_new(Count, (used, held)))
        if not need.levels or used + held < need.levels[0]:
            continue
        for level, mark in enumerate(need.levels):
            # By their marks, not by their places: a changed limit moves them, and they are news again.
            if used + held >= mark and mark not in counter.told:
                counter.told = (*counter.told, mark)[-_MAX_TOLD:]
                fired.append((index, level))
    return tuple(counts), tuple(fired)


def push_back(rates: MutableMapping[str, Rate], key: str, until_unix_ns: int, now_unix_ns: int) -> None:
    """No place of the rate before ``until_unix_ns``; one that is further away already stays."""
    rate = rates.get(key, Rate(0, 0, now_unix_ns)).at(now_unix_ns)
    rates[key] = rate._replace(not_before_unix_ns=max(rate.not_before_unix_ns, until_unix_ns))


def shares_of(needs: Sequence[Need]) -> list[Share]:
    """What a hold of these needs has."""
    return [(need.key, need.amount, need.charge_if_lost) for need in needs]


def _first_without_room(counters: Mapping[str, Counter], needs: Sequence[Need]) -> Refused | None:
    before: dict[str, int] = {}  # what the needs of this call hold of each counter
    for index, (key, amount, limit, *_) in enumerate(needs):
        wanted = before[key] = before.get(key, 0) + amount
        if limit is None:
            continue
        counter = counters.get(key)
        if wanted + (0 if counter is None else counter.used + counter.held) > limit:
            return Refused(index, NOTHING if counter is None else counter.count)
    return None


def _counter(counters: MutableMapping[str, Counter], need: Need, now_unix_ns: int) -> Counter:
    counter = counters.get(need.key)
    if counter is None:
        counter = counters[need.key] = Counter(forget_unix_s=_forget_unix_s(need.expires_unix_s, now_unix_ns))
    return counter


def _forget_unix_s(expires_unix_s: int, now_unix_ns: int) -> int:
    """When a counter is forgotten: counters by the minute would pile up for all users in two days."""
    if not expires_unix_s:
        return 0
    left_s = expires_unix_s - now_unix_ns // SECOND_NS
    return expires_unix_s + min(COUNTER_KEPT_S, max(COUNTER_KEPT_MIN_S, 48 * left_s))
