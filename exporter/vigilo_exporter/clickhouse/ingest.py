"""Moves the spool's segments into the database, each row exactly once, whenever the process or the server dies.

1. A manifest names a group of segments, and is on disk before anything is sent.
2. The group goes in as one insert with the manifest's name as its deduplication token.
3. After ClickHouse acknowledged it, the manifest is marked, the segments are unlinked, then the manifest.

Whoever comes after a crash, or after a server that gave no answer, finishes the manifests first, with the same token
and the same rows, which ClickHouse counts once if it had them already: in the table and in every materialized view's
target. Of several endpoints the same one is asked again, since in a cluster another may be another shard.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vigilo_exporter.clickhouse.database import ClickHouseError, Layout
from vigilo_exporter.clickhouse.groups import Group, groups_of
from vigilo_exporter.clickhouse.http import HttpDatabase, ShortWriteError
from vigilo_exporter.clickhouse.manifest import Manifest
from vigilo_exporter.clickhouse.migrate import applied_version, schema_files
from vigilo_exporter.clickhouse.refusals import (
    EVERYTHING_WAITS,
    ITS_TABLE_WAITS,
    SEGMENT_AT_FAULT,
    TABLE_AT_FAULT,
    of_a_view,
)
from vigilo_exporter.convert.columns import COLUMNS
from vigilo_exporter.spool import MANIFEST_SUFFIX, SUFFIX, Segment, Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from vigilo_exporter.clickhouse.database import Database

__all__ = ["Ingest", "Ingested"]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one round did.

    Attributes:
        segments: how many were delivered.
        quarantined: names of those set aside because they could not be.
        rows: delivered, of each table, as far as the segments' names say.
    """

    segments: int = 0
    quarantined: tuple[str, ...] = ()
    rows: tuple[tuple[str, int], ...] = ()


