"""What a failed attempt tells: whether the SDK would make it again, and what that says about the provider."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from vigilo.errors import VigiloError
from vigilo.policy.pace.limits import retry_after_s

MAX_SDK_WAIT_S: Final = 120.0
"""SDKs give up where a provider asks them to wait longer."""


class Failure(NamedTuple):
    """A failed attempt.

    ``throttled``: the provider takes no more calls now. ``down``: it does not work, or cannot be reached. ``answered``:
    it gave an answer that says something else. All false: nothing is known of the provider.
    ``retryable``: whether the SDK would make the attempt again if it were allowed to. ``headers``: of the answer.
    """

    retryable: bool = False
    throttled: bool = False
    down: bool = False
    answered: bool = False
    retry_after_s: float | None = None
    headers: Any = None


_RETRIED: Final = frozenset({408, 409, 429})
_OVERLOADED: Final = 529
_FINAL_CODES: Final = frozenset(
    {
        "insufficient_quota",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "account_deactivated",
    }
)
"""Of 429: no time that passes makes these calls possible. OpenAI's error codes, Anthropic's error types."""
_CONNECTION: Final = frozenset(
    {
        "APIConnectionError",  # of the SDKs made by Stainless; their time-outs are among these
        "TransportError",  # httpx and httpx2
        "ClientConnectionError",  # aiohttp, as the next two
        "ClientPayloadError",
        "ServerTimeoutError",
        "ConnectionError",
        "TimeoutError",
    }
)
_OF_A_DAY: Final = re.compile(r"per\s?day|daily", re.IGNORECASE)
_RETRY_DELAY: Final = re.compile(r"\d+(?:\.\d+)?s")


def read_failure(error: BaseException, now_unix_s: float) -> Failure:
    """What an exception of any SDK says about the attempt that it ended."""
    if isinstance(error, VigiloError) or not isinstance(error, Exception):
        return Failure()
    response = getattr(error, "response", None)
    status = _status(error, response)
    if status is None:
        down = any(kind.__name__ in _CONNECTION for kind in type(error).__mro__)
        return Failure(retryable=down, down=down)
    headers = getattr(response, "headers", None)
    body = _body(error)
    wanted_s = _google_delay_s(body)
    said = None
    if headers is not None:
        said = headers.get("x-should-retry")
        wanted_s = retry_after_s(headers, now_unix_s) if wanted_s is None else wanted_s
    throttled = status in (429, _OVERLOADED) or _code_of(body, "type") == "overloaded_error"
    retryable = status in _RETRIED or status >= 500
    if said in ("true", "false"):
        retryable = said == "true"
    if _is_final(error, status, body):
        return Failure(answered=True, headers=headers)
    return Failure(
        retryable=retryable,
        throttled=throttled,
        down=status >= 500 and not throttled,
        answered=not throttled and status < 500,
        retry_after_s=wanted_s,
        headers=headers,
    )


def _status(error: BaseException, response: Any) -> int | None:
    for status in (
        getattr(error, "status_code", None),
        getattr(error, "code", None),  # google-genai
        getattr(response, "status_code", None),
        getattr(error, "status", None),  # aiohttp
    ):
        if isinstance(status, int) and 100 <= status < 600:
            return status
    return None


def _body(error: BaseException) -> dict[str, Any]:
    """The provider's own words: ``error`` of the JSON that it sent."""
    for told in (getattr(error, "body", None), getattr(error, "details", None)):
        if isinstance(told, dict):
            inner = told.get("error")
            return inner if isinstance(inner, dict) else told
    return {}


def _code_of(body: dict[str, Any], name: str) -> str:
    code = body.get(name)
    return code if isinstance(code, str) else ""


def _is_final(error: BaseException, status: int, body: dict[str, Any]) -> bool:
    if _code_of(body, "code") in _FINAL_CODES or _code_of(body, "type") in _FINAL_CODES:
        return True
    if status != 429:
        return False
    if getattr(error, "code", None) in _FINAL_CODES or getattr(error, "type", None) in _FINAL_CODES:
        return True
    return any(
        _OF_A_DAY.search(str(violation.get("quotaId") or ""))
        for detail in _details(body)
        for violation in detail.get("violations") or ()
        if isinstance(violation, dict)
    )


def _google_delay_s(body: dict[str, Any]) -> float | None:
    """Google asks to wait in the body, by ``google.rpc.RetryInfo``."""
    for detail in _details(body):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and _RETRY_DELAY.fullmatch(delay):
            return float(delay[:-1])
    return None


def _details(body: dict[str, Any]) -> list[dict[str, Any]]:
    details = body.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
