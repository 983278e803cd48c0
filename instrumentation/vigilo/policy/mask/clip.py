"""Masks one text, whole or its beginning, so that no value shows at the edge."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vigilo.errors import report_internal
from vigilo.policy.mask.blobs import window
from vigilo.policy.mask.spans import REDACTED
from vigilo.policy.mask.text import find_spans, replaced, without_surrogates
from vigilo.policy.mask.user_rules import user_rules

if TYPE_CHECKING:
    from vigilo.policy.mask.numbering import Numbers

MAX_CHARS = 10_000
"""What `mask` keeps unless told otherwise: so much takes less than 50 ms (`benchmarks/masking_cost.py`)."""

LOOK_AHEAD_CHARS = 512
"""Longer than any value that is masked: one that begins before the edge is seen whole, and so recognised."""

_REMEMBERED_MAX_CHARS = 4096


def mask(text: str, max_chars: int | None = MAX_CHARS) -> str:
    """Replaces personal data and secrets by tags: ``[EMAIL]``, ``[PHONE]``, ``[CARD]``, ``[SSN]``, ``[IBAN]``, ...

    Also ``[IP]`` and ``[SECRET]``. ``data:`` URIs and long runs of base64 become ``[BLOB n]``, n their length.
    Takes time in proportion to what is kept of the text, and masking twice changes nothing. Names too, where the user
    has said by what to find them: ``names`` in ``[mask]`` of ``vigilo.toml``.
    Never raises: a text that cannot be masked becomes ``[REDACTED]``.

    Args:
        text: the text.
        max_chars: the most characters kept; what lies beyond is left out with the note ``…[+n chars]``, so that no
            text, however long, takes more than 50 ms. None: all of the text is kept.

    >>> mask("Write to jane@example.com or call (415) 555-2671")
    'Write to [EMAIL] or call [PHONE]'
    """
    try:
        if max_chars is not None and len(text) > max_chars:
            masked = mask_clip_or_raise(text, max_chars, "")
        else:
            text = without_surrogates(text)
            masked = replaced(text, find_spans(text))
        rules = user_rules()
        if rules is None or not rules.names:
            return masked
        from vigilo.policy.mask.names import mask_names_in_text

        return mask_names_in_text(masked)
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking a text", error)
        return REDACTED


def mask_clip(text: str, max_chars: int, context: str = "", numbers: Numbers | None = None) -> str:
    """The first ``max_chars`` characters of a text, masked, then ``…[+n chars]`` for what is left out.

    Masking comes first, with a look beyond the edge, and nothing from beyond the edge is ever shown: neither half a
    value at the edge, nor one that moved up because tags are shorter than what they stand for. Reads no more of a long
    text than it needs. Never raises: what cannot be masked becomes ``[REDACTED]``.

    Args:
        text: the text.
        max_chars: the most characters kept, tags included, the note on what is left out not.
        context: what stands before the text, such as the key of a JSON value.
        numbers: tells values apart by numbers, ``[EMAIL_1]``; the plain tags without it.
    """
    try:
        if len(text) <= _REMEMBERED_MAX_CHARS:
            return _remembered(text, max_chars, context, numbers)
        return mask_clip_or_raise(text, max_chars, context, numbers)
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking a text", error)
        return REDACTED


def mask_clip_or_raise(text: str, max_chars: int, context: str, numbers: Numbers | None = None) -> str:
    """As :func:`mask_clip`, but raises where a text cannot be masked: for callers that remember the answer."""
    seen, steps = window(text, max_chars + LOOK_AHEAD_CHARS)
    whole = steps[-1][1] == len(text)
    shown, end = _masked_until(without_surrogates(seen), max_chars, context, numbers)
    if whole and end == len(seen):
        return shown
    return f"{shown}…[+{len(text) - _source(steps, end)} chars]"


# A conversation is sent again with each turn, so most texts come many times.
_remembered = lru_cache(maxsize=512)(mask_clip_or_raise)


def _masked_until(text: str, max_chars: int, context: str, numbers: Numbers | None) -> tuple[str, int]:
    """What of ``text[:max_chars]`` is shown, in at most ``max_chars`` characters, and where in the text that ends."""
    pieces: list[str] = []
    length = done = 0
    for span in find_spans(text, context):
        if span.start >= max_chars:
            break
        between = text[done : span.start]
        tag = span.tag if numbers is None else numbers.tag(span.tag, text[span.start : span.end])
        if length + len(between) + len(tag) > max_chars:
            kept = between[: max_chars - length]
            return "".join([*pieces, kept]), done + len(kept)
        pieces += (between, tag)
        length += len(between) + len(tag)
        done = span.end
    rest = text[done:max_chars][: max_chars - length]
    pieces.append(rest)
    return "".join(pieces), done + len(rest)


def _source(steps: list[tuple[int, int]], end: int) -> int:
    """The position in the whole text of a position in its window."""
    seen, source = max(step for step in steps if step[0] <= end)
    return source + end - seen
