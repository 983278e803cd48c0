"""Macros and variables expand to the SQL that Grafana and its ClickHouse plugin would send."""

from __future__ import annotations

import pytest

from vigilo.errors import VigiloError
from vigilo_exporter.panels.macros import ALL, Selection, expand


def _expand(sql: str, interval_s: int = 60, **variables: tuple[str, ...]) -> str:
    return expand(sql, Selection(1000, 4600, interval_s, variables))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("$__timeFilter(Timestamp)", "Timestamp >= toDateTime(1000) AND Timestamp <= toDateTime(4600)"),
        ("$__timeInterval(Timestamp)", "toStartOfInterval(toDateTime(Timestamp), INTERVAL 60 second)"),
        ("$__timeInterval(max(a, b))", "toStartOfInterval(toDateTime(max(a, b)), INTERVAL 60 second)"),
        ("n / $__interval_s", "n / 60"),
        ("Hour >= toStartOfHour($__fromTime)", "Hour >= toStartOfHour(toDateTime(1000))"),
        ("Hour <= $__toTime", "Hour <= toDateTime(4600)"),
    ],
)
def test_time_macros(sql, expected):
    assert _expand(sql) == expected


def test_a_step_is_never_below_a_second():
    assert _expand("$__interval_s", interval_s=0) == "1"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ((ALL,), "1=1"),
        ((), "1=1"),
        (("",), "1=1"),
        (("shop",), "Name IN ('shop')"),
        (("shop", "O'Brien"), r"Name IN ('shop','O\'Brien')"),
    ],
)
def test_a_condition_falls_away_while_all_or_nothing_is_chosen(chosen, expected):
    assert _expand("$__conditionalAll(Name IN (${service:singlequote}), $service)", service=chosen) == expected


def test_conditions_stand_beside_each_other():
    condition = "$__conditionalAll(A IN (${a:singlequote}), $a) AND $__conditionalAll(B IN (${b:singlequote}), ${b})"

    assert _expand(condition, a=("x",), b=(ALL,)) == "A IN ('x') AND 1=1"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("$__timeFiler(Timestamp)", "unknown macro"),
        ("$__timeFilter Timestamp", "lacks its parentheses"),
        ("$__timeFilter(Timestamp", "do not match"),
        ("$__timeFilter(a, b)", "takes one column"),
        ("$__conditionalAll(a = 1)", "takes a condition and a variable"),
        ("a IN ($service)", "singlequote"),
        ("a IN (${service})", "singlequote"),
        ("a IN (${service:raw})", "singlequote"),
        ("a IN (${shop:singlequote})", "not declared"),
    ],
)
def test_what_is_not_understood_is_refused(sql, message):
    with pytest.raises(VigiloError, match=message):
        _expand(sql, service=("a",))
