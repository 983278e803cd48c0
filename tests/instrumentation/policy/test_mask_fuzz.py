"""Whatever the text: masking never fails, leaves no value, and takes time in proportion to what is kept of the text."""

from __future__ import annotations

import json
import re
from importlib import import_module
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vigilo.policy.mask import mask, mask_clip, mask_json
from vigilo.policy.mask.clip import LOOK_AHEAD_CHARS, MAX_CHARS
from vigilo.policy.mask.matcher import REPEATS, parse
from vigilo.policy.mask.slow_patterns import why_refused
from vigilo.policy.mask.text import find_spans

from .generated import PERSONAL, VALUES

ANY_TEXT = st.text(st.characters())
# Between values stands something that ends one: glued together, two are neither the one nor the other.
BETWEEN = st.sampled_from([" ", ", ", "; ", "\n", "\t", " and ", " | ", '", "', "</b><b>", "\\n", "。", " (", ") "])
WORDS = st.sampled_from(
    ["", "call me", "my ssn", "re", "card:", "IBAN", "from", "the key is", "[EMAIL]", "\x00", "…", "é"]
)
PIECES = [
    "1-",
    "a.",
    "x@a.",
    "sk-",
    "(",
    "1:",
    "+1(",
    "://:@",
    "password=",
    "[EMAIL",
    "data:;base64,",
    "@",
    "1 ",
    "\\n1",
]
UNNAMED = [piece for piece in PIECES if piece not in ("sk-", "password=", "://:@", "data:;base64,")]
PIECES += [
    "::",
    "1.",
    "4111 ",
    "4" * 16,
    "00 ",
    "+",
    "GB12 ",
    "A" * 64,
    "eyJ",
    "key=",
    " dot ",
    "(at)",
    "%40",
    "-----BEGIN",
]


def pieces_of(value, size):
    return {value[start : start + size] for start in range(len(value) - size + 1)}


@settings(max_examples=200)
@given(ANY_TEXT)
def test_any_text_is_masked_and_is_never_the_worse_for_it(text):
    masked = mask(text)
    assert masked != "[REDACTED]" or text == masked
    masked.encode("utf-8")
    assert mask(masked) == masked


@settings(max_examples=200)
@given(st.lists(st.tuples(WORDS, VALUES, BETWEEN), min_size=1, max_size=8))
def test_of_values_one_behind_the_other_none_is_left(parts):
    masked = mask("".join(f"{word} {value}{between}" for word, value, between in parts))
    assert not [value for _, value, _ in parts if value in masked]
    assert mask(masked) == masked


@settings(max_examples=150)
@given(st.lists(st.one_of(PERSONAL, BETWEEN, WORDS, st.sampled_from(UNNAMED), ANY_TEXT), max_size=12).map("".join))
def test_masking_twice_is_masking_once(text):
    once = mask(text)
    assert mask(once) == once


@settings(max_examples=150)
@given(
    VALUES, st.integers(-8, 80), st.sampled_from(["word ", "a@b.io, ", "4111 1111 1111 1111; "]), st.integers(90, 300)
)
def test_at_no_edge_a_piece_of_a_value_is_left(value, place, filler, max_chars):
    before = (filler * 60)[: max(0, max_chars - place)]
    shown = mask_clip(f"{before} {value} {'tail ' * 200}", max_chars)
    assert not {piece for piece in pieces_of(value, 8) if piece in shown}


@given(
    st.recursive(
        st.one_of(VALUES, ANY_TEXT, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.one_of(VALUES, ANY_TEXT), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_json_stays_json_also_within_a_text(value):
    masked = mask_json({"arguments": json.dumps(value), "plain": value}, 200)
    json.dumps(masked)
    if isinstance(value, (dict, list)):
        assert type(json.loads(masked["arguments"])) is type(value)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join), st.sampled_from([1_000, 100_000]))
@example("1 1 1 ", 100_000)
def test_a_text_that_is_hard_to_match_is_masked_in_the_end(unit, size):
    text = (unit * (size // len(unit) + 1))[:size]
    masked = mask(text)
    assert masked != "[REDACTED]"
    assert size <= MAX_CHARS or len(masked) <= MAX_CHARS + len("…[+100000 chars]") or "[BLOB" in masked


@pytest.mark.parametrize("unit", [*PIECES, "a" * 512 + " ", "a" * 511 + " ", "é@é.", "\ud83d", "中", "415-555-2671 "])
def test_of_ten_megabytes_no_more_is_looked_at_than_is_kept(unit):
    text = unit * (10_000_000 // len(unit))
    masked = mask(text)
    assert masked != "[REDACTED]"
    # Nothing of what lies beyond the look ahead was read, or the two would differ: only blobs are measured whole.
    beginning = text[: MAX_CHARS + LOOK_AHEAD_CHARS]
    if "[BLOB" not in masked:
        assert masked.partition("…[+")[0] == mask(beginning).partition("…[+")[0]


def test_all_of_a_text_is_masked_when_all_is_asked_for():
    text = "word " * MAX_CHARS + "jane@example.com"
    assert mask(text, max_chars=None) == "word " * MAX_CHARS + "[EMAIL]"
    assert mask(text) == text[:MAX_CHARS] + f"…[+{len(text) - MAX_CHARS} chars]"


FINDERS = ["blobs", "cards", "emails", "ibans", "ip_addresses", "phones", "social_security", "spans", "text", "hints"]
# These are only ever tried over a bounded distance, at a place where something else was found.
AT_A_PLACE = {
    "social_security._NAME_BEFORE",
    "blobs._RUN",
    "blobs._PADDING",
    "emails._DOMAIN",
    "ip_addresses._V6_LEFT_REVERSED",
    "ip_addresses._V6_END",
}
REFERS_BACK = {"cards._SHAPE", "social_security._SHAPE"}


def patterns():
    for name in FINDERS:
        for attribute, value in vars(import_module(f"vigilo.policy.mask.{name}")).items():
            if isinstance(value, re.Pattern):
                yield pytest.param(value, id=f"{name}.{attribute}")


def repeats_without_bound(nodes):
    for kind, value in nodes:
        name = str(kind)
        if name in REPEATS:
            if str(value[1]) == "MAXREPEAT":
                yield value[2]
            yield from repeats_without_bound(value[2])
        elif name == "BRANCH":
            for way in value[1]:
                yield from repeats_without_bound(way)
        elif name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
            yield from repeats_without_bound(value[-1])


@pytest.mark.parametrize("pattern", list(patterns()))
def test_what_a_pattern_repeats_without_bound_is_one_character(pattern):
    for body in repeats_without_bound(parse(pattern.pattern)):
        assert len(body) == 1
        assert str(body[0][0]) in ("IN", "LITERAL", "NOT_LITERAL", "ANY")


@pytest.mark.parametrize("pattern", list(patterns()))
def test_no_text_makes_a_pattern_look_often_at_one_character(pattern, request):
    """By counting how often a matcher that goes the ways of Python's looks at a character; nothing is timed."""
    name = request.node.callspec.id
    if name not in AT_A_PLACE | REFERS_BACK:
        assert why_refused(("(?i)" if pattern.flags & re.IGNORECASE else "") + pattern.pattern) is None


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_values_lie_apart_and_in_order(text):
    spans = find_spans(text)
    assert all(before.end <= after.start for before, after in pairwise(spans))
