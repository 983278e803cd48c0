"""Finds out whether a user's pattern can be made slow by a text, before it is ever run on one.

Python's ``re`` tries one way after another, and cannot be stopped while it does: ``(a+)+$`` takes longer than the
universe on a short text. So the pattern is run here on texts made to be bad for it, by a matcher that goes the same
ways, counts how often it looks at a character, and stops at a limit. Nothing is timed: a pattern that is taken once is
taken always.

The texts are, for each part that may be repeated, what leads up to it, then what it repeats, many times, then something
that does not fit ("Static Detection of DoS Vulnerabilities in Programs that use Regular Expressions", 2017).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from vigilo.policy.mask.matcher import ONE_CHAR, REPEATS, Program, UnboundedError, fits, parse

PROBE_CHARS = 256
MAX_LOOKS_PER_CHAR = 180
"""A text of 1,500 characters then costs a pattern less than a millisecond, 0.4 ms where that was measured."""
_MAX_GROWTH = 3
"""What twice the text may take, as a multiple; 2 would be linear, 4 is quadratic."""
_HARMLESS_LOOKS = 20 * PROBE_CHARS
_MAX_LOOKS = MAX_LOOKS_PER_CHAR * PROBE_CHARS
_MAX_LOOKS_IN_ALL = 40 * _MAX_LOOKS
_MAX_REPEATS = 16
_MAX_PUMPS = 12
_MAX_ALPHABET = 80
_MISFIT = "\x01"
_SAMPLES = "a0 A-._/:@\n!é\u4e2d" + _MISFIT


@lru_cache(maxsize=256)
def why_refused(pattern: str) -> str | None:
    """What is wrong with a pattern, as the end of a sentence that begins with it; None when nothing is.

    Takes less than two seconds for any pattern, a few hundredths of one for most.
    """
    try:
        re.compile(pattern)
        parsed = parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    if parsed.getwidth()[0] == 0:
        return "matches the empty text, and so everywhere"
    try:
        program = Program(parsed, "".join(dict.fromkeys([*_literals(parsed), *_SAMPLES]))[:_MAX_ALPHABET])
    except UnboundedError as reason:
        return str(reason)
    left = _MAX_LOOKS_IN_ALL
    for text in _probes(program):
        looks = program.looks(text, min(left, _MAX_LOOKS))
        left -= looks
        slow = looks >= _MAX_LOOKS or left <= 0
        if not slow and looks > _HARMLESS_LOOKS:
            half = program.looks(text[: PROBE_CHARS // 2] + _MISFIT, _MAX_LOOKS)
            slow = looks > half * _MAX_GROWTH
        if slow:
            return (
                "can take very long on some texts; begin it with something fixed, such as `\\b`, and bound what it "
                "repeats, such as `{1,50}` instead of `+`"
            )
    return None


def _probes(program: Program) -> list[str]:
    """Texts that are bad for the pattern, if there are any."""
    texts = [_example(program, program.parsed, variant) for variant in range(4)]
    whole = texts[0]
    repeats: list[tuple[str, Any]] = []
    _find_repeats(program, program.parsed, "", repeats)
    for before, body in repeats[:_MAX_REPEATS]:
        pumps = [_example(program, body, variant) for variant in range(_MAX_PUMPS)]
        pumps += [before, before + pumps[0], *(pumps[0] + pump for pump in pumps[1:])]
        texts += [before + _repeated(pump) for pump in dict.fromkeys(pumps)]
    texts.append(_repeated(whole))
    return [text[:PROBE_CHARS] + _MISFIT for text in dict.fromkeys(texts)]


def _repeated(text: str) -> str:
    return text * (PROBE_CHARS // len(text)) if text else ""


def _find_repeats(program: Program, nodes: Any, before: str, found: list[tuple[str, Any]]) -> None:
    """Notes what is repeated, with an example of what leads up to it."""
    for kind, value in nodes:
        if str(kind) in REPEATS and value[1] > 1:
            found.append((before, value[2]))
        for inner in _inner(str(kind), value):
            _find_repeats(program, inner, before, found)
        before += _example(program, [(kind, value)], 0)


def _example(program: Program, nodes: Any, variant: int) -> str:
    """A text that the nodes match, but for what they say of their surroundings."""
    pieces = []
    for kind, value in nodes:
        name = str(kind)
        if name in ONE_CHAR:
            fitting = [char for char in program.alphabet if fits(name, value, char, program.flags)]
            pieces.append(fitting[variant % len(fitting)] if fitting else "")
        elif name == "BRANCH":
            pieces.append(_example(program, value[1][variant % len(value[1])], variant))
        elif name == "ASSERT" and value[0] < 0:
            pieces.append(_example(program, value[1], variant))
        elif name not in ("ASSERT", "ASSERT_NOT"):
            times = min(max(value[0], 1), PROBE_CHARS) if name in REPEATS else 1
            pieces += [_example(program, inner, variant) * times for inner in _inner(name, value)]
    return "".join(pieces)


def _literals(nodes: Any) -> list[str]:
    """The characters that a pattern names, ends of ranges included."""
    found: list[str] = []
    for kind, value in nodes:
        name = str(kind)
        if name in ("LITERAL", "NOT_LITERAL"):
            found.append(chr(value))
        elif name == "RANGE":
            found += (chr(value[0]), chr(value[1]))
        elif name == "IN":
            found += _literals(value)
        for inner in _inner(name, value):
            found += _literals(inner)
    return found


def _inner(name: str, value: Any) -> list[Any]:
    """The patterns inside of a node."""
    if name == "BRANCH":
        return list(value[1])
    if name == "ATOMIC_GROUP":
        return [value]
    if name in REPEATS or name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        return [value[-1]]
    return []
