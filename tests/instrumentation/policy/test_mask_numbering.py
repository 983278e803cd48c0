"""Numbered tags: the same value has the same number, in whatever form it is written, throughout a conversation."""

from __future__ import annotations

import json
import os
import threading

import pytest

from vigilo.policy.mask import mask, mask_clip, mask_json, mask_messages
from vigilo.policy.mask.numbering import MAX_CONVERSATIONS, MAX_VALUES, Numbers, numbers_of


def test_two_people_are_told_apart_and_one_is_followed():
    numbers = Numbers()
    text = "jane@example.com wrote to bob@example.com; +1 415-555-2671 is Jane@Example.com's"
    assert mask_clip(text, 1000, "", numbers) == "[EMAIL_1] wrote to [EMAIL_2]; [PHONE_1] is [EMAIL_1]'s"
    assert mask_clip("cc: bob@example.com, eve@example.com", 1000, "", numbers) == "cc: [EMAIL_2], [EMAIL_3]"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jane@example.com", "JANE@Example.COM"),
        ("jane@example.com", "jane%40example.com"),
        ("jane@example.com", "jane (at) example (dot) com"),
        ("jane@example.com", "jane\uff20example.com"),
        ("+1 415-555-2671", "(415) 555-2671"),
        ("4111 1111 1111 1111", "4111111111111111"),
    ],
)
def test_a_value_is_known_in_another_form(one, other):
    numbers = Numbers()
    first = mask_clip(one, 1000, "", numbers)
    assert first.endswith("_1]")
    assert mask_clip(other, 1000, "", numbers) == first


def test_messages_of_a_conversation_share_their_numbers():
    numbers = numbers_of("conversation 1")
    asked = [{"role": "user", "parts": [{"type": "text", "content": "I am jane@example.com, not bob@example.com"}]}]
    arguments = json.dumps({"to": "bob@example.com", "jane@example.com": 4111111111111111})
    called = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "send", "arguments": arguments}]}]
    shown = mask_messages(asked, content="masked", max_chars=1000, numbers=numbers)
    assert shown[0]["parts"][0]["content"] == "I am [EMAIL_1], not [EMAIL_2]"
    again = mask_messages(called, content="masked", max_chars=1000, numbers=numbers_of("conversation 1"))
    assert json.loads(again[0]["parts"][0]["arguments"]) == {"to": "[EMAIL_2]", "[EMAIL_1]": "[CARD_1]"}
    assert mask_json("bob@example.com", 100, numbers_of("conversation 2")) == "[EMAIL_1]"


def test_without_a_conversation_each_call_counts_for_itself():
    assert numbers_of(None) is not numbers_of(None)
    assert numbers_of("") is not numbers_of("")


def test_a_numbered_tag_is_not_masked_again_nor_numbered():
    numbers = Numbers()
    shown = mask_clip("jane@example.com", 1000, "", numbers)
    assert mask(shown) == mask_clip(shown, 1000) == mask_clip(shown, 1000, "", Numbers()) == "[EMAIL_1]"


def test_what_is_no_value_has_no_number():
    numbers = Numbers()
    assert numbers.tag("[BLOB 600]", "x" * 600) == "[BLOB 600]"
    assert numbers.tag("[REDACTED]", "x") == "[REDACTED]"
    assert numbers.tag("[EMAIL]", "[EMAIL]") == "[EMAIL]"
    assert len(numbers) == 0


def test_no_number_is_cut_at_the_edge():
    numbers = Numbers()
    for number in range(12):
        numbers.tag("[EMAIL]", f"user{number}@example.com")
    text = "x" * 10 + " user11@example.com and more text after it"
    for edge in range(8, 40):
        shown = mask_clip(text, edge, "", numbers).partition("…")[0]
        assert len(shown) <= edge
        assert "[" not in shown or "[EMAIL_12]" in shown


def test_what_is_kept_is_bounded_and_tells_nothing():
    numbers = Numbers()
    shown = [numbers.tag("[EMAIL]", f"user{number}@example.com") for number in range(MAX_VALUES + 5)]
    assert shown[MAX_VALUES - 1] == f"[EMAIL_{MAX_VALUES}]"
    assert shown[MAX_VALUES:] == ["[EMAIL]"] * 5
    assert numbers.tag("[EMAIL]", "user0@example.com") == "[EMAIL_1]"
    kept = repr([numbers._known, numbers._counts])
    assert "user" not in kept
    assert "example" not in kept


def test_conversations_that_nobody_has_any_more_are_forgotten():
    first = numbers_of("the first")
    kept = numbers_of("the one that goes on")
    for number in range(MAX_CONVERSATIONS):
        numbers_of(f"another {number}")
        assert numbers_of("the one that goes on") is kept
    assert numbers_of("the first") is not first


def test_threads_agree_on_numbers():
    numbers, together, seen = Numbers(), threading.Barrier(8), []

    def number_all():
        together.wait()
        seen.append([numbers.tag("[EMAIL]", f"{value}@example.com") for value in range(200)])

    threads = [threading.Thread(target=number_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(shown == seen[0] for shown in seen)
    assert len(set(seen[0])) == 200


def test_threads_agree_on_the_numbers_of_a_conversation():
    together, seen = threading.Barrier(8), []

    def begin():
        together.wait()
        seen.append([numbers_of(f"shared {number}") for number in range(50)])

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one is first for mine in seen for one, first in zip(mine, seen[0], strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_goes_on_with_the_numbers():
    numbers_of("before the fork").tag("[EMAIL]", "jane@example.com")
    child = os.fork()
    if child == 0:
        same = numbers_of("before the fork").tag("[EMAIL]", "jane@example.com") == "[EMAIL_1]"
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
