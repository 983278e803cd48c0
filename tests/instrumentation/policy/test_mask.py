"""What is masked in a text, and what is left alone."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vigilo.policy.mask import mask
from vigilo.policy.mask.cards import has_check_digit, is_issued
from vigilo.policy.mask.spans import KINDS
from vigilo.policy.mask.text import find_spans

from .generated import PERSONAL as VALUES

VISA, MASTERCARD, AMEX = "4111111111111111", "5555555555554444", "378282246310005"
"""The networks' own test numbers."""


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to john.doe@example.com please", "Write to [EMAIL] please"),
        ("x: first.last+tag@sub.example.co.uk.", "x: [EMAIL]."),
        ('<a href="mailto:ann@corp.io?subject=hi">', '<a href="mailto:[EMAIL]?subject=hi">'),
        ('From: "Ann B." <ann.b@corp.io>', 'From: "Ann B." <[EMAIL]>'),
        ("schreib an jürgen.müller@bücher.example", "schreib an [EMAIL]"),
        ("请联系 张伟@例子.公司 谢谢", "请联系 [EMAIL] 谢谢"),
        ("请发到test.user@example.com谢谢", "请发到[EMAIL]谢谢"),
        ('"john doe"@example.com is legal', "[EMAIL] is legal"),
        ('{"to":["a.b@x.org","c_d@y.net"],"n":2}', '{"to":["[EMAIL]","[EMAIL]"],"n":2}'),
        ('{"to":"a.b\\u0040example.org"}', '{"to":"[EMAIL]"}'),
        ("GET /u?mail=jane%40example.com&x=1", "GET /u?mail=[EMAIL]&x=1"),
        ("reach me: john at example dot com", "reach me: [EMAIL]"),
        ("john [at] example [dot] com", "[EMAIL]"),
        ("john(at)example.com", "[EMAIL]"),
        ("john at example (dot) com", "[EMAIL]"),
        ("john @ example . com", "[EMAIL]"),
        ("mail me john\uff20example.com", "mail me [EMAIL]"),
        ("john\u200b@example.com", "[EMAIL]"),
        ("**john@x.com** `k@z.dev`", "**[EMAIL]** `[EMAIL]`"),
        ("a\x00b john@x.com", "a\x00b [EMAIL]"),
    ],
)
def test_an_email_address_is_masked(text, masked):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "number",
    [
        "+1 415-555-2671",
        "(415) 555-2671",
        "415.555.2671",
        "+14155552671",
        "1-800-555-0199",
        "+1 (212) 555-0123 ext. 45",
        "+1 415\u2011555\u20112671",
        "+44 20 7946 0958",
        "07700 900123",
        "+44 (0)20 7946 0958",
        "0151 23456789",
        "06 12 34 56 78",
        "98765 43210",
        "(11) 91234-5678",
        "090-1234-5678",
        "138-1234-5678",
        "+61 2 9374 4000",
        "612 345 678",
        "8 (495) 123-45-67",
        "0044 20 7946 0958",
    ],
)
def test_a_phone_number_is_masked_as_it_is_written_somewhere(number):
    assert mask(f"Jane Roe, {number}, Sales") == "Jane Roe, [PHONE], Sales"


@pytest.mark.parametrize("text", ["text me on {}", "phone: {}", '{{"phone_number":"{}"}}', "{} office", "Fax {}"])
def test_bare_digits_are_a_phone_number_where_a_word_says_so(text):
    assert mask(text.format("4155552671")) == text.format("[PHONE]")


def test_each_number_of_a_list_is_masked():
    assert mask("415-555-2671 415-555-2672 415-555-2673") == "[PHONE] [PHONE] [PHONE]"
    assert mask("1234 4111 1111 1111 1111 5555 5555 5555 4444") == "1234 [CARD] [CARD]"


@pytest.mark.parametrize("number", [VISA, MASTERCARD, AMEX, "6011111111111117", "3530111333300000", "30569309025904"])
def test_a_card_number_is_masked(number):
    assert mask(f'pay with {number} exp 12/27, {{"pan":{number}}}') == 'pay with [CARD] exp 12/27, {"pan":[CARD]}'


@pytest.mark.parametrize("separator", [" ", "-", "\u00a0", "."])
def test_a_card_number_is_masked_in_groups(separator):
    assert mask(separator.join([VISA[:4], VISA[4:8], VISA[8:12], VISA[12:]])) == "[CARD]"
    assert mask(separator.join([AMEX[:4], AMEX[4:10], AMEX[10:]])) == "[CARD]"


def test_digits_of_other_scripts_are_digits():
    full_width = VISA.translate({48 + digit: 0xFF10 + digit for digit in range(10)})
    assert mask(f"卡号 {full_width}") == "卡号 [CARD]"


