"""Finds phone numbers: by how they are written, or by the word before them.

Digits alone say little: ten of them are an order number as often as a phone number. So a number counts when it is
written like a phone number of some country, or, written otherwise, when a word such as "call" stands before it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from vigilo.policy.mask.context import last_word, words_before
from vigilo.policy.mask.spans import BLANK, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_DASH = r"\-\u2010-\u2014"
_GAP = rf"[ \u00a0\u2009.{_DASH}]"
_SIX_MORE = rf"(?=\(?[0-9]?(?:[ \t\u00a0\u2009.()/{_DASH}]{{0,3}}[0-9]){{6}})"
# A look-behind in front would switch off the search for first characters.
# Inside a list of single digits no phone number begins.
_START = re.compile(
    rf"[+(0-9](?<![0-9A-Za-z_.$€£#+({_DASH}].)(?:(?<![0-9][ ,].)|(?![ ,][0-9][ ,][0-9][ ,])){_SIX_MORE}"
)
_START_AFTER_PHONE = re.compile(rf"[+(]{_SIX_MORE}")
_WORDS_AFTER = ("office", "fax", "mobile", "cell", "home", "work", "desk", "phone", "tel")
_AFTER = rf"[ (\-]{{0,2}}(?i:{'|'.join(_WORDS_AFTER)})\b"
# Not into a word, nor on through `-` or `.`; an extension may follow (`x12`), or what the number is for (`-Office`).
_END = rf"(?:(?![0-9A-WYZa-wyz_]|[.{_DASH}][0-9A-Za-z])|(?={_AFTER}))"
_NORTH_AMERICAN = re.compile(
    rf"(?:\+?1{_GAP}{{0,2}})?(?:\([2-9][0-9]{{2}}\)|[2-9][0-9]{{2}}){_GAP}{{0,2}}[2-9][0-9]{{2}}{_GAP}[0-9]{{4}}{_END}"
)
_INTERNATIONAL = re.compile(rf"(?:\+|00)[0-9](?:[ \u00a0\u2009.()/{_DASH}]{{0,3}}[0-9]){{7,16}}{_END}")
_NATIONAL = re.compile(rf"\(?0[0-9]{{1,4}}\)?(?:[ \u00a0\u2009./{_DASH}]{{1,2}}[0-9]{{2,8}}){{1,5}}{_END}")
_OTHER_COUNTRIES = re.compile(
    rf"(?:\([0-9]{{2}}\) ?[0-9]{{4,5}}[- ][0-9]{{4}}"  # Brazil
    rf"|[0-9]{{5}} [0-9]{{5}}"  # India
    rf"|1[0-9]{{2}}-[0-9]{{4}}-[0-9]{{4}}"  # China
    rf"|8 \([0-9]{{3}}\) [0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}"  # Russia
    rf"|[6-9][0-9]{{2}} [0-9]{{3}} [0-9]{{3}}){_END}"  # Spain
)
_NUMBER = re.compile(rf"[0-9](?:[ \t\u00a0\u2009.()/{_DASH}]{{0,3}}[0-9]){{6,8}}")
_SHAPED = re.compile(rf"[+(]|0[0-9]|1(?={_GAP}{{0,2}}[(2-9]|[0-9]{{2}}-)|[2-9][0-9]{{2}}|8 \(|[0-9]{{5}} ")
"""How the numbers written as above begin, all of them."""
_ANY = re.compile(rf"[+(]?\(?[0-9](?:[ \t\u00a0\u2009.()/{_DASH}]{{0,3}}[0-9]){{6,14}}{_END}")
_ANY_MAX_CHARS = 2 + 1 + 14 * 4
_EXTENSION = re.compile(r"(?i)\s{0,2}(?:ext\.?|x|extension)\s{0,2}[0-9]{1,6}\b")
_PHONE_WORD = re.compile(
    r"(?i)(?:phone|call(?:ing|ed)?|mobile|cell|tel|fax|whats ?app|sms|text me|dial|a ring|ring (?:me|us)|contact|reach"
    r"|answer(?:s|ed|ing)?|(?:my|your|his|her|our|their) number|(?:office|home|work|desk):"
    r"|(?<!security )(?<!licence )(?<!license )number is"
    rf"|telefon|handy|tél|móvil|celular|电话|手机)[^\n0-9{BLANK}]{{0,24}}$"
)
HINTS: tuple[str, ...] = (
    *("phone", "call", "mobile", "cell", "tel", "fax", "whatsapp", "whats app", "sms", "text me", "dial", "a ring"),
    *("ring me", "ring us", "contact", "reach", "answer", "y number", "r number", "s number", "number is", "handy"),
    *("tél", "móvil", "电话", "手机", "office", "home", "work", "desk"),
)
"""One of these stands before or after a phone number, or the number has nine digits, or eight after a ``+``."""
_OTHER_WORDS = frozenset(
    {
        *(
            "order",
            "invoice",
            "ref",
            "reference",
            "ticket",
            "case",
            "account",
            "id",
            "isbn",
            "tracking",
            "trace",
            "sku",
        ),
        *("serial", "no", "nr", "version", "ts", "time", "timestamp"),
    }
)
_OTHER_ENDINGS = ("Id", "ID", "Order", "order", "Invoice", "invoice", "Reference", "reference", "Account", "Timestamp")
_LAST_DIGIT_BEFORE_WORD = re.compile(rf"[0-9](?=[ (\-]{{0,2}}[OFMCHWDPTofmchwdpt])(?={_AFTER})")
_NOT_DIGITS = bytes(code for code in range(256) if code not in b"0123456789")
_SOCIAL_SECURITY = re.compile(r"[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}")
_DATE = re.compile(
    r"(?:19|20)[0-9]{2}[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12][0-9]|3[01])\b"
    r"|(?:0?[1-9]|[12][0-9]|3[01])[-./](?:0?[1-9]|[12][0-9]|3[01])[-./](?:19|20)[0-9]{2}\b"
)


def has_more_than_dates(text: str) -> bool:
    """Whether any number of seven digits or more is something else than a date."""
    return not all(_DATE.fullmatch(number[0]) for number in _NUMBER.finditer(text))


def find_phones(text: str, context: str = "") -> Iterator[Span]:
    """Phone numbers in order.

    Args:
        text: where to look; numbers of other kinds are blanked out before.
        context: what stands before the text, such as the key of a JSON value.
    """
    start = _START.search(text)
    named = _Named(text)
    while start is not None:
        begin = start.start()
        end = _phone_end(text, begin, named, context)
        if end is None:
            start = _START.search(text, begin + 1)
            continue
        extension = _EXTENSION.match(text, end)
        pos = extension.end() if extension else end
        yield Span(begin, pos, "[PHONE]")
        start = _START_AFTER_PHONE.match(text, pos) or _START.search(text, pos)


class _Named:
    """Where numbers end that have a word such as ``fax`` behind them; looked for once, and only when asked."""

    __slots__ = ("_ends", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: list[int] | None = None

    def within(self, first: int, last: int) -> bool:
        """Whether one ends at any of these places."""
        if self._ends is None:
            lower = self._text.lower()
            named = any(word in lower for word in _WORDS_AFTER)
            self._ends = [digit.end() for digit in _LAST_DIGIT_BEFORE_WORD.finditer(self._text)] if named else []
        index = bisect_left(self._ends, first)
        return index < len(self._ends) and self._ends[index] <= last


def _phone_end(text: str, begin: int, named: _Named, context: str) -> int | None:
    """Where the phone number that begins at ``begin`` ends; None when there is none.

    Args:
        text: the text.
        begin: where a number begins.
        named: where in the text numbers end that have a word such as ``fax`` behind them.
        context: what stands before the text.
    """
    if text[begin] == "+":
        shaped = _shaped(text, begin)
        return shaped.end() if shaped else None
    if _DATE.match(text, begin):
        return None
    shaped = _shaped(text, begin) if _SHAPED.match(text, begin) else None
    if shaped is not None:
        value = shaped[0]
        if _DATE.search(value) or _SOCIAL_SECURITY.fullmatch(value):
            return None
        if "(" in value or "-" in value:
            return shaped.end()
    # Most numbers in a list follow another, and no words.
    in_list = begin > 2 and (text[begin - 2].isdigit() or text[begin - 3].isdigit())
    words = "" if in_list else words_before(text, begin, context)
    last = last_word(words) if words else ""
    other = last.lower() in _OTHER_WORDS or last.endswith(_OTHER_ENDINGS)
    if shaped is not None and not other:
        return shaped.end()
    told = len(words) > 2 and _PHONE_WORD.search(words) is not None
    if not told and not named.within(begin, begin + _ANY_MAX_CHARS):
        return None
    found = shaped or _ANY.match(text, begin)
    if found is None or not (told or named.within(found.end(), found.end())):
        return None
    value = found[0]
    plain = value.isdigit()
    if plain and other:
        return None
    if shaped is None:
        digits = _count_digits(value)
        if not 7 <= digits <= 12 or (plain and digits < 9):
            return None
        if _DATE.search(value) or _SOCIAL_SECURITY.fullmatch(value):
            return None
    return found.end()


def _shaped(text: str, begin: int) -> re.Match[str] | None:
    """A number written as phone numbers are somewhere."""
    first = text[begin]
    found = _NORTH_AMERICAN.match(text, begin) if first != "0" else None
    if found is not None:
        return found
    if first == "+" or (first == "0" and text.startswith("00", begin)):
        found = _INTERNATIONAL.match(text, begin)
        if found is not None:
            digits = _count_digits(found[0])
            if first == "+":
                return found if digits <= 15 and found[0][1] != "0" else None
            return found if 10 <= digits <= 17 and any(char in found[0] for char in " -.") else None
    if first == "0" or first == "(":
        found = _NATIONAL.match(text, begin)
        if found is not None and 9 <= _count_digits(found[0]) <= 12:
            return found
    return _OTHER_COUNTRIES.match(text, begin)


def _count_digits(value: str) -> int:
    return len(value.encode().translate(None, _NOT_DIGITS))
