"""Messages are masked value by value and stay the JSON that they were."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo.policy.mask import mask_json, messages_json, to_json
from vigilo.policy.mask.messages import MAX_DEPTH, MAX_TOTAL_CHARS

CARD = "4111111111111111"


def message(role="user", **part):
    return {"role": role, "parts": [{"type": "text", **part}]}


def masked(messages, max_chars=1000):
    return json.loads(messages_json(messages, content="masked", max_chars=max_chars))


def test_the_text_of_a_message_is_masked_and_its_structure_stays():
    asked = {"role": "user", "parts": [{"type": "text", "content": "I am jane@example.com"}], "finish_reason": "stop"}
    assert masked([asked]) == [
        {"role": "user", "parts": [{"type": "text", "content": "I am [EMAIL]"}], "finish_reason": "stop"}
    ]


def test_the_json_is_compact_and_readable():
    assert messages_json([message(content="grüß dich")], content="masked", max_chars=99) == (
        '[{"role":"user","parts":[{"type":"text","content":"grüß dich"}]}]'
    )


def test_arguments_of_a_tool_call_are_masked_inside_their_json():
    call = {"type": "tool_call", "id": "call_4155552671", "name": "send_mail"}
    arguments = {"to": ["bob@corp.com"], "body": 'say "hi" to +1 415-555-2671', "bob@corp.com": 1}
    (answer,) = masked([{"role": "assistant", "parts": [{**call, "arguments": json.dumps(arguments)}]}])
    (part,) = answer["parts"]
    assert {name: part[name] for name in call} == call
    assert json.loads(part["arguments"]) == {"to": ["[EMAIL]"], "body": 'say "hi" to [PHONE]', "[EMAIL]": 1}


def test_arguments_that_are_an_object_are_masked_too():
    part = {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {"id": "jane@x.org", "name": "jane@y.org"}}
    (answer,) = masked([{"role": "assistant", "parts": [part]}])
    assert answer["parts"][0]["arguments"] == {"id": "[EMAIL]", "name": "[EMAIL]"}


def test_a_name_or_id_that_is_an_address_is_masked():
    (answer,) = masked([{"role": "user", "name": "jane@example.com", "id": CARD, "parts": []}])
    assert (answer["name"], answer["id"]) == ("[EMAIL]", "[CARD]")


def test_keys_that_look_alike_when_masked_keep_their_values():
    assert mask_json({"a@x.org": "one", "b@x.org": "two"}, 100) == {"[EMAIL]": "one", "[EMAIL] 2": "two"}


def test_the_key_of_a_number_tells_what_it_is():
    assert mask_json({"phone": 4155552671, "order": 4155552671, "pan": int(CARD), "n": 12, "t": 1.5}, 100) == {
        "phone": "[PHONE]",
        "order": 4155552671,
        "pan": "[CARD]",
        "n": 12,
        "t": 1.5,
    }
    assert mask_json({"mobile": "4155552671", "ref": "4155552671"}, 100) == {"mobile": "[PHONE]", "ref": "4155552671"}


def test_bytes_and_unknown_objects_are_named_not_printed():
    class Secret:
        def __repr__(self):
            return "jane@example.com"

    assert mask_json({"image": b"\x00" * 12, "object": Secret()}, 100) == {"image": "[BYTES 12]", "object": "[Secret]"}
    full = messages_json([message(content=b"\x00" * 12)], content="full", max_chars=1)
    assert json.loads(full) == [message(content="[BYTES 12]")]


def test_each_text_is_cut_by_itself():
    assert masked([message(content="a" * 12), message(content="b" * 4)], max_chars=5) == [
        message(content="aaaaa…[+7 chars]"),
        message(content="bbbb"),
    ]


def test_full_content_is_neither_masked_nor_cut_but_can_be_written():
    text = f"jane@example.com {'x' * 3000} \ud83d"
    full = messages_json([message(content=text)], content="full", max_chars=10)
    assert json.loads(full) == [message(content=text.replace("\ud83d", "\ufffd"))]
    full.encode("utf-8")


def test_a_very_long_conversation_keeps_its_newest_messages():
    many = [message(content=f"{number} {'xyz ' * 247}") for number in range(600)]
    kept = masked(many)
    assert kept[-1] == many[-1]
    assert kept[0]["parts"][0]["content"] == f"…[+{600 - len(kept) + 1} messages]"
    assert len(messages_json(many, content="masked", max_chars=1000)) < MAX_TOTAL_CHARS * 1.3


def test_of_messages_that_are_hard_to_mask_the_newest_are_shown():
    hard = "4111111111111112 token: x1y2z3w4 jane@example.com (1) " * 200
    many = [{"role": "user", "parts": [{"type": "text", "content": f"{number} {hard}"}]} for number in range(10_000)]
    shown = json.loads(messages_json(many, content="masked", max_chars=1000))
    assert shown[0]["parts"][0]["content"] == f"…[+{10_000 - len(shown) + 1} messages]"
    assert shown[-1]["parts"][0]["content"].startswith("9999 ")
    assert "jane@" not in json.dumps(shown)


def test_a_huge_list_is_cut():
    kept = mask_json(["x" * 10] * 100_000, 100)
    assert len(kept) < 30_000
    assert kept[-1] == f"…[+{100_000 - len(kept) + 1} items]"


def test_what_lies_too_deep_is_left_out():
    deep: object = "jane@example.com"
    for _ in range(MAX_DEPTH + 2_000):
        deep = [deep]
    assert "jane" not in json.dumps(mask_json(deep, 100))
    assert "jane" not in messages_json(
        [message(content="[" * 5_000 + '"jane@example.com"')], content="masked", max_chars=99
    )


def test_what_cannot_be_masked_is_redacted(monkeypatch):
    class Broken(dict):
        def items(self):
            raise RuntimeError("jane@example.com")

    assert mask_json({"a": Broken(b="jane@example.com")}, 100) == "[REDACTED]"
    assert messages_json([Broken()], content="masked", max_chars=100) == '"[REDACTED]"'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(["a@b.org", CARD]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_stays_json_of_the_same_kind(value):
    answer = mask_json(value, 50)
    json.dumps(answer)
    assert isinstance(answer, type(value)) or isinstance(value, (int, float))
    assert CARD not in json.dumps(answer)
    assert "a@b.org" not in json.dumps(answer)


def strict(text):
    """JSON as the standard has it, without ``NaN`` and ``Infinity``."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def texts(value):
    """All texts in a JSON value, keys included, and those in JSON within texts."""
    if isinstance(value, str):
        yield value
        if value[:1] in ("{", "["):
            with suppress(ValueError):
                yield from texts(json.loads(value))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


