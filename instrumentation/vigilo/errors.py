"""What vigilo raises, and the guard that keeps telemetry from raising anything else.

``VigiloError``
├── ``ConfigError``        a setting or a file of settings is wrong
├── ``MissingExtraError``  an optional part is not installed
├── ``QuotaExceeded``      a call was not sent: it would pass a limit
├── ``RateLimited``        a call was not sent: its turn would come too late
└── ``StoreError``         stored telemetry cannot be read or written
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

_reported: set[tuple[str, str]] = set()


class VigiloError(Exception):
    """Root of vigilo's own errors; the message says what to do. Wrong arguments are ``ValueError`` or ``TypeError``."""


class ConfigError(VigiloError):
    """A setting is unknown or its value is not allowed."""


class MissingExtraError(VigiloError):
    """A part of vigilo needs a package that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part of vigilo: pip install 'vigilo-otel[{extra}]'")


class QuotaExceeded(VigiloError):  # noqa: N818 - what happened, not a fault
    """A call was refused before anything was sent, because a rule of mode ``block`` would not hold.

    Attributes:
        scope: whom the rule is about, ``user=u_0123...`` or ``global``; users by their pseudonyms.
        metric: ``requests``, ``tokens``, ``input_tokens``, ``output_tokens`` or ``usd``.
        limit: of the rule, in the unit of the metric.
        used: what settled calls have used in this window.
        held: what calls that are under way may use.
        resets_at: when the window is over; None for ``total``.
        retry_after: seconds until then; None for ``total``.
        window: ``minute``, ``hour``, ``day``, ``week``, ``month`` or ``total``.
        needed: what the call may have used.
    """

    def __init__(
        self,
        scope: str,
        metric: str,
        limit: float,
        used: float,
        held: float,
        resets_at: datetime | None,
        retry_after: float | None,
        window: str = "total",
        needed: float = 0,
    ) -> None:
        self.scope, self.metric, self.limit, self.used, self.held = scope, metric, limit, used, held
        self.resets_at, self.retry_after, self.window, self.needed = resets_at, retry_after, window, needed
        self._given: tuple[Any, ...] = (scope, metric, limit, used, held, resets_at, retry_after, window, needed)
        whose = "all calls" if scope == "global" else scope
        per = "in total" if window == "total" else f"a {window}"
        until = f"; it resets at {resets_at.isoformat(timespec='seconds')}" if resets_at is not None else ""
        shown = f"${limit:,.10g}" if metric == "usd" else f"{limit:,} {metric.replace('_', ' ')}"
        super().__init__(
            f"the call was not sent: {whose} may use {shown} {per}, of which {used:,.10g} are used and {held:,.10g} "
            f"are held by calls under way, and this one may need {needed:,.10g}{until}"
        )

    def __reduce__(self) -> Any:
        return type(self), self._given


class RateLimited(VigiloError):  # noqa: N818 - what happened, not a fault
    """A call was refused before it was sent, because its turn would come later than the app wants to wait.

    Attributes:
        scope: what is limited: ``user=u_0123...``, ``global``, or ``openai/gpt-4o`` for a provider and its model.
        reason: ``user``, ``global``, ``rate``, ``retry_after`` or ``circuit_open``; ``state`` where the shared state
            cannot be reached and calls are to be refused then.
        retry_after: seconds until a call would be sent.
    """

    def __init__(self, scope: str, reason: str, retry_after: float) -> None:
        self.scope, self.reason, self.retry_after = scope, reason, retry_after
        then = f"its turn comes in {retry_after:.1f} s, which is longer than `pace_max_wait_s`"
        if reason == "state":
            then = "`on_store_error` is `closed`"
        super().__init__(f"the call was not sent: {_REASONS.get(reason, reason)} ({scope}); {then}")

    def __reduce__(self) -> Any:
        return type(self), (self.scope, self.reason, self.retry_after)


_REASONS = {
    "user": "the user's calls a minute are used up",
    "global": "all calls a minute are used up",
    "rate": "the provider takes no more calls at this rate",
    "retry_after": "the provider asked everybody to wait",
    "circuit_open": "the provider keeps failing",
    "state": "the shared state of the quotas cannot be reached",
}


class StoreError(VigiloError):
    """Stored telemetry cannot be read or written."""


class internal_errors:  # noqa: N801 - used like a function; a class, because it stands on the app's path
    """Swallows and logs any ``Exception`` of our own, so that telemetry never raises into the app.

    Each distinct failure is logged once a process. Content never reaches the log: only the type of the exception and
    where it was raised are written. With ``VIGILO_RAISE_INTERNAL=1`` the exception is raised instead, which our own
    tests use so that swallowing never hides a fault.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if not isinstance(error, Exception) or os.environ.get("VIGILO_RAISE_INTERNAL") == "1":
            return False
        report_internal(self._doing, error)
        return True


def report_internal(doing: str, error: BaseException) -> None:
    """Logs a failure of our own once per place and type, without its message: that may quote the app's data."""
    kind = type(error).__qualname__
    if (doing, kind) in _reported:
        return
    _reported.add((doing, kind))
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    import logging  # not at import time: that would be half of what `import vigilo` costs

    where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame is not None else "unknown place"
    log = logging.getLogger("vigilo")
    log.error("vigilo: %s failed with %s at %s; the app goes on (reported once)", doing, kind, where)
