"""A rule: who may use how much of what, in which time, and what happens where that is passed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from vigilo.policy.quota.scopes import ANY, DIMENSIONS, value_of

if TYPE_CHECKING:
    from vigilo.settings import Settings

METRICS: Final = ("requests", "input_tokens", "output_tokens", "tokens", "usd")
WINDOWS: Final = ("minute", "hour", "day", "week", "month", "total")
MODES: Final = ("observe", "warn", "block")
NANO: Final = 1_000_000_000
MAX_LIMIT: Final = 2**53 - 1
"""Redis' numbers hold no larger whole ones exactly; of ``usd`` that is 9 million US dollars."""
MAX_THRESHOLDS: Final = 10
DEFAULT_THRESHOLDS: Final = (0.8, 0.95)
_OTHER_WORDS: Final = {"cost": "usd"}
_ESCAPED: Final = str.maketrans({"%": "%25", ",": "%2C", "|": "%7C", "\n": "%0A", "\r": "%0D"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``limit`` is a whole number of the metric's unit: calls, tokens or, of ``usd``, billionths of a US dollar.
    ``scope``: pairs of dimension and value in the order of ``DIMENSIONS``; empty for all calls. ``thresholds``: shares
    of the limit, ascending, at which it is told once a window. ``source``: what said it (``vigilo.toml``, ``state``,
    ``personal``), which is no part of what it says.
    """

    metric: str
    limit: int
    window: str
    scope: tuple[tuple[str, str], ...] = ()
    mode: str = "observe"
    time_zone: str = "UTC"
    thresholds: tuple[float, ...] = DEFAULT_THRESHOLDS
    source: str = "state"


def make_rule(
    *,
    metric: str,
    limit: object,
    window: str = "day",
    mode: str = "observe",
    time_zone: str = "UTC",
    thresholds: object = DEFAULT_THRESHOLDS,
    source: str = "state",
    settings: Settings | None = None,
    tenant: str = "",
    **scope: object,
) -> Rule:
    """A rule of what a person wrote.

    Args:
        metric: one of :data:`METRICS`, or ``cost`` for ``usd``.
        limit: whole number of calls or tokens, or US dollars with up to 9 decimals; 0 lets nothing through.
        window: one of :data:`WINDOWS`.
        mode: one of :data:`MODES`.
        time_zone: whose midnight begins a day, a week, a month: a name such as ``Europe/Berlin``.
        thresholds: shares of the limit, ascending.
        source: who says it.
        settings: of the app, to name users and labels as its telemetry does; None where they are so named already.
        tenant: whose user it is; the one in the settings by default.
        scope: values by dimension; ``*`` for each value by itself; None as if it were not there.

    Raises:
        ValueError: names the field, the value and what is allowed.
    """
    metric = _one_of("metric", _OTHER_WORDS.get(metric, metric) if isinstance(metric, str) else metric, METRICS)
    return Rule(
        metric,
        _limit(metric, limit),
        _one_of("window", window, WINDOWS),
        scope_of(scope, settings, tenant),
        _one_of("mode", mode, MODES),
        _zone(time_zone),
        _thresholds(thresholds),
        source,
    )


def scope_of(
    scope: Mapping[str, object], settings: Settings | None = None, tenant: str = ""
) -> tuple[tuple[str, str], ...]:
    """Pairs of dimension and value, in order, of what a person wrote; arguments as of :func:`make_rule`.

    Raises:
        ValueError: a dimension is unknown, or a value is none.
    """
    for dimension in scope:
        if dimension not in DIMENSIONS:
            raise ValueError(f"unknown scope `{dimension}`; allowed are {_listed(DIMENSIONS)}")
    pairs = []
    for dimension in DIMENSIONS:
        if (given := scope.get(dimension)) is not None:
            value = _tag(given) if dimension == "tag" else _value(dimension, given)
            pairs.append((dimension, value if settings is None else value_of(dimension, value, settings, tenant)))
    return tuple(pairs)


def name_of(rule: Rule) -> str:
    """What people call a rule by: ``user=u_1 tokens/day``, ``global usd/month Europe/Berlin``."""
    return place_of(rule) if rule.time_zone == "UTC" else f"{place_of(rule)} {rule.time_zone}"


def place_of(rule: Rule) -> str:
    """What there is one rule of: its name without the time zone. It is stored by this, so that it takes its place."""
    return f"{scope_name(rule.scope)} {rule.metric}/{rule.window}"


def place_in(name: str) -> str:
    """The place in a rule's name."""
    place, _, last = name.rpartition(" ")
    return name if last.partition("/")[0] in METRICS else place


def scope_name(scope: tuple[tuple[str, str], ...]) -> str:
    """``user=u_1,model=gpt-4o``, or ``global``. What divides names and keys is escaped in values: no two are alike."""
    return ",".join(f"{dimension}={value.translate(_ESCAPED)}" for dimension, value in scope) or "global"


def in_unit(metric: str, amount: int) -> float:
    """An amount of the state in the metric's unit: US dollars of ``usd``."""
    return amount / NANO if metric == "usd" else amount


def to_json(rule: Rule) -> str:
    """For the store; the source is left out."""
    return json.dumps(
        {
            "metric": rule.metric,
            "limit": rule.limit,
            "window": rule.window,
            "scope": dict(rule.scope),
            "mode": rule.mode,
            "time_zone": rule.time_zone,
            "thresholds": rule.thresholds,
        }
    )


def from_json(text: str, source: str = "state") -> Rule:
    """A rule of the store, which may be of a newer vigilo, or of someone else.

    Raises:
        ValueError: it is no rule that this vigilo knows.
    """
    told = json.loads(text)
    known = {"metric", "limit", "window", "scope", "mode", "time_zone", "thresholds"}
    if not isinstance(told, dict) or not isinstance(told.get("scope"), dict) or set(told) != known:
        raise ValueError(f"a rule in the state has other fields than this version knows: {_listed(sorted(known))}")
    limit, scope = told.pop("limit"), told.pop("scope")
    if type(limit) is not int:
        raise ValueError(f"`limit` is {limit!r}; allowed is a whole number")
    if told["metric"] == "usd":
        limit = Decimal(limit).scaleb(-9)
    try:
        return make_rule(limit=limit, source=source, **told, **scope)
    except TypeError as error:  # a scope named like a field
        raise ValueError(str(error)) from None


def _one_of(field: str, value: object, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"`{field}` is {value!r}; allowed are {_listed(allowed)}")
    return value


def _limit(metric: str, given: object) -> int:
    allowed = (
        "an amount of US dollars from 0 to 9,000,000 with up to 9 decimals" if metric == "usd" else
        f"a whole number from 0 to {MAX_LIMIT:,}"
    )  # fmt: skip
    wrong = ValueError(f"`limit` of {metric} is {given!r}; allowed is {allowed}")
    try:
        # A float as it is written: 0.1 is a tenth, not what is nearest to it in binary.
        number = Decimal(str(given)) if type(given) in (int, float, str, Decimal) else None
    except InvalidOperation:
        raise wrong from None
    if number is None or not number.is_finite() or (metric != "usd" and isinstance(given, float)):
        raise wrong
    if abs(number) > MAX_LIMIT:  # before it is scaled: 1e999999 has a million digits
        raise wrong
    scaled = number.scaleb(9) if metric == "usd" else number
    if not 0 <= scaled <= MAX_LIMIT or scaled != int(scaled):
        raise wrong
    return int(scaled)


def _zone(name: object) -> str:
    if name == "UTC":
        return "UTC"
    if isinstance(name, str) and name:
        from vigilo.policy.quota.windows import zone

        try:
            zone(name)
        except ValueError as error:
            raise ValueError(f"`time_zone`: {error}") from None
        return name
    raise ValueError(f"`time_zone` is {name!r}; allowed is a name such as `Europe/Berlin`")


def _thresholds(given: object) -> tuple[float, ...]:
    wrong = ValueError(
        f"`thresholds` is {given!r}; allowed are up to {MAX_THRESHOLDS} shares of the limit, ascending, above 0 and "
        "1 at the most, such as [0.8, 0.95]"
    )
    if not isinstance(given, (list, tuple)) or len(given) > MAX_THRESHOLDS:
        raise wrong
    if not all(type(level) in (int, float) and 0 < level <= 1 for level in given):
        raise wrong
    if any(lower >= upper for lower, upper in pairwise(given)):
        raise wrong
    return tuple(float(level) for level in given)


def _value(dimension: str, given: object) -> str:
    if isinstance(given, bool) or not isinstance(given, (str, int, UUID)):
        raise ValueError(f"`{dimension}` is {given!r}; allowed is a str, or `*` for each by itself")
    value = str.__str__(given) if isinstance(given, str) else str(given)
    if not value.strip():
        raise ValueError(f"`{dimension}` is {value!r}; allowed is a value, or `*` for each by itself")
    return value


def _tag(given: object) -> str:
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, text),) = given.items()
        given = f"{_value('tag', name)}={_value('tag', text)}"
    if isinstance(given, str):
        name, _, value = given.partition("=")
        if given == ANY or (name and value and value != ANY):
            return given
    raise ValueError(f"`tag` is {given!r}; allowed is one tag, `key=value` or {{'key': 'value'}}, or `*` for each tag")


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)
