"""Numbers in tags, ``[EMAIL_1]``, ``[EMAIL_2]``: a reader can tell two people apart, and follow one, and knows neither.

The same value has the same number throughout a conversation. What is kept of a value is a keyed hash, the key being
this process's own and never written down; so in another process the numbers of a conversation may be others.
"""

from __future__ import annotations

import os
import re
import unicodedata
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CONVERSATIONS = 1_000
"""Those that nobody has had for the longest time are forgotten; at least half as many are kept."""
MAX_VALUES = 200
"""Values of one conversation that are numbered; further ones have plain tags. All in all that is 30 MB at the most."""
_PHONE_DIGITS = 10
_DIGEST_BYTES = 12
_TAG = re.compile(r"\[([A-Z_]+)\]")
_NOT_DIGITS = re.compile("[^0-9]+")
_SPELLED_AT = re.compile(r"%40|\\u0040| ?[\[({<] ?at ?[\])}>] ?| at ")
_SPELLED_DOT = re.compile(r" ?[\[({<] ?dot ?[\])}>] ?| dot ")

_key = os.urandom(32)


class Numbers:
    """The numbers of the values of one conversation, or of one call that belongs to none.

    Threads may share them. There is no lock: a call may end in a finalizer, which may run while one is held.
    """

    __slots__ = ("_counts", "_known")

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._counts: dict[str, Iterator[int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def tag(self, tag: str, value: str) -> str:
        """``[EMAIL]`` and an address -> ``[EMAIL_2]``; a tag of another form stays as it is."""
        named = _TAG.fullmatch(tag)
        if named is None or value == tag or tag == "[REDACTED]":
            return tag
        kind = named[1]
        known = _hash(f"{kind}\0{canonical(kind, value)}")
        number = self._known.get(known)
        if number is None:
            if len(self._known) >= MAX_VALUES:
                return tag
            # Each of these is one step. Where two threads meet here, a number may be left out.
            number = self._known.setdefault(known, next(self._counts.setdefault(kind, count(1))))
        return f"[{kind}_{number}]"


_recent: dict[bytes, Numbers] = {}
_older: dict[bytes, Numbers] = {}


def numbers_of(conversation: str | None) -> Numbers:
    """The numbers of a conversation in this process; new ones, for one call only, where it has no id."""
    global _recent, _older
    if not conversation:
        return Numbers()
    known = _hash(conversation)
    recent = _recent
    numbers = recent.get(known)
    if numbers is None:
        numbers = _older.get(known)
        numbers = recent.setdefault(known, Numbers() if numbers is None else numbers)
        if len(recent) >= MAX_CONVERSATIONS // 2 and recent is _recent:
            _older, _recent = recent, {}
    return numbers


def canonical(kind: str, value: str) -> str:
    """A value in the form in which two ways of writing it are the same."""
    if kind == "PHONE":
        return _NOT_DIGITS.sub("", value)[-_PHONE_DIGITS:].lstrip("0") or value  # with the country's code or without
    text = unicodedata.normalize("NFKC", value).casefold()
    if kind == "EMAIL":
        return _SPELLED_DOT.sub(".", _SPELLED_AT.sub("@", text))
    if kind in ("CARD", "SSN", "IBAN"):
        return "".join(char for char in text if char.isalnum())
    return value if kind == "SECRET" else text


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), key=_key, digest_size=_DIGEST_BYTES).digest()
