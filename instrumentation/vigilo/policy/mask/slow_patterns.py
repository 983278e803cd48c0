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
import warnings
from functools import lru_cache
from random import Random
from typing import Any

from vigilo.policy.mask.matcher import ONE_CHAR, REPEATS, Program, UnboundedError, fits, parse

PROBE_CHARS = 256
MAX_LOOKS_PER_CHAR = 180
"""A text of 1,500 characters then costs a pattern less than 5 ms, the worst of 1,400 patterns made at random; ordinary
ones cost some microseconds."""
_MAX_GROWTH = 3
"""What twice the text may take, as a multiple; 2 would be linear, 4 is quadratic."""
_HARMLESS_LOOKS_PER_CHAR = 20
_MAX_LOOKS_IN_ALL = 40 * MAX_LOOKS_PER_CHAR * PROBE_CHARS
_MAX_REPEATS = 16
_MAX_PUMPS = 12
_MORE_PUMPS = 60
_MAX_ALPHABET = 80
_MISFIT = "\x01"
_SAMPLES = "a0 A-._/:@\n!é\u4e2d" + _MISFIT


@lru_cache(maxsize=256)
def why_refused(pattern: str) -> str | None:
    """What is wrong with a pattern, as the end of a sentence that begins with it; None when nothing is.

    Takes a second at the most, and a few hundredths of one for most patterns.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of what will be read in another way by a later Python
            re.compile(pattern)
            parsed = parse(pattern)
    except (re.error, Warning, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    if parsed.getwidth()[0] == 0:
        return "matches the empty text, and so everywhere"
    try:
        program = Program(parsed, "".join(dict.fromkeys([*_literals(parsed), *_SAMPLES]))[:_MAX_ALPHABET])
        probes = _probes(program)
    except UnboundedError as reason:
        return str(reason)
    except RecursionError:
        return "is too deeply nested"
    left = _MAX_LOOKS_IN_ALL
    for text in probes:
        most = MAX_LOOKS_PER_CHAR * len(text)
        looks = program.looks(text, min(left, most))
        left -= looks
        slow = looks >= most or left <= 0
        if not slow and looks > _HARMLESS_LOOKS_PER_CHAR * len(text):
            half = program.looks(text[: len(text) // 2] + _MISFIT, most)
            slow = looks > half * _MAX_GROWTH
        if slow:
            return (
                "can take very long on some texts; begin it with something fixed, such as `\\b`, and bound what it "
                "repeats, such as `{1,50}` instead of `+`"
            )
    return None


def _probes(program: Program) -> list[str]:
    """Texts that are bad for the pattern, if there are any; the same ones each time."""
    chance = Random(0)  # noqa: S311
    repeats: list[tuple[str, Any]] = []
    _find_repeats(program, program.parsed, "", repeats)
    whole = _example(program, program.parsed, None)
    texts = [whole, _repeated(whole)]
    for before, body in repeats[:_MAX_REPEATS]:
        pumps = [*program.alphabet[:_MAX_PUMPS], _example(program, body, None)]
        pumps += [_example(program, body, chance) for _ in range(_MAX_PUMPS)]
        pumps += [before, before + pumps[-1]]
        texts += [before + _repeated(pump) for pump in dict.fromkeys(pumps)]
    # And some that nobody thought of.
    more = ["".join(chance.choices(program.alphabet, k=1 + count % 4)) for count in range(_MORE_PUMPS)]
    more += [_example(program, program.parsed, chance) for _ in range(_MAX_PUMPS)]
    texts += [_repeated(pump)[: PROBE_CHARS // 2] for pump in more]
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
        before += _example(program, [(kind, value)], None)


def _example(program: Program, nodes: Any, chance: Random | None) -> str:
    """A text that the nodes match, but for what they say of their surroundings; any one by ``chance``."""
    pieces = []
    for kind, value in nodes:
        name = str(kind)
        if name in ONE_CHAR:
            fitting = [char for char in program.alphabet if fits(name, value, char, program.flags)] or [""]
            pieces.append(chance.choice(fitting) if chance else fitting[0])
        elif name == "BRANCH":
            pieces.append(_example(program, chance.choice(value[1]) if chance else value[1][0], chance))
        elif name == "ASSERT" and value[0] < 0:
            pieces.append(_example(program, value[1], chance))
        elif name in REPEATS:
            least = min(value[0] + chance.randint(0, 1) if chance else max(value[0], 1), value[1], PROBE_CHARS)
            pieces += [_example(program, value[2], chance) for _ in range(least)]
        elif name not in ("ASSERT", "ASSERT_NOT"):
            pieces += [_example(program, inner, chance) for inner in _inner(name, value)]
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
