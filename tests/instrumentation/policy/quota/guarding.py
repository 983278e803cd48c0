"""What tests of the guard share: a call, an answer to it, rules, and processes of their own."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture import gate
from vigilo.capture.call import Request, Response, Usage
from vigilo.policy.quota.rules import Rule, make_rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.policy.admission import Admitted
    from vigilo.policy.guard import Guard


USER = {"user": ("u1",), "model": ("gpt-4o",), "provider": ("openai",)}
CHAT = Request(
    "chat",
    "openai",
    "gpt-4o",
    {semconv.REQUEST_MAX_TOKENS: 100},
    input=({"role": "user", "parts": [{"type": "text", "content": "Say hello to everybody, please."}]},),
)
INPUT = 12
"""What the estimate makes of its input."""
ANSWER = Response(model="gpt-4o", usage=Usage(input_tokens=9, output_tokens=3))


def rule(limit: Any = 1, metric: str = "requests", mode: str = "block", window: str = "day", **more: Any) -> Rule:
    return make_rule(metric=metric, limit=limit, mode=mode, window=window, **more)


def admit(own: Guard, request: Request = CHAT, scopes: Any = USER) -> Admitted:
    admission = gate.run(own.steps(request, scopes))
    assert admission is not None
    return admission


def counts(own: Guard, scopes: Any = USER) -> dict[str, tuple[float, float]]:
    """Used and held by the rule's name."""
    return {one.rule: (one.used, one.held) for one in own.status(scopes)}


def begin_child(work: Callable[[], bool]) -> int:
    """Does the work in a forked process, which ends with 0 where it is true."""
    child = os.fork()
    if child == 0:
        done = False
        try:
            done = work()
        finally:
            os._exit(0 if done else 1)
    return child


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether the work is true in a forked process."""
    return os.waitpid(begin_child(work), 0)[1] == 0


class StatusError(Exception):
    """What an SDK raises of an answer that is an error."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


class ConnectError(Exception):
    """As httpx names it."""


class Clock:
    """Nanoseconds since 1970, moved by hand; it is noon of today (UTC), so that no window ends by the way."""

    def __init__(self, now_s: float | None = None) -> None:
        self.now_s = time.time() // 86_400 * 86_400 + 43_200 if now_s is None else now_s

    def __call__(self) -> int:
        return int(self.now_s * 1e9)
