"""Moves the spool's segments into the database, each row exactly once, whenever the process dies.

1. A manifest names a group of segments, and is on disk before anything is inserted.
2. The group goes in as one INSERT with the manifest's name as its deduplication token.
3. After ClickHouse acknowledged it, the segments are unlinked, then the manifest.

Whoever comes after a crash finishes the manifests first, with the same token and the same rows, which ClickHouse counts
once if it had them already: in the table and in every materialized view's target. A group with a segment missing was
acknowledged, because segments are unlinked only then.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zstandard

from vigilo_exporter.clickhouse.database import ClickHouseError
from vigilo_exporter.clickhouse.engine import rows_of, storable_path
from vigilo_exporter.convert.columns import COLUMNS
from vigilo_exporter.spool import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vigilo_exporter.clickhouse.engine import Engine

MANIFEST_SUFFIX = ".manifest"
QUARANTINE = "quarantine"
GROUP_SEGMENTS = 200
GROUP_BYTES = 64 * 2**20  # of rows, uncompressed: the engine holds a group in memory to sort it
_SEGMENT = re.compile(r"\d{20}-\d+-[0-9a-f]{8}-\d+(?:-\d+)?\.(\w+)\.native\.zst")
_ENGINE_AT_FAULT = frozenset({76, 159, 202, 241, 243, 252, 394, 396})
"""Codes that say nothing about the rows: files, time, memory, disk space, too many parts or queries."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one round did. ``quarantined`` names the segments set aside because they could not be read."""

    segments: int = 0
    quarantined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Segments of one table that go in together."""

    table: str
    segments: tuple[str, ...]


class Ingest:
    """One round over a spool: all that lay there when it began. Only the owner of the database may run it."""

    def __init__(self, engine: Engine, spool: Path) -> None:
        self._engine = engine
        self._spool = spool
        self._segments = 0
        self._quarantined: list[str] = []

    def run(self) -> Ingested:
        """Ingests everything.

        Raises:
            ClickHouseError: ClickHouse could not take a group for a reason not in its segments: a full disk. The
                group stays in the spool.
        """
        names = self._names()
        taken = self.finish_begun()
        waiting = [name for name in names if name.endswith(SUFFIX) and name not in taken]
        for group in self._groups(waiting):
            self._insert_new(group)
        return Ingested(self._segments, tuple(self._quarantined))

    def has_work(self) -> bool:
        """Whether anything waits to be taken in, or was begun."""
        return any(name.endswith((SUFFIX, MANIFEST_SUFFIX)) for name in self._names())

    def finish_begun(self) -> frozenset[str]:
        """Completes the groups that an earlier owner began; gives the segments that are dealt with.

        Raises:
            ClickHouseError: as for :meth:`run`.
        """
        taken: set[str] = set()
        for name in self._names():
            if name.endswith(MANIFEST_SUFFIX):
                taken.update(self._finish(name))
        return frozenset(taken)

    def _names(self) -> list[str]:
        storable_path(self._spool)
        return sorted(entry.name for entry in os.scandir(self._spool)) if self._spool.is_dir() else []

    def _finish(self, manifest: str) -> tuple[str, ...]:
        """Completes a group that an earlier owner began; gives the segments that are dealt with."""
        try:
            content = json.loads((self._spool / manifest).read_text("utf-8"))
            group = Group(content["table"], tuple(content["segments"]))
        except (ValueError, KeyError, TypeError):
            self._set_aside(manifest)
            return ()
        if all((self._spool / name).exists() for name in group.segments):
            self._insert(group, manifest)
        else:
            self._remove(group, manifest)
        return group.segments

    def _insert(self, group: Group, manifest: str) -> None:
        """Inserts a group; a segment that ClickHouse cannot read is set aside, and the others go in without it."""
        try:
            self._engine.insert(group.table, COLUMNS[group.table], self._paths(group.segments), manifest)
        except ClickHouseError as error:
            unreadable = () if error.code in _ENGINE_AT_FAULT else self._unreadable(group)
            if not unreadable:
                raise
            # All segments are read and sorted before the first row goes in, so nothing of this group did. The manifest
            # goes first: with it, a missing segment would mean that the group was acknowledged.
            (self._spool / manifest).unlink()
            for name in unreadable:
                self._set_aside(name)
            remaining = tuple(name for name in group.segments if name not in unreadable)
            if remaining:
                self._insert_new(Group(group.table, remaining))
        else:
            self._segments += len(group.segments)
            self._remove(group, manifest)

    def _insert_new(self, group: Group) -> None:
        self._insert(group, self._write_manifest(group))

    def _unreadable(self, group: Group) -> tuple[str, ...]:
        """The segments whose rows ClickHouse cannot read as the table's."""
        unreadable = []
        for name in group.segments:
            source = rows_of(self._paths([name]), COLUMNS[group.table])
            try:
                self._engine.execute(f"SELECT * FROM {source} FORMAT Null")  # noqa: S608 - names of ours
            except ClickHouseError as error:
                if error.code in _ENGINE_AT_FAULT:
                    raise
                unreadable.append(name)
        return tuple(unreadable)

    def _groups(self, names: Iterable[str]) -> Iterator[Group]:
        """Segments by table, oldest first, in groups of bounded size; unreadable ones are set aside."""
        by_table: dict[str, list[str]] = {}
        for name in names:
            match = _SEGMENT.fullmatch(name)
            if match is None or match[1] not in COLUMNS:
                self._set_aside(name)
            else:
                by_table.setdefault(match[1], []).append(name)
        for table, segments in by_table.items():
            group: list[str] = []
            size = 0
            for name in segments:
                segment_size = whole_size(self._spool / name)
                if segment_size is None:
                    self._set_aside(name)
                    continue
                if group and (len(group) >= GROUP_SEGMENTS or size + segment_size > GROUP_BYTES):
                    yield Group(table, tuple(group))
                    group, size = [], 0
                group.append(name)
                size += segment_size
            if group:
                yield Group(table, tuple(group))

    def _paths(self, names: Iterable[str]) -> list[Path]:
        return [self._spool / name for name in names]

    def _write_manifest(self, group: Group) -> str:
        manifest = f"{time.time_ns():020d}-{os.getpid()}.{group.table}{MANIFEST_SUFFIX}"
        temporary = self._spool / f"{manifest}.tmp"
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({"table": group.table, "segments": group.segments}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._spool / manifest)
        return manifest

    def _remove(self, group: Group, manifest: str) -> None:
        for name in (*group.segments, manifest):
            (self._spool / name).unlink(missing_ok=True)

    def _set_aside(self, name: str) -> None:
        folder = self._spool / QUARANTINE
        folder.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # somebody deleted it meanwhile
            (self._spool / name).replace(folder / name)
            self._quarantined.append(name)


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
