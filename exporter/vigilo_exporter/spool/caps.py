"""Keeps the spool within its limits: the oldest segments go first, and each that goes is counted.

A process that writes counts its own bytes, and looks at the whole folder only when these pass the limit, and every ten
seconds or more because of what others write: each look is followed by a pause of 200 times as long as it took.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from vigilo import semconv, tallies
from vigilo.errors import internal_errors
from vigilo_exporter.spool import quarantine, records
from vigilo_exporter.spool.limits import Drop, SpoolLimits, summed, write_drops
from vigilo_exporter.spool.lock import spool_lock
from vigilo_exporter.spool.segment import Segment, is_segment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

MANIFEST_SUFFIX = ".manifest"
_ROOM = 0.95  # what dropping leaves of `max_bytes`, so that it is not needed again at the next write
_LOOK_EVERY_S = 10.0
_PAUSE_RATIO = 200
_STILL_OVER_S = 1.0
_LOG_EVERY_S = 60.0
_DAY_NS = 86_400 * 10**9


class Waiting(NamedTuple):
    """A segment's file."""

    name: str
    bytes: int


class _Surplus(NamedTuple):
    """What must go, and why."""

    path: Path
    bytes: int
    reason: str


class Caps:
    """What one process does to keep one spool within its limits. A forked child needs its own."""

    def __init__(self, folder: Path, limits: SpoolLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._bounded = limits.max_bytes is not None or limits.max_age_days != -1
        self._looking = threading.Lock()
        self._counting = threading.Lock()
        self._bytes = 0
        self._look_at_s = 0.0
        self._over_until_s = 0.0
        self._unwritten: list[Drop] = []
        self._unlogged: list[Drop] = []
        self._logged_s = float("-inf")

    @property
    def unwritten(self) -> list[Drop]:
        """What is lost, and could not be written down yet."""
        return list(self._unwritten)

    def wrote(self, size: int) -> None:
        """A segment of ``size`` bytes was written: looks whether that is too much, if it is time to."""
        if not self._bounded and not self._unwritten:
            return
        self._bytes += size  # two threads may lose one of their sums; the next look counts anew
        now_s = time.monotonic()
        limit = self._limits.max_bytes
        over = limit is not None and self._bytes > limit and now_s >= self._over_until_s
        if (over or now_s >= self._look_at_s or self._unwritten) and self._looking.acquire(blocking=False):
            try:
                with internal_errors("keeping the spool within its limits"), suppress(OSError):
                    self._look(now_s)
            finally:
                self._looking.release()

    def failed(self, table: str, rows: int, size: int, reason: str) -> None:
        """A segment could not be written; that is noted down as soon as anything can be."""
        with self._counting:
            self._unwritten = summed([*self._unwritten, Drop(records.now(), table, 1, rows, size, reason)])

    def _look(self, now_s: float) -> None:
        self._look_at_s = now_s + _LOOK_EVERY_S
        waiting, surplus = self._surplus()
        if self._unwritten or surplus:
            with suppress(TimeoutError), spool_lock(self._folder, 0):  # who holds it drops, too, or soon lets go of it
                waiting, surplus = self._surplus(begun(self._folder))  # without what another process dropped meanwhile
                self._drop(surplus)
                waiting -= sum(one.bytes for one in surplus if one.path.parent == self._folder)
        self._bytes = waiting
        if self._limits.max_bytes is not None and waiting > self._limits.max_bytes:
            self._over_until_s = now_s + _STILL_OVER_S
        self._look_at_s = max(self._look_at_s, now_s + _PAUSE_RATIO * (time.monotonic() - now_s))

    def _surplus(self, named: Collection[str] = ()) -> tuple[int, list[_Surplus]]:
        """The bytes that wait, and what must go: of what waits and is not ``named``, and of what is in quarantine."""
        waiting = segments_in(self._folder)
        parked = self._folder / quarantine.FOLDER
        surplus = [*self._oldest(self._folder, waiting, named), *self._oldest(parked, segments_in(parked), ())]
        return sum(one.bytes for one in waiting), surplus

    def _oldest(self, folder: Path, segments: Sequence[Waiting], named: Collection[str]) -> Iterator[_Surplus]:
        limit, days = self._limits.max_bytes, self._limits.max_age_days
        total = sum(one.bytes for one in segments)
        target = total if limit is None or total <= limit else limit * _ROOM
        oldest = f"{0 if days == -1 else time.time_ns() - days * _DAY_NS:020d}"
        for one in segments:
            if one.name in named:
                continue
            if one.name < oldest:  # names begin with the time
                reason = f"older than spool_max_age_days ({days})"
            elif total > target:
                reason = f"more than spool_max_bytes ({limit})"
            else:
                return
            total -= one.bytes
            yield _Surplus(folder / one.name, one.bytes, reason)

    def _drop(self, surplus: Sequence[_Surplus]) -> None:
        """Counts and unlinks. Needs the spool's lock."""
        lost = summed(drop_of(one.path, one.bytes, one.reason) for one in surplus)
        with self._counting:
            self._unwritten += lost
        # First the lines: whoever dies in between has counted too much, not too little. A full disk takes them after.
        self._write_down()
        for one in surplus:
            one.path.unlink(missing_ok=True)
        self._write_down()
        for each in lost:
            tallies.EXPORT_ROWS.add(each.rows, {semconv.EXPORT_TABLE: each.table, semconv.EXPORT_OUTCOME: "dropped"})
        if lost:
            self._log(lost)

    def _write_down(self) -> None:
        with self._counting:
            drops, self._unwritten = self._unwritten, []
        if drops:
            try:
                write_drops(self._folder, drops)
            except OSError:
                with self._counting:
                    self._unwritten = drops + self._unwritten

    def _log(self, lost: Sequence[Drop]) -> None:
        self._unlogged = summed([*self._unlogged, *lost])
        now_s = time.monotonic()
        if now_s - self._logged_s < _LOG_EVERY_S:
            return
        self._logged_s = now_s
        told, self._unlogged = self._unlogged, []
        import logging

        logging.getLogger("vigilo").warning(
            "vigilo: %d rows of telemetry in %d segments were dropped from %s (%s); `vigilo spool ls` tells more",
            sum(one.rows for one in told),
            sum(one.segments for one in told),
            self._folder,
            "; ".join(sorted({one.reason for one in told})),
        )


def segments_in(folder: Path) -> list[Waiting]:
    """The segments of a folder with their sizes, oldest first."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_segment(entry.name):
                    with suppress(FileNotFoundError):  # taken in meanwhile
                        found.append(Waiting(entry.name, entry.stat(follow_symlinks=False).st_size))
    except FileNotFoundError:
        return []
    return sorted(found)


def begun(folder: Path) -> dict[str, str]:
    """The segments that manifests name, with the name of the manifest: their delivery has begun."""
    named = {}
    for manifest in sorted(folder.glob(f"*{MANIFEST_SUFFIX}")):
        with suppress(OSError, ValueError, KeyError, TypeError):  # finished meanwhile, or none
            named.update(dict.fromkeys(json.loads(manifest.read_text("utf-8"))["segments"], manifest.name))
    return named


def drop_of(path: Path, size: int, reason: str) -> Drop:
    """How the loss of a segment is told."""
    segment = Segment.parse(path.name)
    if segment is None:
        return Drop(records.now(), "", 1, 0, size, reason)
    return Drop(records.now(), segment.table, 1, rows_in(segment, path), size, reason)


def rows_in(segment: Segment, path: Path) -> int:
    """How many rows a segment holds; older names do not say, so the head of its block is read. 0 when it is broken."""
    if segment.rows is not None:
        return segment.rows
    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as content:
            _, rows = _length(content), _length(content)  # of columns, of rows
    except (OSError, zstandard.ZstdError, IndexError):
        return 0
    return rows


def _length(content: zstandard.ZstdDecompressionReader) -> int:
    """A number as LEB128; see ``native.py``."""
    number = shift = 0
    while True:
        byte = content.read(1)[0]
        number |= (byte & 127) << shift
        if byte < 128:
            return number
        shift += 7
