"""What ``vigilo doctor`` tells of the spool and of the server that it goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.database import ClickHouseError
from vigilo_exporter.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vigilo.settings import Settings
    from vigilo_exporter.shipping.destination import Destination

TIMEOUT_S = 5.0
OK, NOTE, BROKEN = "ok", "note", "broken"
_UNKNOWN_DATABASE = 81
_WHO = frozenset({192, 193, 194, 497, 516})


def spool_findings(home: Path, *, goes_to: str) -> Iterator[tuple[str, str, str]]:
    """What waits, what was set aside and what is lost.

    Args:
        home: the folder with the spool.
        goes_to: who takes what waits, for people to read.
    """
    spool = Spool(home)
    waiting = spool.segments()
    yield "spool", OK, f"{len(waiting)} segments of {spool.size_bytes:,} bytes wait for {goes_to}"
    pieces = spool.quarantined()
    if pieces:
        last = max(pieces, key=lambda piece: piece.at)
        yield (
            "quarantine",
            NOTE,
            f"{len(pieces)} pieces could not be stored, the last because: {last.reason}. `vigilo spool ls` lists them; "
            "`vigilo spool retry` delivers them again, `vigilo spool purge` deletes them",
        )
    drops = spool.drops()
    if drops:
        rows, segments = sum(drop.rows for drop in drops), sum(drop.segments for drop in drops)
        yield (
            "dropped",
            NOTE,
            f"{rows:,} rows in {segments:,} segments are lost, the last at {drops[-1].at}: {drops[-1].reason}. "
            "Have the spool emptied more often, or allow it more: `spool_max_bytes`, `spool_max_age_days`",
        )


def server_findings(home: Path, settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Whether the server of the settings can be reached, whether its tables fit, and who sends the spool there."""
    from vigilo_exporter.shipping.destination import Destination

    try:
        destination = Destination(home, settings, TIMEOUT_S)
    except StoreError as error:
        yield "server", BROKEN, str(error)
        return
    answered = False
    for endpoint in destination.database.endpoints:
        state, detail = _endpoint(destination, endpoint)
        answered |= state == OK
        yield "server", state, detail
    if answered:
        yield ("schema", *_schema(destination, settings))
    yield ("shipping", *_shipping(home))
    destination.database.close()


def _endpoint(destination: Destination, endpoint: str) -> tuple[str, str]:
    try:
        rows = destination.database.at(endpoint).query("SELECT version() AS version")
    except ClickHouseError as error:
        if error.code == _UNKNOWN_DATABASE:
            return OK, f"{endpoint} answers; the database is not there yet"
        if error.code in _WHO:
            return BROKEN, f"{endpoint}: {error}: see `clickhouse_user`, `clickhouse_password` and `clickhouse_token`"
        return BROKEN, f"{error}. What apps write waits in the spool until it answers; is `clickhouse_url` right?"
    return OK, f"ClickHouse {rows[0]['version']} at {endpoint}"


def _schema(destination: Destination, settings: Settings) -> tuple[str, str]:
    from vigilo_exporter.clickhouse.migrate import applied_version, migrating, schema_files

    known = schema_files()[-1].version
    try:
        version = applied_version(destination.database, destination.layout)
        if who := migrating(destination.database):
            return NOTE, f"{who} migrates the database; what apps write waits in the spool until it is done"
    except ClickHouseError as error:
        if error.code != _UNKNOWN_DATABASE:
            return BROKEN, str(error)
        version = 0
    if version > known:
        return (
            NOTE,
            f"version {version}; this vigilo knows up to {known}, which can be written but not migrated: upgrade",
        )
    if version == known:
        return OK, f"version {version}"
    if not version and settings.create_schema == "auto":
        return OK, "none yet: the first app that sends makes it, or `vigilo migrate`"
    has = f"version {version}" if version else "none"
    return BROKEN, f"{has}; this vigilo writes version {known}. Nothing is sent before you run `vigilo migrate`"


def _shipping(home: Path) -> tuple[str, str]:
    from vigilo_exporter.shipping.lock import holder

    sending = holder(home)
    if sending is None:
        return OK, "no app runs that sends: the next one does, or the next `vigilo report`"
    who = f"process {sending.pid}" if sending.pid else "a process"
    if sending.failing:
        return BROKEN, f"{who} cannot send: {sending.failing}. It tries again, and nothing is lost meanwhile"
    return OK, f"{who} sends for all"
