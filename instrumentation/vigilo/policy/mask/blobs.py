"""Binary data in text: images and files in base64. It is neither read nor kept, only its size is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOB_MIN_CHARS = 512
_BASE64 = "A-Za-z0-9+/_-"
_DATA_URI = re.compile(rf"data:[\w.+/;=-]{{0,160}};base64,[{_BASE64}]{{16,}}={{0,2}}")
_DATA_URI_HEAD = re.compile(r"data:[\w.+/;=-]{0,160};base64,$")
_LONG_RUN = re.compile(rf"(?<![{_BASE64}])[{_BASE64}]{{{BLOB_MIN_CHARS}}}")
_REST_OF_RUN = re.compile(rf"[{_BASE64}]+={{0,2}}")


def find_blobs(text: str) -> Iterator[Span]:
    """``data:`` URIs, and runs of base64 from ``BLOB_MIN_CHARS`` on."""
    done = 0
    if ";base64," in text:
        for uri in _DATA_URI.finditer(text):
            yield from _runs(text, done, uri.start())
            done = uri.end()
            yield _blob(*uri.span())
    yield from _runs(text, done, len(text))


def _runs(text: str, begin: int, end: int) -> Iterator[Span]:
    while end - begin >= BLOB_MIN_CHARS and (run := _LONG_RUN.search(text, begin, end)) is not None:
        rest = _REST_OF_RUN.match(text, run.start(), end)
        begin = rest.end() if rest else run.end()
        yield _blob(run.start(), begin)


def _blob(start: int, end: int) -> Span:
    return Span(start, end, f"[BLOB {end - start}]")


def window(text: str, size: int) -> tuple[str, list[tuple[int, int]]]:
    """The first ``size`` characters of a text, long blobs counted as their tags.

    Only so much of the text is read as is needed to fill the window, however long it is.

    Returns:
        The window, and where it comes from: pairs of a position in the window and one in the text, from which on the
        two run in step. The last pair is the end of both.
    """
    pieces: list[str] = []
    steps, length, pos = [(0, 0)], 0, 0
    while pos < len(text) and length < size:
        end = min(len(text), pos + size - length)
        # A run that begins in the window is seen even if it goes on beyond it.
        run = _LONG_RUN.search(text, pos, min(len(text), end + BLOB_MIN_CHARS))
        if run is None or run.start() >= end:
            pieces.append(text[pos:end])
            length, pos = length + end - pos, end
            break
        rest = _REST_OF_RUN.match(text, run.start())
        after = rest.end() if rest else run.end()
        head = _DATA_URI_HEAD.search(text, max(pos, run.start() - 180), run.start())
        start = head.start() if head else run.start()
        tag = _blob(start, after).tag
        pieces += (text[pos:start], tag)
        length, pos = length + start - pos + len(tag), after
        steps.append((length, pos))
    steps.append((length, pos))
    return "".join(pieces), steps
