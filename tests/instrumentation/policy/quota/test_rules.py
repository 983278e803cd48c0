"""Rules as people write them: what is allowed, what is said of the rest, and how they come back from the store."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo.policy.pseudonym import load_key, user_pseudonym
from vigilo.policy.quota.rules import (
    MAX_LIMIT,
    METRICS,
    MODES,
    NANO,
    WINDOWS,
    Rule,
    from_json,
    make_rule,
    name_of,
    place_in,
    place_of,
    scope_name,
    to_json,
)
from vigilo.policy.quota.scopes import DIMENSIONS
from vigilo.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


def rule(**given):
    return make_rule(**{"metric": "tokens", "limit": 1, **given})


def test_a_rule_has_what_was_said_and_defaults():
    assert rule(limit=5) == Rule("tokens", 5, "day", (), "observe", "UTC", (0.8, 0.95), "state")
    assert make_rule(metric="cost", limit=1) == make_rule(metric="usd", limit=1)


@pytest.mark.parametrize(
    ("limit", "nano"),
    [
        (0, 0),
        (50, 50 * NANO),
        (0.1, NANO // 10),
        ("0.000000001", 1),
        (Decimal("1.5"), NANO * 3 // 2),
        ("9e6", 9 * 10**15),
    ],
)
def test_us_dollars_are_exact(limit, nano):
    assert make_rule(metric="usd", limit=limit).limit == nano


@pytest.mark.parametrize("limit", [0, 1, "1", " 12 ", Decimal(7), MAX_LIMIT, str(MAX_LIMIT), "1_000"])
def test_whole_numbers(limit):
    assert rule(limit=limit).limit == int(limit)


@pytest.mark.parametrize(
    "limit",
    [True, False, None, -1, 1.0, 1.5, "1.5", "", "x", "nan", "inf", float("nan"), MAX_LIMIT + 1, "1e999999", [1], b"1"],
)
def test_other_limits_are_refused(limit):
    with pytest.raises(ValueError, match=r"`limit` of tokens is .*; allowed is a whole number from 0"):
        rule(limit=limit)


@pytest.mark.parametrize("limit", [True, -0.01, "1e-10", "1e7", float("inf"), Fraction(1, 3), "1e-999999", None, "$5"])
def test_other_amounts_of_us_dollars_are_refused(limit):
    with pytest.raises(ValueError, match=r"`limit` of usd is .*; allowed is an amount of US dollars"):
        make_rule(metric="usd", limit=limit)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"metric": "token"}, "`metric` is 'token'; allowed are `requests`, `input_tokens`, "),
        ({"metric": ["tokens"]}, "`metric` is "),
        ({"window": "year"}, "`window` is 'year'; allowed are `minute`, `hour`, "),
        ({"mode": "deny"}, "`mode` is 'deny'; allowed are `observe`, `warn`, `block`"),
        ({"time_zone": "Berlin"}, "`time_zone`: 'Berlin' is no time zone"),
        ({"time_zone": "../../etc/passwd"}, "`time_zone`: "),
        ({"time_zone": 1}, "`time_zone` is 1; allowed is a name"),
        ({"time_zone": ""}, "`time_zone` is ''"),
        ({"thresholds": [0.9, 0.8]}, "`thresholds` is .*ascending"),
        ({"thresholds": [0.8, 0.8]}, "`thresholds` is "),
        ({"thresholds": [0]}, "`thresholds` is "),
        ({"thresholds": [80]}, "`thresholds` is "),
        ({"thresholds": [True]}, "`thresholds` is "),
        ({"thresholds": [float("nan")]}, "`thresholds` is "),
        ({"thresholds": 0.8}, "`thresholds` is 0.8"),
        ({"thresholds": "0.8"}, "`thresholds` is '0.8'"),
        ({"thresholds": [n / 100 for n in range(1, 12)]}, "allowed are up to 10 shares"),
        ({"usr": "ada"}, "unknown scope `usr`; allowed are `user`, "),
        ({"user": ""}, "`user` is ''"),
        ({"user": " "}, "`user` is ' '"),
        ({"user": True}, "`user` is True"),
        ({"user": 1.5}, "`user` is 1.5"),
        ({"tag": "free"}, "`tag` is 'free'; allowed is one tag, `key=value`"),
        ({"tag": "=free"}, "`tag` is "),
        ({"tag": "plan="}, "`tag` is "),
        ({"tag": "plan=*"}, "`tag` is "),
        ({"tag": {"a": "1", "b": "2"}}, "`tag` is .* one tag"),
        ({"tag": {}}, "`tag` is "),
    ],
)
def test_what_is_wrong_is_named_with_what_is_right(wrong, told):
    with pytest.raises(ValueError, match=told):
        rule(**wrong)


def test_thresholds_may_be_any_or_none():
    assert rule(thresholds=()).thresholds == ()
    assert rule(thresholds=[0.5, 1]).thresholds == (0.5, 1.0)


def test_scopes_are_named_as_telemetry_names_them(settings):
    key = load_key(settings.home)
    made = rule(user="ada", tag="contact=ada@example.com", model="gpt-4o", conversation="c1", settings=settings)
    assert made.scope == (
        ("user", user_pseudonym("ada", key)),
        ("conversation", "c1"),
        ("tag", "contact=[EMAIL]"),
        ("model", "gpt-4o"),
    )
    assert rule(user="ada", tenant="acme", settings=settings).scope == (("user", user_pseudonym("ada", key, "acme")),)
    assert rule(user=user_pseudonym("ada", key), settings=settings).scope == made.scope[:1]
    assert rule(user="*", tag="*", settings=settings).scope == (("user", "*"), ("tag", "*"))
    assert rule(tag={"plan": "free"}, settings=settings) == rule(tag="plan=free", settings=settings)
    assert rule(user=7).scope == (("user", "7"),)
    assert rule(session=UUID(int=1)).scope == (("session", str(UUID(int=1))),)
    mailed = rule(conversation="ada@example.com", settings=settings).scope
    assert mailed == (("conversation", user_pseudonym("ada@example.com", key)),)


def test_plain_users_stay_plain(tmp_path):
    made = rule(user="ada", settings=Settings(home=tmp_path, user_ids="plain"))
    assert made.scope == (("user", "ada"),)


def test_names():
    assert name_of(rule(user="u_1")) == "user=u_1 tokens/day"
    assert name_of(make_rule(metric="usd", limit=1, window="month", time_zone="Europe/Berlin")) == (
        "global usd/month Europe/Berlin"
    )
    assert name_of(rule(user="u_1", model="m")) == "user=u_1,model=m tokens/day"


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2), st.lists(st.text(min_size=1), min_size=2, max_size=2))
def test_no_two_scopes_have_the_same_name(one, other):
    def scope(values):
        return tuple(zip(("user", "model"), values, strict=True))

    assert (scope_name(scope(one)) == scope_name(scope(other))) == (one == other)
    assert "|" not in scope_name(scope(one))


def test_rules_about_the_same_take_each_others_place():
    assert place_of(rule()) == place_of(rule(limit=2, mode="block", time_zone="Europe/Berlin", thresholds=()))
    assert place_of(rule()) != place_of(rule(window="hour"))
    assert place_of(rule()) != place_of(rule(user="u"))


@pytest.mark.parametrize("time_zone", ["UTC", "Europe/Berlin", "CET"])
@pytest.mark.parametrize("user", ["u", "a b", "a tokens/day", "a tokens/day CET"])
def test_a_name_tells_the_place(user, time_zone):
    made = rule(user=user, time_zone=time_zone)
    assert place_in(name_of(made)) == place_in(place_of(made)) == place_of(made)


rules = st.builds(
    make_rule,
    metric=st.sampled_from(METRICS),
    limit=st.integers(0, 9_000_000),
    window=st.sampled_from(WINDOWS),
    mode=st.sampled_from(MODES),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
    thresholds=st.lists(st.floats(0.01, 1), max_size=10, unique=True).map(sorted),
    **{name: st.none() | st.text(min_size=1).filter(str.strip) for name in DIMENSIONS if name != "tag"},
    tag=st.none() | st.just("*") | st.dictionaries(st.just("plan"), st.sampled_from(["free", "pro"]), min_size=1),
)


@given(rules)
def test_a_rule_comes_back_from_the_store_as_it_was(made):
    assert from_json(to_json(made)) == made


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "images"},
        {"limit": "5"},
        {"limit": True},
        {"limit": -1},
        {"limit": 2**53},
        {"scope": {"team": "a"}},
        {"scope": {"metric": "a"}},
        {"scope": {"user": ["a"]}},
        {"scope": []},
        {"mode": None},
        {"more": 1},
        {"thresholds": None},
    ],
)
def test_a_rule_of_another_version_is_refused(change):
    told = json.loads(to_json(rule(user="u_1")))
    with pytest.raises(ValueError, match=r"."):
        from_json(json.dumps({**told, **change}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"x"'])
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        from_json(text)
