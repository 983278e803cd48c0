"""Finds all that is to be masked in one text."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from vigilo.policy.mask import hints
from vigilo.policy.mask.blobs import find_blobs
from vigilo.policy.mask.cards import find_cards
from vigilo.policy.mask.emails import find_emails, find_spelled_emails
from vigilo.policy.mask.ibans import find_ibans
from vigilo.policy.mask.ip_addresses import find_ipv4_addresses, find_ipv6_addresses
from vigilo.policy.mask.phones import find_phones
from vigilo.policy.mask.secrets import find_secrets
from vigilo.policy.mask.social_security import find_social_security_numbers
from vigilo.policy.mask.spans import TAG, Span, blanked
from vigilo.policy.mask.user_rules import user_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# From the first dash, as there are fewer of them than digits.
_UUID_REST = re.compile(r"-(?<=[0-9A-Fa-f]{8}-)[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_ANY_NUMBER = hints.NUMBERS | hints.CARDS | hints.SOCIAL_SECURITY
_NUMBER_PASSES = 4
_ESCAPED_BREAK = re.compile(r"\\[nrt](?=[+(0-9A-Za-z])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_OTHER_DIGIT = re.compile(r"[\uff10-\uff19\u0660-\u0669\u06f0-\u06f9]")
_OTHER_DIGITS = {zero + digit: 48 + digit for zero in (0xFF10, 0x0660, 0x06F0) for digit in range(10)}
"""Full-width, Arabic and Persian digits, one character each like the digits they stand for."""


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
    may_have = hints.of(seen, context)
    rules = user_rules()
    spans: list[Span] = []
    if not may_have and rules is None:
        return spans
    # Tags of an earlier pass are kept and looked through no more, so that masking twice changes nothing.
    if may_have & hints.TAGS:
        seen = _take(seen, spans, (Span(*tag.span(), tag[0]) for tag in TAG.finditer(seen)))
    own: list[Span] = []
    if rules is not None:
        seen = _take(seen, spans, rules.find_tags(seen))
        own = list(rules.find(seen))
    # Secrets come before blobs, because the body of a private key is a long run of base64.
    if may_have & hints.SECRETS:
        seen = _take(seen, spans, find_secrets(seen, context))
    if may_have & hints.BLOBS:
        seen = _take(seen, spans, find_blobs(seen))
    if may_have & hints.EMAILS:
        seen = _take(seen, spans, find_emails(seen))
    if may_have & hints.SPELLED_EMAILS:
        seen = _take(seen, spans, find_spelled_emails(seen))
    if may_have & hints.IBANS:
        seen = _take(seen, spans, find_ibans(seen))
    if may_have & hints.IPS:
        seen = _take(seen, spans, find_ipv6_addresses(seen))
        seen = _take(seen, spans, find_ipv4_addresses(seen, context))
    if may_have & _ANY_NUMBER:
        if seen.count("-") >= 4:
            seen = blanked(seen, (Span(rest.start() - 8, rest.end(), "") for rest in _UUID_REST.finditer(seen)))
        if may_have & hints.CARDS:
            seen = _take_numbers(seen, spans, find_cards, hints.FEWEST_CARD_DIGITS)
        if may_have & hints.SOCIAL_SECURITY:
            seen = _take(seen, spans, find_social_security_numbers(seen, context))
        if may_have & hints.NUMBERS:
            seen = _take_numbers(seen, spans, partial(find_phones, context=context), hints.FEWEST_PHONE_DIGITS)
    spans.sort()
    return spans if rules is None else rules.settled(text, own, spans)


def _take(seen: str, spans: list[Span], found: Iterator[Span]) -> str:
    new = list(found)
    spans += new
    return blanked(seen, new) if new else seen


def _take_numbers(seen: str, spans: list[Span], find: Callable[[str], Iterator[Span]], fewest_digits: int) -> str:
    # A number may stand out only once its neighbour, read together with it before, is gone.
    for _ in range(_NUMBER_PASSES):
        count = len(spans)
        if not hints.has_digits(seen, fewest_digits):
            break
        seen = _take(seen, spans, find(seen))
        if len(spans) == count:
            break
    return seen


def _normalised(text: str) -> str:
    """The text as the finders read it, character for character in the same places."""
    if not text.isascii() and _OTHER_DIGIT.search(text):
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
