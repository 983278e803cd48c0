"""What a call takes of the counters: what it needs before it is sent, and what it has used once it has ended.

Operations are of three kinds:

* calls of models, ``batch`` among them: one request each, and what they use. A batch says what it used when it has
  ended; it is charged then, if this process asks for it.
* ``fetch_response`` and ``batch_results`` ask for what was made meanwhile: they are no request of their own and never
  refused, but what is told to have been used is charged.
* ``count_tokens`` and ``file_upload`` use nothing: they are neither counted nor refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.capture.call import Usage
from vigilo.errors import QuotaExceeded, VigiloError
from vigilo.policy.quota.estimate import (
    COUNTED_IN_TOKENS,
    DEFAULT_OUTPUT,
    WRITING,
    Estimate,
    cost_of,
    estimate,
    outputs,
    written_tokens,
)
from vigilo.policy.quota.rules import NANO
from vigilo.policy.quota.windows import Window, window_at
from vigilo.state.store import Need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vigilo.capture.call import Request, Response
    from vigilo.policy.quota.book import Applying
    from vigilo.state.store import Count

FREE: Final = frozenset({"count_tokens", "file_upload"})
"""Operations that use nothing of a quota."""
FETCHING: Final = frozenset({"fetch_response", "batch_results"})
"""Operations that ask for what was made meanwhile."""
_NOT_SENT: Final = frozenset(
    {
        # httpx and httpcore
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "UnsupportedProtocol",
        "LocalProtocolError",
        "InvalidURL",
        # urllib3 and requests
        "NewConnectionError",
        "ConnectTimeoutError",
        "NameResolutionError",
        "MissingSchema",
        # aiohttp
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ConnectionTimeoutError",
        # Python's own
        "ConnectionRefusedError",
        "gaierror",
        "SSLCertVerificationError",
    }
)
"""Classes of exceptions that say that no request was sent."""
_DEEP: Final = 8


class Used(NamedTuple):
    """Amounts by metric; the cost in billionths of a US dollar."""

    requests: int
    input_tokens: int
    output_tokens: int
    usd: int

    def of(self, metric: str) -> int:
        """What counts for a rule."""
        return self.input_tokens + self.output_tokens if metric == "tokens" else int(getattr(self, metric))


NOTHING_USED: Final = Used(0, 0, 0, 0)


class Draft(NamedTuple):
    """What a call may use of each counter: rules, windows and needs go together by their places."""

    applying: tuple[Applying, ...]
    windows: tuple[Window, ...]
    needs: tuple[Need, ...]
    guess: Estimate

    def amounts(self, used: Used) -> list[int]:
        """What was used of each counter."""
        return [used.of(one.rule.metric) for one in self.applying]


def draw(applying: Sequence[Applying], request: Request, user: str | None, at_unix_s: float) -> Draft:
    """What a call needs of the rules that apply to it."""
    fetches = request.operation in FETCHING
    metrics = {one.rule.metric for one in applying}
    guess = _NO_GUESS
    if not fetches and metrics != {"requests"}:
        guess = estimate(request, user, at_unix_s, _unknown_output(applying), priced="usd" in metrics)
    most = Used(0 if fetches else 1, guess.input_tokens, guess.output_tokens, guess.cost)
    least = Used(most.requests, guess.input_tokens, 0, guess.input_cost)
    windows, needs = [], []
    for one in applying:
        rule = one.rule
        window = window_at(rule.window, at_unix_s, rule.time_zone)
        windows.append(window)
        limit = None if fetches else one.limit
        amount, surely = most.of(rule.metric), least.of(rule.metric)
        needs.append(Need(one.stem + window.label, amount, limit, surely, one.levels, window.ends_unix_s))
    return Draft(tuple(applying), tuple(windows), tuple(needs), guess)


_NO_GUESS: Final = Estimate(0, 0)


def _unknown_output(applying: Sequence[Applying]) -> int:
    """What is held for an answer of which nothing is known: a few of them must not fill a small limit."""
    limits = [one.rule.limit for one in applying if one.limit is not None and one.rule.metric in _ON_OUTPUT]
    return min([DEFAULT_OUTPUT, *(limit // SMALL for limit in limits)])


_ON_OUTPUT: Final = frozenset({"tokens", "output_tokens"})
SMALL: Final = 10
"""An answer of which nothing is known holds no more than one part in so many of a limit."""


def used(
    request: Request,
    response: Response | None,
    cost_usd: float | None,
    error: BaseException | None,
    guess: Estimate,
    at_unix_s: float,
) -> Used:
    """What is charged of a call that has ended.

    What was told to be used or, where nothing was told, its input by the estimate and as much output as there is. A
    call that was never sent, or that the provider refused, has used nothing.
    """
    one = 0 if request.operation in FETCHING else 1
    if request.operation == "batch" and response is not None and response.usage.input_tokens is not None:
        one = 0  # its end, which is told with the usage; its start was the request
    if response is None:
        if error is None or not was_sent(error):
            return NOTHING_USED
        return Used(one, guess.input_tokens, 0, guess.input_cost)
    usage, cost = response.usage, None if cost_usd is None else round(cost_usd * NANO)
    is_told = usage.input_tokens is not None or usage.output_tokens is not None
    if not is_told:
        if response.error is not None and not response.output and cost is None:
            return NOTHING_USED
        if request.operation not in COUNTED_IN_TOKENS:
            return Used(one, 0, 0, cost or 0)  # paid by the piece, or not yet
    asked, answered = usage.input_tokens, usage.output_tokens
    if asked is None:
        asked = guess.input_tokens
    if answered is None:
        answered = written_tokens(response.output) if request.operation in WRITING else 0
    if cost is None and not is_told and guess.cost:
        cost = cost_of(request, Usage(input_tokens=asked, output_tokens=answered), at_unix_s)
    return Used(one, asked, answered, cost or 0)


def learn(request: Request, response: Response | None, user: str | None) -> None:
    """Notes what an answer used, for the estimates of the next ones; a batch is many answers."""
    if request.operation in FETCHING or request.operation == "batch" or not request.model:
        return
    if response is not None and response.usage.output_tokens is not None:
        outputs.learn(request.provider, request.model, user, response.usage.output_tokens)


def was_sent(error: BaseException) -> bool:
    """Whether the provider may have worked for a call that failed with this and of which nothing came back."""
    if isinstance(error, (VigiloError, TypeError)) or _is_refusal(error):
        return False
    link: BaseException | None = error
    for _ in range(_DEEP):
        if link is None:
            return True
        if type(link).__name__ in _NOT_SENT:
            return False
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return True


def _is_refusal(error: BaseException) -> bool:
    """Whether the provider answered with an error; websockets are closed with codes from 1000 on."""
    answer = getattr(error, "response", None)
    told = (getattr(one, name, None) for one in (error, answer) for name in ("status_code", "code", "status"))
    return any(isinstance(status, int) and 400 <= status < 600 for status in told)


def refusal(draft: Draft, index: int, count: Count, at_unix_s: float) -> QuotaExceeded:
    """What the app gets where a need does not fit."""
    one, window = draft.applying[index], draft.windows[index]
    ends = window.ends_unix_s
    return QuotaExceeded(
        one.scope,
        one.rule.metric,
        one.in_unit(one.rule.limit),
        one.in_unit(count.used),
        one.in_unit(count.held),
        window.resets_at,
        max(0.0, ends - at_unix_s) if ends else None,
        one.rule.window,
        one.in_unit(draft.needs[index].amount),
    )
