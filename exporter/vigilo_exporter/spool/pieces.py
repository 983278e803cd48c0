"""What lies in the spool, piece by piece, for people who look at it and clean it up."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vigilo_exporter.spool.caps import begun, drop_of, rows_in, segments_in
from vigilo_exporter.spool.limits import summed, write_drops
from vigilo_exporter.spool.lock import spool_lock
from vigilo_exporter.spool.quarantine import FOLDER, Quarantine
from vigilo_exporter.spool.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WAITING: Final = "waiting"
BEGUN: Final = "begun"
QUARANTINED: Final = "quarantined"
PURGED: Final = "purged"
_LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment, or a foreign file in quarantine.

    Attributes:
        name: of the file.
        state: ``waiting``, ``begun`` when it is being delivered, or ``quarantined``.
        table: whose rows it holds; empty for a foreign file.
        rows: how many; of a broken segment with an older name 0.
        bytes: that it takes.
        written_s: when it was written, in s since 1970.
        note: the manifest that names it, or why it is in quarantine.
    """

    name: str
    state: str
    table: str
    rows: int
    bytes: int
    written_s: float
    note: str = ""


def pieces(folder: Path) -> list[Piece]:
    """All pieces of the spool in ``folder``, by state, each oldest first."""
    named = begun(folder)
    waiting = [
        _piece(folder / one.name, BEGUN if one.name in named else WAITING, one.bytes, named.get(one.name, ""))
        for one in segments_in(folder)
    ]
    parked = [
        _piece(folder / FOLDER / one.name, QUARANTINED, one.bytes, one.reason) for one in Quarantine(folder).pieces()
    ]
    return sorted(waiting, key=lambda piece: piece.state == BEGUN) + parked


def purge(folder: Path, chosen: Iterable[Piece]) -> list[Piece]:
    """Deletes pieces, but for those whose delivery has begun meanwhile, and counts them as dropped.

    Returns:
        Those that are gone.

    Raises:
        TimeoutError: another process keeps the spool's lock.
        OSError: the disk refuses.
    """
    with spool_lock(folder, _LOCK_WAIT_S):
        named = begun(folder)
        paths = {folder / (FOLDER if piece.state == QUARANTINED else "") / piece.name: piece for piece in chosen}
        gone = {
            path: piece
            for path, piece in paths.items()
            if os.path.lexists(path) and (piece.state == QUARANTINED or piece.name not in named)
        }
        lost = summed(drop_of(path, piece.bytes, PURGED) for path, piece in gone.items() if piece.table)
        if lost:
            write_drops(folder, lost)
        for path in gone:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        Quarantine(folder).forget_reasons()
    return list(gone.values())


def _piece(path: Path, state: str, size: int, note: str) -> Piece:
    segment = Segment.parse(path.name)
    if segment is not None:
        return Piece(path.name, state, segment.table, rows_in(segment, path), size, segment.time_ns / 1e9, note)
    written_s = time.time()
    with suppress(OSError):
        written_s = path.lstat().st_mtime
    return Piece(path.name, state, "", 0, size, written_s, note)
