import json
import math
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo.checkpoint import plain

KEYS = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.frozensets(st.integers()),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner) | st.dictionaries(st.text(), inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_a_plain_value_comes_back_as_it_was(value):
    back = plain.loads(plain.dumps(value))
    assert back == value
    if "frozenset" not in repr(value):  # its order is nobody's promise
        assert repr(back) == repr(value)  # also True is not 1, and 0.0 not -0.0


@pytest.mark.parametrize(
    "value",
    [2**63, -(2**63), 10**4000, math.inf, -math.inf, {"~": "tuple", "v": [1]}, OrderedDict(b=1, a=2), {1: 2, "1": 3}],
)
def test_the_odd_ones_too(value):
    back = plain.loads(plain.dumps(value))
    assert back == value
    assert type(back) is type(value)


def test_not_a_number_stays_none():
    assert math.isnan(plain.loads(plain.dumps(math.nan)))


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.zeros((0, 3), "int8"), np.array(["a", "bc"]), np.float32(1.5)],
)
def test_arrays_and_numbers_of_numpy(array):
    back = plain.loads(plain.dumps({"a": array}))["a"]
    assert type(back) is type(array)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert not isinstance(back, np.ndarray) or back.flags.writeable


class Own(dict):
    pass


@pytest.mark.parametrize(
    "value", [object(), Own(), defaultdict(list), lambda: 0, np.array([object()]), [1, {"a": {1, object()}}], range(3)]
)
def test_what_would_not_come_back_the_same_is_no_plain_value(value):
    with pytest.raises(plain.NotPlain):
        plain.dumps(value)
    assert not plain.is_plain(value)


def test_a_list_that_holds_itself_is_no_plain_value():
    endless = []
    endless.append(endless)
    with pytest.raises(plain.NotPlain, match="holds itself"):
        plain.dumps(endless)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"~":"module","v":"os"}',
        '{"~":"array","dtype":"O","shape":[1],"v":""}',
        '{"~":"int","v":3}',
        '{"~":"tuple"}',
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError):
        plain.loads(text.encode())


def test_it_is_json_that_people_can_read():
    assert json.loads(plain.dumps({"epoch": 3, "losses": [1.5, 1.25]})) == {"epoch": 3, "losses": [1.5, 1.25]}
