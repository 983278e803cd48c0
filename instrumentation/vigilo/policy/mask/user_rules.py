"""The user's own masking, from ``[mask]`` of ``vigilo.toml``: what else to mask, and what to leave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from vigilo.errors import ConfigError, report_internal
from vigilo.policy.mask.slow_patterns import why_refused
from vigilo.policy.mask.spans import KINDS, Span, blanked
from vigilo.settings_file import load_section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CAN_BE_LEFT = sorted({*KINDS} - {"PERSON"})
WINDOW_CHARS = 2048
OVERLAP_CHARS = 512
"""A pattern is shown a text in windows of so many characters, so the longest value that it surely finds is this."""
MAX_PATTERNS = 50
_RESERVED = frozenset({"BLOB", "BYTES", "REDACTED"})
_NAME = re.compile(r"[A-Z](?:[A-Z_]{0,30}[A-Z])?")
_NAMES = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NUMBER = re.compile(r"[+(]?[0-9][0-9 ()./\u00a0-]*")
_NOT_DIGITS = re.compile("[^0-9]+")
_FEWEST_KNOWN = 3


@dataclass(frozen=True, slots=True)
class UserRules:
    """What the user has said.

    ``patterns``: the tag and what becomes it; ``tags`` matches those tags. ``allow``: values that are never masked, as
    :func:`plain` has them; ``allow_around``: begin and end of such values. ``leave``: kinds that are not masked.
    ``names``: the plug-in that finds names, empty for none.
    """

    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    tags: re.Pattern[str] | None = None
    allow: frozenset[str] = frozenset()
    allow_around: tuple[tuple[str, str], ...] = ()
    leave: frozenset[str] = frozenset()
    names: str = ""

    @classmethod
    def parse(cls, path: Path, table: Mapping[str, Any]) -> UserRules:
        """Reads the table.

        Raises:
            ConfigError: a key is unknown or a value not allowed; names the file, the key, the value, what is allowed.
        """
        known = ("allow", "leave", "names", "patterns")
        for key in table:
            if key not in known:
                allowed = ", ".join(f"`{name}`" for name in known)
                raise ConfigError(f"{path}: unknown key `{key}` in `[mask]`; allowed are {allowed}")
        allow = _texts(path, "allow", table.get("allow", []))
        for value in allow:
            if value.count("*") > 1 or len(value.replace("*", "")) < _FEWEST_KNOWN:
                raise ConfigError(
                    f"{path}: `allow` in `[mask]` has {value!r}; allowed is a value of {_FEWEST_KNOWN} characters or "
                    "more, with one `*` at the most, which stands for any text"
                )
        leave = _texts(path, "leave", table.get("leave", []))
        for kind in leave:
            if kind not in _CAN_BE_LEFT:
                allowed = ", ".join(f"`{name}`" for name in _CAN_BE_LEFT)
                raise ConfigError(f"{path}: `leave` in `[mask]` has {kind!r}; allowed are {allowed}")
        names = table.get("names", "")
        if not isinstance(names, str) or not (names in ("", "presidio") or _NAMES.fullmatch(names)):
            raise ConfigError(
                f"{path}: `names` in `[mask]` is {names!r}; allowed is `presidio`, `presidio:` with a model of "
                "spaCy, or a function, `package.module:name`"
            )
        around = (value.casefold().partition("*") for value in allow if "*" in value)
        patterns = _patterns(path, table.get("patterns", []))
        tags = "|".join(tag[1:-1] for tag, _ in patterns)
        return cls(
            patterns=patterns,
            tags=re.compile(rf"\[(?:{tags})(?:_[0-9]{{1,5}})?\]") if patterns else None,
            allow=frozenset(plain(value) for value in allow if "*" not in value),
            allow_around=tuple((start, end) for start, _, end in around),
            leave=frozenset(leave),
            names=names,
        )

    def find_tags(self, text: str) -> Iterator[Span]:
        """The user's own tags of an earlier pass, which stay and are looked through no more."""
        if self.tags is not None and "[" in text:
            for tag in self.tags.finditer(text):
                yield Span(*tag.span(), tag[0])

    def find(self, text: str) -> Iterator[Span]:
        """What the user's patterns match, in order and apart from each other; a pattern wins over those below it."""
        spans: list[Span] = []
        seen = text
        for tag, pattern in self.patterns:
            new = [Span(start, end, tag) for start, end in _matches(pattern, seen)]
            if new:
                spans += new
                seen = blanked(seen, new)
        spans.sort()
        return iter(spans)

    def settled(self, text: str, own: list[Span], spans: list[Span]) -> list[Span]:
        """What is masked in the end, in order and apart: all that was found but for what is allowed.

        Where a pattern's match and a value of a built-in kind overlap, all of both is masked, with the tag of the
        longer one: six digits that a pattern finds within a key must not leave the rest of the key.
        """
        settled: list[Span] = []
        for span in sorted([*own, *spans], key=lambda span: (span.start, -span.end)):  # of two alike the user's
            if self.allows(text[span.start : span.end], span.tag):
                continue
            if settled and span.start < settled[-1].end:
                last = settled[-1]
                longer = span if span.end - span.start > last.end - last.start else last
                settled[-1] = Span(last.start, max(last.end, span.end), longer.tag)
            else:
                settled.append(span)
        return settled

    def allows(self, value: str, tag: str = "") -> bool:
        """Whether the user wants a value left as it is: the whole of what would be masked, not a part of it.

        A secret is only ever left where it is listed as it is, without a ``*``.
        """
        if tag[1:-1] in self.leave:
            return True
        if self.allow and plain(value) in self.allow:
            return True
        if not self.allow_around or tag == "[SECRET]":
            return False
        lower = value.casefold()
        return any(
            len(lower) >= len(start) + len(end) and lower.startswith(start) and lower.endswith(end)
            for start, end in self.allow_around
        )


