"""What we or ClickHouse wrote is read back, every type and value; anything else is told apart from it."""

import json
import math
import string
import struct
from contextlib import suppress
from itertools import chain

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vigilo_exporter import native
from vigilo_exporter.convert.columns import COLUMNS
from vigilo_exporter.native_reader import BrokenBlockError, read, read_segment, unpacked

ATTRIBUTES = "Map(LowCardinality(String), String)"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.sampled_from(string.ascii_letters)
VALUES = {
    "Bool": st.booleans(),
    "UInt8": st.integers(0, 2**8 - 1),
    "UInt16": st.integers(0, 2**16 - 1),
    "UInt32": st.integers(0, 2**32 - 1),
    "UInt64": st.integers(0, 2**64 - 1),
    "Int32": st.integers(-(2**31), 2**31 - 1),
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "Float64": st.floats(),
    "DateTime64(9)": st.integers(-(2**63), 2**63 - 1),
    "String": TEXTS,
    "LowCardinality(String)": TEXTS,
}


def values_of(type_):
    """Values that a column of that type may hold."""
    if type_ in VALUES:
        return VALUES[type_]
    outer, _, inner = type_[:-1].partition("(")
    if outer == "Array":
        return st.lists(values_of(inner), max_size=3)
    key, _, value = inner.partition(", ")
    return st.dictionaries(values_of(key), values_of(value), max_size=3)


def nested(inner):
    around = ["Array({})", "Map(String, {})", "Map(LowCardinality(String), {})"]
    return st.builds(lambda outer, type_: outer.format(type_), st.sampled_from(around), inner)


TYPES = st.recursive(st.sampled_from(list(VALUES)), nested, max_leaves=4)


@st.composite
def contents(draw, columns):
    rows = draw(st.integers(0, 6))
    return [draw(st.lists(values_of(type_), min_size=rows, max_size=rows)) for _, type_ in columns]


def exact(value):
    """A value in a form in which equality means that no bit differs."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: exact(each) for key, each in value.items()}
    return [exact(each) for each in value] if isinstance(value, (list, tuple)) else value


unhurried = settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)


@settings(unhurried, max_examples=200)
@given(st.data(), st.lists(TYPES, min_size=1, max_size=4))
def test_whatever_we_write_is_read_back(data, types):
    columns = tuple((f"c{number}", type_) for number, type_ in enumerate(types))
    written = data.draw(contents(columns))
    content = read(native.block(columns, written))
    assert content.columns == columns
    assert exact(content.data) == exact(written)
    assert content.row_count == len(written[0])


@pytest.mark.parametrize("table", COLUMNS)
@unhurried
@given(st.data())
def test_every_table_is_read_back_from_any_number_of_blocks_and_frames(table, data):
    columns = COLUMNS[table]
    blocks = data.draw(st.lists(contents(columns), min_size=1, max_size=3))
    packed = b"".join(zstandard.compress(native.block(columns, block)) for block in blocks)
    content = read(unpacked(packed))
    assert content.columns == columns
    assert exact(content.data) == exact([list(chain(*parts)) for parts in zip(*blocks, strict=True)])


def test_rows_are_given_by_name():
    content = read(native.block([("a", "UInt8"), ("b", "Array(String)")], [[1, 2], [["x"], []]]))
    assert list(content.rows()) == [{"a": 1, "b": ["x"]}, {"a": 2, "b": []}]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_536, 65_537])
def test_dictionaries_of_any_width_are_read_back(size):
    words = [f"w{number}" for number in range(size)]
    columns = [("w", "LowCardinality(String)"), ("m", "Map(LowCardinality(String), String)")]
    data = [words, [{word: "v"} for word in words]]
    assert list(read(native.block(columns, data)).data) == data


@pytest.mark.parametrize("lone", [{}, {"only": "here", "service.name": "y" * 128}])
def test_attributes_that_many_rows_share_are_read_back(lone):
    shop, naive = {"service.name": "shop", "pid": "7"}, {"service.name": "naïve" * 40, "zone": ""}
    maps = [shop, shop, naive, shop, shop, lone, naive, naive, shop]
    assert read(native.block([("m", ATTRIBUTES)], [maps])).data == (maps,)
    assert read(native.block([("m", f"Array({ATTRIBUTES})")], [[maps, [], maps]])).data == ([maps, [], maps],)


def test_bytes_that_are_no_text_are_shown_as_such():
    block = native.block([("s", "String")], [["aXb"]]).replace(b"aXb", b"a\xffb")
    assert read(block).data == (["a\ufffdb"],)


ENGINE_WRITES = """
import json, sys
from chdb import connect
engine = connect(":memory:")
folder, questions = json.load(sys.stdin)
for number, (question, codec) in enumerate(questions):
    path = f"{folder}/{number}.native.zst"
    engine.query(f"INSERT INTO FUNCTION file('{path}', Native, auto, '{codec}') {question}")
