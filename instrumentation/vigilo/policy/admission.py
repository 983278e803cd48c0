"""One call on its way through the quotas and the pacing, until it has ended: what it holds is let go on every way out.

Errors of ours never reach the app: the call passes then, unless the user wants calls refused where nothing can be
counted (``on_store_error = "closed"``).
"""

from __future__ import annotations

import os
import secrets
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from vigilo import semconv
from vigilo.errors import QuotaExceeded, RateLimited, internal_errors, report_internal
from vigilo.policy.guard import Settled
from vigilo.policy.pause import Pause
from vigilo.policy.quota import alerts
from vigilo.policy.quota.draw import FETCHING, FREE, NOTHING_USED, Draft, draw, learn, refusal, used
from vigilo.policy.quota.status import left, status_of
from vigilo.state.store import Count, Refused, StateError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from vigilo.capture.call import Request, Response
    from vigilo.policy.guard import Guard
    from vigilo.policy.pace.paced import Paced
    from vigilo.policy.quota.scopes import Scopes

HOLD_S: Final = 660.0
"""After so long a hold expires: the SDKs' own time-out of 600 s, which is all that is known of when a call will have
ended, and a minute. A stream that takes longer is set right when it is settled."""
STATE_WAIT_S: Final = 1.0
"""What a refused app is told to wait where the shared state is away."""

_SECOND_NS: Final = 1_000_000_000
_PREFIX: Final = secrets.token_hex(6)
_numbers: Final = count()
_REMAINING: Final = {
    "requests": semconv.QUOTA_REMAINING_REQUESTS,
    "tokens": semconv.QUOTA_REMAINING_TOKENS,
    "input_tokens": semconv.QUOTA_REMAINING_TOKENS,
    "output_tokens": semconv.QUOTA_REMAINING_TOKENS,
    "usd": semconv.QUOTA_REMAINING_COST,
}


def admit(guard: Guard, request: Request, scopes: Scopes) -> Generator[Pause, None, Admitted | None]:
    """Waits for the call's turn and reserves what it may use; None where there is nothing to do when it has ended.

    Raises:
        QuotaExceeded: a rule refuses it.
        RateLimited: its turn would come too late.
    """
    if request.operation in FREE:
        return None
    call: Admitted | None = None
    try:
        call = Admitted(guard, request, scopes)
        yield from call.steps()
    except BaseException as error:
        if call is not None:
            call.give_up(error)
            if call.is_interrupted:
                raise
        if isinstance(error, (QuotaExceeded, RateLimited)) or not isinstance(error, Exception):
            raise
        report_internal("asking the quotas of a call", error)
        if guard.settings.on_store_error == "closed":
            raise RateLimited("global", "state", getattr(error, "retry_after_s", None) or STATE_WAIT_S) from None
        if os.environ.get("VIGILO_RAISE_INTERNAL") == "1" and not isinstance(error, StateError):
            raise
        return None
    return call if call.has_end else None


