"""Attribute values as text: what queries on the tables see."""

import enum
import json
from collections import OrderedDict
from types import MappingProxyType

import pytest
from opentelemetry.attributes import BoundedAttributes

from vigilo_exporter.convert.text import hex_span_id, hex_trace_id, text, texts


class Word(str, enum.Enum):
    CHAT = "chat"


class Level(enum.IntEnum):
    HIGH = 3


CASES = [
    ("as it is", "as it is"),
    ("", ""),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (-(2**70), "-1180591620717411303424"),
    (0.1, "0.1"),
    (1.0, "1.0"),
    (1.23e-05, "1.23e-05"),
    (float("nan"), "nan"),
    (float("-inf"), "-inf"),
    (None, ""),
    (b"\x00\xff", "AP8="),
    ((), "[]"),
    (("stop",), '["stop"]'),
    (('say "hi"\n', "naïve"), '["say \\"hi\\"\\n","naïve"]'),
    ((1, 2.5, True, None), "[1,2.5,true,null]"),
    (("a", 1), '["a",1]'),
    ((float("inf"), 1.0), '["inf",1.0]'),
    (([b"\x00"], {"k": (b"\xff",)}), '[["AA=="],{"k":["/w=="]}]'),
    ({"b": {"c": [1]}, "a": None}, '{"b":{"c":[1]},"a":null}'),
    (MappingProxyType({"k": MappingProxyType({"l": float("nan")})}), '{"k":{"l":"nan"}}'),
    (OrderedDict(k=1), '{"k":1}'),
    (Word.CHAT, "chat"),
    (Level.HIGH, "3"),
]


@pytest.mark.parametrize(("value", "expected"), CASES, ids=lambda value: str(value)[:20])
def test_a_value_is_written_the_same_alone_and_among_attributes(value, expected):
    assert text(value) == expected
    assert type(text(value)) is str
    assert texts({"k": value}) == {"k": expected}


def test_sequences_and_mappings_are_json():
    values = [value for value, _ in CASES if isinstance(value, (tuple, dict)) and "inf" not in text(value)]
    assert [type(json.loads(text(value))) for value in values] == [
        list if isinstance(value, tuple) else dict for value in values
    ]


@pytest.mark.parametrize(
    "wrap", [dict, MappingProxyType, OrderedDict, lambda plain: BoundedAttributes(attributes=plain)]
)
def test_any_mapping_is_read(wrap):
    assert texts(wrap({"b": 1, "a": "x"})) == {"b": "1", "a": "x"}
    assert texts(wrap({})) == {}


def test_no_attributes_are_none():
    assert texts(None) == {}


def test_the_mapping_given_is_left_as_it_was():
    attributes = {"k": 1}
    texts(attributes)["l"] = "2"
    assert attributes == {"k": 1}


def test_ids_are_padded_and_absent_ones_are_empty():
    assert hex_trace_id(0xABC) == "0" * 29 + "abc"
    assert hex_span_id(0xABC) == "0" * 13 + "abc"
    assert [hex_trace_id(0), hex_trace_id(None), hex_span_id(0), hex_span_id(None)] == [""] * 4


def test_arrays_that_are_equal_and_written_differently_are_kept_apart():
    for value, written in [((1,), "[1]"), ((True,), "[true]"), ((1.0,), "[1.0]"), (("1",), '["1"]')] * 2:
        assert texts({"k": value}) == {"k": written}