"""

ROWS = 70_000  # the engine writes them in several blocks
QUESTIONS = {
    "SELECT toUInt8(number) AS u8, toUInt16(number) AS u16, toUInt32(number) AS u32, number AS u64, "
    "toInt32(number) - 35000 AS i32, -toInt64(number) AS i64, number / 3 AS f, CAST(number % 2 = 0, 'Bool') AS b, "
    "fromUnixTimestamp64Nano(toInt64(number * 1000000 + 1)) AS t, toString(number) AS s "
    f"FROM numbers({ROWS})": lambda n: {
        "t": n * 10**6 + 1,
        "u8": n % 256,
        "u16": n % 65536,
        "u32": n,
        "u64": n,
        "i32": n - 35000,
        "i64": -n,
        "f": n / 3,
        "b": n % 2 == 0,
        "s": str(n),
    },
    "SELECT toLowCardinality(toString(number % 300)) AS w, "
    "CAST(if(number % 3 = 0, map(), map('k', toString(number), 'l' || toString(number % 9), '')), "
    f"'{ATTRIBUTES}') AS m, "
    f"CAST(range(number % 4), 'Array(UInt64)') AS a, CAST([[], ['x', toString(number % 5)]], "
    f"'Array(Array(LowCardinality(String)))') AS aa FROM numbers({ROWS})": lambda n: {
        "w": str(n % 300),
        "m": {} if n % 3 == 0 else {"k": str(n), f"l{n % 9}": ""},
        "a": list(range(n % 4)),
        "aa": [[], ["x", str(n % 5)]],
    },
}


@pytest.fixture
def engine_writes(tmp_path, python):
    def write(*questions):
        done = python("-c", ENGINE_WRITES, stdin=json.dumps([str(tmp_path), questions]))
        assert done.returncode == 0, done.stderr
        return [tmp_path / f"{number}.native.zst" for number in range(len(questions))]

    return write


def test_what_the_engine_wrote_is_read(engine_writes):
    paths = engine_writes(*((question, "zstd") for question in QUESTIONS))
    for path, row in zip(paths, QUESTIONS.values(), strict=True):
        content = read_segment(path)
        assert content.row_count == ROWS
        assert all(found == row(number) for number, found in enumerate(content.rows()))


def test_the_engine_writes_every_table_as_we_read_it(engine_writes, tmp_path):
    """Rows that we wrote, taken in and written by the engine."""
    questions, expected = [], []
    for table, columns in COLUMNS.items():
        data = [[one_of(type_, number) for number in range(50)] for _, type_ in columns]
        (tmp_path / f"{table}.ours.zst").write_bytes(zstandard.compress(native.block(columns, data)))
        structure = ", ".join(f"`{name}` {type_}" for name, type_ in columns).replace("'", "\\'")
        questions.append((f"SELECT * FROM file('{tmp_path}/{table}.ours.zst', Native, '{structure}', 'zstd')", "zstd"))
        expected.append((columns, data))
    for path, (columns, data) in zip(engine_writes(*questions), expected, strict=True):
        content = read_segment(path)
        assert content.columns == columns
        assert exact(content.data) == exact(data)


def one_of(type_, number):
    """Some value of a type, other ones for other numbers."""
    if type_.startswith("Array("):
        return [one_of(type_[6:-1], each) for each in range(number % 3)]
    if type_.startswith("Map("):
        return {f"k{each}": f"naïve {number}" for each in range(number % 4)}
    if type_ in ("String", "LowCardinality(String)"):
        return f"日本 {number % 7}"
    return number % 2 == 0 if type_ == "Bool" else number / 7 if type_ == "Float64" else number


COLUMNS_OF_ALL_KINDS = (
    ("n", "UInt64"),
    ("b", "Bool"),
    ("s", "String"),
    ("w", "LowCardinality(String)"),
    ("m", ATTRIBUTES),
    ("a", f"Array({ATTRIBUTES})"),
)
BLOCK = native.block(
    COLUMNS_OF_ALL_KINDS,
    [[1, 2], [True, False], ["x", "y" * 200], ["p", "q"], [{"k": "v"}, {}], [[{"k": "v"}, {}], []]],
)


def test_a_block_that_is_cut_off_anywhere_is_told():
    for size in range(len(BLOCK)):
        with pytest.raises(BrokenBlockError):
            read(BLOCK[:size])


@settings(unhurried, max_examples=500)
@given(st.data())
def test_a_damaged_block_is_read_or_told_and_never_anything_else(data):
    damaged = bytearray(BLOCK)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(BLOCK) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BrokenBlockError):
        assert len({len(values) for values in read(bytes(damaged)).data}) == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_told(content):
    with suppress(BrokenBlockError):
        read(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "nothing at all"),
        (b"\xff" * 12, "no length"),
        (b"\x01\xff\xff\xff\xff\xff\x0f", "no Native block"),
        (native.block([("d", "UInt8")], [[1]]).replace(b"UInt8", b"Int16"), "no type 'Int16'"),
        (b"\x01\x01\x01n" + b"\xe0\x12" + b"Array(" * 400, "so long a name"),
        (native.block([("w", "LowCardinality(String)")], [["x"]])[:-1] + b"\x01", "dictionary does not have"),
        (native.block([("a", "UInt8")], [[1]]) + native.block([("b", "UInt8")], [[1]]), "other columns"),
    ],
)
def test_the_message_says_what_is_wrong(content, message):
    with pytest.raises(BrokenBlockError, match=message):
        read(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no zstd at all", "not zstd"),
        (zstandard.compress(BLOCK)[:-5], "cut off"),
        (zstandard.compress(BLOCK) + b"more", "from byte .* not zstd"),
    ],
)
def test_a_file_that_is_no_segment_is_told(tmp_path, content, message):
    path = tmp_path / "segment"
    path.write_bytes(content)
    with pytest.raises(BrokenBlockError, match=message):
        read_segment(path)


def test_not_a_number_is_read_back():
    [[number]] = read(native.block([("x", "Float64")], [[math.nan]])).data
    assert math.isnan(number)
