"""The spool: segments of telemetry on disk, from which whoever reads takes them into a store.

A segment is one file, ``<time>-<pid>-<instance>-<number>-<rows>.<table>.native.zst``: rows of one table in ClickHouse's
Native format, zstd-compressed. It appears whole, under its final name, or not at all, and its name is its identity: a
store counts it once. Names sort by the time of writing.

Whatever was written survives the death of its process. It is forced onto the disk only where the limits say so; else a
power cut may take the last seconds.

Beside the segments lie the manifests of groups that are being delivered, the lock, ``dropped.jsonl`` and the quarantine.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zstandard

from vigilo_exporter.spool.limits import Drop, SpoolLimits, read_drops
from vigilo_exporter.spool.lock import spool_lock
from vigilo_exporter.spool.quarantine import Quarantine, Quarantined
from vigilo_exporter.spool.segment import SUFFIX, Segment

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = [
    "FOLDER",
    "MANIFEST_SUFFIX",
    "SUFFIX",
    "TEMPORARY_SUFFIX",
    "Drop",
    "Quarantined",
    "Segment",
    "Spool",
    "SpoolLimits",
]

FOLDER: Final = "spool"
MANIFEST_SUFFIX: Final = ".manifest"
TEMPORARY_SUFFIX: Final = SUFFIX + ".tmp"
_LEVEL = 1  # level 3 takes twice the time, and its segments of spans come out no smaller


class _Writer:
    """What makes the names of one process's segments unique."""

    __slots__ = ("instance", "numbers", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.instance = os.urandom(4).hex()
        self.numbers = count()


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
        self._writer = _Writer()

    def write(self, table: str, block: bytes, rows: int) -> str:
        """Stores a Native block for a table. When it returns, the segment is there under its final name.

        Args:
            table: whose rows they are.
            block: one block in Native format.
            rows: how many it holds.

        Returns:
            The segment's name, without the folder.

        Raises:
            OSError: the disk is full or does not let us write; nothing is left behind.
        """
        writer = self._writer
        if writer.pid != os.getpid():  # forked: parent and child must not write the same names
            writer = self._writer = _Writer()
        name = Segment(time.time_ns(), writer.pid, writer.instance, next(writer.numbers), rows, table).name
        temporary = self.folder / (name + ".tmp")
        content = zstandard.ZstdCompressor(_LEVEL).compress(block)
        try:
            self._write_new(temporary, content)
            temporary.rename(self.folder / name)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        return name

    def segments(self) -> list[Path]:
        """The segments that wait, oldest first."""
        return [Path(entry.path) for entry in self._entries(SUFFIX)]

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
        """What was dropped to keep to the limits, oldest first."""
        return read_drops(self.folder)

    @property
    def size_bytes(self) -> int:
        """Bytes that the waiting segments take."""
        total = 0
        for entry in self._entries(SUFFIX):
            with suppress(FileNotFoundError):  # taken in meanwhile
                total += entry.stat().st_size
        return total

    def sweep_temporary(self, older_than_s: float = 3600.0) -> int:
        """Removes what processes left that died while writing.

        Args:
            older_than_s: younger files may still be being written.

        Returns:
            How many files were removed.
        """
        removed = 0
        oldest_s = time.time() - older_than_s
        for entry in self._entries(TEMPORARY_SUFFIX):
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime < oldest_s:
                    Path(entry.path).unlink()
                    removed += 1
        return removed

    def _entries(self, suffix: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.folder) as entries:
                return sorted((each for each in entries if each.name.endswith(suffix)), key=lambda each: each.name)
        except FileNotFoundError:
            return []

    def _write_new(self, path: Path, content: bytes) -> None:
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        except FileNotFoundError:  # the first segment, or somebody cleared the home folder
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        with os.fdopen(file, "wb", buffering=0) as raw:
            rest = memoryview(content)
            while rest:
                rest = rest[raw.write(rest) :]
