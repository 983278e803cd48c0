"""How much may wait in the spool, and what was lost because it was more."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from vigilo_exporter.spool import records

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vigilo.settings import Settings

DROPPED: Final = "dropped.jsonl"
_MAX_FILE_BYTES = 256 * 1024
_KEPT_LINES = 200


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Bounds of the spool. What is in quarantine has the same ones, by itself.

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
        rows: in them.
        bytes: that they took, or would have taken.
        reason: why.
    """

    at: str
    table: str
    segments: int
    rows: int
    bytes: int
    reason: str


def write_drops(folder: Path, drops: Iterable[Drop]) -> None:
    """Adds lines to ``dropped.jsonl``, and sums up old ones when it has grown long. Needs the spool's lock.

    Raises:
        OSError: the disk refuses.
    """
    path = folder / DROPPED
    records.append(path, map(asdict, drops))
    if path.stat().st_size > _MAX_FILE_BYTES:
        everything = read_drops(folder)
        records.replace(path, map(asdict, [*summed(everything[:-_KEPT_LINES]), *everything[-_KEPT_LINES:]]))


def summed(drops: Iterable[Drop]) -> list[Drop]:
    """One for each table and reason, of the time of the last."""
    sums: dict[tuple[str, str], Drop] = {}
    for one in drops:
        before = sums.pop((one.table, one.reason), Drop("", one.table, 0, 0, 0, one.reason))
        numbers = (before.segments + one.segments, before.rows + one.rows, before.bytes + one.bytes)
        sums[one.table, one.reason] = Drop(max(before.at, one.at), one.table, *numbers, one.reason)
    return list(sums.values())


def read_drops(folder: Path) -> list[Drop]:
    """What ``dropped.jsonl`` in the spool's folder says, oldest first."""
    drops = []
    for line in records.read(folder / DROPPED):
        with suppress(KeyError, ValueError, TypeError):  # edited by hand
            segments, rows, bytes_ = (int(line[name]) for name in ("segments", "rows", "bytes"))
            drops.append(Drop(str(line["at"]), str(line["table"]), segments, rows, bytes_, str(line["reason"])))
    return drops
