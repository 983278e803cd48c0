import logging

from hypothesis import given
from hypothesis import strategies as st

from vigilo.policy.quota.book import Book, stored_rules
from vigilo.policy.quota.rules import Rule, make_rule, name_of, to_json

USER = {"user": ("u1",), "model": ("gpt-4o",), "provider": ("openai",)}


def rule(limit=1, metric="requests", window="day", source="state", mode="block", **scope) -> Rule:
    return make_rule(metric=metric, limit=limit, window=window, source=source, mode=mode, **scope)


def limits(book: Book, scopes) -> dict[str, int]:
    return {one.name: one.rule.limit for one in book.applying(scopes)}


def test_rules_apply_where_all_their_dimensions_match():
    book = Book(
        [
            rule(1),
            rule(2, user="u1"),
            rule(3, user="u2"),
            rule(4, user="u1", model="gpt-4o"),
            rule(5, user="u1", model="o3"),
            rule(6, provider="openai", metric="usd"),
        ]
    )

    assert limits(book, USER) == {
        "global requests/day": 1,
        "user=u1 requests/day": 2,
        "user=u1,model=gpt-4o requests/day": 4,
        "provider=openai usd/day": 6_000_000_000,
    }
    assert limits(book, {}) == {"global requests/day": 1}


def test_any_is_one_counter_for_each_value():
    book = Book([rule(5, user="*")])

    (one,) = book.applying({"user": ("u1",)})
    (other,) = book.applying({"user": ("u2",)})
    assert one.stem == "requests|day|user=u1|"
    assert other.stem == "requests|day|user=u2|"
    assert (one.scope, one.limit) == ("user=u1", 5)
    assert book.applying({"model": ("gpt-4o",)}) == []


def test_an_exact_value_beats_any_of_the_same_metric_and_window():
    book = Book(
        [
            rule(5, user="*"),
            rule(7, user="u1"),
            rule(50, user="*", metric="tokens"),
            rule(3, user="*", window="minute"),
        ]
    )

    assert limits(book, {"user": ("u1",)}) == {
        "user=u1 requests/day": 7,
        "user=u1 tokens/day": 50,
        "user=u1 requests/minute": 3,
    }
    assert limits(book, {"user": ("u2",)})["user=u2 requests/day"] == 5


def test_of_two_dimensions_the_rule_that_names_more_counts_then_the_one_that_names_the_first():
    rules = [
        rule(1, user="*", model="*"),
        rule(2, user="*", model="gpt-4o"),
        rule(3, user="u1", model="*"),
        rule(4, user="u1", model="gpt-4o"),
    ]

    assert [one.rule.limit for one in Book(rules).applying(USER)] == [4]
    assert [one.rule.limit for one in Book(rules[:3]).applying(USER)] == [3]
    assert [one.rule.limit for one in Book(rules[:2]).applying(USER)] == [2]
    assert [one.rule.limit for one in Book(rules[:1]).applying(USER)] == [1]


def test_the_first_source_counts():
    state, file, personal = (rule(limit, source=name, user="*") for limit, name in ((1, "state"), (2, "f"), (3, "p")))

    assert [one.rule.limit for one in Book([state, file, personal]).applying(USER)] == [1]
    assert [one.rule.source for one in Book([file, personal]).applying(USER)] == ["f"]


def test_a_rule_of_the_same_place_keeps_its_counter_whatever_its_limit_or_its_source():
    (one,) = Book([rule(1, user="u1")]).applying(USER)
    (other,) = Book([rule(9, user="*", source="personal")]).applying(USER)

    assert one.stem == other.stem


def test_each_tag_of_a_call_counts():
    book = Book([rule(1, tag="plan=free"), rule(2, tag="*", metric="tokens"), rule(3, tag="team=x", user="u1")])

    assert limits(book, {"tag": ("plan=free", "team=x"), "user": ("u1",)}) == {
        "tag=plan=free requests/day": 1,
        "tag=plan=free tokens/day": 2,
        "tag=team=x tokens/day": 2,
        "user=u1,tag=team=x requests/day": 3,
    }
    assert limits(book, {"tag": ("plan=paid",)}) == {"tag=plan=paid tokens/day": 2}


