"""What we write, ClickHouse's own engine must read: every type, at every width."""

import json
import math
import string
import struct

import pytest
import zstandard
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from vigilo_exporter import native

READ = """
import json, sys
from chdb import connect
engine = connect(":memory:")
for setting in (
    "session_timezone = 'UTC'",
    "date_time_output_format = 'unix_timestamp'",
    "output_format_json_quote_64bit_integers = 0",
    "output_format_json_quote_denormals = 1",
    "max_threads = 1",
):
    engine.query("SET " + setting)
answers = []
selected, paths = json.load(sys.stdin)
for path in paths:
    source = f"file('{path}', Native)"
    types = engine.query(f"DESCRIBE {source}", "JSONCompactEachRow").bytes() or b""
    rows = engine.query(f"SELECT {selected} FROM {source}", "JSONCompactEachRow").bytes() or b""
    answers.append([[json.loads(line) for line in lines.splitlines()] for lines in (types, rows)])
print(json.dumps(answers))
"""


@pytest.fixture
def read(tmp_path, python):
    """Lets the engine read blocks, each from a file: name and type of the columns, and the rows."""

    def read_blocks(*blocks, selected="*"):
        paths = [tmp_path / f"{number}.native.zst" for number in range(len(blocks))]
        for path, block in zip(paths, blocks, strict=True):
            path.write_bytes(zstandard.compress(block))
        done = python("-c", READ, stdin=json.dumps([selected, [str(path) for path in paths]]))
        assert done.returncode == 0, done.stderr
        return [
            ([tuple(description[:2]) for description in columns], rows) for columns, rows in json.loads(done.stdout)
        ]

    return read_blocks


SCALARS = {
    "Bool": [True, False],
    "UInt8": [0, 255],
    "UInt16": [0, 65535],
    "UInt32": [0, 2**32 - 1],
    "UInt64": [0, 2**64 - 1],
    "Int32": [-(2**31), 2**31 - 1],
    "Int64": [-(2**63), 2**63 - 1],
    "Float64": [-0.1, 1e90],
    "String": ["", "naïve 日本語 🙂"],
    "LowCardinality(String)": ["", "naïve 日本語 🙂"],
}
ATTRIBUTES = "Map(LowCardinality(String), String)"


def test_extreme_values_of_every_type_are_read_back(read):
    columns = [(f"c{number}", type_) for number, type_ in enumerate(SCALARS)]
    [(types, rows)] = read(native.block(columns, list(SCALARS.values())))
    assert types == columns
    assert rows == [list(row) for row in zip(*SCALARS.values(), strict=True)]


def test_numbers_keep_every_bit(read):
    numbers = [0.0, -0.0, 1e300, 5e-324, 0.1, -1.7976931348623157e308, math.inf, -math.inf, math.nan]
    # As bits, because the engine's small build writes the exponent of 1e300 as 30.
    [(_, rows)] = read(native.block([("x", "Float64")], [numbers]), selected="reinterpretAsUInt64(x)")
    assert rows == [[struct.unpack("<Q", struct.pack("<d", number))[0]] for number in numbers]


def test_times_keep_their_nanoseconds(read):
    [(_, rows)] = read(native.block([("t", "DateTime64(9)")], [[0, 1_795_253_894_714_369_686]]))
    assert rows == [["0.000000000"], ["1795253894.714369686"]]


def test_nested_types_are_read_back(read):
    cases = {
        "Array(LowCardinality(String))": [[], ["a", "b", "a"], []],
        "Array(Array(UInt16))": [[], [[], [1, 2]], [[3]]],
        ATTRIBUTES: [{}, {"k": "v", "": ""}, {"k": "w"}],
        "Map(String, UInt64)": [{"b": 1}, {}, {"b": 2, "c": 3}],
        f"Array({ATTRIBUTES})": [[], [{}, {"k": "v"}], [{"k": "v", "l": "x" * 200}]],
        "Map(LowCardinality(String), Array(LowCardinality(String)))": [{"a": ["x", "y"]}, {"b": []}, {}],
    }
    columns = [(f"c{number}", type_) for number, type_ in enumerate(cases)]
    [(types, rows)] = read(native.block(columns, list(cases.values())))
    assert types == columns
    assert rows == [list(row) for row in zip(*cases.values(), strict=True)]


def test_columns_of_nothing_but_empty_arrays_and_maps_are_read_back(read):
    columns = [
        ("a", "Array(LowCardinality(String))"),
        ("m", ATTRIBUTES),
        ("am", f"Array({ATTRIBUTES})"),
        ("n", "UInt8"),
    ]
    [(_, rows)] = read(native.block(columns, [[[], ()], [{}, {}], [[], [{}]], [1, 2]]))
    assert rows == [[[], {}, [], 1], [[], {}, [{}], 2]]


def test_a_block_without_rows_says_its_columns(read):
    columns = [("word", "LowCardinality(String)"), ("attributes", ATTRIBUTES), ("n", "UInt64")]
    assert read(native.block(columns, [[], [], []])) == [(columns, [])]


def test_blocks_can_follow_each_other_with_dictionaries_of_their_own(read):
    columns = [("word", "LowCardinality(String)"), ("attributes", ATTRIBUTES)]
    first = native.block(columns, [["a", "b"], [{"k": "1"}, {"l": "2"}]])
    second = native.block(columns, [["c"], [{"m": "3"}]])
    [(_, rows)] = read(first + second)
    assert rows == [["a", {"k": "1"}], ["b", {"l": "2"}], ["c", {"m": "3"}]]


