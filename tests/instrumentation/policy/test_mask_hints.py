"""The look ahead at what a text can hold misses nothing, and RE2 and plain Python lead to the same result."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vigilo.policy.mask import hints
from vigilo.policy.mask.blobs import find_blobs
from vigilo.policy.mask.cards import find_cards
from vigilo.policy.mask.emails import find_emails, find_spelled_emails
from vigilo.policy.mask.fast import fast_hints
from vigilo.policy.mask.ibans import find_ibans
from vigilo.policy.mask.ip_addresses import find_ipv4_addresses, find_ipv6_addresses
from vigilo.policy.mask.phones import find_phones
from vigilo.policy.mask.secrets import find_secrets
from vigilo.policy.mask.social_security import find_social_security_numbers
from vigilo.policy.mask.spans import TAG
from vigilo.policy.mask.text import find_spans

from .generated import VALUES

FINDERS = [
    (hints.TAGS, TAG.finditer),
    (hints.SECRETS, find_secrets),
    (hints.BLOBS, find_blobs),
    (hints.EMAILS, find_emails),
    (hints.SPELLED_EMAILS, find_spelled_emails),
    (hints.IBANS, find_ibans),
    (hints.IPS, find_ipv4_addresses),
    (hints.IPS, find_ipv6_addresses),
    (hints.CARDS, find_cards),
    (hints.SOCIAL_SECURITY, find_social_security_numbers),
    (hints.NUMBERS, find_phones),
]
# Letters that are the same as another only for some: Kelvin's K, the long s, i without and I with a dot.
ODD = "\u212a\u017f\u0131\u0130"
PIECES = [
    *(
        "call ",
        "Tel: ",
        " office",
        "ssn ",
        "my ",
        "[EMAIL]",
        "[CARD_2]",
        " at ",
        " dot ",
        "(at)",
        "[ DOT }",
        " @ ",
        "com",
    ),
    *("2024-05-17", "12:30:45", "123", "4", "(415)", "555-2671", "+49", "00", "12 34 56 78", "8.8.8.8", "::", "fe80:"),
    *("\u00a0", "\u2011", "\u2212", "\uff20", "\uff14", "%40", "\\u0040", "\\n", "\n", "\t", " ", ".", "-", "/", ", "),
    *(
        "data:;base64,",
        "A" * 16,
        "a" * 512,
        "b" * 64,
        "key=",
        "password: ",
        "://",
        "DE89 3704",
        "x",
        "\u00e9",
        "\U0001f600",
    ),
    *(f"te{ODD[0]}el", f"{ODD[1]}ms ", f"d{ODD[2]}al ", f"d{ODD[3]}al ", "secret\u017f", "to\u212aen=", "\x01", "\x00"),
]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.one_of(VALUES, st.sampled_from(PIECES)), max_size=12).map("".join),
)


@pytest.mark.parametrize("engine", [hints.plain_hints, fast_hints])
@settings(max_examples=300)
@given(text=TEXTS)
@example(text="\u017fms 123-4567")
@example(text="\u212aey=aB3xY9zQ2w")
@example(text="2024-05-17 1234567 office")
def test_where_a_finder_finds_something_there_is_a_hint(engine, text):
    may_have = engine(text)
    for bit, find in FINDERS:
        assert may_have & bit or not list(find(text)), (bit, list(find(text)))


@settings(max_examples=300)
@given(TEXTS, st.sampled_from(["", "phone: ", "password: ", "note: "]))
def test_both_engines_lead_to_the_same_result(text, context):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hints, "_engine", lambda: hints.plain_hints)
        plainly = find_spans(text, context)
        patch.setattr(hints, "_engine", lambda: fast_hints)
        assert find_spans(text, context) == plainly


@pytest.mark.needs_shared
def test_both_engines_lead_to_the_same_result_on_sentences(shared_data):
    for line in (shared_data / "pii" / "presidio_dev.jsonl").read_text("utf-8").splitlines():
        test_both_engines_lead_to_the_same_result.hypothesis.inner_test(line, "")


@pytest.mark.parametrize("engine", [hints.plain_hints, fast_hints])
@pytest.mark.parametrize(
    "text",
    [
        "Please summarise the report for the team: revenue grew, churn fell, and the flow shipped in May. " * 5,
        "We met on 2024-05-17 at 12:30; sections 4.2 and 7 say that 12% of 300 is 36, and call it a day. " * 5,
        "",
    ],
)
def test_ordinary_text_gives_no_hint_at_all(engine, text):
    assert engine(text) & ~hints.SECRETS == 0


def test_the_classes_of_characters_are_those_of_the_rules():
    for char, engine in product(map(chr, range(128)), [hints.plain_hints, fast_hints]):
        assert bool(engine(char * 16) & hints.SECRETS) == (char.isalnum() or char in "_-"), char


def test_without_re2_texts_are_masked_all_the_same():
    code = (
        "import sys; sys.modules['re2'] = None\n"
        "from vigilo.policy.mask import hints, mask\n"
        "assert hints._engine() is hints.plain_hints\n"
        "print(mask('jane@example.com, 415-555-2671'))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[EMAIL], [PHONE]\n"
    assert shown.stderr == ""


def test_with_re2_it_is_used():
    assert hints._engine() is fast_hints
