"""What a store of shared state does, and the values that go in and out.

A counter knows what is used and what is held. A call reserves all that it may use in one step, over all counters and
rates at once: either everything is held or nothing. When the call has ended the hold is settled with what it used.
A hold that nobody settles expires, and is charged what is known for sure.

Keys are texts that the policy makes; all amounts are whole numbers below 2**53, which Redis' numbers hold exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Need(NamedTuple):
    """What a call may use of one counter.

    ``limit``: refused where ``used + held + amount`` would pass it; None: only counted. ``charge_if_lost``: what is
    charged if nobody settles the hold. ``levels``: marks of the counter, ascending; each is told once, when
    ``used + held`` has reached it for the first time. ``expires_unix_s``: when the counter's window is over, after
    which it may be forgotten; 0 for never.
    """

    key: str
    amount: int
    limit: int | None = None
    charge_if_lost: int = 0
    levels: tuple[int, ...] = ()
    expires_unix_s: int = 0


class Slot(NamedTuple):
    """A place in a rate, by the generic cell rate algorithm: ``burst`` calls at once, then one each ``interval_ns``.

    Refused where the place is further away than ``max_wait_ns``; nothing is taken of any counter or rate then.
    """

    key: str
    interval_ns: int
    burst: int
    max_wait_ns: int


class Count(NamedTuple):
    """A counter's state."""

    used: int
    held: int


class Reserved(NamedTuple):
    """``counts``: of each need, after it was held. ``fired``: index of the need and of its level, newly reached.

    ``wait_ns``: until the last of the slots; the call is not to be sent before.
    """

    counts: tuple[Count, ...]
    fired: tuple[tuple[int, int], ...] = ()
    wait_ns: int = 0


class Refused(NamedTuple):
    """What did not fit: a need or a slot, the other one is None.

    ``need``: index of the first need that does not fit, ``counter`` its state. ``slot``: index of the slot that is too
    far away, ``wait_ns`` how far.
    """

    need: int | None
    counter: Count
    slot: int | None = None
    wait_ns: int = 0


class Settlement(NamedTuple):
    """``counts`` and ``fired`` as of :class:`Reserved`, after the hold was settled."""

    counts: tuple[Count, ...]
    fired: tuple[tuple[int, int], ...] = ()


class StateError(Exception):
    """The store did not answer in time, or cannot be read; nobody knows whether it did what it was asked to."""


class Store(Protocol):
    """A store of shared state. Every method raises :class:`StateError` where it fails; the app never sees that.

    Methods may be called from any thread and any process, also from a finalizer that the garbage collector runs in the
    middle of another method of the same store and thread.
    """

    rules_version: int
    """Changes whenever the rules do; as of the last answer of the store."""

    def reserve(
        self, hold_id: str, needs: Sequence[Need], slots: Sequence[Slot] = (), *, hold_s: float = 0.0
    ) -> Reserved | Refused:
        """Holds all needs and takes all slots, or nothing.

        Asked again with the same ``hold_id`` it changes nothing. Without needs there is no hold, and ``hold_id`` may be
        empty. ``hold_s``: after so many seconds without a settlement the hold expires.
        """
        ...

    def settle(self, hold_id: str, needs: Sequence[Need], amounts: Sequence[int]) -> Settlement:
        """Ends a hold with what was used in truth, which may pass a limit; all zeros release it.

        ``needs``: those that were reserved. A hold is settled once: the second time nothing changes. One that expired
        before is settled all the same: what was charged for it then is set right. One that the store never had (it
        was reserved while the store was away) is charged.
        """
        ...

    def sweep(self) -> int:
        """Charges expired holds and forgets old counters; returns how many holds expired.

        Stores do so by themselves, at most once a second, with other work.
        """
        ...

    def read(self, keys: Sequence[str]) -> list[Count]:
        """The counters' states; zeros for one that there is not."""
        ...

    def reset(self, keys: Sequence[str]) -> None:
        """Sets what is used to 0 and has levels told again; what is held stays held."""
        ...

    def push_back(self, slot_key: str, until_unix_ns: int) -> None:
        """No slot of the rate before this time: what a provider's ``Retry-After`` asks of everybody."""
        ...

    def rules(self) -> Mapping[str, str]:
        """The rules that were put, as JSON by name."""
        ...

    def put_rule(self, name: str, rule: str) -> None:
        """Adds a rule, or replaces the one of that name."""
        ...

    def drop_rule(self, name: str) -> bool:
        """Takes a rule out; False where there is none of that name."""
        ...

    def now_unix_s(self) -> float:
        """The time by the clock that all who share the store go by; costs no round trip."""
        ...

    def close(self) -> None:
        """Lets go of the store; it is opened again at its next use."""
        ...
