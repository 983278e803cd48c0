"""Which segments go in together: those of one table, oldest first, as many as the database can hold in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import zstandard

from vigilo_exporter.convert.columns import COLUMNS
from vigilo_exporter.spool import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

GROUP_SEGMENTS = 200
GROUP_BYTES = 64 * 2**20  # of rows, uncompressed: they are one block, which the database holds in memory


class Group(NamedTuple):
    """Segments of one table that go in together."""

    table: str
    segments: tuple[str, ...]


def groups_of(folder: Path, names: Iterable[str], set_aside: Callable[[str, str], None]) -> Iterator[Group]:
    """Segments by table, oldest first, in groups of bounded size.

    Args:
        folder: the spool's.
        names: of the files there, in their order.
        set_aside: called with the name and the reason for each that cannot be delivered.
    """
    by_table: dict[str, list[str]] = {}
    for name in names:
        segment = Segment.parse(name)
        if segment is None:
            set_aside(name, "its name is not one that vigilo gives")
        elif segment.table not in COLUMNS:
            set_aside(name, f"this version of vigilo has no table {segment.table}")
        else:
            by_table.setdefault(segment.table, []).append(name)
    for table, segments in by_table.items():
        group: list[str] = []
        size = 0
        for name in segments:
            try:
                segment_size = whole_size(folder / name)
            except FileNotFoundError:  # dropped, or deleted by hand
                continue
            if segment_size is None:
                set_aside(name, "it is empty, cut off or not zstd")
                continue
            if group and (len(group) >= GROUP_SEGMENTS or size + segment_size > GROUP_BYTES):
                yield Group(table, tuple(group))
                group, size = [], 0
            group.append(name)
            size += segment_size
        if group:
            yield Group(table, tuple(group))


def whole_size(path: Path) -> int | None:
    """Bytes that the file unpacks to, or None when it is empty, cut off, or not zstd.

    ClickHouse reads a cut-off file as one without rows and says nothing.
    """
    size = 0
    decompressor = zstandard.ZstdDecompressor()
    try:
        frames = memoryview(path.read_bytes())
        while frames:
            frame = decompressor.decompressobj()
            size += len(frame.decompress(frames))
            if not frame.eof:
                return None
            frames = memoryview(frame.unused_data)
    except zstandard.ZstdError:
        return None
    return size or None
