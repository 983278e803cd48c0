"""What cannot be delivered lies in ``spool/quarantine``, with the reason, until somebody decides about it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vigilo.errors import StoreError
from vigilo_exporter.spool import records
from vigilo_exporter.spool.segment import Segment

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = "quarantine"
REASONS: Final = "reasons.jsonl"
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A piece in quarantine.

    Attributes:
        name: of the file.
        reason: why it was set aside.
        at: when, as ISO 8601 in UTC; empty where nobody wrote it down.
        bytes: that it takes.
    """

    name: str
    reason: str
    at: str
    bytes: int


class Quarantine:
    """The quarantine of one spool. Processes may use it at the same time."""

    def __init__(self, spool: Path) -> None:
        self.folder = spool / FOLDER
        self._spool = spool

    def set_aside(self, name: str, reason: str) -> bool:
        """Moves a file of the spool here; says whether it was still there.

        Raises:
            OSError: the disk refuses; the file stays where it was.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        kept = self._free_name(name)
        # First the reason: whoever dies in between leaves a line too much rather than a file without one.
        records.append(self.folder / REASONS, [{"at": records.now(), "name": kept, "reason": reason}])
        try:
            os.rename(self._spool / name, self.folder / kept)
        except FileNotFoundError:  # somebody took it meanwhile
            return False
        return True

    def put_back(self, name: str) -> None:
        """Moves a segment back to those that wait.

        Raises:
            StoreError: it is not there, or is no segment.
            OSError: the disk refuses.
        """
        if Segment.parse(name) is None:
            raise StoreError(f"{name} is no segment and cannot be delivered: take it out of {self.folder} by hand")
        try:
            os.rename(self.folder / name, self._spool / name)
        except FileNotFoundError:
            raise StoreError(f"no {name} in {self.folder}; `vigilo spool ls` lists what is there") from None

    def pieces(self) -> list[Quarantined]:
        """All that is here, in the order of names, which for segments is that of writing."""
        reasons = {
            line["name"]: (str(line.get("reason", _UNKNOWN)), str(line.get("at", "")))
            for line in records.read(self.folder / REASONS)
            if isinstance(line.get("name"), str)
        }
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name != REASONS:
                        reason, at = reasons.get(entry.name, (_UNKNOWN, ""))
                        found.append(Quarantined(entry.name, reason, at, entry.stat(follow_symlinks=False).st_size))
        except FileNotFoundError:
            pass
        return sorted(found, key=lambda piece: piece.name)

    def forget_reasons(self) -> None:
        """Takes out the reasons of what is not here any more.

        A piece that another process sets aside in the same moment may lose its reason.

        Raises:
            OSError: the disk refuses.
        """
        path = self.folder / REASONS
        lines = list(records.read(path))
        kept = [line for line in lines if os.path.lexists(self.folder / str(line.get("name")))]
        if len(kept) < len(lines):
            records.replace(path, kept)

    def _free_name(self, name: str) -> str:
        """The name, or that with a number where a file of that name is here already."""
        kept, number = name, 1
        while os.path.lexists(self.folder / kept):
            kept, number = f"{name}.{number}", number + 1
        return kept
