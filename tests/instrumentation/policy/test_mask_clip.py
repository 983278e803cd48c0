"""A text is masked before it is cut, and no part of a value shows at the edge."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo.policy.mask import mask, mask_clip

VALUES = [
    "john.doe@example.com",
    "+1 415-555-2671",
    "4111 1111 1111 1111",
    "4111111111111111",
    "(415) 555-2671 ext. 12",
    f"{'very.long.name' * 4}@{'sub.' * 8}example.org",
]


def leaked(shown: str, value: str) -> bool:
    return any(value[start : start + 5] in shown for start in range(len(value) - 4))


@pytest.mark.parametrize("filler", ["word ", "x@y.io ab ", "5555555555554444 "])
@pytest.mark.parametrize("value", VALUES)
def test_no_part_of_a_value_shows_wherever_it_lies_at_the_edge(value, filler):
    max_chars = 100
    for offset in range(max_chars - len(value) - 2, max_chars + 3):
        text = f"{(filler * 30)[:offset]} {value} {'tail ' * 300}"
        shown = mask_clip(text, max_chars)
        assert not leaked(shown, value), (offset, shown)


def test_dense_values_do_not_bring_the_end_of_what_was_read_into_sight():
    text = "averyverylongmailboxname.number.one@subdomain.example.com " * 26 + "john.doe@example.com and more"
    for start in range(35):
        assert "@" not in mask_clip(text[start:], 1000)
        assert "john" not in mask_clip(text[start:], 1000)


def test_what_is_left_out_is_counted():
    assert mask_clip("a" * 30 + " " + "b" * 30, 40) == "a" * 30 + " " + "b" * 9 + "…[+21 chars]"
    assert mask_clip("short", 5) == "short"
    assert mask_clip("", 5) == ""


def test_a_tag_is_not_split():
    assert mask_clip("0123456789 a@b.io and more", 13) == "0123456789 …[+15 chars]"
    assert mask_clip("0123456789 john.doe@example.com and more", 20) == "0123456789 [EMAIL]…[+9 chars]"


def test_a_caption_after_a_large_image_is_kept():
    image = f"data:image/png;base64,{'iVBORw0KGgo' * 50_000}"
    assert mask_clip(f"see {image} caption of Paris", 100) == f"see [BLOB {len(image)}] caption of Paris"
    shown = mask_clip(f"{image} {'word ' * 100}{image} end", 60)
    assert shown.startswith(f"[BLOB {len(image)}] word ")
    words_shown = 60 - len(f"[BLOB {len(image)}]") - 1
    assert shown.endswith(f"[+{500 + len(image) + 4 - words_shown} chars]")


def test_a_surrogate_beyond_the_first_lines_harms_nothing():
    assert mask_clip("a" * 20 + "\ud83d" + "b " * 2500, 30) == "a" * 20 + "\ufffd" + "b b b b b" + "…[+4991 chars]"


def test_what_cannot_be_masked_is_redacted():
    assert mask_clip(None, 10) == "[REDACTED]"


@pytest.mark.parametrize(
    "unit", ["1-1-1-", "a.a.a.", "x@a.a.", "sk-sk-", "1 1 1 ", "1:1:", "+1(+1(", "((((", "@@@@", "a" * 511 + " "]
)
def test_of_a_huge_text_only_the_beginning_is_read(unit):
    text = unit * (10_000_000 // len(unit))
    shown = mask_clip(text, 1000)
    left_out = re.search(r"…\[\+([0-9]+) chars\]$", shown)
    assert len(shown) < 1050
    assert left_out is not None or shown == f"[BLOB {len(text)}]"


@given(st.text(st.sampled_from("ab1 .@-+(5\n[]"), max_size=300), st.integers(1, 120))
def test_what_is_shown_is_the_beginning_of_the_masked_text(text, max_chars):
    shown, _, note = mask_clip(text, max_chars).partition("…[+")
    assert len(shown) <= max_chars
    assert mask(text).startswith(shown)
    assert bool(note) or shown == mask(text)


@given(st.lists(st.sampled_from([*VALUES, "word", "12", "call", "and more words"]), max_size=30), st.integers(1, 200))
def test_no_value_shows_at_any_edge(words, max_chars):
    shown = mask_clip(" ".join(words), max_chars)
    assert not any(leaked(shown, value) for value in VALUES)