VALUES = ["planted.person@example.com", CARD, "+1 415-555-2671", "planted%40example.com"]
PLANTED = st.builds(
    lambda before, value, after: f"{before} {value} {after}",
    st.text('ab {}[]"\\\n', max_size=60),
    st.sampled_from(VALUES),
    st.text('ab {}[]"\\\n', max_size=60),
)
NESTED = st.recursive(
    PLANTED | st.sampled_from([int(CARD), float("nan"), 1.5, None, True]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(PLANTED | st.sampled_from(["to", "phone", "name", "id", "parts"]), inner, max_size=3)
        | st.dictionaries(st.just("arguments"), inner.map(json.dumps), max_size=1)
        | inner.map(json.dumps).map(json.dumps)
        | inner.map(lambda value: f" {json.dumps(value, indent=1)}")
    ),
    max_leaves=12,
)


@given(NESTED, st.integers(8, 120))
def test_whatever_lies_in_whatever_is_masked_and_stays_json(value, max_chars):
    shown = strict(to_json(mask_json({"parts": [value]}, max_chars)))
    found = list(texts(shown))
    assert not [text for text in found for planted in VALUES if planted[:8] in text]


def test_json_in_json_in_json_stays_json():
    innermost = json.dumps({"to": "jane@example.com", "n": 1})
    arguments = json.dumps({"request": json.dumps({"body": innermost, "cc": ["bob@example.com"]})})
    part = {"type": "tool_call", "name": "send", "arguments": f"\n  {arguments}"}
    (shown,) = masked([{"role": "assistant", "parts": [part]}])
    request = strict(strict(shown["parts"][0]["arguments"])["request"])
    assert request["cc"] == ["[EMAIL]"]
    assert strict(request["body"]) == {"to": "[EMAIL]", "n": 1}


def test_arguments_that_are_cut_off_are_no_json_and_masked_as_text():
    whole = json.dumps({"note": "line\njohn@example.com", "to": "jane@example.com"})
    for end in range(whole.index("john@") + len("john@example.com"), len(whole)):
        (shown,) = masked([message(content=whole[:end])])
        assert shown["parts"][0]["content"].startswith('{"note": "line\\n[EMAIL]')


def test_files_in_arguments_become_their_size():
    arguments = json.dumps({"image": f"data:image/png;base64,{'iVBORw0K' * 90}", "raw": "QUJD" * 300, "caption": "Hi"})
    (shown,) = masked([{"role": "assistant", "parts": [{"type": "tool_call", "arguments": arguments}]}])
    assert strict(shown["parts"][0]["arguments"]) == {"image": "[BLOB 742]", "raw": "[BLOB 1200]", "caption": "Hi"}


@pytest.mark.parametrize("content", ["masked", "full"])
def test_numbers_that_json_does_not_have_are_texts(content):
    written = messages_json([message(content=float("nan"), more=[float("-inf"), 1.5])], content=content, max_chars=99)
    assert strict(written) == [message(content="nan", more=["-inf", 1.5])]


@pytest.mark.parametrize("content", ["masked", "full"])
def test_no_messages_are_an_empty_list(content):
    assert messages_json((), content=content, max_chars=10) == "[]"