class Admitted:
    """A call that may be sent, once its :meth:`steps` are done."""

    __slots__ = (
        "_asked",
        "_draft",
        "_events",
        "_guard",
        "_hold_id",
        "_paced",
        "_pid",
        "_request",
        "_scopes",
        "_user",
        "is_interrupted",
    )

    def __init__(self, guard: Guard, request: Request, scopes: Scopes) -> None:
        self._guard, self._request, self._scopes = guard, request, scopes
        self._pid = os.getpid()
        self._hold_id = f"{_PREFIX}-{self._pid}-{next(_numbers)}"
        users = scopes.get("user")
        self._user = users[0] if users else None
        self._draft: Draft | None = None
        self._asked = False
        self._events: list[tuple[str, Mapping[str, Any]]] = []
        self.is_interrupted = False
        self._paced: Paced | None = None
        if guard.pacer is not None and request.operation not in FETCHING:
            self._paced = guard.pacer.begin(request, scopes)

    @property
    def has_end(self) -> bool:
        """Whether there is anything to do when the call has ended."""
        return self._draft is not None or self._paced is not None

    def steps(self) -> Generator[Pause, None, None]:
        """Waits for the call's turn, and holds what it may use."""
        guard, paced = self._guard, self._paced
        if paced is not None:
            yield from self._waiting(paced.turn())
        store = guard.store
        now = store.now_unix_s()
        applying = guard.book.applying(self._scopes)
        slots = () if paced is None else paced.slots
        draft = None
        if applying:
            draft = draw(applying, self._request, self._user, now)
            guard.seen_counters.note(draft.applying, draft.windows)
            if self._request.operation in FETCHING:
                self._draft = draft
                return
        wait_ns = 0
        if draft is not None or slots:
            needs = draft.needs if draft is not None else ()
            hold_s = HOLD_S + (guard.settings.pace_max_wait_s if slots else 0.0)
            self._draft, self._asked = draft, bool(needs)
            answer = store.reserve(self._hold_id if needs else "", needs, slots, hold_s=hold_s)
            guard.note_answer()
            if isinstance(answer, Refused):
                self._asked = False
                self._refuse(answer, now)
            else:
                wait_ns = answer.wait_ns
                self._tell_fired(answer.counts, answer.fired)
        if paced is not None:
            if wait_ns:
                paced.reserved(wait_ns)
                yield from self._waiting(iter_pause(wait_ns))
            paced.sent(wait_ns)

    def _waiting(self, pauses: Generator[Pause, None, None]) -> Generator[Pause, None, None]:
        """Passes pauses on, and tells what whoever waits them out throws in from what goes wrong in here."""
        try:
            for pause in pauses:
                try:
                    yield pause
                except BaseException:
                    self.is_interrupted = True
                    raise
        finally:
            pauses.close()

    def _refuse(self, refused: Refused, now_unix_s: float) -> None:
        """Raises what the app gets."""
        if refused.need is None or self._draft is None:
            if self._paced is None or refused.slot is None:
                return  # a store that refuses what it was not asked
            raise self._paced.refused(refused.slot, refused.wait_ns)
        one, window = self._draft.applying[refused.need], self._draft.windows[refused.need]
        with internal_errors("telling of a refused call"):
            alerts.refused(status_of(one, window, refused.counter))
        raise refusal(self._draft, refused.need, refused.counter, now_unix_s)

    def give_up(self, error: BaseException) -> None:
        """The call is not sent: lets go of all that it has."""
        if self._pid != os.getpid():
            return
        self._release()
        if self._paced is not None:
            with internal_errors("ending the pacing of a call"):
                self._paced.ended(error)

    def _release(self) -> None:
        if self._asked and self._draft is not None:
            self._asked = False
            try:
                self._guard.store.settle(self._hold_id, self._draft.needs, self._draft.amounts(NOTHING_USED))
            except Exception as error:  # noqa: BLE001 - it expires then
                report_internal("releasing what a call held", error)

    @property
    def takes_over_retries(self) -> bool:
        """Whether :meth:`again` decides about further attempts."""
        return self._paced is not None and self._paced.takes_over_retries

    def answered(self, headers: Any) -> None:
        """An attempt got its answer."""
        if self._paced is not None:
            self._paced.answered(headers)

    def again(self, error: BaseException, attempts: int, retries: int) -> Generator[Pause, None, bool]:
        """Whether an attempt that failed is made again; all attempts of a call are one request of its quotas."""
        if self._paced is None:
            return False
        return (yield from self._paced.again(error, attempts, retries))

    def settle(
        self, request: Request, response: Response | None, cost_usd: float | None, error: BaseException | None
    ) -> Settled:
        """Charges what the call has used, and lets go of what it held. In a forked process the call is the parent's."""
        attributes: dict[str, Any] = {}
        if self._pid != os.getpid():
            return Settled(attributes, ())
        if self._paced is not None:
            with internal_errors("ending the pacing of a call"):
                # Nothing was sent where there is neither an answer nor an error.
                ended_by = error if error is not None or response is not None else GeneratorExit()
                attributes.update(self._paced.ended(ended_by))
        if self._draft is not None:
            try:
                self._charge(self._draft, request, response, cost_usd, error, attributes)
            except StateError as failure:
                report_internal("settling what a call used", failure)
            except Exception as failure:
                report_internal("settling what a call used", failure)
                self._release()
                if os.environ.get("VIGILO_RAISE_INTERNAL") == "1":
                    raise
        return Settled(attributes, self._events)

    def _charge(
        self,
        draft: Draft,
        request: Request,
        response: Response | None,
        cost_usd: float | None,
        error: BaseException | None,
        attributes: dict[str, Any],
    ) -> None:
        store = self._guard.store
        learn(request, response, self._user)
        amounts = draft.amounts(used(request, response, cost_usd, error, draft.guess, store.now_unix_s()))
        if not self._asked and not any(amounts):
            return  # a look for a result that told nothing
        settled = store.settle(self._hold_id, draft.needs, amounts)
        self._asked = False
        self._tell_fired(settled.counts, settled.fired)
        if degraded := getattr(store, "degraded", ""):
            attributes[semconv.QUOTA_STATE] = degraded  # the counts are those of this process
        else:
            attributes.update(_standing(draft, settled.counts))

    def _tell_fired(self, counts: Sequence[Count], fired: Sequence[tuple[int, int]]) -> None:
        draft = self._draft
        if draft is None:
            return
        for index, level in fired:
            with internal_errors("telling of a threshold"):
                one = draft.applying[index]
                status = status_of(one, draft.windows[index], counts[index])
                told = {
                    semconv.QUOTA_RULE: status.rule,
                    semconv.QUOTA_LEVEL: one.shares[level],
                    semconv.QUOTA_USED: float(status.used),
                    semconv.QUOTA_LIMIT: float(status.limit),
                }
                self._events.append((semconv.QUOTA_THRESHOLD_EVENT, told))
                alerts.reached(status, one.shares[level])


def iter_pause(wait_ns: int) -> Generator[Pause, None, None]:
    """One pause."""
    yield Pause(wait_ns / _SECOND_NS)


def _standing(draft: Draft, counts: Sequence[Count]) -> dict[str, Any]:
    """What is left of the tightest rule of each kind, and the rules that do not block and are passed."""
    told: dict[str, Any] = {}
    passed = []
    for one, tally in zip(draft.applying, counts, strict=False):
        name = _REMAINING[one.rule.metric]
        remaining = one.in_unit(left(one.rule, tally))
        told[name] = min(told.get(name, remaining), remaining)
        if one.limit is None and tally.used + tally.held > one.rule.limit:
            passed.append(one.name)
    if passed:
        told[semconv.QUOTA_PASSED] = passed
    return told
