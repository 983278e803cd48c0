"""What the headers of an answer tell of the provider's limits, and how long it asks to wait.

Names: "Rate limits" of OpenAI's, Anthropic's and Groq's API references, "Quotas and limits" of Azure OpenAI, RFC 9110
for ``Retry-After`` (2026-11).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


AMPLE: Final = 0.5
"""The share of a limit that is left, above which its headers tell no rate: too little was used to see it come back."""


class Bucket(NamedTuple):
    """One limit: how much it allows, how much is left, and in how many seconds all of it is there again.

    The last is not read where much is left.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None

    @property
    def left(self) -> float | None:
        """The share that is left; None where it is not told. Without a limit only that nothing is left."""
        if self.remaining is None:
            return None
        if self.limit is None:
            return 0.0 if self.remaining == 0 else None
        return min(1.0, self.remaining / self.limit)

    @property
    def per_s(self) -> float | None:
        """The rate that it takes in the long run; None where that cannot be told.

        A bucket that refills steadily gets what is used back until it is reset, a window gives what remains: the
        higher one of both is never below the truth.
        """
        if self.limit is None or self.remaining is None or not self.reset_s:
            return None
        rate = max(self.limit - self.remaining, self.remaining) / self.reset_s
        return rate if rate > 0 else None


class Limits(NamedTuple):
    """The limits that an answer tells."""

    requests: Bucket = Bucket()
    tokens: Bucket = Bucket()


NO_LIMITS: Final = Limits()
_NONE: Final = Bucket()

_FIELDS: dict[str, tuple[str, str]] = {
    f"x-ratelimit-{part}-{of}": (of, part) for of in ("requests", "tokens") for part in ("limit", "remaining", "reset")
}
_FIELDS.update(
    {
        f"anthropic-ratelimit-{of}-{part}": (of, part)
        for of in ("requests", "tokens")
        for part in ("limit", "remaining", "reset")
    }
)
_KNOWN: Final[dict[str | bytes, tuple[str, str]]] = {}
_KNOWN.update(_FIELDS)
_KNOWN.update({name.encode(): at for name, at in _FIELDS.items()})  # as httpx keeps them

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS: Final = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_MAX_S: Final = 40 * 86_400.0
"""Nobody waits as long: a month's limit, and a few days for clocks that are set wrong."""


def read_limits(headers: Any, now_unix_s: float) -> Limits:
    """The limits in response headers (httpx's, or any mapping of names to texts)."""
    raw: Iterable[tuple[str | bytes, str | bytes]] = getattr(headers, "raw", None) or headers.items()
    found: dict[tuple[str, str], str] = {}
    known = _KNOWN.get
    for name, value in raw:
        at = known(name) or known(name.lower())
        if at is not None:
            found[at] = value.decode("latin-1") if isinstance(value, bytes) else value
    if not found:
        return NO_LIMITS
    return Limits(_bucket(found, "requests", now_unix_s), _bucket(found, "tokens", now_unix_s))


def _bucket(found: dict[tuple[str, str], str], of: str, now_unix_s: float) -> Bucket:
    remaining = _count(found.get((of, "remaining")))
    if remaining is None:
        return _NONE
    told = found.get((of, "limit"))
    limit = _count(told)
    # Azure says -1 or 0 where there is no limit to tell; then what remains means nothing either.
    if told is not None and not limit:
        return _NONE
    if limit is not None and remaining >= limit * AMPLE:
        return Bucket(limit, remaining)
    return Bucket(limit, remaining, reset_s(found.get((of, "reset")), now_unix_s))


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def reset_s(text: str | None, now_unix_s: float) -> float | None:
    """Seconds until then: ``6m0s``, ``20ms``, a number of seconds, or a time by RFC 3339."""
    if not text:
        return None
    text = text.strip()
    if (seconds := _number(text)) is not None:
        return min(seconds, _MAX_S) if seconds >= 0 else None
    matched = _DURATION.fullmatch(text)
    if matched is not None and any(matched.groups()):
        return min(sum(float(part) * unit for part, unit in zip(matched.groups(), _UNITS, strict=True) if part), _MAX_S)
    return _until(text, now_unix_s)


def _until(text: str, now_unix_s: float) -> float | None:
    from datetime import datetime, timezone

    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    return min(max(0.0, at.timestamp() - now_unix_s), _MAX_S)


def retry_after_s(headers: Any, now_unix_s: float) -> float | None:
    """The seconds that a provider asks to wait; None where it asks for nothing, or for something that is no time."""
    milliseconds = _text(headers, "retry-after-ms")
    if milliseconds is not None and (wait := _number(milliseconds)) is not None and wait >= 0:
        return min(wait / 1000, _MAX_S)
    text = _text(headers, "retry-after")
    if text is None:
        return None
    if (wait := _number(text)) is not None:
        return min(wait, _MAX_S) if wait >= 0 else None
    from email.utils import mktime_tz, parsedate_tz

    try:
        date = parsedate_tz(text)
        return None if date is None else min(max(0.0, mktime_tz(date) - now_unix_s), _MAX_S)
    except (TypeError, ValueError, OverflowError):
        return None


def _text(headers: Any, name: str) -> str | None:
    """A header by its name in any case; plain mappings know the case that they were given."""
    value = headers.get(name)
    if value is None and isinstance(headers, dict):
        value = next((given for key, given in headers.items() if isinstance(key, str) and key.lower() == name), None)
    return value if isinstance(value, str) else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
