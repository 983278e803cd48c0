"""Finds payment card numbers: written as cards are, of a known issuer, with a right check digit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEPARATOR = r"[ \u00a0\u2009.\-\u2010-\u2014]"
# Each shape is tried at each group of digits, so that a number before a card does not shift it out of sight. A fifth
# group may belong to a card of 19 digits, or follow one of 16. Digits after a point are a fraction's.
# The look-behinds stand after the first digit: in front they would switch off the search for it.
_SHAPE = re.compile(
    rf"[0-9](?=([0-9]{{3}}(?:"
    rf"({_SEPARATOR}?)[0-9]{{4}}\2[0-9]{{4}}\2[0-9]{{1,7}}"
    rf"|({_SEPARATOR})[0-9]{{6}}\3[0-9]{{4,5}}"
    rf"|[0-9]{{8,15}}"
    rf")(?![0-9A-Za-z_]))({_SEPARATOR}[0-9]{{1,3}}(?![0-9A-Za-z_]|[.\-\u2010-\u2014][0-9]))?)(?<![0-9A-Za-z_].)(?<![0-9]\..)"
)
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
"""Twice a digit, digits added up."""


def find_cards(text: str) -> Iterator[Span]:
    """Card numbers in order; where digits can be read as several that overlap, all of them as one."""
    start, end = 0, -1
    for found in _SHAPE.finditer(text):
        last = _card_end(text, found)
        if last is None:
            continue
        if found.start() >= end:
            if end > 0:
                yield Span(start, end, "[CARD]")
            start = found.start()
        end = max(end, last)
    if end > 0:
        yield Span(start, end, "[CARD]")


def _card_end(text: str, found: re.Match[str]) -> int | None:
    """Where the card number that begins at a place of the right shape ends; None when there is none."""
    start = found.start()
    if text[max(0, start - 1) : start] == "-" and text[max(0, start - 2) : start - 1].isdigit() and found[2] != "-":
        return None  # the end of something else that is written with dashes
    separator = found[2] or found[3]
    digits = text[start : found.end(1)]
    if separator:
        digits = digits.replace(separator, "")
    if is_issued(digits) and has_check_digit(digits):
        return found.end(1)
    if found[4]:
        digits += found[4][1:]
        if is_issued(digits) and has_check_digit(digits):
            return found.end(4)
    return None


def has_check_digit(digits: str) -> bool:
    """Whether the last digit is right by Luhn's formula (ISO/IEC 7812-1)."""
    encoded = digits.encode()
    return (sum(encoded[::-2]) + sum(encoded[-2::-2].translate(_DOUBLED)) - 48 * len(encoded)) % 10 == 0


def is_issued(digits: str) -> bool:
    """Whether a card network hands out numbers that begin so and are so long.

    The ranges are those that the networks publish: Visa, Mastercard, American Express, Discover, UnionPay, JCB, Diners
    Club, Maestro, RuPay.
    """
    length = len(digits)
    if digits[0] == "4":
        return length in (13, 16, 19)
    two, four = digits[:2], int(digits[:4])
    if 5100 <= four <= 5599 or 2221 <= four <= 2720:
        return length == 16
    if two in ("34", "37") or four in (2131, 1800):
        return length == 15
    if two in ("62", "65", "81", "35") or four == 6011 or 6440 <= four <= 6499:
        return 16 <= length <= 19
    if two in ("36", "38", "39") or 3000 <= four <= 3059:
        return 14 <= length <= 19
    return two in ("50", "56", "57", "58", "60", "63", "67") and 12 <= length <= 19
