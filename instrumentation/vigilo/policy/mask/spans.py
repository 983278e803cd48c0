"""What the finders of personal data share: where a value lies, how its place is taken, and the tags that take it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

BLANK = "\x01"
"""Stands in for each character of a found value, so that later finders neither see it nor look across it."""

REDACTED = "[REDACTED]"
"""Stands for what could not be masked."""

KINDS = ("EMAIL", "PHONE", "CARD", "SSN", "IBAN", "IP", "SECRET", "PERSON")
"""The kinds of values that are found, each masked as ``[KIND]``, or ``[KIND_n]`` where they are told apart."""

# Numbers in tags are short, or a tag would be a place to hide one.
TAG = re.compile(rf"\[(?:(?:{'|'.join(KINDS)})(?:_[0-9]{{1,5}})?|REDACTED|(?:BLOB|BYTES) [0-9]{{1,9}})\]")
"""A tag of an earlier pass. It stays, so that masking twice changes nothing."""


class Span(NamedTuple):
    """A value found in a text: ``text[start:end]`` becomes ``tag``."""

    start: int
    end: int
    tag: str


def blanked(text: str, spans: Iterable[Span]) -> str:
    """The text with each span blanked out; as long as before, so that positions stay. Spans in order, apart."""
    pieces: list[str] = []
    done = 0
    for span in spans:
        pieces += (text[done : span.start], BLANK * (span.end - span.start))
        done = span.end
    pieces.append(text[done:])
    return "".join(pieces)
