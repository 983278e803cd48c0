"""What a save and a resume tell, and how they fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vigilo.errors import VigiloError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class CheckpointError(VigiloError):
    """A checkpoint could not be written or read; nothing that was there before is touched."""


@dataclass(frozen=True)
class Written:
    """A checkpoint at one place.

    Attributes:
        path: its folder.
        kind: ``local`` for a disk of this machine, ``mount`` for Google Drive and other file systems over the network.
        verified: read back and found to be what was written. Through a mount that says little: what is read comes from
            a cache on this machine, and the upload goes on behind it.
        remote: a server has confirmed that it has it; None where nobody was asked.
    """

    path: Path
    kind: str
    verified: bool
    remote: bool | None = None


@dataclass(frozen=True)
class Missed:
    """A place where a checkpoint could not be written, and why."""

    path: Path
    kind: str
    why: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint that was written.

    Attributes:
        step: the last step that was done.
        reason: what asked for it: ``manual``, ``period``, ``session``, ``memory``, ``sigterm``, ...
        size_bytes: of its files at one place.
        duration_s: from the first item to the last place.
        places: where it lies, the first one written first.
        missed: places where it could not be written.
        created_unix_s: seconds since 1970.
        consistency: ``step``, ``cell``, ``exit`` or ``asked`` where nothing ran meanwhile; ``interrupted`` where a
            step was perhaps half done.
    """

    step: int
    reason: str
    size_bytes: int
    duration_s: float
    places: tuple[Written, ...]
    missed: tuple[Missed, ...] = ()
    created_unix_s: float = 0.0
    consistency: str = "step"

    @property
    def path(self) -> Path:
        """Its folder at the first place."""
        return self.places[0].path

    @property
    def local_ok(self) -> bool:
        """It lies whole on a disk of this machine, which a hosted machine takes along when it goes."""
        return any(place.verified for place in self.places if place.kind == "local")

    @property
    def mount_ok(self) -> bool | None:
        """It was written through a mount, such as Google Drive's, and read back; None where there is no mount."""
        tried = [place.verified for place in self.places if place.kind == "mount"]
        return any(tried) if tried or any(place.kind == "mount" for place in self.missed) else None

    @property
    def remote_ok(self) -> bool | None:
        """A server has confirmed that it has it; None where nobody was asked."""
        told = [place.remote for place in self.places if place.remote is not None]
        return any(told) if told else None


@dataclass(frozen=True)
class Resumed:
    """A checkpoint that was loaded.

    Attributes:
        step: the last step that was done when it was written.
        path: its folder.
        restored: names of the items that have their state again.
        missing: names that are registered and not in it (``strict=False`` only).
        unknown: names in it that are not registered (``strict=False`` only).
        values: what was saved of items that cannot be changed in place, such as numbers, by name.
    """

    step: int
    reason: str
    path: Path
    created_unix_s: float
    restored: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    consistency: str = "step"


def told(saved: Saved) -> dict[str, Any]:
    """A checkpoint in plain JSON values."""
    return {
        "step": saved.step,
        "reason": saved.reason,
        "path": str(saved.path),
        "created_unix_s": saved.created_unix_s,
        "size_bytes": saved.size_bytes,
        "duration_s": saved.duration_s,
        "consistency": saved.consistency,
        "local_ok": saved.local_ok,
        "mount_ok": saved.mount_ok,
        "remote_ok": saved.remote_ok,
        "missed": [{"path": str(one.path), "kind": one.kind, "why": one.why} for one in saved.missed],
    }