def test_only_rules_that_block_have_a_limit_for_the_store():
    one, other, third = Book(
        [rule(5, mode="observe"), rule(5, mode="warn", metric="tokens"), rule(5, metric="usd")]
    ).applying({})

    assert (one.limit, other.limit, third.limit) == (None, None, 5_000_000_000)


def test_levels_are_marks_of_the_counter():
    (one,) = Book([rule(100, mode="observe")]).applying({})
    (small,) = Book([rule(1)]).applying({})
    (nothing,) = Book([rule(0)]).applying({})
    (odd,) = Book([make_rule(metric="requests", limit=100, thresholds=(0.07, 0.29, 1))]).applying({})

    assert (one.levels, one.shares) == ((80, 95), (0.8, 0.95))
    assert (small.levels, small.shares) == ((1,), (0.95,))
    assert nothing.levels == (1,)
    assert (odd.levels, odd.shares) == ((7, 29, 100), (0.07, 0.29, 1))


def test_a_rule_that_warns_tells_that_its_limit_is_passed():
    (one,) = Book([rule(100, mode="warn")]).applying({})
    (whole,) = Book([make_rule(metric="requests", limit=100, mode="warn", thresholds=(0.5, 1))]).applying({})

    assert (one.levels, one.shares) == ((80, 95, 101), (0.8, 0.95, 1.0))
    assert (whole.levels, whole.shares) == ((50, 101), (0.5, 1.0))


def test_values_cannot_pass_for_another_scope():
    book = Book([rule(1, user="*"), rule(2, user="*", model="*")])
    stems = [one.stem for one in book.applying({"user": ("u1,model=o3",)})]
    others = [one.stem for one in book.applying({"user": ("u1",), "model": ("o3",)})]

    assert not set(stems) & set(others)


def test_only_tokens_and_costs_need_the_input():
    assert not Book([rule()]).wants_input
    assert Book([rule(), rule(metric="output_tokens")]).wants_input


def test_a_stored_rule_that_cannot_be_read_is_left_out_and_logged_once(caplog):
    stored = {"good": to_json(rule(3)), "newer": '{"metric": "smiles"}', "broken": "{"}

    with caplog.at_level(logging.ERROR, "vigilo"):
        assert [one.limit for one in stored_rules(stored)] == [3]
        assert [one.limit for one in stored_rules(stored)] == [3]

    assert len(caplog.records) == 2


def test_rules_without_a_star_are_told_as_they_are():
    book = Book([rule(1), rule(2, user="*"), rule(3, user="u1")])

    assert [one.name for one in book.literal()] == ["global requests/day", "user=u1 requests/day"]


_VALUES = {"user": ("u1", "u2", "*"), "model": ("m1", "m2", "*"), "tag": ("a=1", "b=2", "*")}
_RULES = st.lists(
    st.builds(
        lambda limit, metric, scope: rule(limit, metric, **scope),
        st.integers(1, 10**6),
        st.sampled_from(["requests", "tokens"]),
        st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in _VALUES.items()}),
    ),
    max_size=12,
)


@given(
    _RULES,
    st.fixed_dictionaries(
        {},
        optional={
            "user": st.sampled_from([("u1",), ("u2",), ("u3",)]),
            "model": st.sampled_from([("m1",), ("m3",)]),
            "tag": st.sampled_from([("a=1",), ("a=1", "b=2"), ("c=3",)]),
        },
    ),
)
def test_what_applies_is_what_comparing_with_each_rule_finds(rules, scopes):
    best: dict[str, tuple[tuple[object, ...], int]] = {}
    for place, one in enumerate(rules):
        expansions = [()]
        for dimension, wanted in one.scope:
            told = scopes.get(dimension, ())
            values = told if wanted == "*" else tuple(value for value in told if value == wanted)
            expansions = [(*head, (dimension, value)) for head in expansions for value in values]
        exact = tuple(value != "*" for _, value in one.scope)
        for scope in expansions:
            name = name_of(Rule(one.metric, 0, one.window, scope))
            rank = (sum(exact), exact, -place)
            if name not in best or rank > best[name][0]:
                best[name] = (rank, one.limit)

    found = Book(rules).applying(scopes)

    assert {one.name: one.rule.limit for one in found} == {name: limit for name, (_, limit) in best.items()}
    assert len({one.stem for one in found}) == len(found)
