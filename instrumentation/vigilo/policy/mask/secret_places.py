"""Finds secrets that are known by where they stand: in URLs, in headers, behind options of commands."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.secret_values import is_placeholder, looks_random

if TYPE_CHECKING:
    from collections.abc import Iterator

# A key whose end is cut off is one too.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN[ A-Za-z0-9]{0,30}(?:PRIVATE KEY(?: BLOCK)?|Static key V1)-----(?:[^-\"'<>\x01]|-(?!----))*"
    r"(?:-----END[ A-Za-z0-9]{0,30}(?:PRIVATE KEY(?: BLOCK)?|Static key V1)-----)?"
)
_URL_PASSWORD = re.compile(r"""://(?P<user>[^\s/?#:@"'<>\x01]{0,100})(?::(?P<value>[^\s/"'<>\x01]{1,256}))?@""")
_AUTHORIZATION = re.compile(
    r"""["'\\\]]{0,6}\s{0,4}[:=,]\s{0,4}["'\\bru]{0,6}(?P<scheme>[A-Za-z][A-Za-z0-9-]{2,24}[ \t]{1,4})?"""
    r"""(?P<value>[^\s"'<>\\\x01,]{6,})"""
)
_SCHEME = re.compile(r"""[ \t]{1,16}(?:\\{0,6}["'])?(?P<value>[A-Za-z0-9_.~+/=:-]{6,})""")
_SCHEMES = ("authorization", "bearer", "basic", "ssws")
_COOKIES = re.compile(r"""["'\\]{0,6}\s{0,4}[:=]\s{0,4}["'\\]{0,6}(?P<pairs>[^\r\n"'\\]{4,4096})""")
_COOKIE = re.compile(r"=(?P<value>[^;,\s=\x01]{8,1024})")
_USER_OPTION = re.compile(
    r"""(?:-[uU]|--(?:proxy-)?user)(?:[ \t=]{1,16}|["'], ?)?(?P<quote>\\{0,16}["'])?"""
    r"""[^\s:"'\\\x01]{0,64}:(?P<value>(?(quote)[^"'\\\n\x01]|[^\s"'\\\x01]){3,256})"""
)
_COMMAND = re.compile(
    r"""\b(?:sshpass|mysql|mysqldump|mysqladmin|redis-cli|docker login|az login|podman login|ldapsearch|smbclient)\b"""
    r"""[^\n|;&]{0,120}?\s(?:-p|-a|-w)[ \t]?["']?(?P<value>[^\s"'\x01-][^\s"'\x01]{3,128})"""
)


_SPOKEN = re.compile(
    r"""(?:identified(?:\s{1,8}with\s{1,8}\S{1,40})?\s{1,8}(?:by|as)(?:\s{1,4}password)?|convertto-securestring"""
    r"""(?:\s{1,4}-string)?)\s{1,12}(?P<quote>[\\"'`]{0,4})(?P<value>(?(quote)[^"'`\\\n\x01]|[^\s"'`\x01]){4,128})""",
    re.IGNORECASE,
)


def find_by_place(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """Where secrets lie; in no order, and one may lie in another.

    Args:
        text: where to look.
        lower: the same in lower case, of the same length.
    """
    if "-----begin" in lower:
        for found in _PRIVATE_KEY.finditer(text):
            yield found.span()
    if "://" in text and "@" in text:
        yield from _in_urls(text)
    if "cookie" in lower:
        yield from _in_cookies(text, lower)
    if "-u" in lower and ":" in text:
        for found in _USER_OPTION.finditer(text):
            value = found["value"]
            if not is_placeholder(value) and not value.isdigit() and ("curl" in lower or looks_random(value, 4)):
                yield found.span("value")
    if " -" in text:
        for found in _COMMAND.finditer(text):
            if not is_placeholder(found["value"]):
                yield found.span("value")
    if "identified" in lower or "-secure" in lower:
        for found in _SPOKEN.finditer(text):
            if (found["quote"] or looks_random(found["value"], 4)) and not is_placeholder(found["value"]):
                yield found.span("value")
    for scheme in _SCHEMES:
        if scheme in lower:
            yield from _in_headers(text, lower, scheme)


def _in_urls(text: str) -> Iterator[tuple[int, int]]:
    for found in _URL_PASSWORD.finditer(text):
        value = found["value"]
        if value is None:
            if looks_random(found["user"], 16):
                yield found.span("user")
        elif not is_placeholder(value):
            yield found.span("value")
            if looks_random(found["user"], 16):
                yield found.span("user")


def _in_cookies(text: str, lower: str) -> Iterator[tuple[int, int]]:
    at = lower.find("cookie")
    while at >= 0:
        header = _COOKIES.match(text, at + len("cookie"))
        at = lower.find("cookie", header.end() if header else at + 1)
        if header:
            for found in _COOKIE.finditer(text, *header.span("pairs")):
                if looks_random(found["value"], 8):
                    yield found.span("value")


def _in_headers(text: str, lower: str, scheme: str) -> Iterator[tuple[int, int]]:
    is_header = scheme == "authorization"
    pattern = _AUTHORIZATION if is_header else _SCHEME
    at = lower.find(scheme)
    while at >= 0:
        end = at + len(scheme)
        found = pattern.match(text, end)
        if found is not None:
            value = found["value"].rstrip(".:;)]}")
            least = 6 if is_header and found["scheme"] else 14 if is_header else 8
            if not is_placeholder(value) and (looks_random(value, least) or _is_user_and_password(value)):
                begin = found.start("value")
                end = begin + len(value)
                yield begin, end
        at = lower.find(scheme, end)


def _is_user_and_password(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