class Ingest:
    """One round over a spool: all that lay there when it began.

    Only one process at a time may run it: the owner of an embedded database, or who holds ``ship.lock``.

    Args:
        database: where to.
        spool: the spool's folder.
        layout: what the tables there are called.
        go_on: asked before each insert; False ends the round early.
    """

    def __init__(
        self,
        database: Database,
        spool: Path,
        layout: Layout | None = None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._spool = spool
        self._layout = layout or Layout()
        self._go_on = go_on
        self._pieces = Spool(spool.parent)
        self._segments = 0
        self._rows: dict[str, int] = {}
        self._quarantined: list[str] = []
        self._waiting: dict[str, ClickHouseError] = {}  # by table, or by the manifest of a group that waits alone

    def run(self) -> Ingested:
        """Delivers everything.

        Raises:
            ClickHouseError: ClickHouse could not take a group for a reason not in its segments: a full disk, no answer.
                The group stays in the spool. Groups of other tables went in, unless nothing goes in.
            OSError: the spool cannot be read or written.
        """
        self._quarantined += self._pieces.set_foreign_aside()
        names = self._names()
        taken = self.finish_begun()
        waiting = [name for name in names if name.endswith(SUFFIX) and name not in taken]
        for group in groups_of(self._spool, waiting, self._set_aside):
            if group.table not in self._waiting and self._go_on():
                self._deliver_new(group)
        if self._waiting:
            raise next(iter(self._waiting.values()))
        return self.done

    @property
    def done(self) -> Ingested:
        """What was done so far."""
        return Ingested(self._segments, tuple(self._quarantined), tuple(sorted(self._rows.items())))

    def has_work(self) -> bool:
        """Whether anything waits to be taken in, or was begun."""
        return any(name.endswith((SUFFIX, MANIFEST_SUFFIX)) for name in self._names())

    def finish_begun(self) -> frozenset[str]:
        """Completes the groups that were begun earlier; gives the segments that need no other group.

        Raises:
            ClickHouseError: as for :meth:`run`.
        """
        taken: set[str] = set()
        for name in self._names():
            if name.endswith(MANIFEST_SUFFIX):
                taken.update(self._finish(name))
        return frozenset(taken)

    def _names(self) -> list[str]:
        return sorted(entry.name for entry in os.scandir(self._spool)) if self._spool.is_dir() else []

    def _finish(self, name: str) -> tuple[str, ...]:
        try:
            manifest = Manifest.read(self._spool / name)
        except ValueError as error:
            self._set_aside(name, f"cannot be read: {error}")
            return ()
        left = tuple(segment for segment in manifest.segments if (self._spool / segment).exists())
        at_a_server = isinstance(self._database, HttpDatabase)
        if manifest.acknowledged or not left or manifest.table not in COLUMNS:
            self._remove(manifest)
        elif len(left) < len(manifest.segments) and (manifest.endpoint or not at_a_server):
            # Under the same token ClickHouse 26.5 counts an insert anew that has fewer blocks than the first time.
            reason = "others of its group were deleted; look whether its rows are there before you deliver it again"
            self._set_group_aside(replace(manifest, segments=left), reason)
        elif manifest.table not in self._waiting and self._go_on():
            self._deliver(replace(manifest, segments=left), begun=True)
        return manifest.segments

    def _deliver_new(self, group: Group) -> None:
        with self._pieces.locked():  # else what is too much for the spool might be dropped in between
            # Under one name only is a segment counted once, so what is begun is looked up again just before.
            begun = self._pieces.begun()
            left = tuple(name for name in group.segments if name not in begun and (self._spool / name).exists())
            if not left:
                return
            manifest = Manifest.new(group.table, left, self._endpoints()[0])
            manifest.write(self._spool)
        self._deliver(manifest, begun=False)

    def _deliver(self, manifest: Manifest, *, begun: bool) -> None:
        try:
            self._insert(manifest, begun=begun)
        except ShortWriteError as error:
            self._set_group_aside(manifest, f"{error}: look which rows are there before you deliver it again")
        except ClickHouseError as error:
            self._refused(manifest, error)
        else:
            self._segments += len(manifest.segments)
            rows = sum(segment.rows or 0 for segment in map(Segment.parse, manifest.segments) if segment is not None)
            self._rows[manifest.table] = self._rows.get(manifest.table, 0) + rows
            replace(manifest, acknowledged=True).write(self._spool, durably=False)
            self._remove(manifest)

    def _insert(self, manifest: Manifest, *, begun: bool) -> None:
        """Inserts a group, at an endpoint that it may have been executed at before, or else at any.

        Raises:
            ClickHouseError: no endpoint took it. ``executed`` is None where one may have.
        """
        known = self._endpoints()
        pinned = begun and manifest.endpoint in known
        endpoints = [manifest.endpoint] if pinned else known
        for place, endpoint in enumerate(endpoints):
            if endpoint != manifest.endpoint:
                manifest = replace(manifest, endpoint=endpoint)
                manifest.write(self._spool)
            try:
                self._send(manifest, begun=begun)
            except ClickHouseError as error:
                if error.executed is not False and isinstance(self._database, HttpDatabase):
                    self._database.prefer(known[(known.index(endpoint) + 1) % len(known)])  # for the next group
                if pinned or error.executed is not False:
                    raise
                if place == len(endpoints) - 1 or error.code not in EVERYTHING_WAITS:
                    replace(manifest, endpoint="").write(self._spool)
                    raise
            else:
                if endpoint and isinstance(self._database, HttpDatabase):
                    self._database.prefer(endpoint)
                return

    def _send(self, manifest: Manifest, *, begun: bool) -> None:
        database = self._database
        if manifest.endpoint and isinstance(database, HttpDatabase):
            database = database.at(manifest.endpoint)
        table, columns = self._layout.stored(manifest.table), COLUMNS[manifest.table]
        for again in (begun, True):
            try:
                database.insert(table, columns, self._paths(manifest.segments), manifest.name)
            except ShortWriteError as error:
                # Nothing written is what a server may say of rows that it has; the first time it has not.
                if error.written or (again and not begun):
                    raise
                if again:
                    return
            else:
                return

    def _refused(self, manifest: Manifest, error: ClickHouseError) -> None:
        """Sets aside what is to blame, and delivers the rest of the group without it.

        Raises:
            ClickHouseError: nothing can be delivered now.
        """
        if error.code in EVERYTHING_WAITS:
            if manifest.endpoint and len(self._endpoints()) > 1:
                self._waiting.setdefault(manifest.name, error)  # others may go to another endpoint
                return
            raise error
        if error.code in TABLE_AT_FAULT:
            if applied_version(self._database, self._layout) < schema_files()[-1].version:
                raise error  # the tables come with `vigilo migrate`, and then take it
            self._set_group_aside(manifest, str(error))
            return
        if error.code in ITS_TABLE_WAITS or of_a_view(error):
            self._waiting.setdefault(manifest.table, error)
            return
        unreadable = self._unreadable(manifest)
        # All of a group is read before its first row goes in, so nothing of it did.
        if unreadable:
            remaining = tuple(name for name in manifest.segments if name not in unreadable)
            (self._spool / manifest.name).unlink()
            for name, reason in unreadable.items():
                self._set_aside(name, reason)
            if remaining:
                self._deliver_new(Group(manifest.table, remaining))
        elif error.code not in SEGMENT_AT_FAULT or not isinstance(self._database, HttpDatabase):
            self._waiting.setdefault(manifest.table, error)
        elif len(manifest.segments) == 1:
            self._set_group_aside(manifest, str(error))
        else:
            (self._spool / manifest.name).unlink()
            for name in manifest.segments:
                self._deliver_new(Group(manifest.table, (name,)))

    def _unreadable(self, manifest: Manifest) -> dict[str, str]:
        """The segments whose rows ClickHouse cannot read as the table's, and why."""
        columns = COLUMNS[manifest.table]
        structure = ", ".join(f"`{name}` {type_}" for name, type_ in columns).replace("'", "\\'")
        unreadable = {}
        for name in manifest.segments:
            try:
                nowhere = f"FUNCTION null('{structure}')"
                self._database.insert(nowhere, columns, self._paths([name]), f"{manifest.name}/{name}")
            except ShortWriteError:
                continue
            except ClickHouseError as error:
                if error.code in EVERYTHING_WAITS:
                    raise
                unreadable[name] = str(error)
        return unreadable

    def _endpoints(self) -> tuple[str, ...]:
        """Where the database is; the embedded one is at no endpoint."""
        return self._database.endpoints if isinstance(self._database, HttpDatabase) else ("",)

    def _paths(self, names: Iterable[str]) -> list[Path]:
        return [self._spool / name for name in names]

    def _remove(self, manifest: Manifest) -> None:
        for name in (*manifest.segments, manifest.name):
            (self._spool / name).unlink(missing_ok=True)

    def _set_group_aside(self, manifest: Manifest, reason: str) -> None:
        # The manifest goes last: whoever dies in between leaves a group of which a part is gone, and not new segments.
        for name in manifest.segments:
            self._set_aside(name, reason)
        (self._spool / manifest.name).unlink()

    def _set_aside(self, name: str, reason: str) -> None:
        if self._pieces.set_aside(name, reason):
            self._quarantined.append(name)
