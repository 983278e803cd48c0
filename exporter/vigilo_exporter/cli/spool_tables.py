"""The spool as tables for people, and its rows as values that JSON has."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vigilo_exporter.spool.limits import summed
from vigilo_exporter.spool.pieces import BEGUN, QUARANTINED, WAITING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vigilo_exporter.spool import Drop
    from vigilo_exporter.spool.pieces import Piece

_UNCUT_WIDTH = 1000
_RIGHT = ("rows", "bytes", "age", "segments")
_NOTES = {WAITING: "", BEGUN: "manifest", QUARANTINED: "reason"}
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def print_pieces(folder: Path, found: Sequence[Piece], drops: Sequence[Drop], limit: int) -> None:
    """What is in each state, in all and the newest ``limit`` piece by piece, and what was dropped."""
    console = _console()
    console.print(Text(str(folder)))
    for state in (WAITING, BEGUN, QUARANTINED):
        pieces = [piece for piece in found if piece.state == state]
        rows, size = sum(piece.rows for piece in pieces), sum(piece.bytes for piece in pieces)
        console.print(Text(f"\n{state}: {len(pieces):,} files, {rows:,} rows, {size:,} bytes", style="bold"))
        newest = pieces[len(pieces) - max(0, limit) :] if limit < len(pieces) else pieces
        if newest:
            console.print(_pieces_table(newest, state))
        if len(newest) < len(pieces):
            console.print(f"and {len(pieces) - len(newest):,} older; --limit shows more")
    if drops:
        table = _table("table", "segments", "rows", "bytes", "last at", "reason")
        for drop in summed(drops):
            numbers = [f"{number:,}" for number in (drop.segments, drop.rows, drop.bytes)]
            table.add_row(Text(drop.table), *numbers, Text(drop.at), Text(drop.reason))
        console.print(Text("\ndropped, and lost:", style="bold"))
        console.print(table)


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """One row after the other, a line for each column that has a value."""
    console = _console()
    for row in rows:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, value in row.items():
            if isinstance(value, dict):
                for key, each in value.items():
                    table.add_row(Text(f"{name}[{key}]", style="dim"), Text(str(each), overflow="fold"))
            elif value not in ("", [], None):
                table.add_row(Text(name, style="bold"), Text(str(value), overflow="fold"))
        console.print(table, "")


def readable(columns: Sequence[tuple[str, str]], row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with times as ClickHouse writes them, UTC, and numbers that are none as None."""
    return {name: _value(row[name], type_) for name, type_ in columns}


def age(seconds: float) -> str:
    """``3 d 4 h``, the two largest units; ``0 s`` of what was written just now, or by a clock ahead of ours."""
    rest = max(0, int(seconds))
    parts = []
    for length, unit in _UNITS:
        if rest >= length:
            parts.append(f"{rest // length} {unit}")
            rest %= length
    return " ".join(parts[:2]) or "0 s"


def _value(value: Any, type_: str) -> Any:
    if isinstance(value, list):
        return [_value(each, type_) for each in value]
    if isinstance(value, dict):
        return {key: _value(each, type_) for key, each in value.items()}
    if "DateTime64" in type_:
        seconds, nanoseconds = divmod(value, 10**9)
        try:
            return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}"
        except (ValueError, OverflowError, OSError):  # no such time: somebody else's segment
            return value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pieces_table(pieces: Sequence[Piece], state: str) -> Table:
    table = _table("name", "table", "rows", "bytes", "age", _NOTES[state])
    now_s = time.time()
    for piece in pieces:
        name, note = (Text(text, overflow="fold") for text in (piece.name, piece.note))
        table.add_row(name, piece.table, f"{piece.rows:,}", f"{piece.bytes:,}", age(now_s - piece.written_s), note)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in _RIGHT else "left")
    return table


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _UNCUT_WIDTH, highlight=False)
