"""What a checkpoint says of itself: written last, so that a folder without a whole one is none."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

MANIFEST: Final = "manifest.json"
VERSION: Final = 1
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class StoredFile:
    """A file of an item: its path below the checkpoint's folder, and what its bytes must be."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class StoredItem:
    """An item: its name, its format, its path below the folder, and the files there."""

    name: str
    format: str
    path: str
    files: tuple[StoredFile, ...]


@dataclass(frozen=True)
class Manifest:
    """A checkpoint, as its manifest tells it.

    Attributes:
        created_unix_ns: later than that of all checkpoints that were known, even where the clock was set back.
        lineage: the same for all that go on from one another by :func:`vigilo.checkpoint.resume`.
        writer: the process, see :mod:`vigilo.checkpoint.machine`.
        consistency: ``step``, ``cell``, ``exit``, ``asked`` or ``interrupted``.
        versions: of Python and the libraries whose objects are in it.
    """

    step: int
    reason: str
    created_unix_ns: int
    lineage: str
    writer: str
    consistency: str
    items: tuple[StoredItem, ...]
    versions: dict[str, str]

    @property
    def size_bytes(self) -> int:
        """Of all its files but itself."""
        return sum(file.size_bytes for item in self.items for file in item.files)

    def dumps(self) -> bytes:
        """As JSON, with a checksum over all of it: a torn one is found out."""
        body = {
            "step": self.step,
            "reason": self.reason,
            "created_unix_ns": self.created_unix_ns,
            "lineage": self.lineage,
            "writer": self.writer,
            "consistency": self.consistency,
            "versions": self.versions,
            "items": [
                {
                    "name": item.name,
                    "format": item.format,
                    "path": item.path,
                    "files": [{"path": f.path, "bytes": f.size_bytes, "sha256": f.sha256} for f in item.files],
                }
                for item in self.items
            ],
        }
        return json.dumps({"version": VERSION, "sha256": _sum(body), "checkpoint": body}, indent=1).encode()


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none, it is torn, or a newer vigilo's."""
    try:
        whole = json.loads((folder / MANIFEST).read_bytes())
        body = whole["checkpoint"]
        if whole["version"] != VERSION or whole["sha256"] != _sum(body):
            return None
        return _manifest_of(body)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _manifest_of(body: dict[str, Any]) -> Manifest:
    items = []
    for item in body["items"]:
        files = tuple(StoredFile(_inside(f["path"]), int(f["bytes"]), str(f["sha256"])) for f in item["files"])
        items.append(StoredItem(str(item["name"]), str(item["format"]), _inside(item["path"]), files))
    return Manifest(
        step=int(body["step"]),
        reason=str(body["reason"]),
        created_unix_ns=int(body["created_unix_ns"]),
        lineage=str(body["lineage"]),
        writer=str(body["writer"]),
        consistency=str(body["consistency"]),
        items=tuple(items),
        versions={str(name): str(version) for name, version in body["versions"].items()},
    )


def _inside(path: str) -> str:
    """The path, if it stays in its folder: a manifest may come from anywhere. ValueError otherwise."""
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or "\0" in path:
        raise ValueError(f"{path!r} leads out of the checkpoint")
    return path


def find_fault(folder: Path, manifest: Manifest) -> str:
    """Reads every file again and compares; empty where all is as it was written, otherwise what is not."""
    for item in manifest.items:
        for file in item.files:
            path = folder / file.path
            try:
                if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
                    return f"{file.path} is a link"
                if path.stat().st_size != file.size_bytes:
                    return f"{file.path} has {path.stat().st_size:,} bytes instead of {file.size_bytes:,}"
                if file_sha256(path) != file.sha256:
                    return f"{file.path} has other bytes than were written"
            except OSError as error:
                return f"{file.path} cannot be read ({error.strerror or type(error).__name__})"
    return ""


def file_sha256(path: Path) -> str:
    """The sum of a file, in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def _sum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
