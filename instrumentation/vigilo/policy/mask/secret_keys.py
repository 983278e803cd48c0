"""Finds keys and tokens that are known by their own form, wherever they stand."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from vigilo.policy.mask.blobs import BLOB_MIN_CHARS
from vigilo.policy.mask.secret_rules import (
    FORMS,
    HINTED_FORMS,
    ID_HEADS,
    KEY_WORDS,
    LONG_FORMS,
    PREFIXES,
    UUID_VENDORS,
    VENDORS,
)
from vigilo.policy.mask.secret_values import has_odd_letters, has_three_kinds, is_hex, is_uuid, is_wild, looks_random

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = re.compile(r"[^\s\"'`<>\\\x01,;(){}\[\]]{12,4096}")
_LONG_RUN = re.compile(r"(?=[A-Za-z0-9_-]{0,10}(?:[0-9][A-Za-z]|[A-Za-z][0-9]))[A-Za-z0-9_-]{12}|[A-Za-z0-9_-]{16}")
_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9_]")
_START_CHARS = 3
_BODY = re.compile(r"[A-Za-z0-9_-]{0,80}")
_REST = re.compile(r"[A-Za-z0-9_=-]*(?:\.[A-Za-z0-9_-]{2,512}){0,3}(?:[+/][A-Za-z0-9_=-]{16,512}){0,4}")
_RUN = re.compile(r"[A-Za-z0-9_-]{16,}")
_PARTS = re.compile(r"[_-]")
_HEAD = re.compile(r"[a-z]{2,12}|[A-Z]{2,8}|[A-Z][a-z]{2,10}")
_VALUE = re.compile(r"[A-Za-z0-9_+/.~-][A-Za-z0-9_+/.~=-]{11,}")
_NAME_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789_.-"
_OPENING = " \t\"'`"
_BARE = re.compile(r"[A-Za-z0-9_+/-]{24,}={0,2}")
_LAST_WORD = re.compile(r"[^\s\"'`<>]{1,80}\Z")
_WORD_ENDS = frozenset(" \t\n\r\"'`<>")
_BETWEEN = re.compile(r"[:=,(>|]|\b(?:is|key|token|secret)\b")
_HASH = re.compile(
    r"sha-?[0-9]|md5|digest|commit|etag|integrity|checksum|hash|fingerprint|(?<![a-z])(?:id|uuid|guid|rev|ref|url|uri|version|cursor|nonce|node|pod|host|name|file|path|slug|model|deployment|engine|tracking|order|sku|list|playlist|video|channel|address|cid)s?(?![a-z])"
)

_DIGEST = re.compile(r"(?:sha-?[0-9]{1,3}|md5|(?<![A-Za-z0-9])h1)[-:=]{1,2}", re.IGNORECASE)
"""What a digest is written behind: `sha512-…` in files of locked packages and in HTML, `sha-256=:…` in headers."""

_ID_NAME = re.compile(
    r"(?:[a-z0-9]I[dD]|[A-Z]{3,}ID|(?<![A-Za-z])[iI][dD]|(?<![a-z])(?:request|response|message|trace|span|session|user|order|event|run|thread"
    r"|conversation|client|job|task|account|tenant|project|customer|object|document|file|video|channel|chat|item|g|u"
    r"|device|instance|product|page|post|batch|transaction|correlation|operation|execution|generation)id)s?"
    r"[\"'`\\\])]{0,6}\s{0,4}[=:>,]{1,3}[\s\"'`\\]{0,8}\Z"
)
_KEY_NAME = re.compile(r"key|token|secret|auth|api|passw|cred|private|access|pat(?![a-z])")
_PUBLIC = re.compile(
    r"Qm[1-9A-HJ-NP-Za-km-z]{44}|baf[a-z2-7]{50,62}|0x[0-9A-Fa-f]{40,64}|(?:bc1|tb1|ltc1|addr1|cosmos1)[a-z0-9]{25,100}"
    r"|[13][1-9A-HJ-NP-Za-km-z]{25,34}|[0-3][0-9A-Za-z]{26}|0[0-7][0-9A-HJKMNP-TV-Z]{24}"
    r"|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
)
"""Addresses of files in IPFS and of accounts in block chains; KSUIDs, ULIDs, W3C's traceparent."""

