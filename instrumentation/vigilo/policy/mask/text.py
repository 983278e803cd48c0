"""Masks one text."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from vigilo.errors import report_internal
from vigilo.policy.mask.blobs import find_blobs
from vigilo.policy.mask.cards import find_cards
from vigilo.policy.mask.emails import find_emails, find_spelled_emails
from vigilo.policy.mask.phones import find_phones
from vigilo.policy.mask.secrets import find_secrets
from vigilo.policy.mask.spans import REDACTED, Span, blanked
from vigilo.policy.mask.user_rules import user_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TAG = re.compile(r"\[(?:EMAIL|PHONE|CARD|SECRET|REDACTED|BLOB [0-9]+|BYTES [0-9]+)\]")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_NUMBER_HINT = re.compile(r"[0-9](?:[^0-9A-Za-z\n]{0,3}[0-9]){6}")
_FEWEST_DIGITS = 7
_NUMBER_PASSES = 4
_DIGITS = "0123456789"
_ESCAPED_BREAK = re.compile(r"\\[nrt](?=[+(0-9A-Za-z])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_OTHER_DIGITS = {zero + digit: 48 + digit for zero in (0xFF10, 0x0660, 0x06F0) for digit in range(10)}
"""Full-width, Arabic and Persian digits, one character each like the digits they stand for."""


def mask(text: str) -> str:
    """Replaces e-mail addresses, phone and card numbers by ``[EMAIL]``, ``[PHONE]``, ``[CARD]``.

    ``data:`` URIs and long runs of base64 become ``[BLOB n]``, n their length. Takes time in proportion to the text.
    Never raises: a text that cannot be masked becomes ``[REDACTED]``.

    >>> mask("Write to jane@example.com or call (415) 555-2671")
    'Write to [EMAIL] or call [PHONE]'
    """
    try:
        text = without_surrogates(text)
        return replaced(text, find_spans(text))
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking a text", error)
        return REDACTED


def without_surrogates(text: str) -> str:
    """Replaces surrogates by U+FFFD, one for one: UTF-8 has none, and a single one would fail a whole export."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def find_spans(text: str, context: str = "") -> list[Span]:
    """All that is to be masked, in order and apart from each other.

    Args:
        text: where to look; without surrogates.
        context: what stands before the text, such as the key of a JSON value.
    """
    seen = _normalised(text)
    spans: list[Span] = []
    # Tags of an earlier pass are kept and looked through no more, so that masking twice changes nothing.
    if "[" in seen:
        seen = _take(seen, spans, (Span(*tag.span(), tag[0]) for tag in _TAG.finditer(seen)))
    rules = user_rules()
    if rules is not None:
        seen = _take(seen, spans, rules.find(seen))
    # Secrets come before blobs, because the body of a private key is a long run of base64.
    for find in (partial(find_secrets, context=context), find_blobs, find_emails, find_spelled_emails):
        seen = _take(seen, spans, find(seen))
    if sum(map(seen.count, _DIGITS)) >= _FEWEST_DIGITS and _NUMBER_HINT.search(seen):
        if seen.count("-") >= 4:
            seen = blanked(seen, (Span(*uuid.span(), "") for uuid in _UUID.finditer(seen)))
        for find in (find_cards, partial(find_phones, context=context)):
            # A number may stand out only once its neighbour, read together with it before, is gone.
            for _ in range(_NUMBER_PASSES):
                count = len(spans)
                seen = _take(seen, spans, find(seen))
                if len(spans) == count:
                    break
    spans.sort()
    if rules is not None:
        spans = [span for span in spans if not rules.allows(text[span.start : span.end])]
    return spans


def _take(seen: str, spans: list[Span], found: Iterator[Span]) -> str:
    new = list(found)
    spans += new
    return blanked(seen, new) if new else seen


def _normalised(text: str) -> str:
    """The text as the finders read it, character for character in the same places."""
    if not text.isascii():
        text = text.translate(_OTHER_DIGITS)
    if "\\" in text:
        # In JSON within a string a line break is two characters, of which `n` would stick to what follows.
        text = _ESCAPED_BREAK.sub("\n\n", text)
    return text


def replaced(text: str, spans: Iterable[Span]) -> str:
    """The text with each span replaced by its tag."""
    pieces: list[str] = []
    done = 0
    for span in spans:
        pieces += (text[done : span.start], span.tag)
        done = span.end
    pieces.append(text[done:])
    return "".join(pieces)
