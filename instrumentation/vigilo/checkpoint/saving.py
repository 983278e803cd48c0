"""One checkpoint to all its places: the first that takes it, and from there to the others."""

from __future__ import annotations

import errno
import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from vigilo.checkpoint import keeping, places
from vigilo.checkpoint.results import CheckpointError, Missed, Saved, Written
from vigilo.checkpoint.writing import copy_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from vigilo.checkpoint.items import Staged
    from vigilo.checkpoint.manifest import Manifest
    from vigilo.checkpoint.places import Destination

_log = logging.getLogger("vigilo")

ROOM: Final = 1.2
"""Times the last size must be free before a write begins."""
MOUNT_LIMIT_S: Final = 600.0
"""How long a copy through a mount may take; a dead mount never answers."""
SMALL_REASONS: Final = frozenset({"disk", "output"})
"""There is too little room: only the newest stays."""


_copying: set[Path] = set()
"""Places with a copy under way, perhaps for ever: a mount that does not answer holds one thread and no more."""
_uploading = threading.Lock()
_LOOK_S: Final = 0.05


def wait_for_copies(limit_s: float, to: Path | None = None) -> None:
    """Waits until no checkpoint is being copied, or none to this place; and uploaded, where it is asked for all."""
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s and (to in _copying if to else _copying or _uploading.locked()):
        time.sleep(_LOOK_S)


class Saving:
    """A checkpoint under way.

    Args:
        keep: how many stay at each place.
        manifest: of which the items are filled in by :meth:`write`.
        began_s: when, of the monotonic clock.
        size_bytes: of the last one, which tells how much room is needed; 0 where it is not known.
        upload: sends a folder elsewhere, and says whether it has arrived.
        cleaned: places that this process has cleaned of what others left unfinished; None where there is no time to.
    """

    def __init__(
        self,
        destinations: list[Destination],
        keep: int,
        manifest: Manifest,
        began_s: float,
        size_bytes: int = 0,
        upload: Callable[[Path], bool | None] | None = None,
        cleaned: set[Path] | None = None,
    ) -> None:
        self._cleaned = cleaned
        self._left, self._keep, self._size_bytes, self._upload = list(destinations), keep, size_bytes, upload
        self.manifest, self.began_s = manifest, began_s
        self.written: list[Written] = []
        self.missed: list[Missed] = []

    @property
    def has_more(self) -> bool:
        """Whether :meth:`spread` has something to do."""
        return bool(self._left or self._upload is not None)

    def saved(self, duration_s: float) -> Saved:
        """What became of it so far."""
        manifest = self.manifest
        return Saved(
            step=manifest.step,
            reason=manifest.reason,
            size_bytes=manifest.size_bytes,
            duration_s=duration_s,
            places=tuple(self.written),
            missed=tuple(self.missed),
            created_unix_s=manifest.created_unix_ns / 1e9,
            consistency=manifest.consistency,
        )

    def write(self, items: Callable[[], Iterable[Staged]]) -> None:
        """Writes it to the first place that takes it.

        Args:
            items: gives the items; asked again for each place that is tried.

        Raises:
            CheckpointError: no place takes it, or an item cannot be saved.
        """
        while self._left:
            destination = self._left.pop(0)
            try:
                self._clean(destination)
                self._make_room(destination)
                path, self.manifest = write_checkpoint(destination.folder, items(), self.manifest)
            except OSError as error:
                self._miss(destination, error)
                continue
            self.written.append(Written(path, destination.kind, verified=True))
            self._rotate(destination)
            return
        raise CheckpointError("; ".join(f"{one.path}: {one.why}" for one in self.missed) or "there is no place for it")

    def spread(self, limit_s: float = MOUNT_LIMIT_S, *, patient: bool = False) -> None:
        """Copies it to the other places, and has it uploaded; what fails is told in ``missed``.

        Args:
            limit_s: how long the copy to one place may take.
            patient: within that time it waits for the copy of another checkpoint to be done.
        """
        source = self.written[0]
        for destination in self._left:
            ends_s = time.monotonic() + limit_s
            if patient:
                wait_for_copies(limit_s, destination.folder)
            try:
                if destination.folder in _copying:
                    raise TimeoutError("the copy before it is not done yet")
                _copying.add(destination.folder)
                path = places.within(max(0.0, ends_s - time.monotonic()), partial(self._copy, source.path, destination))
            except OSError as error:
                self._miss(destination, error)
            else:
                self.written.append(Written(path, destination.kind, verified=True))
        self._left = []
        if self._upload is not None:
            remote = self._uploaded(self._upload, source.path, limit_s if patient else 0.0)
            self.written[0] = Written(source.path, source.kind, verified=source.verified, remote=remote)

    def _uploaded(self, upload: Callable[[Path], bool | None], path: Path, wait_s: float) -> bool | None:
        if not _uploading.acquire(timeout=wait_s):
            _log.warning("vigilo: a checkpoint was not uploaded, as the upload of the one before it is not done yet")
            return False
        try:
            return upload(path)
        except Exception as error:  # noqa: BLE001 - the app's own function
            _log.warning("vigilo: the upload of a checkpoint raised %s", type(error).__name__)
            return False
        finally:
            _uploading.release()

    def _copy(self, source: Path, destination: Destination) -> Path:
        try:
            self._clean(destination)
            self._size_bytes = self.manifest.size_bytes
            self._make_room(destination)
            path = copy_checkpoint(source, self.manifest, destination.folder)
            self._rotate(destination)
            return path
        finally:
            _copying.discard(destination.folder)

    def _make_room(self, destination: Destination) -> None:
        needed_bytes = int(self._size_bytes * ROOM)
        free_bytes = keeping.make_room(destination.folder, needed_bytes) if needed_bytes else 1
        if free_bytes < needed_bytes:
            raise OSError(
                errno.ENOSPC,
                f"{free_bytes:,} bytes are free and about {needed_bytes:,} are needed: make room, or set "
                "`checkpoint_dir` to another disk",
            )

    def _rotate(self, destination: Destination) -> None:
        keep = 1 if self.manifest.reason in SMALL_REASONS else self._keep
        keeping.rotate(destination.folder, keep, self.manifest.lineage)

    def _miss(self, destination: Destination, error: OSError) -> None:
        why = error.strerror or str(error) or type(error).__name__
        self.missed.append(Missed(destination.folder, destination.kind, why))
        _log.warning("vigilo: no checkpoint could be written to %s: %s", destination.folder, why)

    def _clean(self, destination: Destination) -> None:
        """Removes what ended processes left unfinished there, once."""
        if self._cleaned is None or destination.folder in self._cleaned:
            return
        self._cleaned.add(destination.folder)
        if gone := keeping.clean(destination.folder):
            _log.info("vigilo: removed %d unfinished checkpoints from %s", len(gone), destination.folder)