_NAME_AND = re.compile(r"[A-Za-z_.-]{2,40}=(?=[A-Za-z0-9])")
_SHORT_VALUE_CHARS = 12
_SPECIFIC_CHARS = 4
_ODD_CHARS = 10
_TAIL_CHARS = 13
_LONG_TAIL_CHARS = 28
_ASSIGNED_CHARS = 12
_SIGNS = re.compile(r"[_=-]")
_SHORT_HEAD_CHARS = 8
_BARE_CHARS = 24
_TOLD_CHARS = 10
_PLAIN_BARE_CHARS = 32
_LONG_BARE_CHARS = 32
_JOINED = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,128}(?:[.:|!~$][A-Za-z0-9_-]{8,128}){1,4}")
_JOINED_CHARS = 8
_NO_WORD = re.compile(r"[^A-Za-z0-9]")
_HEADED = re.compile(r"[a-z]{1,12}[_-]")
_ID_WORD = re.compile(r"(?<![A-Za-z])(?:ids?|IDs?|uid|uuid|guid|identifiers?)(?![A-Za-z])|I[dD]s?(?![A-Za-z])")
_VENDOR_AHEAD_CHARS = 64
_NAME_AHEAD_CHARS = 40
_ASSIGNED = re.compile(r"[a-z0-9_.-]?[\"'` \t\])]{0,4}[:=,>|?]{1,3}[\"'` \t]{0,4}\Z")
_CAMEL = re.compile(r"[A-Za-z]?[a-z]+(?:[A-Z][a-z]+|[0-9]{1,3}(?![0-9]))*")
_OPERATORS = ("=", ":", ">", "||")

_VENDORS_BY_START: dict[str, list[str]] = {}
for _vendor in VENDORS:
    _VENDORS_BY_START.setdefault(_vendor[:_START_CHARS], []).append(_vendor)

_BY_START: dict[str, list[tuple[str, int]]] = {}
for _prefix, _least in PREFIXES.items():
    # Long ones are said by nobody who does not mean a key; `sk-` is said of scikit-learn.
    _is_specific = len(_prefix) >= _SPECIFIC_CHARS and not _prefix.islower()
    _BY_START.setdefault(_prefix[:_START_CHARS], []).append((_prefix, min(_least, 12) if _is_specific else _least))


_OFTEN_WITHIN = ("live_", "test_")  # of ids such as `cs_live_…`


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
            found += [*_of_vendor(text, word, start), *_wild(text, word, start), *_joined(text, word, start)]
        for begin, end in found:
            yield start + begin, start + end


def _is_plain(word: str) -> bool:
    """Only digits, which is a card or an order, or only small letters that make words."""
    if word.lower() == word.upper():
        return True
    return word.islower() and not any(digit in word for digit in "0123456789") and not has_odd_letters(word)


def _in_chunk(word: str) -> Iterator[tuple[int, int]]:
    done, first = 0, len(word)
    for found in _START.finditer(word):
        start = found.start()
        if start < done:
            continue
        for prefix, least in _BY_START.get(word[start : start + _START_CHARS], ()):
            if prefix in _OFTEN_WITHIN and word[max(0, start - 1) : start] == "_":
                continue
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
    if body is None or body.end() - begin < least or is_hex(_PARTS.sub("", prefix + body[0])):
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
        begin, end = found.span()
        if (named := _NAME_AND.match(value)) is not None:
            begin += named.end()
            value = value[named.end() :]
        if len(value) < _SHORT_VALUE_CHARS:
            continue
        if not is_uuid(value) and not looks_random(value, _TAIL_CHARS - 2) and not is_wild(_SIGNS.sub("", value)):
            continue
        before = text[max(0, start + begin - _VENDOR_AHEAD_CHARS) : start + begin]
        if _names_no_secret(value, before) or _PARTS.split(value, maxsplit=1)[0].lower() in ID_HEADS:
            continue
        before = before.lower()
        if _is_assigned(value, before.rpartition("\n")[2]) or _is_after_vendor(value, before):
            yield begin, end


