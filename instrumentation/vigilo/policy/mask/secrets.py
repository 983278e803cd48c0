"""Finds secrets: keys, tokens, passwords.

Three ways, each a module: keys that are known by their own form, values that a name makes secret, and places where only
secrets stand. What they find may overlap; here it is put together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.secret_assignments import find_assignments
from vigilo.policy.mask.secret_keys import find_keys
from vigilo.policy.mask.secret_places import find_by_place
from vigilo.policy.mask.spans import Span, blanked

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = "pass pwd pswd pw= pw: pw_ _pw p/w secret token key auth credential creds cookie signature jwt contrase senha"
HINTS: tuple[str, ...] = (
    *_NAMES.split(),
    *("парол", "密码", "密碼", "パスワード", "비밀번호"),
    *(
        "://",
        "sig=",
        'sig"',
        " -u",
        '-u"',
        "-u'",
        "--user",
        "--proxy-user",
        " -p",
        "redis-cli",
        "q~",
        "identified",
        "-secure",
    ),
)
"""A text holds no secret if its lower-cased form has none of these and the text no ``LONG_RUN``."""

LONG_RUN = "[0-9A-Za-z_-]{16}"
"""A regular expression, RE2's too. Every key that is known by its own form has such a run."""

_TOKEN_CHARS = bytes(97 if chr(byte).isalnum() or byte in b"_-" else 32 for byte in range(128)) + b" " * 128
_LONG = b"a" * 16
_ESCAPES = re.compile(
    r"%(?:22|27|20|0A|0D|3A|26|2C|7B|7D)|%3D(?=[A-Za-z0-9\"'$])|\\{1,4}u00(?:22|27|3d|3a|26|3e|3c|20)"
    r"|\x1b\[[0-9;]{0,12}m|&(?:quot|amp|apos|#39|#34|lt|gt|nbsp);",
    re.IGNORECASE,
)
_ENTITIES = {"&quot;": '"', "&amp;": "&", "&apos;": "'", "&#39;": "'", "&#34;": '"', "&lt;": "<", "&gt;": ">"}
_CAPITALS = re.compile("[A-Z]+")


def find_secrets(text: str, context: str = "") -> Iterator[Span]:
    """Secrets in order and apart from each other.

    Args:
        text: where to look.
        context: what stands before the text, such as the key of a JSON value.
    """
    seen = _decoded(text)
    lower = _lower(seen)
    found = [*find_by_place(seen, lower), *find_assignments(seen, lower)]
    if context:
        found += _find_in_context(text, context)
    spans = list(_merged(found)) if found else []
    rest = blanked(seen, spans) if spans else seen
    if _LONG in rest.encode("utf-8", "replace").translate(_TOKEN_CHARS) or "Q~" in rest:
        keys = list(find_keys(rest))
        if keys:
            spans = list(_merged(found + keys))
    yield from spans


def _find_in_context(text: str, context: str) -> Iterator[tuple[int, int]]:
    """The text is the value of a key in JSON: it is read as if the two stood in one line, in quotes."""
    head = f'"{context.rstrip(": ")}": "'
    whole = head + text.replace('"', "'").replace("\n", " ")
    for start, end in find_assignments(whole, _lower(whole)):
        if end > len(head):
            yield max(0, start - len(head)), end - len(head)


def _decoded(text: str) -> str:
    """The text with escaped quotes, equal signs and the like as themselves; as long as before."""
    if "%" in text or "\\" in text or "&" in text or "\x1b" in text:
        return _ESCAPES.sub(_decode, text)
    return text


def _decode(escape: re.Match[str]) -> str:
    written = escape[0]
    if written[0] == "\x1b":
        char = " "
    elif written[0] == "&":
        char = _ENTITIES.get(written.lower(), " ")
    else:
        char = chr(int(written[-2:], 16))
    return char.rjust(len(written))


def _lower(text: str) -> str:
    """In lower case, as long as before."""
    lower = text.lower()
    return lower if len(lower) == len(text) else _CAPITALS.sub(lambda found: found[0].lower(), text)


def _merged(found: list[tuple[int, int]]) -> Iterator[Span]:
    found.sort()
    start, end = found[0]
    for other_start, other_end in found:
        if other_start >= end:
            yield Span(start, end, "[SECRET]")
            start, end = other_start, other_end
        else:
            end = max(end, other_end)
    yield Span(start, end, "[SECRET]")
