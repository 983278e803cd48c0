"""Tells of thresholds that were reached and of calls that were refused: by log, metric, webhook and function.

A webhook gets a POST of JSON, and a function of the app a dict, with these keys:

    event       "vigilo.quota.threshold"
    severity    "warning", or "critical" from 95 % of the limit on
    text        the same in words
    rule        the rule's name, "user=u_0123... tokens/day"
    scope       whom it is about: "user=u_0123...", "global"; users by their pseudonyms
    metric      "requests", "tokens", "input_tokens", "output_tokens", "usd"
    window      "minute", "hour", "day", "week", "month", "total"
    mode        "observe", "warn", "block"
    level       the share of the limit that was reached, 0.8
    used, held, limit, remaining    in the metric's unit; held is what calls under way may use
    resets_at   when the window is over, ISO 8601; null for "total"
    at          when it was reached, ISO 8601 in UTC

Each threshold is told once a window, by the process that reached it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vigilo import semconv
from vigilo.errors import report_internal
from vigilo.policy.quota.outbox import Outbox
from vigilo.policy.quota.webhook import webhook
from vigilo.settings_file import load_section
from vigilo.tallies import REFUSALS, THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.policy.quota.status import QuotaStatus

CRITICAL: Final = 0.95
_MOST_REFUSALS_LOGGED: Final = 1000
_log = logging.getLogger("vigilo")
_refusals_logged: Final[set[tuple[str, datetime | None]]] = set()


def reached(status: QuotaStatus, level: float) -> None:
    """Tells of a threshold, the share ``level`` of the limit. Never blocks or raises; a finalizer may call it too."""
    THRESHOLDS.add(1, {**labels(status), semconv.QUOTA_LEVEL: f"{level:g}"})
    message = _message(status, level)
    _log.log(logging.ERROR if level >= CRITICAL else logging.WARNING, "vigilo: %s", message["text"])
    told = _told()
    for outbox in (told.webhook, told.function):
        if outbox is not None:
            outbox.put(message)


def refused(status: QuotaStatus) -> None:
    """Counts a call that was not sent, and logs the first of its rule and window in this process."""
    REFUSALS.add(1, labels(status))
    what = (status.rule, status.resets_at)
    if what not in _refusals_logged:
        if len(_refusals_logged) >= _MOST_REFUSALS_LOGGED:
            _refusals_logged.clear()
        _refusals_logged.add(what)
        _log.warning("vigilo: calls are refused by %s: %s", status.rule, _state(status))


def labels(status: QuotaStatus) -> dict[str, str]:
    """The labels of a rule in metrics."""
    return {
        semconv.QUOTA_SCOPE: status.scope,
        semconv.QUOTA_METRIC: status.metric,
        semconv.QUOTA_WINDOW: status.window,
        semconv.QUOTA_MODE: status.mode,
    }


def _message(status: QuotaStatus, level: float) -> dict[str, Any]:
    return {
        "event": semconv.QUOTA_THRESHOLD_EVENT,
        "severity": "critical" if level >= CRITICAL else "warning",
        "text": _in_words(status, level),
        "rule": status.rule,
        "scope": status.scope,
        "metric": status.metric,
        "window": status.window,
        "mode": status.mode,
        "level": level,
        "used": status.used,
        "held": status.held,
        "limit": status.limit,
        "remaining": status.remaining,
        "resets_at": status.resets_at and status.resets_at.isoformat(timespec="seconds"),
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _in_words(status: QuotaStatus, level: float) -> str:
    passed = status.mode == "warn" and level >= 1
    what = "has passed its limit" if passed else f"has reached {100 * level:.4g} % of its limit"
    return f"{status.rule} {what}: {_state(status)}"


def _state(status: QuotaStatus) -> str:
    until = f", until {status.resets_at.isoformat(timespec='seconds')}" if status.resets_at is not None else ""
    used, held, limit = (f"{amount:,.10g}" for amount in (status.used, status.held, status.limit))
    return f"{used} used and {held} held of {limit}{until}"


class _Told(NamedTuple):
    webhook: Outbox | None
    function: Outbox | None


@cache
def _told() -> _Told:
    """Who is told besides the log, by ``vigilo.toml``; read once a process."""
    try:
        file = load_section("quota")
    except Exception as error:  # noqa: BLE001 - also a file that cannot be read
        report_internal("reading `[quota]` of the settings file", error)
        return _Told(None, None)
    if file is None:
        return _Told(None, None)
    return _Told(
        Outbox("webhook", webhook(file.webhook)) if file.webhook else None,
        Outbox("alert function", _function(file.alert)) if file.alert else None,
    )


def _function(name: str) -> Callable[[Any], None]:
    """Calls a function of the app by its name, which is looked up when it is first needed; it may be async."""
    function: Callable[[Any], Any] | None = None

    def call(message: Any) -> None:
        nonlocal function
        if function is None:
            from importlib import import_module

            module, _, attribute = name.partition(":")
            function = getattr(import_module(module), attribute)
        answer = function(dict(message))
        if hasattr(answer, "__await__"):
            import asyncio

            asyncio.run(_awaited(answer))

    return call


async def _awaited(answer: Any) -> None:
    await answer
