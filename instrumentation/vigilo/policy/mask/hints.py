"""Tells in one look which finders can find anything in a text, so that texts without personal data cost little.

A hint never misses: without it, its finder finds nothing. It may be wrong the other way, which only costs time. So the
two engines, RE2 where it is installed (``pip install 'vigilo-otel[fast]'``) and plain Python, lead to the same result.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from vigilo.policy.mask import emails, phones, secrets
from vigilo.policy.mask.blobs import BLOB_MIN_CHARS

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS, SECRETS, BLOBS = 1, 2, 4
EMAILS, SPELLED_EMAILS = 8, 16
IBANS, IPS = 32, 64
NUMBERS, CARDS, SOCIAL_SECURITY = 128, 256, 512

ALL = 1023

FEWEST_PHONE_DIGITS = 7
FEWEST_CARD_DIGITS = 12
_PLAIN_PHONE_DIGITS = 9  # with so many, no word need say that a number is one of a phone
_SOCIAL_SECURITY_DIGITS = 9
_FEWEST_TOKEN_CHARS = 16
_FEWEST_TOKEN_CHARS_WITH_DIGIT = 12

_DIGITS = b"0123456789"
_LETTERS = bytes(code for code in range(128) if chr(code).isalpha())


def _table(classes: dict[bytes, bytes]) -> bytes:
    """A table for ``bytes.translate``: each character to its class, all others to a space."""
    return bytes(next((to[0] for of, to in classes.items() if code in of), 32) for code in range(256))


# Looking up bytes in a table is ten times as fast as a regular expression.
_TOKENS = _table({_DIGITS + _LETTERS + b"_-": b"t"})
_DIGIT_TOKENS = _table({_DIGITS: b"0", _LETTERS: b"a", b"_-": b"-"})
_TOKEN_RUN = b"t" * _FEWEST_TOKEN_CHARS
_SHORT_TOKEN_RUN = b"t" * _FEWEST_TOKEN_CHARS_WITH_DIGIT
_WORDS = _table({_DIGITS: b"0", _LETTERS: b"a"})
_WITHIN_NUMBERS = b" \t.()/-" + bytes(range(128, 256))
_BRACKETED = re.compile(emails.BRACKETED_HINT)


def of(text: str, context: str = "") -> int:
    """Which finders may find something, as a sum of the constants above.

    Args:
        text: without surrogates.
        context: what stands before the text, such as the key of a JSON value.
    """
    found = _engine()(text)
    return found | _of_context(context) if context else found


@lru_cache(maxsize=256)
def _of_context(context: str) -> int:
    """What is found only because of the words before it, found where these stand in the context."""
    lower = context.casefold()
    found = SECRETS if any(hint in lower for hint in secrets.HINTS) else 0
    return found | NUMBERS if any(hint in lower for hint in phones.HINTS) else found


def has_digits(text: str, fewest: int) -> bool:
    """Whether so many digits stand in a row anywhere, apart from what stands within numbers."""
    return b"0" * fewest in text.encode().translate(_WORDS, _WITHIN_NUMBERS)


@cache
def _engine() -> Callable[[str], int]:
    try:
        from vigilo.policy.mask.fast import fast_hints
    except Exception:  # noqa: BLE001 - not installed, or not the re2 we know
        return plain_hints
    return fast_hints


def plain_hints(text: str) -> int:
    """The hints of a text without surrogates, by plain Python."""
    encoded = text.encode()
    folded = text.casefold()
    found = TAGS if "[" in text else 0
    if any(hint in folded for hint in secrets.HINTS) or _has_token(encoded):
        found |= SECRETS
    if len(text) >= BLOB_MIN_CHARS or ";base64," in text:
        found |= BLOBS
    if "@" in text or "%40" in text or "u0040" in text or "\uff20" in text:
        found |= EMAILS
    if (
        " dot " in folded
        or " @ " in folded
        or (("(" in text or "[" in text or "{" in text or "<" in text) and _BRACKETED.search(folded))
    ):
        found |= SPELLED_EMAILS
    words = encoded.translate(_WORDS)
    if b"0" in words:
        if b"aa00" in words:
            found |= IBANS
        if b"..." in encoded.translate(None, _DIGITS):
            found |= IPS
        digits = encoded.translate(_WORDS, _WITHIN_NUMBERS)
        if b"0" * FEWEST_PHONE_DIGITS in digits:
            found |= _of_numbers(digits, text, folded)
    return found | IPS if "::" in text or text.count(":") >= 7 else found


def _has_token(encoded: bytes) -> bool:
    """Whether the text has what ``secrets.LONG_RUN`` describes."""
    runs = encoded.translate(_TOKENS)
    if _SHORT_TOKEN_RUN not in runs:
        return False
    if _TOKEN_RUN in runs:
        return True
    fewest = _FEWEST_TOKEN_CHARS_WITH_DIGIT
    runs = encoded.translate(_DIGIT_TOKENS)
    if b"0a" not in runs and b"a0" not in runs:
        return False
    return any(b"0a" in run or b"a0" in run for run in runs.split() if len(run) >= fewest)


def _of_numbers(digits: bytes, text: str, folded: str) -> int:
    found = 0
    if (
        b"0" * _PLAIN_PHONE_DIGITS in digits
        or "+" in text
        or (phones.has_more_than_dates(text) and any(hint in folded for hint in phones.HINTS))
    ):
        found |= NUMBERS
    if b"0" * _SOCIAL_SECURITY_DIGITS in digits:
        found |= SOCIAL_SECURITY
    if b"0" * FEWEST_CARD_DIGITS in digits:
        found |= CARDS
    return found
