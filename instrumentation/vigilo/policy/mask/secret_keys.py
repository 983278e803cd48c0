"""Finds keys and tokens that are known by their own form, wherever they stand."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from vigilo.policy.mask.blobs import BLOB_MIN_CHARS
from vigilo.policy.mask.secret_rules import FORMS, HINTED_FORMS, ID_HEADS, KEY_WORDS, LONG_FORMS, PREFIXES, VENDORS
from vigilo.policy.mask.secret_values import has_odd_letters, has_three_kinds, is_hex, is_uuid, is_wild, looks_random

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = re.compile(r"[^\s\"'`<>\\\x01,;(){}\[\]]{16,4096}")
_LONG_RUN = re.compile(r"[A-Za-z0-9_-]{16}")
_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9_]")
_START_CHARS = 3
_BODY = re.compile(r"[A-Za-z0-9_-]{0,80}")
_REST = re.compile(r"[A-Za-z0-9_=-]*(?:\.[A-Za-z0-9_-]{2,512}){0,3}(?:[+/][A-Za-z0-9_=-]{16,512}){0,4}")
_RUN = re.compile(r"[A-Za-z0-9_-]{16,}")
_PARTS = re.compile(r"[_-]")
_HEAD = re.compile(r"[a-z]{2,12}|[A-Z]{2,8}|[A-Z][a-z]{2,10}")
_VALUE = re.compile(r"[A-Za-z0-9_+/.~-][A-Za-z0-9_+/.~=-]{15,}")
_NAME_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789_.-"
_OPENING = " \t\"'`"
_BARE = re.compile(r"[A-Za-z0-9_+/-]{32,}={0,2}")
_LAST_WORD = re.compile(r"[^\s\"'`<>]{1,80}\Z")
_BETWEEN = re.compile(r"[:=,(>|]|\b(?:is|key|token|secret)\b")
_HASH = re.compile(
    r"sha-?[0-9]|md5|digest|commit|etag|integrity|checksum|hash|fingerprint|(?<![a-z])(?:id|uuid|guid|rev|ref|url|uri|version|cursor|nonce|node|pod|host|name|file|path)s?(?![a-z])"
)

_SPECIFIC_CHARS = 4
_ODD_CHARS = 10
_TAIL_CHARS = 16
_LONG_TAIL_CHARS = 28
_ASSIGNED_CHARS = 16
_SIGNS = re.compile(r"[_=-]")
_SHORT_HEAD_CHARS = 8
_BARE_CHARS = 32
_TOLD_CHARS = 11
_PLAIN_BARE_CHARS = 32
_VENDOR_AHEAD_CHARS = 64

_VENDORS_BY_START: dict[str, list[str]] = {}
for _vendor in VENDORS:
    _VENDORS_BY_START.setdefault(_vendor[:_START_CHARS], []).append(_vendor)

_BY_START: dict[str, list[tuple[str, int]]] = {}
for _prefix, _least in PREFIXES.items():
    _BY_START.setdefault(_prefix[:_START_CHARS], []).append((_prefix, _least))


def find_keys(text: str) -> Iterator[tuple[int, int]]:
    """Where keys lie; in no order, and one may lie in another."""
    for hint, pattern in LONG_FORMS:
        if hint in text:
            for long in _compiled(pattern).finditer(text):
                yield long.span(long.lastgroup or 0)
    for chunk in _CHUNK.finditer(text):
        word = chunk[0]
        if _LONG_RUN.search(word) is None or _is_plain(word):
            continue
        start = chunk.start()
        found = list(_in_chunk(word))
        if sum(end - begin for begin, end in found) + _TAIL_CHARS <= len(word):
            found += [*_of_vendor(text, word, start), *_wild(text, word, start)]
        for begin, end in found:
            yield start + begin, start + end


def _is_plain(word: str) -> bool:
    return word.islower() and not any(digit in word for digit in "0123456789") and not has_odd_letters(word)


def _in_chunk(word: str) -> Iterator[tuple[int, int]]:
    done, first = 0, len(word)
    for found in _START.finditer(word):
        start = found.start()
        if start < done:
            continue
        for prefix, least in _BY_START.get(word[start : start + _START_CHARS], ()):
            if word.startswith(prefix, start) and (end := _prefixed(word, start + len(prefix), prefix, least)):
                yield start, end
                done, first = max(done, end), min(first, start)
    if done and done - first + _TAIL_CHARS > len(word):
        return
    for found in _any_form().finditer(word):
        yield found.span()
    for hint, pattern in HINTED_FORMS:
        if hint in word:
            for found in _compiled(pattern).finditer(word):
                yield found.span(found.lastgroup or 0)
    yield from _unlisted(word)


def _prefixed(word: str, begin: int, prefix: str, least: int) -> int | None:
    body = _BODY.match(word, begin)
    if body is None or body.end() - begin < least:
        return None
    # Long prefixes are said by nobody who does not mean a key; `sk-` is said of scikit-learn.
    specific = len(prefix) >= _SPECIFIC_CHARS and not prefix.islower()
    odd = _ODD_CHARS - 4 if specific else max(_ODD_CHARS, least * 7 // 10)
    if not looks_random(body[0], min(odd, least)):
        return None
    rest = _REST.match(word, begin)
    return rest.end() if rest else body.end()


def _unlisted(word: str) -> Iterator[tuple[int, int]]:
    """Keys of providers that nobody has listed: a word that says what it is, and a random tail."""
    for found in _RUN.finditer(word):
        run = found[0][:200]
        separator = _PARTS.search(run)
        if separator is None:
            continue
        head, rest = run[: separator.start()], run[separator.end() :]
        if head.lower() in ID_HEADS and "_secret_" not in run:
            continue
        parts = _PARTS.split(run)
        told = next((i for i, part in enumerate(parts[:4]) if part.lower() in KEY_WORDS), None)
        if told is not None and looks_random("-".join(parts[told + 1 :]), _TOLD_CHARS):
            yield found.span()
            continue
        tail = max(_PARTS.split(rest), key=len)
        if (
            len(tail) >= _LONG_TAIL_CHARS
            and _HEAD.fullmatch(head)
            and (has_three_kinds(tail) or (len(head) <= _SHORT_HEAD_CHARS and not is_hex(tail)))
            and looks_random(tail, 24)
        ):
            yield found.span()


def _of_vendor(text: str, word: str, start: int) -> Iterator[tuple[int, int]]:
    """Random values behind the name of a provider whose keys have no form of their own, or behind a name at all."""
    for found in _VALUE.finditer(word):
        value = found[0]
        if not is_uuid(value) and not looks_random(value, _TAIL_CHARS - 2):
            continue
        begin = start + found.start()
        before = text[max(0, begin - _VENDOR_AHEAD_CHARS) : begin].lower().rpartition("\n")[2]
        if _is_assigned(value, before) or _is_after_vendor(value, before):
            yield found.span()


def _is_after_vendor(value: str, before: str) -> bool:
    told = len(value) >= _PLAIN_BARE_CHARS and not is_hex(value)
    if not told and _BETWEEN.search(before) is None:
        return False
    for at in range(len(before) - _START_CHARS, -1, -1):
        for vendor in _VENDORS_BY_START.get(before[at : at + _START_CHARS], ()):
            if before.startswith(vendor, at):
                between = before[at + len(vendor) :]
                return (told or _BETWEEN.search(between) is not None) and _HASH.search(between) is None
    return False


def _is_assigned(value: str, before: str) -> bool:
    """Whether a value that chance made, and is no hash, is given to a name that speaks neither of ids nor of hashes."""
    whole = _SIGNS.sub("", value)
    longest = whole if len(whole) >= _PLAIN_BARE_CHARS else max(_PARTS.split(value), key=len)
    if len(longest) < _ASSIGNED_CHARS or is_hex(longest) or not is_wild(longest) or ("/" in value and "." in value):
        return False
    operator = before.rstrip(_OPENING)
    if not operator.endswith(("=", ":", "=>")):
        return False
    name = operator.rstrip("=:> \t\"'])")
    name = name[len(name.rstrip(_NAME_CHARS)) :]
    if not name or _PARTS.split(value, maxsplit=1)[0].lower() in ID_HEADS:
        return False
    return _HASH.search(name) is None


def _wild(text: str, word: str, start: int) -> Iterator[tuple[int, int]]:
    """Values too long and too mixed for an id, which stand neither in the path of a URL nor behind a hash's name."""
    for found in _BARE.finditer(word):
        value = found[0]
        if len(value) >= BLOB_MIN_CHARS or not is_wild(value):
            continue
        least = _BARE_CHARS if has_three_kinds(value) else _PLAIN_BARE_CHARS
        if len(value) < least or not looks_random(value, int(min(len(value), 72) * 0.6)):
            continue
        if is_hex(_PARTS.sub("", value)):  # a UUID, the trace in a `traceparent`
            continue
        before = _LAST_WORD.search(text[max(0, start - 40) : start] + word[: found.start()])
        told = before[0].lower() if before else ""
        if _HASH.search(told) or told.endswith(("base64,", "h1:")) or ("://" in told and not told.endswith("=")):
            continue
        if told.endswith("/") or _PARTS.split(value, maxsplit=1)[0].lower() in ID_HEADS:
            continue
        yield found.span()


@cache
def _any_form() -> re.Pattern[str]:
    return _compiled("|".join(FORMS))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})")
