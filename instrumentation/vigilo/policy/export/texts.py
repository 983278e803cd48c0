"""Masks one text of telemetry, by what kind of text it is. Never raises: what cannot be masked is ``[REDACTED]``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from vigilo.errors import report_internal
from vigilo.policy.mask import mask_clip, mask_json, to_json
from vigilo.policy.mask.messages import is_json
from vigilo.policy.mask.spans import REDACTED
from vigilo.policy.mask.text import find_spans, replaced, without_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.policy.mask.spans import Span

MAX_CHARS = 16_384
"""The most that is kept of a text that is no message: a stack trace is hardly ever longer."""
_LOOK_BACK_CHARS = 256
_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://(?:[^\s/?#@]{0,512}@)?(\[[0-9A-Fa-f:.]{2,64}\]|[^\s/?#@:]{1,256})")
_NUMBERS = ("[IP", "[PHONE", "[CARD")


def masked_text(text: str, context: str, max_chars: int = MAX_CHARS) -> str:
    """A text masked and cut; one that is a JSON object or array is masked value by value and stays JSON."""
    if is_json(text):
        known = _json(text)
        if known is not None:
            return _masked_json(text, known, max_chars)
    if len(text) > max_chars:
        return mask_clip(text, max_chars, context)
    return _without(text, context=context)


def masked_machine_text(text: str, context: str = "") -> str:
    """A text that machines write: what looks like an address or a number in it is left."""
    return _without(text, lambda span: not span.tag.startswith(_NUMBERS), context)


def masked_url(url: str) -> str:
    """A URL, whose server may be an IP address."""
    host = _HOST.match(url)
    if host is None:
        return mask_clip(url, MAX_CHARS)
    first, last = host.span(1)
    return _without(url, lambda span: not (span.tag.startswith("[IP") and first <= span.start and span.end <= last))


def without_cut_value(text: str) -> str:
    """A text that was cut at its end, without the value that may have been cut in two there.

    Words are taken off from the end until one is reached that is whole for sure: neither the last nor one that may go
    on in the next, as numbers in groups do.
    """
    end, first, is_last = len(text), max(0, len(text) - _LOOK_BACK_CHARS), True
    while end > first:
        start = max(text.rfind(gap, 0, end) for gap in " \t\n") + 1
        word = text[start:end]
        if word and not is_last and not any(map(str.isdigit, word)):
            return text[:end]
        end, is_last = max(start - 1, 0), False
    return text[:end]


def _without(text: str, masks: Callable[[Span], bool] | None = None, context: str = "") -> str:
    """A text without the values that ``masks`` says are to be masked; all, where it is None."""
    try:
        if len(text) > MAX_CHARS:
            return mask_clip(text, MAX_CHARS, context)
        text = without_surrogates(text)
        spans = find_spans(text, context)
        if masks is not None:
            spans = [span for span in spans if masks(span)]
        return replaced(text, spans) if spans else text
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking an attribute", error)
        return REDACTED


class _Repeated(Exception):  # noqa: N818 - no error: a JSON object names a key twice
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    known = dict(pairs)
    if len(known) != len(pairs):
        raise _Repeated
    return known


def _json(text: str) -> tuple[Any, bool] | None:
    """The value of a JSON text, and whether the value tells all that the text does; None where it is no JSON."""
    try:
        try:
            return json.loads(text, object_pairs_hook=_distinct), True
        except _Repeated:
            return json.loads(text), False
    except (ValueError, RecursionError):
        return None


def _masked_json(text: str, known: tuple[Any, bool], max_chars: int) -> str:
    value, is_whole = known
    masked = mask_json(value, max_chars)
    # Spaces and escapes stay as they were where nothing is masked.
    return text if is_whole and masked == value else to_json(masked)
