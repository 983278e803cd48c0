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

_NAMES = (
    "pass pwd pswd pw= pw: pw_ _pw p/w psw secret token key auth credential creds cookie signature jwt contrase senha"
)
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
        "basic ",
        "q~",
        "identified",
        "-secure",
    ),
)
"""A text holds no secret if its lower-cased form has none of these and the text no ``LONG_RUN``."""

LONG_RUN = "|".join(
    (
        "[0-9A-Za-z_-]{16}",
        *(f"[0-9A-Za-z_-]{{{at}}}(?:[0-9][A-Za-z]|[A-Za-z][0-9])[0-9A-Za-z_-]{{{10 - at}}}" for at in range(11)),
    )
)
"""A regular expression, RE2's too: 16 characters, or 12 with a digit next to a letter. Every key that is known by its
form has such a run."""

_TOKEN_CHARS = bytes(97 if chr(byte).isalnum() or byte in b"_-" else 32 for byte in range(128)) + b" " * 128
_LONG = b"a" * 12
_PASSES = 4
_WORD_CHARS = 256
_GLUE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-$~.|?=+")
_ESCAPES = re.compile(
    r"%(?:22|27|20|0A|0D|3A|26|2C|7B|7C|7D)|%3D(?=[A-Za-z0-9\"'$])|\\{1,4}u00(?:22|27|3d|3a|26|3e|3c|20)"
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
    found = _find_in_context(text, context) if context else []
    # A single word is read with its name alone: of a random one it says whether that is an id.
    head = _head(context) if context and len(text) <= _WORD_CHARS and " " not in text else ""
    seen = head + _decoded(text)
    found = [(start + len(head), end + len(head)) for start, end in found]
    for _ in range(_PASSES):
        new = _find(blanked(seen, _merged(found)) if found else seen)
        found += new
        # What stands glued to a secret may stand out only once that is gone.
        if not any(_is_glued(seen, *span) for span in new):
            break
    for start, end, tag in _merged(found):
        if end > len(head):
            yield Span(max(0, start - len(head)), end - len(head), tag)


def _find(text: str) -> list[tuple[int, int]]:
    lower = _lower(text)
    found = [*find_by_place(text, lower), *find_assignments(text, lower)]
    rest = blanked(text, _merged(found)) if found else text
    if _LONG in rest.encode("utf-8", "replace").translate(_TOKEN_CHARS) or "Q~" in rest:
        found += find_keys(rest)
    return found


def _is_glued(text: str, start: int, end: int) -> bool:
    return text[end : end + 1] in _GLUE or text[max(0, start - 1) : start] in _GLUE


def _find_in_context(text: str, context: str) -> list[tuple[int, int]]:
    """The text is the value of a key in JSON: it is read as if the two stood in one line, in quotes."""
    head = _head(context)
    whole = head + text.replace('"', "'").replace("\n", " ")
    found = find_assignments(whole, _lower(whole))
    return [(max(0, start - len(head)), end - len(head)) for start, end in found if end > len(head)]


def _head(context: str) -> str:
    return f'"{context.rstrip(": ")}": "'


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
    found = sorted(found)
    done = 0
    while done < len(found):
        start, end = found[done]
        while done < len(found) and found[done][0] < end:
            end = max(end, found[done][1])
            done += 1
        yield Span(start, end, "[SECRET]")
