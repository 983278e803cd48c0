"""Finds IP addresses, of version 4 and 6.

Left alone are the loopback (127.0.0.0/8, ``::1``) and unspecified addresses (``0.0.0.0``, ``::``): they are the same on
every machine, so they tell of none. So are versions of software, and what only looks like an address in code, such as
``std::vector`` and ``x[1::2]``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.context import last_word, words_before
from vigilo.policy.mask.spans import BLANK, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

# Look-behinds in front would switch off the search for first characters.
_V4 = re.compile(r"[0-9](?<![0-9A-Za-z.].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_]|\.[0-9])")
# `chrome/120.0.0.0`, `lib-1.2.3.4.tar.gz`, `pkg>=1.2.3.4`, but not `host/10.1.2.3:80`
_VERSION_SIGN = re.compile(r"(?:[A-Za-z][/_-]|_|[=<>~!]=|[<>~^])\Z")
_VERSION_WORDS = frozenset(
    {
        *("version", "versions", "ver", "vers", "v", "release", "build", "revision", "rev", "firmware", "fw", "driver"),
        *("kernel", "section", "sections", "sec", "chapter", "clause", "article", "appendix", "figure", "fig", "table"),
        *("oid", "§"),
    }
)
_PORT = re.compile(r":[0-9]")

_V6_FROM_COLON = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,35}")
_V6_LEFT_REVERSED = re.compile(r"[0-9A-Fa-f]{0,4}(?![0-9A-Za-z_:.])")
_V6_TAIL = re.compile(r"(?:\.[0-9]{1,3}){3}")
_V6_ZONE = re.compile(r"%[0-9A-Za-z]{1,15}")
_V6_END = re.compile(rf"(?![0-9A-Za-z_:{BLANK}]|\.[0-9])")  # also before a tag: it may stand for more digits
_V6_GROUP_CHARS = 4
# What of the space is given out: global unicast by the registries' blocks, unique local, link-local, multicast,
# IPv4 mapped and translated (IANA, "IPv6 Global Unicast Address Assignments" and "IPv6 Special-Purpose Registry").
_V6_IN_USE = re.compile(
    r"(?:2(?:00[1-3]|[468ac][0-9a-f]{2})|3ff[ef]|f[cdf][0-9a-f]{2}|fe[89ab][0-9a-f]|64:ff9b|:?:ffff):", re.IGNORECASE
)
_INDEX = re.compile(r"[\w)\]]\[\Z")


def find_ipv4_addresses(text: str, context: str = "") -> Iterator[Span]:
    """Addresses of version 4 in order.

    Args:
        text: where to look; addresses of version 6 are blanked out before.
        context: what stands before the text, such as the key of a JSON value.
    """
    for found in _V4.finditer(text):
        value = found[0]
        if value.startswith("127.") or value == "0.0.0.0" or not _has_octets(value):  # noqa: S104 - not bound to
            continue
        begin, end = found.span()
        if _VERSION_SIGN.search(text, max(0, begin - 2), begin) and not _PORT.match(text, end):
            continue
        if last_word(words_before(text, begin, context)).lower() in _VERSION_WORDS:
            continue
        yield Span(*found.span(), "[IP]")


def _has_octets(value: str) -> bool:
    octets = value.split(".")
    return all(map(str.isdigit, octets)) and all(len(o) == 1 or (o[0] != "0" and int(o) <= 255) for o in octets)


def find_ipv6_addresses(text: str) -> Iterator[Span]:
    """Addresses of version 6 in order, with their zones."""
    for found in _V6_FROM_COLON.finditer(text):
        before = text[max(0, found.start() - _V6_GROUP_CHARS - 1) : found.start()]
        left = _V6_LEFT_REVERSED.match(before[::-1])
        if left is None:
            continue
        begin, end = found.start() - left.end(), found.end()
        if text[end - 1] == ":" and text[end - 2] != ":":
            end -= 1  # `2001:db8::1: timed out`
        tail = _V6_TAIL.match(text, end)
        if tail is not None and _has_octets(text[text.rindex(":", begin, end) + 1 : tail.end()]):
            end = tail.end()
        elif tail is not None:
            continue
        zone = _V6_ZONE.match(text, end)
        if _V6_END.match(text, zone.end() if zone else end + (end < found.end())) and _is_v6(text[begin:end]):
            if text[begin:end].replace(":", "").isdigit() and _INDEX.search(text, max(0, begin - 2), begin):
                continue  # `x[2001::2]`
            yield Span(begin, zone.end() if zone else end, "[IP]")


def _is_v6(value: str) -> bool:
    """Whether an address is written right and can be somebody's."""
    left, gap, right = value.partition("::")
    groups = (left.split(":") if left else []) + (right.split(":") if right else [])
    count = len(groups)
    if groups and "." in groups[-1]:
        if groups[-1].startswith("127."):
            return False
        count, groups = count + 1, groups[:-1]
    if not all(1 <= len(group) <= _V6_GROUP_CHARS for group in groups):
        return False
    # Eight pairs of digits are the address of a network card, not of IP.
    long = any(len(group) > 2 for group in groups)
    if not gap:
        return count == 8 and long
    return count <= 7 and (_V6_IN_USE.match(value) is not None or "." in value or (count >= 5 and long))
