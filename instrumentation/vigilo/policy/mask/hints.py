"""Tells in one look which finders can find anything in a text, so that texts without personal data cost little.

A hint never misses: without it, its finder finds nothing. It may be wrong the other way, which only costs time. So the
two engines, RE2 where it is installed (``pip install 'vigilo-otel[fast]'``) and plain Python, lead to the same result.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from vigilo.policy.mask import secrets
from vigilo.policy.mask.blobs import BLOB_MIN_CHARS

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS, SECRETS, BLOBS = 1, 2, 4
EMAILS, SPELLED_EMAILS = 8, 16
IBANS, IPS = 32, 64
NUMBERS, CARDS, SOCIAL_SECURITY = 128, 256, 512

_DIGITS = b"0123456789"
_LETTERS = bytes(code for code in range(128) if chr(code).isalpha())
_TOKEN_CHARS = _DIGITS + _LETTERS + b"_-"
_FEWEST_DIGITS = 7  # of a phone number
_SOCIAL_SECURITY_DIGITS = 9
_FEWEST_CARD_DIGITS = 12
_FEWEST_TOKEN_CHARS = 16


def _table(classes: dict[bytes, bytes]) -> bytes:
    """A table for ``bytes.translate``: each character to its class, all others to a space."""
    return bytes(next((to[0] for of, to in classes.items() if code in of), 32) for code in range(256))


# Looking up bytes in a table is ten times as fast as a regular expression.
_TOKENS = _table({_TOKEN_CHARS: b"t"})
_TOKEN_RUN = b"t" * _FEWEST_TOKEN_CHARS
_WORDS = _table({_DIGITS: b"0", _LETTERS: b"a", b"\n": b"\n"})
_BETWEEN_DIGITS = bytes(code for code in range(256) if code not in _DIGITS + _LETTERS + b"\n")
_SPELLED_AT = ("(at)", "[at]", "{at}", "<at>")


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
    """Before a value that is a secret only by its name, the name may stand in the context."""
    lower = context.lower()
    return SECRETS if any(hint in lower for hint in secrets.HINTS) else 0


@cache
def _engine() -> Callable[[str], int]:
    try:
        from vigilo.policy.mask.fast import fast_hints
    except Exception:  # noqa: BLE001 - not installed, or not the re2 we know
        return plain_hints
    return fast_hints


def plain_hints(text: str) -> int:
    """The hints of a text, by plain Python."""
    encoded = text.encode()
    lower = text.lower()
    found = TAGS if "[" in text else 0
    if _TOKEN_RUN in encoded.translate(_TOKENS) or any(hint in lower for hint in secrets.HINTS):
        found |= SECRETS
    if len(text) >= BLOB_MIN_CHARS or ";base64," in text:
        found |= BLOBS
    if "@" in text or "%40" in text or "u0040" in text or "\uff20" in text:
        found |= EMAILS
    if " dot " in lower or any(at in lower.replace(" ", "") for at in _SPELLED_AT):
        found |= SPELLED_EMAILS
    words = encoded.translate(_WORDS)
    if b"0" in words:
        found |= _of_digits(words, encoded)
    return found | IPS if "::" in text or text.count(":") >= 7 else found


def _of_digits(words: bytes, encoded: bytes) -> int:
    found = IBANS if b"aa00" in words else 0
    if b"..." in encoded.translate(None, _DIGITS):
        found |= IPS
    digits = encoded.translate(_WORDS, _BETWEEN_DIGITS)
    if b"0" * _FEWEST_DIGITS in digits:
        found |= NUMBERS
        if b"0" * _SOCIAL_SECURITY_DIGITS in digits:
            found |= SOCIAL_SECURITY
        if b"0" * _FEWEST_CARD_DIGITS in digits:
            found |= CARDS
    return found
