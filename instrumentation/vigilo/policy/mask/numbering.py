"""Numbers in tags, ``[EMAIL_1]``, ``[EMAIL_2]``: a reader can tell two people apart, and follow one, and knows neither.

The same value has the same number throughout a conversation. What is kept of a value is a keyed hash, the key being
this process's own and never written down; so in another process the numbers of a conversation may be others.
"""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from collections import OrderedDict
from hashlib import blake2b

MAX_CONVERSATIONS = 1_000
MAX_VALUES = 1_000
"""Values of one conversation that are numbered; further ones have plain tags."""
MAX_VALUES_IN_ALL = 50_000
"""About 8 MB. Conversations that nobody has had for the longest time are forgotten first."""
_PHONE_DIGITS = 10
_DIGEST_BYTES = 12
_TAG = re.compile(r"\[([A-Z_]+)\]")
_NOT_DIGITS = re.compile("[^0-9]+")
_SPELLED_AT = re.compile(r"%40|\\u0040| ?[\[({<] ?at ?[\])}>] ?| at ")
_SPELLED_DOT = re.compile(r" ?[\[({<] ?dot ?[\])}>] ?| dot ")

_key = os.urandom(32)
_lock = threading.Lock()


class Numbers:
    """The numbers of the values of one conversation, or of one call that belongs to none."""

    __slots__ = ("_counts", "_known")

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._known)

    def tag(self, tag: str, value: str) -> str:
        """``[EMAIL]`` and an address -> ``[EMAIL_2]``; a tag of another form stays as it is."""
        named = _TAG.fullmatch(tag)
        if named is None or value == tag or tag == "[REDACTED]":
            return tag
        kind = named[1]
        known = _hash(f"{kind}\0{canonical(kind, value)}")
        with _lock:
            number = self._known.get(known)
            if number is None:
                if len(self._known) >= MAX_VALUES:
                    return tag
                number = self._counts[kind] = self._counts.get(kind, 0) + 1
                self._known[known] = number
        return f"[{kind}_{number}]"


_conversations: OrderedDict[bytes, Numbers] = OrderedDict()


def numbers_of(conversation: str | None) -> Numbers:
    """The numbers of a conversation in this process; new ones, for one call only, where it has no id."""
    if not conversation:
        return Numbers()
    known = _hash(conversation)
    with _lock:
        numbers = _conversations.get(known)
        if numbers is not None:
            _conversations.move_to_end(known)
            return numbers
        numbers = _conversations[known] = Numbers()
        if len(_conversations) > MAX_CONVERSATIONS:
            _conversations.popitem(last=False)
        # Counted where a conversation begins: it is there that they grow many.
        kept = sum(map(len, _conversations.values()))
        while kept > MAX_VALUES_IN_ALL and len(_conversations) > 1:
            kept -= len(_conversations.popitem(last=False)[1])
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


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()  # another thread may have held it; what is numbered so far keeps its numbers


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
