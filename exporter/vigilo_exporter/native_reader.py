"""Reads ClickHouse's Native format: what ``native.py`` writes, where the format is told, and what ClickHouse writes."""

from __future__ import annotations

import sys
from array import array
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import zstandard

from vigilo_exporter.native import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WIDTH_MASK = 0xFF
_INDEX_CODES = "BHIQ"
_NEEDS_GLOBAL_DICTIONARY = 1 << 8
_HAS_ADDITIONAL_KEYS = 1 << 9
_DICTIONARY_VERSION = 1
_MAX_TYPE = 300  # characters: nested deeper, no reader could be made of it
MAX_ROWS: Final = 2**32
"""More than any segment holds: a number beyond is no number of rows but a broken block."""


class BrokenBlockError(ValueError):
    """Bytes that are no Native block, or one that is cut off, or has a type that we never write."""


class Content(NamedTuple):
    """Rows by columns.

    Attributes:
        columns: name and type of each.
        data: the values of each column, in the same order. Times are int, in ns since 1970.
    """

    columns: tuple[tuple[str, str], ...]
    data: tuple[list[Any], ...]

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.data[0]) if self.data else 0

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row after the other, by the names of the columns."""
        names = [name for name, _ in self.columns]
        for row in zip(*self.data, strict=True):
            yield dict(zip(names, row, strict=True))


def read_segment(path: Path) -> Content:
    """All rows of a file in Native format, compressed with zstd in any number of frames.

    Raises:
        BrokenBlockError: it is none, or is cut off.
        OSError: it cannot be read.
    """
    return read(unpacked(path.read_bytes()))


def unpacked(content: bytes) -> bytes:
    """What zstd has compressed, in any number of frames.

    Raises:
        BrokenBlockError: it is no zstd, or is cut off.
    """
    parts = []
    rest = content
    while rest:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            parts.append(frame.decompress(rest))
        except zstandard.ZstdError:
            raise BrokenBlockError(f"from byte {len(content) - len(rest)} on it is not zstd, or is damaged") from None
        if not frame.eof:
            raise BrokenBlockError(f"it is cut off after {len(content)} bytes")
        rest = frame.unused_data
    return b"".join(parts)


def read(content: bytes) -> Content:
    """All rows of one block, or of several that follow each other and have the same columns.

    Bytes that are not UTF-8 become U+FFFD. Of the same key twice in a map, the last value counts.

    Raises:
        BrokenBlockError: they are none; says where and what is wrong.
    """
    source = _Source(content)
    columns: tuple[tuple[str, str], ...] | None = None
    data: list[list[Any]] = []
    while not source.at_end:
        names, values = _block(source)
        if columns is None:
            columns, data = names, values
        elif names != columns:
            raise BrokenBlockError(f"the block that ends at byte {source.place} has other columns than those before it")
        else:
            for whole, more in zip(data, values, strict=True):
                whole += more
    if columns is None:
        raise BrokenBlockError("there is no block: nothing at all")
    return Content(columns, tuple(data))


class _Source:
    """Bytes, and how far they have been read."""

    __slots__ = ("_content", "place")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    @property
    def at_end(self) -> bool:
        return self.place >= len(self._content)

    def take(self, size: int) -> bytes:
        start, end = self.place, self.place + size
        if end > len(self._content):
            missing = end - len(self._content)
            raise BrokenBlockError(
                f"it is cut off: at byte {start} are {size} bytes expected, and {missing} are missing"
            )
        self.place = end
        return self._content[start:end]

    def length(self) -> int:
        """A number as LEB128; see ``native.py``."""
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise BrokenBlockError(f"at byte {self.place} is no length")

    def numbers(self, code: str, count: int) -> array[Any]:
        values = array(code)
        values.frombytes(self.take(count * values.itemsize))
        if sys.byteorder == "big":
            values.byteswap()
        return values

    def number(self) -> int:
        return int(self.numbers("Q", 1)[0])

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8", "replace")

    def texts(self, count: int) -> list[str]:
        # A count that is wrong must not have the machine run out of memory: each text takes a byte at least.
        if count > len(self._content) - self.place:
            raise BrokenBlockError(f"it is cut off: at byte {self.place} are {count} texts expected")
        return [self.text() for _ in range(count)]


class _Reader(NamedTuple):
    """How one type is read. ``prefix`` comes once a column, nested types' prefixes included."""

    prefix: Callable[[_Source], None]
    values: Callable[[_Source, int], list[Any]]


