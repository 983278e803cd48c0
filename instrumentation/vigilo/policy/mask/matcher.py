"""A matcher of regular expressions that goes the ways Python's own goes, and counts how often it looks at a character.

Python's ``re`` tries one way after another and can be neither stopped nor asked how far it is. This one can: it is for
finding out what a pattern costs, on short texts made of few characters.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

# Python's own parser of patterns; it has no public name.
_parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

MAX_STEPS = 4_000
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": lambda char: char.isdigit(),
    "CATEGORY_SPACE": lambda char: char.isspace(),
    "CATEGORY_WORD": lambda char: is_word(char),
    "CATEGORY_NOT_DIGIT": lambda char: not char.isdigit(),
    "CATEGORY_NOT_SPACE": lambda char: not char.isspace(),
    "CATEGORY_NOT_WORD": lambda char: not is_word(char),
}
REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
ONE_CHAR = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_Step: TypeAlias = "tuple[str, Any, Any]"


def parse(pattern: str) -> Any:
    """The tree of a pattern, as Python's own parser makes it.

    Raises:
        re.error: it is not a regular expression.
    """
    return _parser.parse(pattern)


class UnboundedError(Exception):
    """The pattern uses something that no bound can be told of; the message ends a sentence that begins with it."""


@dataclass(slots=True)
class _Assertion:
    steps: list[_Step]
    wanted: bool
    back: int
    """Characters that it looks back; 0: it looks ahead."""


@dataclass(slots=True)
class Program:
    """A pattern as steps of a backtracking matcher: ``char``, ``split`` (first, second), ``jump``, ``at``, ``look``.

    ``alphabet``: the characters that texts are made of; of those that the pattern treats alike one is kept.

    Raises:
        UnboundedError: what it costs cannot be told.
    """

    parsed: Any
    alphabet: str
    flags: int = 0
    size: int = 0
    steps: list[_Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.flags = self.parsed.state.flags
        self._sequence(self.parsed, self.steps, self.flags)
        self.steps.append(("end", None, None))
        # Of characters that the whole pattern treats alike one is enough.
        sets = _sets(self.steps)
        alike = {(*(char in one for one in sets), is_word(char)): char for char in self.alphabet}
        self.alphabet = "".join(char for char in self.alphabet if char in alike.values())

    def _add(self, steps: list[_Step], name: str, one: Any = None, other: Any = None) -> int:
        self.size += 1
        if self.size > MAX_STEPS:
            raise UnboundedError("is too large; repeat less, or make two patterns of it")
        steps.append((name, one, other))
        return len(steps) - 1

    def _sequence(self, nodes: Any, steps: list[_Step], flags: int) -> None:
        for kind, value in nodes:
            self._node(str(kind), value, steps, flags)

    def _node(self, kind: str, value: Any, steps: list[_Step], flags: int) -> None:
        if kind in ONE_CHAR:
            self._add(steps, "char", self._fitting(kind, value, flags))
        elif kind == "SUBPATTERN":
            _, added, removed, inner = value
            self._sequence(inner, steps, (flags | added) & ~removed)
        elif kind == "ATOMIC_GROUP":
            self._sequence(value, steps, flags)
        elif kind == "BRANCH":
            self._branch(value[1], steps, flags)
        elif kind in REPEATS:
            self._repeat(kind, value, steps, flags)
        elif kind == "AT":
            self._add(steps, "at", str(value), flags & re.MULTILINE)
        elif kind in ("ASSERT", "ASSERT_NOT"):
            direction, inner = value
            inside: list[_Step] = []
            self._sequence(inner, inside, flags)
            inside.append(("end", None, None))
            back = inner.getwidth()[0] if direction < 0 else 0
            self._add(steps, "look", _Assertion(inside, kind == "ASSERT", back))
        else:
            raise UnboundedError("refers back to a group, which no bound can be told of")

    def _branch(self, branches: Any, steps: list[_Step], flags: int) -> None:
        ends = []
        for inner in branches[:-1]:
            split = self._add(steps, "split")
            self._sequence(inner, steps, flags)
            ends.append(self._add(steps, "jump"))
            steps[split] = ("split", split + 1, len(steps))
        self._sequence(branches[-1], steps, flags)
        for end in ends:
            steps[end] = ("jump", len(steps), None)

    def _repeat(self, kind: str, value: Any, steps: list[_Step], flags: int) -> None:
        least, most, inner = value
        if most > 1 and inner.getwidth()[0] == 0:
            raise UnboundedError("repeats something that may be empty")
        for _ in range(least):
            self._sequence(inner, steps, flags)
        splits = []
        if most == _parser.MAXREPEAT:
            start = self._add(steps, "split")
            splits.append(start)
            self._sequence(inner, steps, flags)
            self._add(steps, "jump", start)
        else:
            for _ in range(most - least):
                splits.append(self._add(steps, "split"))
                self._sequence(inner, steps, flags)
        for split in splits:
            more, enough = split + 1, len(steps)
            steps[split] = ("split", enough, more) if kind == "MIN_REPEAT" else ("split", more, enough)

    def _fitting(self, kind: str, value: Any, flags: int) -> frozenset[str]:
        return frozenset(char for char in self.alphabet if fits(kind, value, char, flags))

    def looks(self, text: str, limit: int) -> int:
        """How often a search looks at a character of the text; ``limit`` when it is more than that."""
        count = [0, limit]
        start = 0
        while start <= len(text) and count[0] < limit:
            end = self._match(self.steps, text, start, count)
            start = end if end is not None and end > start else start + 1
        return min(count[0], limit)

    def _match(self, steps: list[_Step], text: str, pos: int, count: list[int]) -> int | None:
        at, ways, length = 0, [], len(text)
        while count[0] < count[1]:
            name, one, other = steps[at]
            if name in ("char", "at", "look"):
                count[0] += 1
            if name == "char":
                if pos < length and text[pos] in one:
                    at, pos = at + 1, pos + 1
                    continue
            elif name == "split":
                ways.append((other, pos))
                at = one
                continue
            elif name == "jump":
                at = one
                continue
            elif name == "end":
                return pos
            elif name == "at":
                if _is_at(one, text, pos, bool(other)):
                    at += 1
                    continue
            elif pos >= one.back:
                found = self._match(one.steps, text, pos - one.back, count) is not None
                if found == one.wanted:
                    at += 1
                    continue
            elif not one.wanted:
                at += 1
                continue
            if not ways:
                return None
            at, pos = ways.pop()
        return None


def _sets(steps: list[_Step]) -> list[frozenset[str]]:
    found: list[frozenset[str]] = []
    for name, one, _ in steps:
        if name == "char":
            found.append(one)
        elif name == "look":
            found += _sets(one.steps)
    return found


def fits(kind: str, value: Any, char: str, flags: int) -> bool:
    """Whether a node that matches one character matches this one."""
    if kind == "ANY":
        return bool(flags & re.DOTALL) or char != "\n"
    chars = {char, char.lower(), char.upper()} if flags & re.IGNORECASE else {char}
    if kind == "LITERAL":
        return any(one == chr(value) for one in chars)
    if kind == "NOT_LITERAL":
        return all(one != chr(value) for one in chars)
    if kind == "RANGE":
        return any(chr(value[0]) <= one <= chr(value[1]) for one in chars)
    if kind == "CATEGORY":
        return any(_CATEGORIES[str(value)](one) for one in chars)
    negated = str(value[0][0]) == "NEGATE"
    return negated != any(fits(str(name), item, char, flags) for name, item in value[negated:])


def _is_at(name: str, text: str, pos: int, multiline: bool) -> bool:
    if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return pos == 0 or (multiline and name == "AT_BEGINNING" and text[pos - 1] == "\n")
    if name == "AT_END_STRING":
        return pos == len(text)
    if name == "AT_END":
        return pos >= len(text) - (text[-1:] == "\n") or (multiline and text[pos] == "\n")
    before = pos > 0 and is_word(text[pos - 1])
    after = pos < len(text) and is_word(text[pos])
    return (before != after) == (name == "AT_BOUNDARY")


def is_word(char: str) -> bool:
    """Whether it belongs to a word, as for the boundary of one."""
    return char.isalnum() or char == "_"
