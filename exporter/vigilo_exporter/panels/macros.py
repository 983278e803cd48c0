"""Expands the macros and variables that panels use, as Grafana and its ClickHouse plugin (4.20) do.

Order as there: ``$__conditionalAll`` and variables in the browser, then the time macros in the back end. Only what the
panels use is understood; anything else is refused, where Grafana would send it on for ClickHouse to fail on.

Source: github.com/grafana/clickhouse-datasource, ``src/data/CHDatasource.ts`` and ``pkg/macros``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vigilo.errors import VigiloError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALL = "$__all"
"""What a variable holds while the viewer has chosen All."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)")
_MACRO = re.compile(r"\$__(\w+)")
_CONDITIONAL_ALL = "$__conditionalAll"


@dataclass(frozen=True, slots=True)
class Selection:
    """What a viewer has chosen.

    Attributes:
        from_s: begin of the time range, in seconds since 1970.
        to_s: end of the time range, in seconds since 1970.
        interval_s: step of time series, in seconds; at least 1.
        variables: chosen values by name of the variable; ``(ALL,)`` for All, ``()`` or ``("",)`` for none.
    """

    from_s: int
    to_s: int
    interval_s: int
    variables: Mapping[str, Sequence[str]] = field(default_factory=dict)


def expand(sql: str, selection: Selection) -> str:
    """The SQL that ClickHouse gets.

    Raises:
        VigiloError: a macro, a variable or a format is not known, or parentheses do not match.
    """
    sql = _expand_conditional_all(sql, selection)
    sql = _VARIABLE.sub(lambda found: _value(found, selection), sql)
    return _expand_time_macros(sql, selection)


def _expand_conditional_all(sql: str, selection: Selection) -> str:
    while (begin := sql.rfind(_CONDITIONAL_ALL)) != -1:
        arguments, end = _arguments(sql, begin + len(_CONDITIONAL_ALL))
        variable = _VARIABLE.search(arguments[-1])
        if len(arguments) != 2 or variable is None:
            raise VigiloError(f"{_CONDITIONAL_ALL} takes a condition and a variable: {sql[begin:end]}")
        chosen = _chosen(variable[1] or variable[3], selection)
        condition = "1=1" if tuple(chosen) in ((), ("",), (ALL,)) else arguments[0]
        sql = sql[:begin] + condition + sql[end:]
    return sql


def _value(found: re.Match[str], selection: Selection) -> str:
    braced, style, plain = found.groups()
    # Grafana's own default quotes without escaping, so a value with a quote would break out of its literal.
    if plain or style != "singlequote":
        raise VigiloError(f"write {found[0]} as ${{{braced or plain}:singlequote}}")
    return ",".join("'" + value.replace("'", "\\'") + "'" for value in _chosen(braced, selection))


def _chosen(name: str, selection: Selection) -> Sequence[str]:
    if name not in selection.variables:
        raise VigiloError(f"variable {name} is not declared")
    return selection.variables[name]


def _expand_time_macros(sql: str, selection: Selection) -> str:
    from_time, to_time = f"toDateTime({selection.from_s})", f"toDateTime({selection.to_s})"
    step = max(selection.interval_s, 1)
    plain = {"fromTime": from_time, "toTime": to_time, "interval_s": str(step)}
    of_column = {
        "timeFilter": f"{{0}} >= {from_time} AND {{0}} <= {to_time}",
        "timeInterval": f"toStartOfInterval(toDateTime({{0}}), INTERVAL {step} second)",
    }
    position = 0
    while found := _MACRO.search(sql, position):
        name, end = found[1], found.end()
        if name in plain:
            text = plain[name]
        elif name in of_column:
            arguments, end = _arguments(sql, end)
            if len(arguments) != 1:
                raise VigiloError(f"$__{name} takes one column: {sql[found.start() : end]}")
            text = of_column[name].format(arguments[0])
        else:
            raise VigiloError(f"unknown macro $__{name}")
        position = found.start() + len(text)
        sql = sql[: found.start()] + text + sql[end:]
    return sql


def _arguments(sql: str, begin: int) -> tuple[list[str], int]:
    """Arguments of the call whose ``(`` is at ``begin``, and where it ends. Quotes are not heeded, as in the plugin."""
    if sql[begin : begin + 1] != "(":
        raise VigiloError(f"a macro lacks its parentheses: {sql[max(begin - 20, 0) : begin]}")
    depth, start, arguments = 0, begin + 1, []
    for position in range(begin, len(sql)):
        character = sql[position]
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        if depth == 0 or (depth == 1 and character == ","):
            arguments.append(sql[start:position].strip())
            start = position + 1
        if depth == 0:
            return arguments, position + 1
    raise VigiloError(f"parentheses do not match: {sql[begin : begin + 40]}")