def _block(source: _Source) -> tuple[tuple[tuple[str, str], ...], list[list[Any]]]:
    start = source.place
    width, rows = source.length(), source.length()
    if rows > MAX_ROWS:
        raise BrokenBlockError(f"at byte {start} is no Native block: it would have {rows} rows")
    columns, data = [], []
    for _ in range(width):
        name, type_ = source.text(), source.text()
        reader = _reader(type_)
        columns.append((name, type_))
        if rows:
            reader.prefix(source)
            data.append(reader.values(source, rows))
        else:
            data.append([])
    return tuple(columns), data


@cache
def _reader(type_: str) -> _Reader:
    if len(type_) > _MAX_TYPE:
        raise BrokenBlockError("there is no type with so long a name in segments")
    if type_ in NUMBERS:
        return _numbers(type_)
    if type_ == "String":
        return _Reader(_no_prefix, _Source.texts)
    if type_ == "LowCardinality(String)":
        return _Reader(_dictionary_version, _low_cardinality)
    outer, _, inner = type_.partition("(")
    if outer == "Array" and inner.endswith(")"):
        return _array(_reader(inner[:-1]))
    key, comma, value = inner[:-1].partition(", ")  # a key's type has no comma
    if outer == "Map" and inner.endswith(")") and comma:
        return _map(_reader(key), _reader(value))
    raise BrokenBlockError(f"there is no type {type_[:100]!r} in segments")


def _no_prefix(source: _Source) -> None:
    pass


def _dictionary_version(source: _Source) -> None:
    version = source.number()
    if version != _DICTIONARY_VERSION:
        raise BrokenBlockError(f"at byte {source.place - 8} is version {version} of dictionaries, which nobody knows")


def _numbers(type_: str) -> _Reader:
    code = NUMBERS[type_]

    def values(source: _Source, count: int) -> list[Any]:
        return source.numbers(code, count).tolist()

    def booleans(source: _Source, count: int) -> list[Any]:
        return list(map(bool, source.take(count)))

    return _Reader(_no_prefix, booleans if type_ == "Bool" else values)


def _low_cardinality(source: _Source, count: int) -> list[Any]:
    flags = source.number()
    width = flags & _WIDTH_MASK
    if width >= len(_INDEX_CODES) or flags & _NEEDS_GLOBAL_DICTIONARY or not flags & _HAS_ADDITIONAL_KEYS:
        raise BrokenBlockError(f"at byte {source.place - 8} is no dictionary of words, or one that lies elsewhere")
    words = source.texts(source.number())
    rows = source.number()
    if rows != count:
        raise BrokenBlockError(f"at byte {source.place - 8} are {rows} words, where {count} belong")
    try:
        return list(map(words.__getitem__, source.numbers(_INDEX_CODES[width], count)))
    except IndexError:
        raise BrokenBlockError(f"before byte {source.place} is a word that its dictionary does not have") from None


def _pieces(source: _Source, count: int) -> Iterator[tuple[int, int]]:
    """Start and end of each of a column's arrays or maps among the elements, which follow."""
    ends = source.numbers("Q", count)
    bounds = list(pairwise((0, *ends)))
    if any(start > end for start, end in bounds) or (bounds and bounds[-1][1] > MAX_ROWS):
        raise BrokenBlockError(f"before byte {source.place} are no ends of arrays")
    return iter(bounds)


def _array(element: _Reader) -> _Reader:
    def values(source: _Source, count: int) -> list[Any]:
        bounds = list(_pieces(source, count))
        size = bounds[-1][1]
        elements = element.values(source, size) if size else []
        return [elements[start:end] for start, end in bounds]

    return _Reader(element.prefix, values)


def _map(key: _Reader, value: _Reader) -> _Reader:
    def prefix(source: _Source) -> None:
        key.prefix(source)
        value.prefix(source)

    def values(source: _Source, count: int) -> list[Any]:
        bounds = list(_pieces(source, count))
        size = bounds[-1][1]
        keys = key.values(source, size) if size else []
        contents = value.values(source, size) if size else []
        return [dict(zip(keys[start:end], contents[start:end], strict=True)) for start, end in bounds]

    return _Reader(prefix, values)
