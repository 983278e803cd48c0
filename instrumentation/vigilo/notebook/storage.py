"""Room on the disks of the session, and what its output takes. All of it may take long on slow disks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vigilo.notebook.limits import Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vigilo.notebook.place import Place
    from vigilo.notebook.platform import Platform

KAGGLE_OUTPUT = "/kaggle/working"
MOST_FILES = 200_000
"""Files that are counted of the output; more are not looked at."""


@dataclass(frozen=True)
class Area:
    """A place for files.

    Attributes:
        area: ``ephemeral`` (lost with the session), ``output`` (kept of it), ``drive``.
        path: where it is.
        used_bytes: what it takes now.
        limit: bytes.
        free_bytes: what can be written, of a whole disk.
        complete: False where there are more files than are counted.
    """

    area: str
    path: Path
    used_bytes: int
    limit: Limit
    free_bytes: int | None = None
    complete: bool = True


def ephemeral(place: Place, platform: Platform) -> Area | None:
    """The disk that the session works on; None where it cannot be told."""
    candidates = {
        "colab": [place.path("/content"), place.path("/")],
        "kaggle": [place.path(KAGGLE_OUTPUT), place.path("/")],
    }
    for path in candidates.get(platform.name, []):
        if path.is_dir():
            return disk(place, "ephemeral", path)
    try:
        return disk(place, "ephemeral", Path.cwd())
    except OSError:  # the working directory was removed
        return None


def disk(place: Place, area: str, path: Path) -> Area | None:
    """The disk that a path lies on; None where it cannot be told."""
    try:
        total, used, free = place.disk(path)
    except OSError:
        return None
    return Area(area, path, used, Limit(total, "measured"), free)


def output(place: Place, limit: Limit) -> Area | None:
    """What Kaggle keeps of a session: all files in its working folder."""
    path = place.path(KAGGLE_OUTPUT)
    if not path.is_dir():
        return None
    used = count = 0
    for size in _sizes(path):
        used, count = used + size, count + 1
        if count >= MOST_FILES:
            break
    return Area("output", path, used, limit, complete=count < MOST_FILES)


def _sizes(folder: Path) -> Iterator[int]:
    folders = [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False).st_size
        except OSError:  # removed meanwhile, or not ours to read
            continue
