"""One migration of a database at a time, whoever runs it: a table that only one can create is the lock.

Its comment says who holds it and since when. A process that was killed leaves it behind: it is taken over when the
process is known to be dead, or after an hour without a sign of life.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.database import ClickHouseError, Layout
from vigilo_exporter.clickhouse.engine import quoted

if TYPE_CHECKING:
    from types import TracebackType

    from vigilo_exporter.clickhouse.database import Database

TABLE: Final = "schema_migration"
STALE_S: Final = 3600.0
"""A single statement that fills a table from billions of rows may take long, and gives no sign of life meanwhile."""
_TABLE_ALREADY_EXISTS: Final = 57


def migrating(database: Database) -> str | None:
    """Who migrates the database now, in words, or None. Whoever writes to it should wait meanwhile.

    Raises:
        ClickHouseError: the server refuses, or cannot be reached.
    """
    holder = _holder(database)
    if holder is None or _is_stale(holder):
        return None
    return _shown(holder)


class MigrationLock:
    """Holds the lock while it is entered.

    Raises:
        StoreError: on entering, somebody else holds it.
        ClickHouseError: the server refuses, or cannot be reached.
    """

    def __init__(self, database: Database, layout: Layout) -> None:
        self._database = database
        self._layout = layout
        self._me: dict[str, Any] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": round(time.time(), 3),
            "at": round(time.time(), 3),
        }

    def __enter__(self) -> MigrationLock:
        if not self._create():
            holder = _holder(self._database)
            if holder is not None and not _is_stale(holder):
                raise StoreError(
                    f"{_shown(holder)} migrates the database: wait until it is done; if it is dead, "
                    f"`DROP TABLE {TABLE}{self._layout.on_cluster}` lets the next one go on"
                )
            self._drop()
            if not self._create():
                raise StoreError("somebody else has just begun to migrate the database: wait until it is done")
        self._check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def beat(self) -> None:
        """Says that this process lives, before each statement.

        Raises:
            StoreError: somebody else took the lock over.
        """
        self._check()
        if time.time() - self._me["at"] < STALE_S / 60:
            return
        self._me["at"] = round(time.time(), 3)
        comment = quoted(json.dumps(self._me))
        self._database.execute(f"ALTER TABLE {TABLE}{self._layout.on_cluster} MODIFY COMMENT {comment}")

    def _create(self) -> bool:
        """Whether this process made the table. Of several that try at once, one does."""
        comment = quoted(json.dumps(self._me))
        try:
            self._database.execute(
                f"CREATE TABLE {TABLE}{self._layout.on_cluster} (At DateTime) ENGINE = Null COMMENT {comment}"
            )
        except ClickHouseError as error:
            if error.code == _TABLE_ALREADY_EXISTS:
                return False
            if error.executed is None:  # no answer: it is made if it says that we made it
                return self._is_mine(_holder(self._database))
            raise
        return True

    def _check(self) -> None:
        holder = _holder(self._database)
        if not self._is_mine(holder):
            raise StoreError(f"{_shown(holder)} took over the migration of the database")

    def _is_mine(self, holder: dict[str, Any] | None) -> bool:
        return holder is not None and all(holder.get(key) == self._me[key] for key in ("host", "pid", "since"))

    def _drop(self) -> None:
        self._database.execute(f"DROP TABLE IF EXISTS {TABLE}{self._layout.on_cluster}")


def _holder(database: Database) -> dict[str, Any] | None:
    rows = database.query(
        "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {name:String}", {"name": TABLE}
    )
    if not rows:
        return None
    try:
        holder = json.loads(rows[0]["comment"])
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_stale(holder: dict[str, Any]) -> bool:
    at = holder.get("at")
    if not isinstance(at, (int, float)) or time.time() - at > STALE_S:
        return True
    pid = holder.get("pid")
    return holder.get("host") == socket.gethostname() and isinstance(pid, int) and not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def _shown(holder: dict[str, Any] | None) -> str:
    if not holder:
        return "somebody"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(holder.get("since") or 0))
    return f"process {holder.get('pid')} on {holder.get('host')}, since {since} UTC,"
