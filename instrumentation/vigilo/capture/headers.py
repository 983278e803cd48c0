"""What the headers of a provider's response tell: the id of the request, and what is left of its rate limits.

Names: "Rate limits" and "Debugging requests" of OpenAI's API reference, "Rate limits" and "Request id" of Anthropic's,
"Common response headers" of Azure OpenAI and of Amazon Bedrock (2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable

_TEXTS: dict[str | bytes, str] = {
    "x-request-id": semconv.REQUEST_ID,
    "request-id": semconv.REQUEST_ID,
    "apim-request-id": semconv.REQUEST_ID,
    "x-amzn-requestid": semconv.REQUEST_ID,
}
_NUMBERS: dict[str | bytes, str] = {
    "x-ratelimit-remaining-requests": semconv.RATELIMIT_REMAINING_REQUESTS,
    "x-ratelimit-remaining-tokens": semconv.RATELIMIT_REMAINING_TOKENS,
    "anthropic-ratelimit-requests-remaining": semconv.RATELIMIT_REMAINING_REQUESTS,
    "anthropic-ratelimit-tokens-remaining": semconv.RATELIMIT_REMAINING_TOKENS,
}
# As httpx keeps them, in bytes: its own look-up by name takes longer than reading all of them once.
_WANTED = {**_TEXTS, **_NUMBERS}
_WANTED.update({str(name).encode(): attribute for name, attribute in _WANTED.items()})
_ARE_NUMBERS = frozenset(_NUMBERS.values())


def told_by(headers: Any) -> dict[str, Any]:
    """The span attributes that response headers (httpx's, or any mapping of names to texts) tell."""
    raw: Iterable[tuple[str | bytes, str | bytes]] = getattr(headers, "raw", None) or headers.items()
    told: dict[str, Any] = {}
    for name, value in raw:
        attribute = _WANTED.get(name) or _WANTED.get(name.lower())
        if attribute is None:
            continue
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if attribute not in _ARE_NUMBERS:
            told.setdefault(attribute, text)
        elif text.isdigit():
            told[attribute] = int(text)
    return told
