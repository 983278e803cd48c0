"""The checkpoints in a folder: which there are, which go, and what others left unfinished."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.checkpoint.machine import is_alive, writer
from vigilo.checkpoint.manifest import MANIFEST, Manifest, find_fault, read_manifest
from vigilo.checkpoint.writing import PREFIX, TRASH, UNFINISHED

if TYPE_CHECKING:
    from pathlib import Path

STALE_S: Final = 24 * 3600.0
"""After so long what another machine left unfinished is taken for left behind: whether it still runs is not known."""


class Found(NamedTuple):
    """A checkpoint that has a whole manifest; whether its files are whole is not looked at yet."""

    path: Path
    manifest: Manifest

    @property
    def order(self) -> tuple[int, int, str]:
        """Later ones are greater."""
        return self.manifest.created_unix_ns, self.manifest.step, self.path.name


def list_checkpoints(folder: Path) -> list[Found]:
    """The checkpoints of a folder, newest first; none where it cannot be read."""
    try:
        paths = [folder / entry.name for entry in os.scandir(folder) if entry.name.startswith(PREFIX)]
    except OSError:
        return []
    found = [Found(path, manifest) for path in paths if (manifest := read_manifest(path)) is not None]
    return sorted(found, key=lambda one: one.order, reverse=True)


def rotate(folder: Path, keep: int, lineage: str) -> list[Path]:
    """Removes all but the newest, after one was written and verified there.

    Of as many other lineages the newest one stays, as what was begun without :func:`vigilo.checkpoint.resume` may have
    been begun so by mistake, and so do those of processes of this machine that still run.

    Returns:
        Where those were that are gone.
    """
    found, keep = list_checkpoints(folder), max(1, keep)
    own = [one for one in found if one.manifest.lineage == lineage]
    others = [one for one in found if one.manifest.lineage != lineage]
    ends = _newest_of_each(others)[:keep]
    gone = own[keep:] + [one for one in others if one not in ends and not is_alive(one.manifest.writer)]
    return [one.path for one in gone if remove(one.path)]


def make_room(folder: Path, needed_bytes: int) -> int:
    """Removes the oldest until so many bytes are free: never the newest that is whole, nor the end of another lineage.

    Returns:
        The bytes that are free then.
    """
    free = free_bytes(folder)
    if free >= needed_bytes:
        return free
    found = list_checkpoints(folder)
    whole = next((place for place, one in enumerate(found) if not find_fault(one.path, one.manifest)), len(found))
    ends = _newest_of_each(found)
    for one in reversed(found[whole + 1 :]):
        if one in ends or (is_alive(one.manifest.writer) and one.manifest.writer != writer()):
            continue
        if remove(one.path):
            free = free_bytes(folder)
            if free >= needed_bytes:
                break
    return free


def _newest_of_each(found: list[Found]) -> list[Found]:
    """The first of each lineage."""
    ends: dict[str, Found] = {}
    for one in found:
        ends.setdefault(one.manifest.lineage, one)
    return list(ends.values())


def free_bytes(folder: Path) -> int:
    """What the file system of a folder, that need not be there yet, has left for this user."""
    for path in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(path).free
    return 0


def remove(path: Path) -> bool:
    """Removes a checkpoint so that none ever sees half of it; says whether it has its name no more."""
    trash = path.parent / f"{TRASH}{writer()}-{uuid.uuid4().hex[:8]}"
    try:
        path.rename(trash)
    except FileNotFoundError:
        return True  # another process was there first
    except OSError:
        # Through a mount that cannot rename a folder: without its manifest it is no checkpoint.
        try:
            (path / MANIFEST).unlink(missing_ok=True)
        except OSError:
            return False
        trash = path
    shutil.rmtree(trash, ignore_errors=True)
    return True


def clean(folder: Path) -> list[Path]:
    """Removes what processes left that ended while they wrote or removed.

    Returns:
        What is gone.
    """
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return []
    gone = []
    for name in names:
        path = folder / name
        if name.startswith(TRASH):
            left = True
        elif name.startswith(UNFINISHED):
            left = _is_left(path, name.removeprefix(UNFINISHED).rpartition("-")[0])
        elif name.startswith(PREFIX) and read_manifest(path) is None:
            begun: list[str] = []
            with contextlib.suppress(OSError):
                begun = [one.name for one in os.scandir(path) if one.name.startswith(UNFINISHED)]
            left = bool(begun) and all(_is_left(path, one.removeprefix(UNFINISHED)) for one in begun)
        else:
            continue
        if left:
            _delete(path)
            gone.append(path)
    return gone


def _is_left(path: Path, who: str) -> bool:
    alive = is_alive(who)
    if alive is not None:
        return not alive
    try:
        return time.time() - path.stat().st_mtime > STALE_S
    except OSError:
        return False


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
