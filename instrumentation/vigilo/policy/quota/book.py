"""All rules in force, and which of them a call counts for, found without looking at each."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import product
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.policy.quota.rules import Rule, from_json, in_unit, name_of, scope_name
from vigilo.policy.quota.scopes import ANY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vigilo.policy.quota.scopes import Scopes

MAX_TAGS: Final = 32
"""Tags of one call that rules look at."""
_MAX_FOUND: Final = 4096
_Levels = tuple[tuple[int, ...], tuple[float, ...]]


class Applying(NamedTuple):
    """A rule as it applies to a call: ``rule.scope`` has the call's own values in the place of ``*``.

    ``stem`` is the counter's key up to the window's label; ``limit`` is None where the rule does not refuse.
    ``levels``: marks of the counter, ascending, and ``shares`` what they are of the limit.
    """

    rule: Rule
    stem: str
    limit: int | None
    levels: tuple[int, ...]
    shares: tuple[float, ...]

    @property
    def scope(self) -> str:
        """Whom it is about: ``user=u_0123...,model=gpt-4o``, ``global``."""
        return scope_name(self.rule.scope)

    @property
    def name(self) -> str:
        """What people call it by, for the call's own values."""
        return name_of(self.rule)

    def in_unit(self, amount: int) -> float:
        """An amount of the state in the metric's unit: US dollars of ``usd``."""
        return in_unit(self.rule.metric, amount)


class Book:
    """Rules, the more telling source first: of two rules for the same calls, metric and window the first counts.

    A rule that names a value wins over one for each value (``*``) of the same dimensions.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        kept: dict[tuple[object, ...], Rule] = {}
        for rule in rules:
            kept.setdefault((rule.scope, rule.metric, rule.window), rule)
        self.rules: tuple[Rule, ...] = tuple(kept.values())
        self._shelves: dict[tuple[str, ...], _Shelf] = {}
        for rule in self.rules:
            dimensions = tuple(dimension for dimension, _ in rule.scope)
            self._shelves.setdefault(dimensions, _Shelf(dimensions)).put(rule)
        self.wants_input = any(rule.metric != "requests" for rule in self.rules)
        """Whether a rule counts what depends on what is sent to the model."""

    def applying(self, scopes: Scopes) -> list[Applying]:
        """The rules that a call counts for."""
        found: list[Applying] = []
        for shelf in self._shelves.values():
            found.extend(shelf.applying(scopes))
        return found

    def literal(self) -> list[Applying]:
        """The rules that have no ``*``, as they are."""
        return [
            _applying(rule, rule.scope, _levels(rule))
            for rule in self.rules
            if all(value != ANY for _, value in rule.scope)
        ]


class _Shelf:
    """The rules about one set of dimensions, by their values."""

    def __init__(self, dimensions: tuple[str, ...]) -> None:
        self._dimensions = dimensions
        self._by_values: dict[tuple[str, ...], list[tuple[Rule, _Levels]]] = {}
        self._patterns: list[tuple[bool, ...]] = []
        """Which dimensions are named and which are any, of all rules here; the most exact first."""
        self._found: dict[tuple[str, ...], tuple[Applying, ...]] = {}
        """What applied to the values of calls so far."""

    def put(self, rule: Rule) -> None:
        values = tuple(value for _, value in rule.scope)
        self._by_values.setdefault(values, []).append((rule, _levels(rule)))
        pattern = tuple(value != ANY for value in values)
        if pattern not in self._patterns:
            self._patterns.append(pattern)
            self._patterns.sort(key=lambda named: (sum(named), named), reverse=True)

    def applying(self, scopes: Scopes) -> Iterator[Applying]:
        told = [scopes.get(dimension) for dimension in self._dimensions]
        if not all(told):
            return
        for values in product(*(one[:MAX_TAGS] for one in told if one)):
            found = self._found.get(values)
            if found is None:
                if len(self._found) >= _MAX_FOUND:
                    self._found.clear()
                found = self._found[values] = tuple(self._find(values))
            yield from found

    def _find(self, values: tuple[str, ...]) -> Iterator[Applying]:
        seen: set[tuple[str, str]] = set()
        for pattern in self._patterns:
            key = tuple(value if named else ANY for value, named in zip(values, pattern, strict=True))
            for rule, levels in self._by_values.get(key, ()):
                what = (rule.metric, rule.window)
                if what not in seen:
                    seen.add(what)
                    yield _applying(rule, tuple(zip(self._dimensions, values, strict=True)), levels)


def _applying(rule: Rule, scope: tuple[tuple[str, str], ...], levels: _Levels) -> Applying:
    if rule.scope != scope:
        rule = replace(rule, scope=scope)
    stem = f"{rule.metric}|{rule.window}|{scope_name(scope)}|"
    return Applying(rule, stem, rule.limit if rule.mode == "block" else None, *levels)


def _levels(rule: Rule) -> _Levels:
    """Marks and their shares. One more of a rule that warns: that the limit is passed, told as 1."""
    # Rounded before it is rounded up: 0.07 of 100 is 7, which floats have as a little more.
    marks = {max(1, ceil(round(rule.limit * share, 6))): share for share in rule.thresholds}
    if rule.mode == "warn":
        marks = {mark: share for mark, share in marks.items() if share < 1}
        marks[rule.limit + 1] = 1.0
    return tuple(sorted(marks)), tuple(marks[mark] for mark in sorted(marks))


def stored_rules(stored: Mapping[str, str]) -> list[Rule]:
    """The rules of a store; one that cannot be read is left out, and logged once."""
    rules = []
    for name, text in stored.items():
        try:
            rules.append(from_json(text))
        except ValueError as error:
            if (name, text) not in _unreadable and len(_unreadable) < _MAX_UNREADABLE:
                _unreadable.add((name, text))
                _log.error("vigilo: the rule %r in the shared state is left out: %s", name[:200], error)
    return rules


_MAX_UNREADABLE: Final = 100
_unreadable: Final[set[tuple[str, str]]] = set()
_log = logging.getLogger("vigilo")
