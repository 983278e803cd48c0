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
_RUN = re.compile(rf"[{_BASE64}]*")
_PADDING = re.compile(r"={0,2}")
_BASE64_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-")
_BASE64_BYTES = "".join(sorted(_BASE64_CHARS)).encode()
_SHORT_CHARS, _CHUNK_CHARS = 4096, 65_536


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
    while (start := _long_run(text, begin, end)) is not None:
        begin = min(end, _run_end(text, start))
        yield _blob(start, begin)


def _long_run(text: str, begin: int, end: int) -> int | None:
    """Where the first long run of base64 within ``text[begin:end]`` begins."""
    place = begin + BLOB_MIN_CHARS - 1
    while place < end:
        # So long a run covers one place in so many: the others need no look.
        if text[place] not in _BASE64_CHARS:
            place += BLOB_MIN_CHARS
            continue
        before = text[max(begin, place + 1 - BLOB_MIN_CHARS) : place + 1]
        found = _RUN.match(before[::-1])
        start = place + 1 - (found.end() if found else 0)
        found = _RUN.match(text, place, min(end, start + BLOB_MIN_CHARS))
        run_end = found.end() if found else place
        if run_end - start >= BLOB_MIN_CHARS:
            return start
        place = run_end + BLOB_MIN_CHARS
    return None


def _run_end(text: str, start: int) -> int:
    """Where a run of base64 ends, padding included. Megabytes are read faster as bytes than by a regular expression."""
    found = _RUN.match(text, start, start + _SHORT_CHARS)
    end = found.end() if found else start
    if end - start == _SHORT_CHARS:
        while (chunk := text[end : end + _CHUNK_CHARS]).isascii() and chunk:
            if chunk.encode().translate(None, _BASE64_BYTES):
                break
            end += len(chunk)
        found = _RUN.match(text, end)
        end = found.end() if found else end
    padding = _PADDING.match(text, end)
    return padding.end() if padding else end


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
        run = _long_run(text, pos, min(len(text), end + BLOB_MIN_CHARS))
        if run is None or run >= end:
            pieces.append(text[pos:end])
            length, pos = length + end - pos, end
            break
        after = _run_end(text, run)
        head = _DATA_URI_HEAD.search(text, max(pos, run - 180), run)
        start = head.start() if head else run
        tag = _blob(start, after).tag
        pieces += (text[pos:start], tag)
        length, pos = length + start - pos + len(tag), after
        steps.append((length, pos))
    steps.append((length, pos))
    return "".join(pieces), steps
