"""The spool: segments of telemetry on disk, from which whoever reads takes them into a store.

A segment is one file, ``<time>-<pid>-<instance>-<number>.<table>.native.zst``: rows of one table in ClickHouse's Native
format, zstd-compressed. It appears whole, under its final name, or not at all, and its name is its identity: a store
counts it once. Names sort by the time of writing.

Whatever was written survives the death of its process. It is not forced onto the disk, so a power cut may take the last
seconds.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import zstandard

FOLDER = "spool"
SUFFIX = ".native.zst"
TEMPORARY_SUFFIX = SUFFIX + ".tmp"
_LEVEL = 1  # level 3 takes twice the time, and its segments of spans come out no smaller


class _Writer:
    """What makes the names of one process's segments unique."""

    __slots__ = ("instance", "numbers", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.instance = os.urandom(4).hex()
        self.numbers = count()


class Spool:
    """The spool in a home folder. Any number of threads and processes may write to it at the same time."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER
        self._home = home
        self._writer = _Writer()

    def write(self, table: str, block: bytes) -> str:
        """Stores a Native block for a table. When it returns, the segment is there under its final name.

        Returns:
            The segment's name, without the folder.

        Raises:
            OSError: the disk is full or does not let us write; nothing is left behind.
        """
        writer = self._writer
        if writer.pid != os.getpid():  # forked: parent and child must not write the same names
            writer = self._writer = _Writer()
        name = f"{time.time_ns():020d}-{writer.pid}-{writer.instance}-{next(writer.numbers)}.{table}{SUFFIX}"
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