def _names_no_secret(value: str, before: str) -> bool:
    """Whether a value is a digest or public by its form, or its name is that of an id."""
    if _DIGEST.match(value) or _DIGEST.search(before, max(0, len(before) - 9)):
        return True
    near = before[-_NAME_AHEAD_CHARS:]
    lower = near.lower()
    is_id = "id" in lower and _ID_NAME.search(near) is not None
    if not is_id and _PUBLIC.fullmatch(value.strip("/")) is None:
        return False
    return _KEY_NAME.search(lower) is None


def _is_after_vendor(value: str, before: str) -> bool:
    told = len(value) >= _PLAIN_BARE_CHARS and not is_hex(_PARTS.sub("", value))
    if not told and _BETWEEN.search(before) is None:
        return False
    line = before.rfind("\n") + 1
    for at in range(len(before) - _START_CHARS, -1, -1):
        for vendor in _VENDORS_BY_START.get(before[at : at + _START_CHARS], ()):
            if before.startswith(vendor, at):
                between = before[at + len(vendor) :]
                if (at < line or is_uuid(value)) and _KEY_NAME.search(between) is None:
                    return is_uuid(value) and vendor in UUID_VENDORS and _ASSIGNED.match(between) is not None
                return (told or _BETWEEN.search(between) is not None) and _HASH.search(between) is None
    return False


def _is_assigned(value: str, before: str) -> bool:
    """Whether a value that chance made, and is no hash, is given to a name that speaks neither of ids nor of hashes."""
    whole = _SIGNS.sub("", value)
    longest = whole if len(whole) >= _PLAIN_BARE_CHARS else max(_PARTS.split(value), key=len)
    if (
        _CAMEL.fullmatch(longest) is not None
        or len(longest) < _ASSIGNED_CHARS
        or is_hex(longest)
        or not is_wild(longest)
        or ("/" in value and "." in value)
    ):
        return False
    operator = before.rstrip(_OPENING)
    if not operator.endswith(_OPERATORS):
        return False
    name = operator.rstrip("=:>|,? \t\"'`])")
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
        ahead = text[max(0, start - 64) : start] + word[max(0, found.start() - 128) : found.start()]
        if len(value) < _LONG_BARE_CHARS and (_HEADED.match(value) or _has_id_word(ahead[-32:])):
            continue
        # A UUID, the trace in a `traceparent`, or what else is none.
        if is_hex(_PARTS.sub("", value)) or _names_no_secret(value, ahead):
            continue
        told = ""
        if ahead[-1:] not in _WORD_ENDS and (last := _LAST_WORD.search(ahead)) is not None:
            told = last[0].lower()
        if _HASH.search(told) or told.endswith(("base64,", "h1:")) or ("://" in told and not told.endswith("=")):
            continue
        if told.endswith("/") or _PARTS.split(value, maxsplit=1)[0].lower() in ID_HEADS:
            continue
        yield found.span()


def _has_id_word(ahead: str) -> bool:
    return "id" in ahead.lower() and _ID_WORD.search(ahead) is not None


def _joined(text: str, word: str, start: int) -> Iterator[tuple[int, int]]:
    """Random parts that a sign joins, as in tokens of a key and its check sum: longer together than an id."""
    for found in _JOINED.finditer(word):
        value = found[0]
        whole = _NO_WORD.sub("", value)
        if len(whole) < _LONG_BARE_CHARS or is_hex(whole) or not has_three_kinds(whole) or not is_wild(whole):
            continue
        if not all(looks_random(part, _JOINED_CHARS) for part in _NO_WORD.split(value) if part):
            continue
        before = text[max(0, start - 64) : start] + word[: found.start()]
        if not (
            _names_no_secret(value, before) or "://" in word[: found.start()] or _HASH.search(before[-24:].lower())
        ):
            yield found.span()


@cache
def _any_form() -> re.Pattern[str]:
    return _compiled("|".join(FORMS))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})")
