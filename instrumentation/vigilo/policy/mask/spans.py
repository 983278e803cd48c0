"""What the finders of personal data share: where a value lies, and how its place is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

BLANK = "\x01"
"""Stands in for each character of a found value, so that later finders neither see it nor look across it."""

REDACTED = "[REDACTED]"
"""Stands for what could not be masked."""


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
