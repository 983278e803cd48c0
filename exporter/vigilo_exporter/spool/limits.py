"""How much may wait in the spool, and what was dropped because it was more."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vigilo_exporter.spool import records

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.settings import Settings

DROPPED: Final = "dropped.jsonl"


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Bounds of the spool.

    Attributes:
        max_bytes: of segments that wait; None for any number.
        max_age_days: of a segment that waits; -1 for ever.
        fsync: whether a segment is forced onto the disk before it counts as written.
    """

    max_bytes: int | None = None
    max_age_days: int = -1
    fsync: bool = False

    @classmethod
    def of(cls, settings: Settings) -> SpoolLimits:
        """Those that the settings say."""
        return cls(settings.spool_max_bytes, settings.spool_max_age_days, settings.spool_fsync)


@dataclass(frozen=True, slots=True)
class Drop:
    """Segments of one table that are lost.

    Attributes:
        at: when, as ISO 8601 in UTC.
        table: whose rows they held.
        segments: how many.
        rows: in those whose name says so.
        bytes: that they took.
        reason: why.
    """

    at: str
    table: str
    segments: int
    rows: int
    bytes: int
    reason: str


def read_drops(folder: Path) -> list[Drop]:
    """What ``dropped.jsonl`` in the spool's folder says, oldest first."""
    drops = []
    for line in records.read(folder / DROPPED):
        with suppress(KeyError, ValueError, TypeError):  # edited by hand
            numbers = [int(line[name]) for name in ("segments", "rows", "bytes")]
            drops.append(Drop(str(line["at"]), str(line["table"]), *numbers, str(line["reason"])))
    return drops
