"""Native format as clients of a newer revision read it: clickhouse-go, and with it Grafana's ClickHouse data source.

They send ``client_protocol_version``, and expect before each block its info, and behind the type of each column whether
it is serialized in a way of its own. The embedded engine writes neither; so the ends of the columns are found, and both
are put in.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from vigilo_exporter.clickhouse.protocol.failures import NOT_IMPLEMENTED, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

CUSTOM_SERIALIZATION = 54_454
"""The first revision whose readers expect both. Those of older ones look first, and do without."""
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_AS_USUAL = b"\x00"
_WIDTHS = {
    "Bool": 1, "Nothing": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Int16": 2, "UInt16": 2, "Enum16": 2, "BFloat16": 2,
    "Date": 2, "Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "IPv4": 4, "Time": 4, "Int64": 8,
    "UInt64": 8, "Float64": 8, "DateTime64": 8, "Time64": 8, "Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16,
    "Point": 16, "Int256": 32, "UInt256": 32,
}  # fmt: skip
_DIGITS_OF_WIDTH = ((9, 4), (18, 8), (38, 16), (76, 32))
_HAS_KEYS = 0x02
_DICTIONARY = re.compile(r"\bLowCardinality\(")
_TYPE = re.compile(r"\s*(\w+)\s*(?:\((.*)\))?\s*$", re.DOTALL)
_NAMED = re.compile(r"\s*(?:`(?:[^`\\]|\\.)*`|\w+)\s+(?=\w)")


def with_block_info(native: bytes) -> bytes:
    """The same blocks, as a client of :data:`CUSTOM_SERIALIZATION` or newer reads them.

    Raises:
        Refused: a column has a type whose end cannot be found.
    """
    view, at = memoryview(native), 0
    pieces: list[bytes | memoryview] = []
    while at < len(view):
        begin = at
        columns, at = _number(view, at)
        rows, at = _number(view, at)
        pieces += (_BLOCK_INFO, view[begin:at])
        for _ in range(columns):
            begin = at
            _, at = _text(view, at)
            kind, at = _text(view, at)
            pieces += (view[begin:at], _AS_USUAL)
            begin = at
            if rows:
                at = _end_of_column(bytes(kind).decode(), view, at, rows)
            pieces.append(view[begin:at])
    return b"".join(pieces)


def _end_of_column(kind: str, data: memoryview, at: int, rows: int) -> int:
    # What each LowCardinality in it begins with comes first, wherever in the type it is.
    return _skipper(kind)(data, at + 8 * len(_DICTIONARY.findall(kind)), rows)


@cache
def _skipper(kind: str) -> Callable[[memoryview, int, int], int]:
    """Finds the end of a column of a type: from (data, where it begins, rows)."""
    found = _TYPE.match(kind)
    name, inner = (found[1], found[2] or "") if found else ("", "")
    if name == "String":
        return _after_texts
    if name in _WIDTHS or name.startswith("Interval"):
        return _fixed(_WIDTHS.get(name, 8))
    if name == "FixedString":
        return _fixed(int(inner))
    if name == "Decimal":
        digits = int(inner.split(",")[0])
        return _fixed(next(width for most, width in _DIGITS_OF_WIDTH if digits <= most))
    if name == "Nullable":
        value = _skipper(inner)
        return lambda data, at, rows: value(data, at + rows, rows)
    if name == "LowCardinality":
        # The dictionary of nullable values has no marks of NULL.
        return _by_dictionary(_skipper(inner[9:-1] if inner.startswith("Nullable(") else inner))
    if name == "SimpleAggregateFunction":
        return _skipper(_parts(inner)[-1])
    if name in ("Tuple", "Nested", "Array", "Map"):
        fields = tuple(_skipper(_NAMED.sub("", part, count=1)) for part in _parts(inner))
        return _together(fields) if name == "Tuple" else _repeated(fields)
    raise Refused(
        NOT_IMPLEMENTED,
        f"a column is of type {kind[:100]}, which cannot be sent to this client: convert it in the query",
    )


def _fixed(width: int) -> Callable[[memoryview, int, int], int]:
    return lambda _, at, rows: at + width * rows


def _together(fields: tuple[Callable[[memoryview, int, int], int], ...]) -> Callable[[memoryview, int, int], int]:
    def skip(data: memoryview, at: int, rows: int) -> int:
        for field in fields:
            at = field(data, at, rows)
        return at

    return skip


def _repeated(fields: tuple[Callable[[memoryview, int, int], int], ...]) -> Callable[[memoryview, int, int], int]:
    inner = _together(fields)

    def skip(data: memoryview, at: int, rows: int) -> int:
        at += 8 * rows  # where each row's values end
        count = int.from_bytes(data[at - 8 : at], "little")
        return inner(data, at, count) if count else at

    return skip


def _by_dictionary(value: Callable[[memoryview, int, int], int]) -> Callable[[memoryview, int, int], int]:
    def skip(data: memoryview, at: int, rows: int) -> int:
        width, has_keys = 1 << data[at], data[at + 1] & _HAS_KEYS
        at += 8
        if has_keys:
            count = int.from_bytes(data[at : at + 8], "little")
            at = value(data, at + 8, count)
        return at + 8 + width * rows

    return skip


def _after_texts(data: memoryview, at: int, rows: int) -> int:
    for _ in range(rows):
        _, at = _text(data, at)
    return at


def _text(data: memoryview, at: int) -> tuple[memoryview, int]:
    size, at = _number(data, at)
    return data[at : at + size], at + size


def _number(data: memoryview, at: int) -> tuple[int, int]:
    number = data[at]
    at += 1
    if number < 0x80:
        return number, at
    number &= 0x7F
    shift = 7
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _parts(inner: str) -> list[str]:
    """``a, b(c, d)`` -> ``a`` and ``b(c, d)``; names of an Enum may hold anything in quotes."""
    parts, depth, begin, quote, at = [], 0, 0, "", 0
    while at < len(inner):
        sign = inner[at]
        if quote:
            if sign == "\\":
                at += 1
            elif sign == quote:
                quote = ""
        elif sign in "'`":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and not depth:
            parts.append(inner[begin:at])
            begin = at + 1
        at += 1
    return [*parts, inner[begin:]]
