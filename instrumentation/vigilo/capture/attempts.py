"""The HTTP requests of one call: each one that failed and was made again is told as an event of the call's span."""

from __future__ import annotations

import time
from typing import Any

from vigilo import semconv


class Attempt:
    """An HTTP request that failed and was made again."""

    __slots__ = ("error_type", "failed_at_unix_ns", "retry_after_s", "status_code")

    def __init__(
        self, status_code: int | None = None, error_type: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.failed_at_unix_ns = time.time_ns()
        self.status_code = status_code
        self.error_type = error_type
        self.retry_after_s = retry_after_s

    def attributes(self) -> dict[str, Any]:
        """What its span event tells."""
        told = {
            semconv.HTTP_STATUS_CODE: self.status_code,
            semconv.ERROR_TYPE: self.error_type or (str(self.status_code) if self.status_code else None),
            semconv.ATTEMPT_RETRY_AFTER: self.retry_after_s,
        }
        return {name: value for name, value in told.items() if value is not None}


def failed(reason: object) -> Attempt:
    """An attempt that ended with this response of an error status, or with this error, which may carry a response."""
    response = getattr(reason, "response", None) or reason
    status = getattr(response, "status_code", None) or getattr(reason, "code", None)
    if isinstance(status, int):
        return Attempt(status_code=status, retry_after_s=_retry_after_s(getattr(response, "headers", None) or {}))
    return Attempt(error_type=f"{type(reason).__module__}.{type(reason).__qualname__}")


def _retry_after_s(headers: Any) -> float | None:
    """The seconds that a provider asks to wait before the next attempt, where it names a number."""
    for name, per_s in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return float(headers.get(name)) / per_s
        except (TypeError, ValueError):
            continue
    return None
