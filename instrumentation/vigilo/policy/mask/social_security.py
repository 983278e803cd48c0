"""Finds social security numbers of the USA.

Written with dashes, ``536-90-4399``, a number counts wherever it stands. Nine digits written otherwise count only where
words say what they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.context import words_before
from vigilo.policy.mask.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"
# No number has the area 000, 666 or 900 to 999, the group 00 or the serial 0000 (Social Security Administration,
# "Social Security Number Randomization").
_SHAPE = re.compile(
    rf"[0-8](?<![0-9A-Za-z_].)(?<![0-9A-Za-z][{_DASHES}.].)[0-9]{{2}}(?<!000)(?<!666)([{_DASHES} \u00a0.]?)"
    rf"[0-9]{{2}}(?<!00)\1[0-9]{{4}}(?<!0000)(?![0-9A-Za-z_]|[{_DASHES}.][0-9A-Za-z])"
)
_NAME = r"(?:ssn|ss ?#|social[ _-]?security|soc\.?[ _]?sec|social (?:is|number|no\b|#)|seguro social)"
_NAME_BEFORE = re.compile(rf"(?i){_NAME}[^\n0-9]{{0,32}}$")
_NAME_AFTER = re.compile(rf"(?i)[\s,(=:-]{{0,3}}(?:(?:is|was) )?(?:(?:my|the|his|her|their|your|a) )?{_NAME}")


def find_social_security_numbers(text: str, context: str = "") -> Iterator[Span]:
    """Social security numbers in order.

    Args:
        text: where to look; numbers of other kinds are blanked out before.
        context: what stands before the text, such as the key of a JSON value.
    """
    for found in _SHAPE.finditer(text):
        if found[1] and found[1] in _DASHES:
            yield Span(*found.span(), "[SSN]")
            continue
        words = words_before(text, found.start(), context)
        if _NAME_BEFORE.search(words) or _NAME_AFTER.match(text, found.end()):
            yield Span(*found.span(), "[SSN]")