class _BrokenRules(UserRules):
    """Stands for rules that are wrong: whoever masks by them fails, and so masks everything."""

    __slots__ = ()

    def find(self, text: str) -> Iterator[Span]:
        raise ConfigError("`[mask]` of the settings file is wrong")


@cache
def user_rules() -> UserRules | None:
    """The rules of this process, read once; None where the user has none. Of wrong ones ``find`` raises ConfigError."""
    try:
        rules: UserRules | None = load_section("mask")
    except Exception as error:  # noqa: BLE001 - also a file that cannot be read
        report_internal("reading `[mask]` of the settings file", error)
        return _BrokenRules()
    return rules


def plain(value: str) -> str:
    """A value as it is compared: case does not count nor, in a number, how it is set apart."""
    if _NUMBER.fullmatch(value) and len(digits := _NOT_DIGITS.sub("", value)) >= _FEWEST_KNOWN:
        return digits
    return value.casefold()


def _texts(path: Path, key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{path}: `{key}` in `[mask]` is {value!r}; allowed is a list of texts")
    return value


def _patterns(path: Path, tables: object) -> tuple[tuple[str, re.Pattern[str]], ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{path}: `patterns` in `[mask]` is {tables!r}; it is a list of tables, `[[mask.patterns]]`")
    if len(tables) > MAX_PATTERNS:
        raise ConfigError(f"{path}: {len(tables)} `[[mask.patterns]]`; allowed are {MAX_PATTERNS}")
    return tuple(_pattern(path, table) for table in tables)


def _pattern(path: Path, table: dict[str, Any]) -> tuple[str, re.Pattern[str]]:
    where = f"{path}: `[[mask.patterns]]`"
    for key in table:
        if key not in ("name", "pattern"):
            raise ConfigError(f"{where} has the unknown key `{key}`; allowed are `name`, `pattern`")
    name, pattern = table.get("name"), table.get("pattern")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _RESERVED:
        reserved = ", ".join(f"`{word}`" for word in sorted(_RESERVED))
        raise ConfigError(
            f"{where} has the name {name!r}; allowed are up to 32 of `A` to `Z` and `_`, as in `TICKET`, but {reserved}"
        )
    if not isinstance(pattern, str):
        raise ConfigError(f"{where} `{name}` has the pattern {pattern!r}; allowed is a regular expression")
    if reason := why_refused(pattern):
        raise ConfigError(f"{where} `{name}`: the pattern {pattern!r} {reason}")
    return f"[{name}]", re.compile(pattern)


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Where a pattern matches, looking at a window of the text at a time."""
    pos = done = 0
    while pos < len(text):
        window_end = min(len(text), pos + WINDOW_CHARS)
        sure = following = window_end if window_end == len(text) else window_end - OVERLAP_CHARS
        for found in pattern.finditer(text, pos, window_end):
            start, end = found.span()
            # What ends near the edge may go on beyond it: it is looked at again, in the next window.
            if end > sure and start > pos:
                following = min(sure, start)
                break
            yield start, end
            done = end
        pos = max(following, done)
