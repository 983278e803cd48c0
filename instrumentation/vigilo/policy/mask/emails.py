"""Finds e-mail addresses: from each ``@`` outwards, over a bounded distance, so that no text takes quadratic time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCAL_MAX_CHARS = 64  # RFC 5321 4.5.3.1
_DOMAIN_MAX_CHARS = 255
# An @ as typed, full width, percent-encoded in a URL, escaped in JSON.
_HOST = r"(?=[^\W_][\w-]{0,62}\.)"
_AT = re.compile(rf"@{_HOST}")
_ANY_AT = re.compile(rf"(?:@|\uff20|%40|\\u0040){_HOST}")
# Legal signs that are glue far more often (`?mail=jane@x.org`, `a/b@x.org`) do not belong to the name here.
_LOCAL_REVERSED = re.compile(r"[\w.!#$%'*+^~\u200b-]+")
_LEADING_GLUE = "'.+^~!#$%*-\u200b"
_DOMAIN = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24}"
    r"|[^\W_](?:[\w-]{0,62}\.){1,8}[^\W\d_]{2,24}"
)
_AFTER_GIT_HOST = (":", "/")  # `git@github.com:org/repo.git` is where code is, and the same for all
_FIRST_CJK = "\u2e80"
# `jane [at] example [dot] com`, `jane(at)example.com`, `jane at example dot com`, `jane @ example . com`
_DOT = r"(?: ?[\[({<] ?dot ?[\])}>] ?| dot )"
_LABELS = rf"[a-z0-9-]{{1,63}}(?:(?:{_DOT}|\.)[a-z0-9-]{{2,63}}){{0,3}}"
_SPELLED = re.compile(
    r"(?<![\w.+-])[a-z0-9][a-z0-9._+-]{0,63}(?:"
    rf" ?[\[({{<] ?at ?[\])}}>] ?{_LABELS}(?:{_DOT}|\.)"
    rf"| at {_LABELS}{_DOT}"
    r"| @ [a-z0-9-]{1,63}(?: \. [a-z0-9-]{2,63}){0,3} \. )"
    r"(?:com|org|net|io|dev|edu|gov|co|uk|de|fr|ai|app|me|info|biz|ru|in|us|eu|ch|nl|it|es)(?![\w-])",
    re.IGNORECASE,
)
BRACKETED_HINT = r"[\[({<] ?(?:at|dot) ?[\])}>]"
SPELLED_HINT = rf" dot | @ |{BRACKETED_HINT}"
"""What an address that is spelled out holds: a regular expression for lower case, RE2's too."""


def find_emails(text: str) -> Iterator[Span]:
    """E-mail addresses in order, those spelled out last."""
    done = 0
    written_otherwise = "%40" in text or "u0040" in text or "\uff20" in text
    for at in (_ANY_AT if written_otherwise else _AT).finditer(text):
        span = _around(text, *at.span(), done) if at.start() >= done else None
        if span is not None:
            done = span.end
            yield span


def find_spelled_emails(text: str) -> Iterator[Span]:
    """Addresses written for humans only: ``jane (at) example (dot) com``."""
    for found in _SPELLED.finditer(text):
        yield Span(*found.span(), "[EMAIL]")


def _around(text: str, start: int, end: int, done: int) -> Span | None:
    """The address around the ``@`` at ``text[start:end]``; what lies before ``done`` belongs to another."""
    domain = _DOMAIN.match(text, end, end + _DOMAIN_MAX_CHARS)
    if domain is None:
        return None
    before = text[max(done, start - _LOCAL_MAX_CHARS) : start]
    if before.endswith('"'):  # "jane doe"@example.com
        opening = before.rfind('"', 0, -1)
        local = before[opening:] if opening >= 0 else ""
    else:
        name = _LOCAL_REVERSED.match(before[::-1])
        local = name[0][::-1].lstrip(_LEADING_GLUE) if name else ""
        if domain[0].isascii() and not local.isascii():
            # Chinese and Japanese put no space between a word and an address.
            glued = max((i for i, char in enumerate(local) if char >= _FIRST_CJK), default=-1)
            local = local[glued + 1 :] or local
    if not local or (local == "git" and text[domain.end() : domain.end() + 1] in _AFTER_GIT_HOST):
        return None
    return Span(start - len(local), domain.end(), "[EMAIL]")
