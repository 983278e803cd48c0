"""Writes ClickHouse's Native format: columns of Python values as one block of bytes.

A block is the number of columns, the number of rows, and for each column its name, its type and its data: numbers as
they lie in memory, strings behind their length, arrays and maps as end offsets followed by their flattened elements.

Sources: https://clickhouse.com/docs/reference/formats/Native and
https://clickhouse.com/docs/reference/interfaces/specs/NativeFormat
"""

from __future__ import annotations

import sys
from array import array
from functools import cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

NUMBERS = {  # ClickHouse's type -> code of the `array` module
    "Bool": "B",
    "UInt8": "B",
    "UInt16": "H",
    "UInt32": "I",
    "UInt64": "Q",
    "Int32": "i",
    "Int64": "q",
    "Float64": "d",
    "DateTime64(9)": "q",  # nanoseconds since 1970
}
_INDEX_CODES = "BHIQ"  # the place in it is how a LowCardinality column names the width of its indexes
_DICTIONARY_VERSION = 1  # "shared dictionaries with additional keys", the only one there is
_HAS_ADDITIONAL_KEYS = 1 << 9  # the block brings its own dictionary
_SHORT_LENGTHS = tuple(bytes((length,)) for length in range(128))
_SHORT_CHARACTERS = tuple(map(chr, range(128)))


class _Codec(NamedTuple):
    """How one type is written. ``prefix`` comes once a column, before the data, nested types' prefixes included."""

    prefix: bytes
    write: Callable[[Sequence[Any], list[bytes]], None]


def block(columns: Sequence[tuple[str, str]], data: Sequence[Sequence[Any]]) -> bytes:
    """One block in Native format.

    Args:
        columns: name and type of each column. Types are numbers, ``Bool``, ``DateTime64(9)`` (int, in ns), ``String``,
            ``LowCardinality(String)``, and ``Array`` and ``Map`` of them, nested at will.
        data: the values of each column, in the same order, all of one length. Code points that are not Unicode text
            (lone surrogates) become ``?``.

    Raises:
        ValueError: the columns are not of one length, or a type is not known.
        OverflowError: a number is out of its type's range.
        TypeError: a value is not of its column's type.
    """
    rows = len(data[0]) if data else 0
    if len(data) != len(columns) or any(len(values) != rows for values in data):
        raise ValueError("the columns of a block must all be there, and have one length")
    parts = [_length(len(columns)), _length(rows)]
    for (name, type_), values in zip(columns, data, strict=True):
        parts += (_framed(name), _framed(type_))
        codec = _codec(type_)
        if rows:  # without rows not even the prefix is written
            parts.append(codec.prefix)
            codec.write(values, parts)
    return b"".join(parts)


@cache
def _codec(type_: str) -> _Codec:
    if type_ in NUMBERS:
        return _numbers(NUMBERS[type_])
    if type_ == "String":
        return _Codec(b"", _write_strings)
    if type_ == "LowCardinality(String)":
        return _Codec(_packed("Q", [_DICTIONARY_VERSION]), _write_low_cardinality)
    outer, _, inner = type_.removesuffix(")").partition("(")
    if outer == "Array":
        return _array(_codec(inner))
    if outer == "Map":
        key, _, value = inner.partition(", ")  # a key's type has no comma
        return _map(_codec(key), _codec(value))
    raise ValueError(f"no way to write the ClickHouse type {type_}")


def _numbers(code: str) -> _Codec:
    def write(values: Sequence[Any], parts: list[bytes]) -> None:
        parts.append(_packed(code, values))

    return _Codec(b"", write)


def _array(element: _Codec) -> _Codec:
    def write(values: Sequence[Any], parts: list[bytes]) -> None:
        parts.append(_packed("Q", accumulate(map(len, values))))
        elements = tuple(chain.from_iterable(values))
        if elements:
            element.write(elements, parts)

    return _Codec(element.prefix, write)


