"""``vigilo.balance``: what the calls of a block use, and what is left of the quotas that they count for."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple

from vigilo.capture import context, forks
from vigilo.capture.bill import used
from vigilo.capture.context import Tracked
from vigilo.capture.track import get_ready
from vigilo.capture.who import scopes_here
from vigilo.errors import internal_errors
from vigilo.policy import guard

if TYPE_CHECKING:
    from vigilo.capture.call import Request, Response
    from vigilo.policy.quota.status import QuotaStatus

_KEEPS = 256
"""Calls that are kept one by one before they are added up."""


class Amounts(NamedTuple):
    """What calls used. ``tokens`` are those in and out; ``usd`` is without the calls that have no known price."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tokens: int = 0
    usd: float = 0.0

    def plus(self, other: Amounts) -> Amounts:
        """The sum."""
        return Amounts(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.tokens + other.tokens,
            self.usd + other.usd,
        )


class Standing(NamedTuple):
    """Of each metric, a number of the tightest rule that counts it, in the metric's unit; None without a rule."""

    requests: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    tokens: float | None = None
    usd: float | None = None


class balance:  # noqa: N801 - used like a function: `with vigilo.balance() as b:`
    """Counts what the LLM calls of a block use, and reads the quotas before and after it.

    It holds wherever :class:`vigilo.track` does: in tasks and threads that are started inside, and in the jobs that are
    given to thread pools inside. A call that begins inside counts once it has ended, also where that is after the
    block, as a stream may. Blocks nest: a call counts in each one around it. Capture is on inside the block even where
    no instrumentor was installed. Counted is what the provider told, or vigilo estimated; a call that was refused, or
    failed before it was answered, counts as nothing.

    Works without any quota; then only ``delta`` tells something.

    Attributes:
        before: the quotas of who is in force where the block began, as they were then. Those about a model or a
            provider are left out: a block has none.
        after: the same as they were when the block ended; as ``before`` as long as it has not.
    """

    def __init__(self) -> None:
        self.before: list[QuotaStatus] = []
        self.after: list[QuotaStatus] = []
        self._said = Tracked(captures=True, balances=(self,))
        self._ended: deque[Amounts] = deque()
        self._sum = Amounts()
        self._adding = threading.Lock()
        self._forks = forks.count

    def __enter__(self) -> balance:
        get_ready()
        self.before = self.after = _quotas()
        context.enter(self._said, self)
        return self

    def __exit__(self, *_: object) -> None:
        self.after = _quotas()
        context.leave(self)

    async def __aenter__(self) -> balance:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    @property
    def delta(self) -> Amounts:
        """What the calls of the block that have ended used: calls, tokens and USD."""
        with self._adding:
            self._add_up()
            return self._sum

    @property
    def used(self) -> Standing:
        """What is used of the tightest quota of each metric when the block ended, by these calls and all others."""
        return _standing(self.after, "used")

    @property
    def remaining(self) -> Standing:
        """What is left of the tightest quota of each metric when the block ended; never below 0."""
        return _standing(self.after, "remaining")

    def count(
        self, request: Request, response: Response | None, cost_usd: float | None, error: BaseException | None
    ) -> None:
        """A call of the block has ended; a finalizer may say so in the middle of anything, so nothing waits here.

        ``response``: None where nothing came back.
        """
        if self._forks != forks.count or (response is None and not _was_sent(error)):
            return
        amounts = Amounts(1)
        if response is not None:
            usage = used(request, response)
            inputs, outputs = usage.input_tokens or 0, usage.output_tokens or 0
            amounts = Amounts(1, inputs, outputs, inputs + outputs, cost_usd or 0.0)
        self._ended.append(amounts)
        if len(self._ended) > _KEEPS and self._adding.acquire(blocking=False):
            try:
                self._add_up()
            finally:
                self._adding.release()

    def _add_up(self) -> None:
        while self._ended:
            self._sum = self._sum.plus(self._ended.popleft())


def _was_sent(error: BaseException | None) -> bool:
    """Whether a call of which nothing came back counts, as it does for quotas."""
    if error is None:
        return False
    from vigilo.policy.quota.draw import was_sent

    return was_sent(error)


def _quotas() -> list[QuotaStatus]:
    with internal_errors("reading quotas for a balance"):
        in_force = guard.in_force()
        if in_force is not None:
            return list(in_force.status(scopes_here()))
    return []


def _standing(quotas: list[QuotaStatus], field: Literal["used", "remaining"]) -> Standing:
    tightest: dict[str, QuotaStatus] = {}
    for one in quotas:
        known = tightest.get(one.metric)
        if known is None or one.remaining < known.remaining:
            tightest[one.metric] = one
    return Standing(**{metric: getattr(one, field) for metric, one in tightest.items()})
