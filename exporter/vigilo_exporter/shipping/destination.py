"""Where the spool goes: the ClickHouse server of the settings, whose tables are made where there are none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.database import ClickHouseError, Layout
from vigilo_exporter.clickhouse.http import HttpDatabase
from vigilo_exporter.clickhouse.ingest import Ingest, Ingested
from vigilo_exporter.clickhouse.migrate import applied_version, create_database, migrate, migrating, schema_files
from vigilo_exporter.convert.columns import COLUMNS
from vigilo_exporter.spool import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vigilo.settings import Settings

SCHEMA_GOOD_FOR_S: Final = 60.0
UNKNOWN_DATABASE: Final = 81


class SchemaNotReadyError(StoreError):
    """The server's tables are not there, or older than this vigilo; the message says what to do."""


class Destination:
    """Where the spool of a home folder goes, by the settings. For one thread at a time.

    Args:
        home: the folder with the spool.
        settings: ``clickhouse_url`` is set.
        timeout_s: of each wait for the server.

    Raises:
        StoreError: user, password or token cannot be sent.
    """

    def __init__(self, home: Path, settings: Settings, timeout_s: float = 60.0) -> None:
        self._spool = home / FOLDER
        self._name = settings.clickhouse_database
        self._may_create = settings.create_schema == "auto"
        self.database = HttpDatabase.of(settings, timeout_s)
        self.layout = Layout(settings.clickhouse_cluster)
        self.done = Ingested()
        """What the last round did, also one that failed."""
        self._looked_s = float("-inf")

    def deliver(self, go_on: Callable[[], bool] = lambda: True) -> Ingested:
        """Delivers what the spool holds now.

        Args:
            go_on: asked before each insert; False ends the round early.

        Raises:
            SchemaNotReadyError: nothing can be delivered before somebody migrates.
            ClickHouseError: the server cannot be reached, or takes nothing now.
            OSError: the spool cannot be read or written.
        """
        round_ = Ingest(self.database, self._spool, self.layout, go_on)
        self.done = Ingested()
        if not round_.has_work():
            return self.done
        try:
            self.make_ready()
            return round_.run()
        except BaseException:
            self._looked_s = float("-inf")
            raise
        finally:
            self.done = round_.done

    def make_ready(self) -> None:
        """Sees that the tables can take what is sent; looks once a minute at the most.

        Raises:
            SchemaNotReadyError, ClickHouseError: as for :meth:`deliver`.
        """
        if time.monotonic() - self._looked_s < SCHEMA_GOOD_FOR_S:
            return
        version, known = self._version(), schema_files()[-1].version
        if version and (who := migrating(self.database)):
            raise SchemaNotReadyError(f"{who} migrates the database: nothing is sent until it is done")
        if version < known:
            if not self._may_create or self._is_used():
                has = f"schema version {version}" if version else "no schema of vigilo's"
                raise SchemaNotReadyError(
                    f"the database has {has}, this vigilo writes version {known}: run `vigilo migrate`"
                )
            migrate(self.database, self.layout, shared=True)
        self._looked_s = time.monotonic()

    def _version(self) -> int:
        try:
            return applied_version(self.database, self.layout)
        except ClickHouseError as error:
            if error.code != UNKNOWN_DATABASE:
                raise
        if self._may_create:
            create_database(self.database, self._name, self.layout)
        return 0

    def _is_used(self) -> bool:
        """Whether there are rows in the tables, or tables of others under their names: then people decide.

        Tables without rows are what is left of an app that ended while it made them.
        """
        tables = self.database.query(
            "SELECT name, coalesce(total_rows, 0) AS rows FROM system.tables WHERE database = currentDatabase()"
        )
        rows = {table["name"]: table["rows"] for table in tables}
        stored = {name: rows[name] for name in map(self.layout.stored, COLUMNS) if name in rows}
        is_ours = any(name.startswith("schema_version") for name in rows)
        return any(stored.values()) or (bool(stored) and not is_ours)
