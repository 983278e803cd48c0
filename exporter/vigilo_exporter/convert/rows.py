"""Rows on their way into a Native block. One that cannot be written is dropped and counted, alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from vigilo.errors import report_internal
from vigilo_exporter import native
from vigilo_exporter.convert.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vigilo_exporter.convert.columns import Columns

Row = tuple[Any, ...]
"""One value for each of a table's columns, in their order."""


class Block(NamedTuple):
    """Rows in Native format, and how many they are."""

    content: bytes
    rows: int


class Dropped:
    """Counts what could not be converted. Each kind of failure is logged once a process."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def add(self, what: str, error: Exception) -> None:
        """One more is lost; ``what`` it was, for the log."""
        self.count += 1
        report_internal(f"converting a {what}", error)


def rows_of(what: str, items: Iterable[Any], row: Callable[[Any], Row], dropped: Dropped) -> list[Row]:
    """The row of each item that has one."""
    rows = []
    for item in items:
        try:
            rows.append(row(item))
        except Exception as error:  # noqa: BLE001 - one strange item must not cost the others
            dropped.add(what, error)
    return rows


def block(table: str, rows: Sequence[Row], dropped: Dropped) -> Block | None:
    """The rows as a Native block, without those that hold what their columns cannot; None when none is left."""
    columns = COLUMNS[table]
    if not rows:
        return None
    try:
        return _block(columns, rows)
    except Exception:  # noqa: BLE001 - a number out of range, text that is none: some of the rows are to blame
        writable = rows_of(f"row of {table}", rows, partial(_written_alone, columns), dropped)
        return _block(columns, writable) if writable else None


def _block(columns: Columns, rows: Sequence[Row]) -> Block:
    return Block(native.block(columns, tuple(zip(*rows, strict=True))), len(rows))


def _written_alone(columns: Columns, row: Row) -> Row:
    """The row, if it can be written."""
    native.block(columns, [(value,) for value in row])
    return row
