"""The attempts that a Stainless SDK makes at one request, as its own methods see them."""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

from vigilo.capture.hook import count_attempt, in_flight, note_failed_attempt, note_headers

if TYPE_CHECKING:
    from collections.abc import Callable


def counted(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Around ``_build_request``, which each attempt passes."""

    @wraps(inner)
    def build_request(client: Any, *args: Any, **kwargs: Any) -> Any:
        _count_retries(kwargs)
        count_attempt()
        return inner(client, *args, **kwargs)

    return build_request


def _count_retries(kwargs: dict[str, Any], made: int = 0) -> None:
    """Has the SDK tell the attempts that were made for it as its own: in a header, and on raw responses."""
    recording = in_flight.get()
    if recording is not None and kwargs.get("retries_taken") == 0 and recording.attempts > made:
        kwargs["retries_taken"] = recording.attempts - made


def with_headers(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Works for sync and async: the coroutine of the async one is handed on."""

    @wraps(inner)
    def process_response(client: Any, *args: Any, **kwargs: Any) -> Any:
        note_headers(getattr(kwargs.get("response"), "headers", None))
        _count_retries(kwargs, made=1)
        return inner(client, *args, **kwargs)

    return process_response


def noting_refusal(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Asked whether an answer with an error status is worth another attempt."""

    @wraps(inner)
    def should_retry(client: Any, response: Any) -> Any:
        retried = inner(client, response)
        if retried:
            note_failed_attempt(response)
        return retried

    return should_retry


def noting_failure(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Asked for the pause before another attempt, while an error without an answer is being handled."""

    @wraps(inner)
    def calculate_retry_timeout(client: Any, *args: Any, **kwargs: Any) -> Any:
        note_failed_attempt(sys.exc_info()[1])
        return inner(client, *args, **kwargs)

    return calculate_retry_timeout