@pytest.mark.parametrize(
    "text",
    [
        "order #4155552671 was sent",
        "Invoice 2024-00012345 total $1,234,567.89",
        "Tracking 1Z999AA10123456784 / 9400110200881234567890",
        "ts=1716239022 and 1716239022123 and 1716239022123456",
        "t=1716239022123456789",
        "trace 41111111-1111-4111-8111-111111111111 done",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "commit 4155552671ab4155552671ab4155552671ab4155",
        "ISBN 978-3-16-148410-0",
        "from 2024-01-15 to 2024-02-20 at 12:30:45",
        "15.01.2024, 01/15/2024, 2024.01.15",
        "2024-01-15T12:30:45.123456+02:00",
        "python 3.11.4, chrome/120.0.6099.129, v1.2.3",
        "x = 3.14159265358979 and 1000000000 + 2000000000",
        "1998-2003, 2010 - 2015, pp. 123-456",
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
        "1 0 0 1 0 1 0 1 1 0 0 1 1 0 1",
        "48.858370, 2.294481",
        "Austin TX 78701-1234",
        "population 331,449,281 in 2020",
        '{"prompt_tokens": 1234567890, "max_tokens": 4096, "token": 12}',
        f"order no {VISA[:-1]}2 shipped",
        f"id 99{VISA}77",
        "npm i @types/node@20.1.0 lodash@4.17.21",
        f"image ghcr.io/org/app@sha256:{'0a1b2c3d' * 8}",
        '@app.route("/x")\ndef f(): return a @ b.T',
        "ping @alice and @bob_2 on GitHub",
        "we met at the dot matrix printer at noon",
        "meet me at example.com about the dot product",
        "std::vector<int>::iterator a::b::c, x[::2], y[1:10:2]",
        "the sk-learn and sk-image packages, task-management",
        "request id req_011CSabcdefghij msg_01abcdefghij chatcmpl-abcdefghij call_abcdefghij",
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
        '<p style="margin:0 0 10px 12px">5 &times; 1,000,000</p>',
        "SELECT * FROM t WHERE id IN (1234567890, 2345678901) LIMIT 10",
        "arXiv:2401.12345v2 doi 10.1145/3442188.3445922",
        "arn:aws:iam::123456789012:role/x",
        "git clone git@github.com:org/repo.git",
        "set max_tokens: 4096 and pass a token: string",
        "def f(a: int = 10) -> str:\n    return f'{a:08d}-{a}'  # 0123456789",
        "https://example.com/a/4155552671/b?page=2&sort=asc",
        "pod/web-7d4b9c6f5d-x2x9z 10m cpu",
        "The article id 10.1000/182, pages 233-241, vol. 12(3)",
        "rows 1-1000000 of 25000000, step 1_000_000",
        "",
    ],
)
def test_what_only_looks_like_personal_data_stays(text):
    assert mask(text) == text


@pytest.mark.parametrize("kind", KINDS)
def test_tags_of_an_earlier_pass_stay(kind):
    text = f"[{kind}] wrote to [{kind}_12], see [REDACTED], [BLOB 4155552], [BYTES 12]"
    assert mask(text) == text


def test_a_tag_is_no_place_to_hide_a_number():
    assert mask(f"[BLOB {VISA}]") == "[BLOB [CARD]]"


def test_a_line_break_that_is_escaped_does_not_stick_to_the_value_after_it():
    assert mask('{"text":"line1\\njohn@x.com\\n+14155552671"}') == '{"text":"line1\\n[EMAIL]\\n[PHONE]"}'


def test_base64_becomes_its_length():
    image = "iVBORw0KGgo" * 100
    assert mask(f"data:image/png;base64,{image} caption") == f"[BLOB {22 + len(image)}] caption"
    assert mask(f"see {image}== here") == f"see [BLOB {len(image) + 2}] here"


def test_a_lone_surrogate_is_replaced():
    assert mask("bad \ud83d john@x.com") == "bad \ufffd [EMAIL]"


@pytest.mark.parametrize("not_text", [None, 42, b"jane@example.com"])
def test_what_cannot_be_masked_is_redacted(not_text):
    assert mask(not_text) == "[REDACTED]"


def test_check_digits_and_issuers():
    assert [has_check_digit(digits) for digits in ("79927398713", "79927398710", "0")] == [True, False, True]
    assert [is_issued(digits) for digits in (VISA, VISA[:-1], MASTERCARD, AMEX, "9" * 16)] == [
        True,
        False,
        True,
        True,
        False,
    ]


AROUND = st.text(st.sampled_from("ab \n,;:!?()'\"äö中"), max_size=12)
TEXTS = st.one_of(
    st.text(),
    st.text(st.sampled_from("a1.@-+() \n\\n[]:/=45")),
    st.lists(st.one_of(VALUES, st.sampled_from([" ", ", ", "call ", "id ", "[EMAIL]", "\n", "@", "-"]))).map("".join),
)


@given(AROUND, VALUES, AROUND)
def test_a_value_is_masked_whatever_words_stand_around_it(before, value, after):
    masked = mask(f"{before} {value} {after}")
    assert value not in masked
    assert not any(char.isdigit() or char == "@" for char in masked)


@given(TEXTS)
@example("call [EMAIL] 12345678901")
def test_masking_twice_is_masking_once(text):
    once = mask(text)
    assert mask(once) == once


@given(TEXTS)
def test_masking_grows_a_text_by_tags_only(text):
    spans = find_spans(text)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    assert len(mask(text)) <= len(text) + sum(len(span.tag) for span in spans)


@given(st.text(st.characters()))
def test_what_is_masked_can_be_written_as_utf_8(text):
    mask(text).encode("utf-8")


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("kind", "recall", "precision"),
    [("EMAIL", 1, 1), ("CARD", 1, 1), ("SSN", 1, 1), ("IBAN", 1, 1), ("IP", 1, 1), ("PHONE", 0.9, 0.95)],
)
def test_labelled_sentences_are_masked_where_they_are_labelled(shared_data, kind, recall, precision):
    """A labelled value counts as found when four fifths of it are masked."""
    labelled = found = claimed = right = 0
    for line in (shared_data / "pii" / "presidio_dev.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        gold = [(start, end) for start, end, label in row["spans"] if label == kind]
        spans = find_spans(row["text"])
        for start, end in gold:
            covered = sum(max(0, min(end, span.end) - max(start, span.start)) for span in spans)
            labelled, found = labelled + 1, found + (covered >= 0.8 * (end - start))
        for span in spans:
            if span.tag == f"[{kind}]":
                hit = any(start < span.end and span.start < end for start, end in gold)
                claimed, right = claimed + 1, right + hit
    assert found / labelled >= recall
    assert right / claimed >= precision
