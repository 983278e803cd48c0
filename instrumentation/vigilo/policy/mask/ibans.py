"""Finds IBANs: of a country's length and structure, with right check digits."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from vigilo.policy.mask.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_REGISTRY = (
    "AD:8n12c AE:19n AL:8n16c AT:16n AZ:4a20c BA:16n BE:12n BG:4a6n8c BH:4a14c BI:23n BR:23n1a1c BY:4c4n16c "
    "CH:5n12c CR:18n CY:8n16c CZ:20n DE:18n DJ:23n DK:14n DO:4c20n EE:16n EG:25n ES:20n FI:14n FK:2a12n FO:14n "
    "FR:10n11c2n GB:4a14n GE:2a16n GI:4a15c GL:14n GR:7n16c GT:24c HN:4a20n HR:17n HU:24n IE:4a14n IL:19n "
    "IQ:4a15n IS:22n IT:1a10n12c JO:4a4n18c KW:4a22c KZ:3n13c LB:4n20c LC:4a24c LI:5n12c LT:16n LU:3n13c "
    "LV:4a13c LY:21n MC:10n11c2n MD:20c ME:18n MK:3n10c2n MN:16n MR:23n MT:4a5n18c MU:4a19n3a NI:4a20n NL:4a10n "
    "NO:11n OM:3n16c PK:4a16c PL:24n PS:4a21c PT:21n QA:4a21c RO:4a16c RS:18n RU:14n15c SA:2n18c SC:4a20n3a "
    "SD:14n SE:20n SI:15n SK:20n SM:1a10n12c SO:19n ST:21n SV:4a20n TL:19n TN:20n TR:6n16c UA:6n19c VA:18n "
    "VG:4a16n XK:16n YE:4a4n18c"
)
"""What follows the check digits in each country, by the IBAN registry of ISO 13616 (SWIFT, release 101).

``n`` digits, ``a`` letters, ``c`` either.
"""
_STRUCTURES = dict(re.findall(r"([A-Z]{2}):(\w+)", _REGISTRY))
_CLASSES = {"n": "0-9", "a": "a-z", "c": "0-9a-z"}
# From the check digits, as there are fewer digits than letters. A look-behind in front would switch off the search.
_CHECK_DIGITS = re.compile(r"[0-9](?<=[A-Za-z]{2}.)(?<![0-9A-Za-z]...)[0-9]")
_SEPARATOR = r"[ \u00a0\u2009\u202f\-]?"
_NOT_WRITTEN = re.compile(r"[^0-9a-z]+")
_AS_NUMBERS = {ord("a") + place: str(10 + place) for place in range(26)}


def find_ibans(text: str) -> Iterator[Span]:
    """IBANs in order, written in one or in groups."""
    done = 0
    for digits in _CHECK_DIGITS.finditer(text):
        begin = digits.start() - 2
        shape = _shape(text[begin : begin + 2].upper()) if begin >= done else None
        found = shape.match(text, begin) if shape else None
        if found is not None and has_check_digits(found[0]):
            done = found.end()
            yield Span(begin, done, "[IBAN]")


@cache
def _shape(country: str) -> re.Pattern[str] | None:
    structure = _STRUCTURES.get(country)
    if structure is None:
        return None
    parts = [f"(?:{_SEPARATOR}[{_CLASSES[kind]}]){{{size}}}" for size, kind in re.findall(r"(\d+)([nac])", structure)]
    return re.compile(rf"(?i){country}[0-9]{{2}}{''.join(parts)}(?![0-9a-z])", re.ASCII)


def has_check_digits(iban: str) -> bool:
    """Whether the two digits after the country are right: read as a number, the rest is 1 modulo 97 (ISO 7064)."""
    written = _NOT_WRITTEN.sub("", iban.lower())
    return int((written[4:] + written[:4]).translate(_AS_NUMBERS)) % 97 == 1
