"""The spool: segments of telemetry on disk, from which whoever reads takes them into a store.

A segment is one file, ``<time>-<pid>-<instance>-<number>-<rows>.<table>.native.zst``: rows of one table in ClickHouse's
Native format, zstd-compressed. It appears whole, under its final name, or not at all, and its name is its identity: a
store counts it once. Names sort by the time of writing.

Whatever was written survives the death of its process. It is forced onto the disk only where the limits say so; else a
power cut may take the last seconds.

Beside the segments lie manifests of groups that are being delivered, the lock, ``dropped.jsonl`` and the quarantine.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zstandard

from vigilo_exporter.spool.caps import MANIFEST_SUFFIX, Caps, begun, segments_in
from vigilo_exporter.spool.limits import DROPPED, Drop, SpoolLimits, read_drops
from vigilo_exporter.spool.lock import spool_lock
from vigilo_exporter.spool.quarantine import FOLDER as QUARANTINE
from vigilo_exporter.spool.quarantine import Quarantine, Quarantined
from vigilo_exporter.spool.segment import SUFFIX, Segment

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = [
    "FOLDER",
    "MANIFEST_SUFFIX",
    "QUARANTINE",
    "SUFFIX",
    "Drop",
    "Quarantined",
    "Segment",
    "Spool",
    "SpoolLimits",
]

FOLDER: Final = "spool"
_TEMPORARY_SUFFIX = ".tmp"
_LEVEL = 1  # level 3 takes twice the time, and its segments of spans come out no smaller


class _Writer:
    """What is of one process: the names of its segments, and how it keeps to the limits."""

    __slots__ = ("caps", "instance", "numbers", "pid")

    def __init__(self, folder: Path, limits: SpoolLimits) -> None:
        self.pid = os.getpid()
        self.instance = os.urandom(4).hex()
        self.numbers = count()
        self.caps = Caps(folder, limits)


class Spool:
    """The spool in a home folder. Any number of threads and processes may write to it at the same time.

    Args:
        home: the folder that holds it; made when the first segment is written.
        limits: what writing keeps to; by default none.
    """

    def __init__(self, home: Path, limits: SpoolLimits | None = None) -> None:
        self.folder = home / FOLDER
        self.limits = limits or SpoolLimits()
        self._quarantine = Quarantine(self.folder)
        self._home = home
        self._writer = _Writer(self.folder, self.limits)

    def write(self, table: str, block: bytes, rows: int) -> str:
        """Stores a Native block for a table. When it returns, the segment is there under its final name.

        It may drop the oldest segments then, to keep to the limits: with 2 GB waiting, looking for them takes a few
        tenths of a second, which comes to half a percent of the time at the most.

        Args:
            table: whose rows they are.
            block: one block in Native format.
            rows: how many it holds.

        Returns:
            The segment's name, without the folder.

        Raises:
            OSError: the disk is full or does not let us write; nothing is left behind.
        """
        writer = self._mine()
        name = Segment(time.time_ns(), writer.pid, writer.instance, next(writer.numbers), rows, table).name
        content = zstandard.ZstdCompressor(_LEVEL).compress(block)
        try:
            self._store(name, content)
        except OSError as error:
            writer.caps.failed(table, rows, len(content), error.strerror or type(error).__name__)
            raise
        writer.caps.wrote(len(content))
        return name

    def segments(self) -> list[Path]:
        """The segments that wait or are being delivered, oldest first."""
        return [self.folder / one.name for one in segments_in(self.folder)]

    def begun(self) -> dict[str, str]:
        """The segments that a manifest names, with the name of the manifest: their delivery has begun."""
        return begun(self.folder)

    def locked(self, wait_s: float = 30.0) -> AbstractContextManager[None]:
        """Holds the spool's lock, under which alone waiting segments are dropped.

        Whoever writes a manifest holds it from looking which segments are there until the manifest is there, so that
        none of them is dropped in between. Segments that a manifest names are never dropped.

        Raises:
            TimeoutError: another process still held it after ``wait_s``.
            OSError: there is no spool, or it cannot be written.
        """
        return spool_lock(self.folder, wait_s)

    def set_aside(self, name: str, reason: str) -> bool:
        """Moves a file of the spool into quarantine; says whether it was still there.

        Args:
            name: of the file, without the folder.
            reason: why it cannot be delivered, for people to read.

        Raises:
            OSError: the disk refuses; the file stays where it was.
        """
        return self._quarantine.set_aside(name, reason)

    def put_back(self, name: str) -> None:
        """Moves a segment out of quarantine, to be delivered like any other.

        Raises:
            StoreError: it is not there, or is no segment.
            OSError: the disk refuses.
        """
        self._quarantine.put_back(name)

    def quarantined(self) -> list[Quarantined]:
        """All that is in quarantine, with the reasons."""
        return self._quarantine.pieces()

    def drops(self) -> list[Drop]:
        """What was lost to keep to the limits, or because it could not be written; oldest first."""
        return [*read_drops(self.folder), *self._mine().caps.unwritten]

    def set_foreign_aside(self) -> list[str]:
        """Moves into quarantine what is neither ours nor hidden; gives the names.

        Raises:
            OSError: the disk refuses.
        """
        known = (MANIFEST_SUFFIX, _TEMPORARY_SUFFIX)
        foreign = [
            entry.name
            for entry in self._entries()
            if not (entry.name.endswith(known) or entry.name.startswith(".") or entry.name in (DROPPED, QUARANTINE))
            and Segment.parse(entry.name) is None
        ]
        return [name for name in foreign if self.set_aside(name, "no segment: vigilo writes no file of such a name")]

    @property
    def size_bytes(self) -> int:
        """Bytes that the segments take, those in quarantine not counted."""
        return sum(one.bytes for one in segments_in(self.folder))

    def sweep_temporary(self, older_than_s: float = 3600.0) -> int:
        """Removes what processes left that died while writing.

        Args:
            older_than_s: younger files may still be being written.

        Returns:
            How many files were removed.
        """
        removed = 0
        oldest_s = time.time() - older_than_s
        for entry in self._entries():
            if entry.name.endswith(_TEMPORARY_SUFFIX):
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest_s:
                        Path(entry.path).unlink()
                        removed += 1
        return removed

    def _mine(self) -> _Writer:
        writer = self._writer
        if writer.pid != os.getpid():  # forked: parent and child must not write the same names, nor share locks
            writer = self._writer = _Writer(self.folder, self.limits)
        return writer

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []

    def _store(self, name: str, content: bytes) -> None:
        temporary, final = self.folder / (name + _TEMPORARY_SUFFIX), self.folder / name
        try:
            try:
                self._write_new(temporary, content)
                temporary.rename(final)
            except FileNotFoundError:  # the first segment, or somebody cleared the folder, perhaps between the two
                self._make_folders()
                with suppress(FileNotFoundError):
                    temporary.unlink()
                self._write_new(temporary, content)
                temporary.rename(final)
            if self.limits.fsync:
                _force(self.folder)
        except BaseException:
            for path in (temporary, final):  # what the caller takes for lost must not be counted after all
                with suppress(OSError):
                    path.unlink()
            raise

    def _make_folders(self) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self.limits.fsync:
            _force(self._home)

    def _write_new(self, path: Path, content: bytes) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        with os.fdopen(file, "wb", buffering=0) as raw:
            rest = memoryview(content)
            while rest:
                rest = rest[raw.write(rest) :]
            if self.limits.fsync:
                os.fsync(file)


def _force(folder: Path) -> None:
    """Forces onto the disk which files a folder has."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
