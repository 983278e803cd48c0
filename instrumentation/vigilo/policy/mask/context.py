"""The words before a number: they may say what it is."""

from __future__ import annotations

import re

from vigilo.policy.mask.spans import BLANK

_MAX_CHARS = 48
# Backwards, as a search forwards for what ends at a place starts at each character before it.
_WORDS_REVERSED = re.compile(rf"\n?[^\n0-9{BLANK}]*")
_LAST_WORD_REVERSED = re.compile(r"[\s:#.=\"'\\(]{0,6}([A-Za-z§]{1,24})")


def words_before(text: str, begin: int, context: str = "") -> str:
    """What stands right before a place: back to a digit, to a value found before, or to the start of the line.

    For a place at the start of a line, it is the line before.

    Args:
        text: the text.
        begin: the place.
        context: what stands before the text, such as the key of a JSON value.
    """
    before = text[max(0, begin - _MAX_CHARS) : begin]
    if begin < _MAX_CHARS:
        before = context + before
    found = _WORDS_REVERSED.match(before[::-1])
    return found[0][::-1] if found else ""


def last_word(words: str) -> str:
    """The word that belongs to what follows the words: nothing but signs such as ``: `` stand in between."""
    found = _LAST_WORD_REVERSED.match(words[::-1])
    return found[1][::-1] if found else ""
