"""A checkpoint becomes a folder: all of it under another name, forced onto the disk, and then its own name at once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from dataclasses import replace
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Final

from vigilo.checkpoint.machine import writer
from vigilo.checkpoint.manifest import MANIFEST, StoredFile, StoredItem, file_sha256, find_fault
from vigilo.checkpoint.results import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vigilo.checkpoint.items import Staged
    from vigilo.checkpoint.manifest import Manifest

UNFINISHED: Final = ".tmp-"
TRASH: Final = ".trash-"
PREFIX: Final = "ckpt-"
LATEST: Final = "LATEST"
_NO_FSYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.ENOSYS}
"""What file systems answer that cannot force a folder onto the disk, as those over the network."""


class Sink:
    """A file that counts and sums what is written to it: what it should hold, whatever the disk makes of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failure: OSError | None = None
        self.size_bytes = 0
        self.sum = hashlib.sha256()

    def write(self, data: bytes) -> int:
        length = memoryview(data).nbytes
        try:
            self._file.write(data)
        except OSError as error:
            self.failure = error
            raise
        self.sum.update(data)
        self.size_bytes += length
        return length

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        self._file.flush()


def write_checkpoint(folder: Path, items: Iterable[Staged], manifest: Manifest) -> tuple[Path, Manifest]:
    """Writes a checkpoint below a folder, which is made where it is not there.

    Args:
        folder: of all checkpoints.
        items: written one after the other, as they come.
        manifest: of which the items are yet to be filled in.

    Returns:
        Where it lies, and its whole manifest. It has been read back.

    Raises:
        OSError: the disk is full, does not take it, or gives back other bytes than it was given (``EIO``).
        CheckpointError: an item could not be saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{UNFINISHED}{writer()}-{uuid.uuid4().hex[:8]}"
    unfinished.mkdir()
    try:
        manifest = replace(manifest, items=tuple(_write_item(unfinished, item) for item in items))
        if fault := find_fault(unfinished, manifest):
            raise OSError(errno.EIO, fault)
        _write_whole(unfinished / MANIFEST, manifest.dumps())
        for path in sorted(unfinished.rglob("*")):
            if path.is_dir():
                force_folder(path)
        force_folder(unfinished)
        final = folder / final_name(manifest)
        unfinished.rename(final)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    force_folder(folder)
    point_at(folder, final.name)
    return final, manifest


def copy_checkpoint(source: Path, manifest: Manifest, folder: Path) -> Path:
    """Copies a checkpoint through a mount, where a folder cannot be counted on to get its name at once.

    It has its own name from the start, and no manifest until all else is there and was read back.

    Raises:
        OSError: it could not be written.
    """
    final = folder / source.name
    final.mkdir(parents=True)
    unfinished = final / f"{UNFINISHED}{writer()}"
    try:
        unfinished.touch()
        for item in manifest.items:
            for file in item.files:
                target = final / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                with (source / file.path).open("rb") as read, target.open("xb") as write:
                    shutil.copyfileobj(read, write, 1 << 20)
                    force(write)
        if fault := find_fault(final, manifest):
            raise OSError(errno.EIO, fault)
        _write_whole(final / MANIFEST, manifest.dumps())
        unfinished.unlink()
        force_folder(final)
    except BaseException:
        shutil.rmtree(final, ignore_errors=True)
        raise
    force_folder(folder)
    point_at(folder, final.name)
    return final


def final_name(manifest: Manifest) -> str:
    """``ckpt-000001200-20261122T023000Z-9f3a``: sorts by step, and no two are the same."""
    at = datetime.fromtimestamp(manifest.created_unix_ns / 1e9, timezone.utc)
    return f"{PREFIX}{manifest.step:09d}-{at:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"


def point_at(folder: Path, name: str) -> None:
    """Writes which one is the newest, for people and scripts; nothing of ours relies on it."""
    beside = folder / f"{UNFINISHED}{writer()}-{uuid.uuid4().hex[:8]}"
    with contextlib.suppress(OSError):
        beside.write_text(f"{name}\n", "utf-8")
        beside.replace(folder / LATEST)


def force(file: IO[bytes]) -> None:
    """Flushes an open file and has it lie on the disk; OSError where the disk failed."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def force_folder(folder: Path) -> None:
    """The same for the names in a folder."""
    try:
        number = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:  # Windows, and some file systems over the network
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(number)


def _write_item(folder: Path, item: Staged) -> StoredItem:
    path, sink = folder / item.file_name, None
    try:
        if item.write is not None:
            with path.open("xb") as file:
                sink = Sink(file)
                item.write(sink)  # type: ignore[arg-type] # as much of a file as the writers ask for
                force(file)
            stored = (StoredFile(item.file_name, sink.size_bytes, sink.sum.hexdigest()),)
            return StoredItem(item.name, item.format, item.file_name, stored)
        if item.write_path is not None:
            item.write_path(path)
        return StoredItem(item.name, item.format, item.file_name, tuple(_found(folder, path)))
    except (OSError, CheckpointError):
        raise
    except Exception as error:
        if sink is not None and sink.failure is not None:  # torch ends its archive all the same, and raises another one
            raise sink.failure from error
        raise CheckpointError(f"{item.name!r} cannot be saved: {type(error).__name__}: {error}") from error


def _found(folder: Path, path: Path) -> list[StoredFile]:
    """What an item wrote by itself: a file, or a folder of files."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
    if not files:
        raise CheckpointError(f"nothing was written to {path.name}")
    found = []
    for one in files:
        with one.open("rb+") as file:
            force(file)
        found.append(StoredFile(one.relative_to(folder).as_posix(), one.stat().st_size, file_sha256(one)))
    return found


def _write_whole(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        force(file)