def test_dictionaries_of_any_size_are_read_back(read):
    sizes = (1, 255, 256, 257, 300, 65_536, 65_537, 70_000)
    columns = [("w", "LowCardinality(String)"), ("m", ATTRIBUTES)]
    cases = [[f"w{number}" for number in range(size)] + ["w0", f"w{size - 1}"] for size in sizes]
    answers = read(*(native.block(columns, [words, [{word: "v"} for word in words]]) for words in cases))
    for words, (_, rows) in zip(cases, answers, strict=True):
        assert rows == [[word, {word: "v"}] for word in words]


def test_strings_of_any_length_keep_embedded_nuls(read):
    texts = ["\0", "a\0b", *("x" * length for length in (127, 128, 16_383, 16_384, 2_100_000))]
    [(_, rows)] = read(native.block([("s", "String"), ("w", "LowCardinality(String)")], [texts, texts]))
    assert rows == [[text, text] for text in texts]


def test_lone_surrogates_are_replaced_also_where_two_keys_become_one(read):
    texts = ["a\ud800b", "a?b", "\udfff"]
    columns = [("s", "String"), ("w", "LowCardinality(String)"), ("m", ATTRIBUTES)]
    [(_, rows)] = read(native.block(columns, [texts, texts, [{text: text} for text in texts]]))
    assert rows == [["a?b", "a?b", {"a?b": "a?b"}], ["a?b", "a?b", {"a?b": "a?b"}], ["?", "?", {"?": "?"}]]


@pytest.mark.parametrize(
    ("type_", "value", "error"),
    [
        ("UInt8", 256, OverflowError),
        ("UInt64", -1, OverflowError),
        ("Int64", 2**63, OverflowError),
        ("Float64", 10**400, OverflowError),
        ("Float64", "1", TypeError),
        ("Int32", None, TypeError),
    ],
)
def test_a_number_that_its_type_cannot_hold_is_refused(type_, value, error):
    with pytest.raises(error):
        native.block([("n", type_)], [[value]])


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        native.block([("a", "UInt8"), ("b", "UInt8")], [[1, 2], [1]])


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match="Decimal"):
        native.block([("a", "Decimal(9, 2)")], [[1]])


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.sampled_from(string.ascii_letters)
VALUES = {
    "Bool": st.booleans(),
    "UInt8": st.integers(0, 2**8 - 1),
    "UInt16": st.integers(0, 2**16 - 1),
    "UInt32": st.integers(0, 2**32 - 1),
    "UInt64": st.integers(0, 2**64 - 1),
    "Int32": st.integers(-(2**31), 2**31 - 1),
    "Int64": st.integers(-(2**63), 2**63 - 1),
    # Exponents of two digits: the engine's small build leaves a digit out when it writes longer ones.
    "Float64": st.floats().filter(
        lambda number: not math.isfinite(number) or number == 0 or 1e-90 < abs(number) < 1e90
    ),
    "DateTime64(9)": st.integers(0, 2**62),
    "String": TEXTS,
    "LowCardinality(String)": TEXTS,
}


def nested(inner):
    """Types around a pair of a type and its values."""

    def around(pair):
        type_, values = pair
        lists = st.lists(values, max_size=3)
        maps = st.dictionaries(TEXTS, values, max_size=3)
        return st.sampled_from(
            [
                (f"Array({type_})", lists),
                (f"Map(String, {type_})", maps),
                (f"Map(LowCardinality(String), {type_})", maps),
            ]
        )

    return inner.flatmap(around)


TYPES = st.recursive(st.sampled_from(list(VALUES.items())), nested, max_leaves=3)


@st.composite
def blocks(draw):
    pairs = draw(st.lists(TYPES, min_size=1, max_size=4))
    rows = draw(st.integers(0, 5))
    columns = [(f"c{number}", type_) for number, (type_, _) in enumerate(pairs)]
    return columns, [draw(st.lists(values, min_size=rows, max_size=rows)) for _, values in pairs]


def shown(type_, value):
    """A value as the engine's JSON shows it."""
    if isinstance(value, list):
        return [shown(type_, each) for each in value]
    if isinstance(value, dict):
        return {key: shown(type_, each) for key, each in value.items()}
    if "DateTime64" in type_:
        return f"{value // 10**9}.{value % 10**9:09d}"
    if isinstance(value, float) and not math.isfinite(value):
        return ("-" if math.copysign(1, value) < 0 else "") + repr(abs(value))
    return value


def as_float(value):
    """A value as read from JSON, in which 2.0 is written as 2."""
    if isinstance(value, list):
        return [as_float(each) for each in value]
    if isinstance(value, dict):
        return {key: as_float(each) for key, each in value.items()}
    return float(value) if isinstance(value, int) else value


def test_whatever_is_written_is_read_back(read):
    cases = []

    @settings(
        max_examples=150,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(blocks())
    def collect(case):
        cases.append(case)

    collect()
    assert len({type_ for columns, _ in cases for _, type_ in columns}) > 40
    answers = read(*(native.block(columns, data) for columns, data in cases))
    for (columns, data), (types, rows) in zip(cases, answers, strict=True):
        assert types == columns
        values = [[shown(type_, value) for value in column] for (_, type_), column in zip(columns, data, strict=True)]
        assert [
            [as_float(each) if "Float64" in type_ else each for (_, type_), each in zip(columns, row, strict=True)]
            for row in rows
        ] == [list(row) for row in zip(*values, strict=True)]