def _map(key: _Codec, value: _Codec) -> _Codec:
    attributes = key.write is _write_low_cardinality and value.write is _write_strings

    def write(values: Sequence[Any], parts: list[bytes]) -> None:
        parts.append(_packed("Q", accumulate(map(len, values))))
        if not any(values):
            return
        if attributes:
            distinct = {id(each): each for each in values}
            if len(distinct) * 2 <= len(values):
                _write_repeated_attributes(values, distinct, parts)
                return
        if key.write is _write_low_cardinality:
            _write_low_cardinality_keys(values, parts)
        else:
            key.write(tuple(chain.from_iterable(values)), parts)
        value.write(tuple(chain.from_iterable(each.values() for each in values)), parts)

    return _Codec(key.prefix + value.prefix, write)


def _write_strings(values: Sequence[str], parts: list[bytes]) -> None:
    # Telemetry repeats itself: framing each distinct string once halves the time of a batch.
    distinct = set(values)
    if "".join(distinct).isascii():  # text has as many characters as bytes, and is encoded all at once
        texts = {
            text: _SHORT_CHARACTERS[size] + text
            if (size := len(text)) < 128
            else _length(size).decode("latin-1") + text
            for text in distinct
        }
        parts.append("".join(map(texts.__getitem__, values)).encode("latin-1"))
        return
    framed = {text: _framed(text) for text in distinct}
    parts.append(b"".join(map(framed.__getitem__, values)))


def _write_low_cardinality(values: Sequence[str], parts: list[bytes]) -> None:
    index, code = _write_dictionary(values, parts)
    parts += (_packed("Q", [len(values)]), _packed(code, map(index.__getitem__, values)))


def _write_low_cardinality_keys(maps: Sequence[Mapping[str, Any]], parts: list[bytes]) -> None:
    """The same for the keys of maps. Most maps of a batch have the same keys, which are looked up once."""
    shapes: dict[tuple[str, ...], int] = {}
    numbers = [shapes.setdefault(tuple(keys), len(shapes)) for keys in maps]
    index, code = _write_dictionary(chain.from_iterable(shapes), parts)
    indexes = [_packed(code, map(index.__getitem__, shape)) for shape in shapes]
    parts += (_packed("Q", [sum(map(len, maps))]), *map(indexes.__getitem__, numbers))


def _write_repeated_attributes(
    maps: Sequence[Mapping[str, str]], distinct: Mapping[int, Mapping[str, str]], parts: list[bytes]
) -> None:
    """The keys and values of maps most of which are one and the same: the attributes of a resource."""
    index, code = _write_dictionary(chain.from_iterable(distinct.values()), parts)
    indexes = {number: _packed(code, map(index.__getitem__, each)) for number, each in distinct.items()}
    contents = {number: b"".join(map(_framed, each.values())) for number, each in distinct.items()}
    order = tuple(map(id, maps))
    parts += (_packed("Q", [sum(map(len, maps))]), *map(indexes.__getitem__, order))
    parts += map(contents.__getitem__, order)


def _write_dictionary(values: Iterable[str], parts: list[bytes]) -> tuple[dict[str, int], str]:
    """Writes the distinct values; gives the place of each, and the array code of such a place."""
    distinct = dict.fromkeys(values)
    width = (len(distinct) > 1 << 8) + (len(distinct) > 1 << 16) + (len(distinct) > 1 << 32)
    parts += (_packed("Q", [_HAS_ADDITIONAL_KEYS | width, len(distinct)]), *map(_framed, distinct))
    return dict(zip(distinct, range(len(distinct)), strict=True)), _INDEX_CODES[width]


def _packed(code: str, numbers: Any) -> bytes:
    packed = array(code, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _framed(text: str) -> bytes:
    encoded = text.encode("utf-8", "replace")
    length = len(encoded)
    return (_SHORT_LENGTHS[length] if length < 128 else _length(length)) + encoded


def _length(number: int) -> bytes:
    """A number as LEB128: seven bits a byte, lowest first, the eighth bit says that more follow."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
