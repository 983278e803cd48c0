"""One call on its way through the pacing: its turn, its slots, its further attempts, and what it tells in the end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from vigilo import semconv
from vigilo.errors import RateLimited
from vigilo.policy.pace.failures import MAX_SDK_WAIT_S, read_failure
from vigilo.policy.pace.fairness import Waiter
from vigilo.policy.pace.limits import NO_LIMITS, Limits, read_limits
from vigilo.policy.pause import Pause
from vigilo.state.store import Reserved, Slot, StateError
from vigilo.tallies import PACE_REFUSALS

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from vigilo.policy.pace.failures import Failure
    from vigilo.policy.pace.lane import Lane
    from vigilo.policy.pace.pacer import Pacer

_JITTER: Final = random.SystemRandom()  # not the app's generator, whose order may matter to it
_SECOND_NS: Final = 1_000_000_000
_BACK_OFF_S: Final = 0.5
_MAX_BACK_OFF_S: Final = 8.0
_TOLD_FROM_S: Final = 0.001
_OWN_WAIT_S: Final = 0.5
"""A wait for the slots that is longer is not the rate's, which lets one call through at a time."""


class Paced:
    """The pacing of one call. :meth:`ended` is called exactly once, whatever happened before."""

    __slots__ = (
        "_lane", "_limited_by", "_limits", "_noted", "_others", "_pacer", "_probe", "_throttled", "_turn", "_user",
        "_waited_s",
    )  # fmt: skip

    def __init__(
        self, pacer: Pacer, lane: Lane | None, user: str, limits: Sequence[tuple[str, str, str, tuple[int, int]]]
    ) -> None:
        """``limits``: reason, scope, key of the slot, and interval and burst of each limit a minute."""
        self._pacer = pacer
        self._lane = lane
        self._user = user
        self._limits = limits
        self._waited_s = 0.0
        self._limited_by: str | None = None
        self._turn: Waiter | None = None
        self._probe = False
        self._noted: object = None  # the outcome of the last attempt that the lane was told
        self._throttled = self._others = 0

    @property
    def takes_over_retries(self) -> bool:
        """Whether :meth:`again` decides about further attempts, in place of the SDK."""
        return self._lane is not None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What the call needs to be sent; to be read once it is its turn."""
        left_s = self._left_s
        max_wait_ns = int(left_s * _SECOND_NS)
        slots = [Slot(key, rate[0], rate[1], max_wait_ns) for _, _, key, rate in self._limits]
        if self._lane is not None:
            slots.append(self._lane.slot(self._pacer.clock(), left_s))
        return tuple(slots)

    def turn(self) -> Generator[Pause, None, None]:
        """Waits until it is this call's turn.

        Raises:
            RateLimited: that would take longer than it may.
        """
        if self._lane is None or self._lane.is_free(self._pacer.clock()):
            return
        try:
            yield from self._wait_for_turn(self._lane)
        except RateLimited as refusal:
            PACE_REFUSALS.add(labels={semconv.PACE_LIMITED_BY: refusal.reason})
            raise

    def refused(self, slot_index: int, wait_ns: int) -> RateLimited:
        """What the app gets where the slot of that index is too far away."""
        self._pass_on()
        if slot_index < len(self._limits):
            reason, scope = self._limits[slot_index][:2]
        else:
            reason, scope = "rate", self._lane.key.scope if self._lane is not None else "global"
        self._limited_by = reason
        PACE_REFUSALS.add(labels={semconv.PACE_LIMITED_BY: reason})
        return RateLimited(scope, reason, wait_ns / _SECOND_NS)

    def reserved(self, wait_ns: int) -> None:
        """The slots were taken, and are to be waited for. Where that takes long, others need not wait for this call."""
        if wait_ns > _OWN_WAIT_S * _SECOND_NS and self._turn is not None:
            rate = self._lane.rate.per_s(self._pacer.clock()) if self._lane is not None else None
            if rate is None or wait_ns * rate > 8 * _SECOND_NS:
                self._pass_on()

    def sent(self, wait_ns: int) -> None:
        """The wait for the slots is over, and the request is sent now."""
        lane = self._lane
        wait_s = wait_ns / _SECOND_NS
        turn = self._turn
        if wait_s:
            self._waited_s += wait_s
            if turn is not None or not self._limits:
                self._limited_by = "rate"
            elif self._limited_by is None:
                self._limited_by = self._limits[0][0]
        self._pass_on()
        if lane is not None:
            lane.rate.sent(self._pacer.clock(), limited=self._waited_s >= _TOLD_FROM_S)
        self._noted = None

    def answered(self, headers: Any) -> None:
        """An attempt got an answer; ``headers``: httpx's, or any mapping."""
        if self._lane is None or self._noted is not None:
            return
        self._noted = headers
        self._worked(self._lane, read_limits(headers, self._pacer.store.now_unix_s()))

    def again(self, error: BaseException, attempts: int, retries: int) -> Generator[Pause, None, bool]:
        """Whether the request is made again after an attempt failed, once its turn has come.

        ``attempts``: made so far, in whatever way; ``retries``: how many the app allows the SDK. Where it allows any,
        a call that the provider has no room for is made again for as long as it may wait.
        """
        lane = self._lane
        if lane is None:
            return False
        failure = self._note(lane, error)
        if retries <= 0 or failure is None or not failure.retryable:
            return False
        back_off_s = self._back_off_s(failure, retries)
        if back_off_s is None or back_off_s > self._left_s:
            return False
        if back_off_s:
            began_s = self._pacer.clock()
            try:
                yield Pause(back_off_s)
            finally:
                self._waited_s += self._pacer.clock() - began_s
        try:
            if not lane.is_free(self._pacer.clock()):
                yield from self._wait_for_turn(lane, first=True)
        except RateLimited:
            return False  # the app gets what the provider said
        wait_ns = self._take_slot(lane)
        if wait_ns is None:
            self._pass_on()
            return False
        if wait_ns:
            self.reserved(wait_ns)
            yield Pause(wait_ns / _SECOND_NS)
        self.sent(wait_ns)
        return True

    def ended(self, error: BaseException | None) -> Mapping[str, Any]:
        """The call is over, whether it was sent or not; returns what its span tells of its pacing."""
        lane = self._lane
        told: dict[str, Any] = {}
        if self._waited_s >= _TOLD_FROM_S:
            told[semconv.PACE_WAIT] = self._waited_s
        if self._limited_by is not None and (told or isinstance(error, RateLimited)):
            told[semconv.PACE_LIMITED_BY] = self._limited_by
        if lane is None:
            return told
        if error is not None:
            self._note(lane, error)
        self._noted = lane
        self._pass_on()
        self._give_back(lane)
        if (rate := lane.rate.per_s(self._pacer.clock())) is not None:
            told[semconv.PACE_RATE] = rate
        return told

    @property
    def _left_s(self) -> float:
        return max(0.0, self._pacer.max_wait_s - self._waited_s)

    def _wait_for_turn(self, lane: Lane, *, first: bool = False) -> Generator[Pause, None, None]:
        clock = self._pacer.clock
        began_s = clock()
        left_s = self._left_s
        waiter = Waiter(self._user, began_s + left_s)
        queue_s = 0.0 if first else lane.queue_s(self._user, began_s, left_s)
        if queue_s:
            raise self._too_late(lane, "rate", queue_s)
        lane.turns.join(waiter, first=first)
        try:
            while True:
                waiter.waker.clear()
                wait_s = self._wait_s(lane, waiter, clock())
                if not wait_s:
                    break
                yield Pause(wait_s, waiter.waker)
        except BaseException:
            lane.turns.leave(waiter)
            raise
        finally:
            self._waited_s += clock() - began_s
        self._turn = waiter

    def _wait_s(self, lane: Lane, waiter: Waiter, now_s: float) -> float:
        """Seconds until there is something new; 0 where it is this call's turn."""
        left_s = max(0.0, waiter.deadline_s - now_s)
        gate_s = lane.gate_s - now_s
        if gate_s > left_s:
            raise self._too_late(lane, "retry_after", gate_s)
        circuit_s = lane.breaker.wait_s(now_s)
        if circuit_s is not None and circuit_s > left_s:
            raise self._too_late(lane, "circuit_open", circuit_s)
        if not waiter.has_turn:
            if not left_s:
                raise self._too_late(lane, "rate", 1 / (lane.rate.per_s(now_s) or 1.0))
            if self._limited_by is None:
                self._limited_by = "rate"
            return left_s
        if gate_s > 0:
            self._limited_by = "retry_after"
            return gate_s
        if circuit_s == 0 and not lane.breaker.is_closed:
            if lane.breaker.take_probe():
                self._probe = True
                return 0.0
            circuit_s = None
        if circuit_s is None:  # somebody else tries, and says how it went
            if not left_s:
                raise self._too_late(lane, "circuit_open", 1.0)
            circuit_s = left_s
        if circuit_s:
            self._limited_by = "circuit_open"
        return circuit_s

    def _too_late(self, lane: Lane, reason: str, wait_s: float) -> RateLimited:
        self._limited_by = reason
        return RateLimited(lane.key.scope, reason, wait_s)

    def _back_off_s(self, failure: Failure, retries: int) -> float | None:
        """How long to wait for the next attempt besides its turn; None where there is none."""
        wanted_s = failure.retry_after_s
        if failure.throttled:
            self._throttled += 1
            if wanted_s is not None:
                return 0.0  # the gate is shut for as long
            number = self._throttled
        else:
            self._others += 1
            if self._others > retries or (wanted_s or 0.0) > MAX_SDK_WAIT_S:
                return None
            if wanted_s:
                return wanted_s
            number = self._others
        longest_s = min(_MAX_BACK_OFF_S, _BACK_OFF_S * float(2 ** min(number - 1, 10)))
        return longest_s * _JITTER.uniform(0.75, 1.0)

    def _take_slot(self, lane: Lane) -> int | None:
        """Takes a place for one more attempt; None where there is none in time. Calls a minute are not attempts."""
        slot = lane.slot(self._pacer.clock(), self._left_s)
        try:
            taken = self._pacer.store.reserve("", (), (slot,))
        except StateError:
            return 0  # the queue and the gate of this process are what is left
        return taken.wait_ns if isinstance(taken, Reserved) else None

    def _note(self, lane: Lane, error: BaseException) -> Failure | None:
        """Tells the lane of a failed attempt, once; None where the lane knew of it, or the call was not sent."""
        if self._noted is not None or self._turn is not None:
            return None
        self._noted = error
        now_s = self._pacer.clock()
        now_unix_s = self._pacer.store.now_unix_s()
        failure = read_failure(error, now_unix_s)
        limits = NO_LIMITS if failure.headers is None else read_limits(failure.headers, now_unix_s)
        if failure.throttled:
            lane.rate.refused(now_s, limits, failure.retry_after_s)
            self._changed(lane, lane.breaker.worked(probe=self._probe))
            if failure.retry_after_s:
                wait_s = lane.shut(now_s, failure.retry_after_s)
                self._push_back(lane, int((now_unix_s + wait_s) * _SECOND_NS))
        elif failure.down:
            self._changed(lane, lane.breaker.failed(now_s, probe=self._probe))
        elif failure.answered:
            self._worked(lane, limits)
        else:
            self._give_back(lane)
        return failure

    def _worked(self, lane: Lane, limits: Limits) -> None:
        lane.rate.taken(self._pacer.clock(), limits)
        self._changed(lane, lane.breaker.worked(probe=self._probe))

    def _changed(self, lane: Lane, changed: bool) -> None:
        self._probe = False
        if changed:
            self._pacer.circuit_changed(lane.breaker)

    def _give_back(self, lane: Lane) -> None:
        if self._probe:
            self._probe = False
            lane.breaker.give_back()
            self._pacer.circuit_changed(lane.breaker)

    def _push_back(self, lane: Lane, until_unix_ns: int) -> None:
        try:
            self._pacer.store.push_back(lane.slot_key, until_unix_ns)
        except StateError:
            return  # other processes will be told by the provider itself

    def _pass_on(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and self._lane is not None:
            self._lane.turns.leave(turn)
