"""Lua scripts as commands of Redis' protocol."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Script:
    """A Lua script, and the name that Redis knows it by once it has seen it."""

    def __init__(self, text: str) -> None:
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self.sha_head = _bulk("EVALSHA") + _bulk(sha)
        self.text_head = _bulk("EVAL") + _bulk(text)


def _bulk(word: str | bytes) -> bytes:
    """A word of a command, as Redis reads it."""
    raw = word if isinstance(word, bytes) else word.encode("utf-8", "surrogatepass")
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


def packed(head: bytes, keys: Sequence[str | bytes], args: Sequence[str | bytes]) -> bytes:
    """A script's command; redis-py takes several times as long for its words."""
    words = [_bulk(str(len(keys))), *map(_bulk, keys), *map(_bulk, args)]
    return b"*%d\r\n%b%b" % (2 + len(words), head, b"".join(words))
