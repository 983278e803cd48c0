"""The store that needs no server: ClickHouse inside the process that reads, fed from the spool the apps write to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.engine import Engine, storable_path
from vigilo_exporter.clickhouse.ingest import Ingest, Ingested
from vigilo_exporter.clickhouse.lock import owner_lock
from vigilo_exporter.clickhouse.migrate import migrate
from vigilo_exporter.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DATABASE_FOLDER = "db"


class EmbeddedStore:
    """The open store of one home folder. Open it with :meth:`open`."""

    def __init__(self, engine: Engine, spool: Spool) -> None:
        self._engine = engine
        self._spool = spool
        self.ingested = Ingested()

    @classmethod
    @contextmanager
    def open(cls, home: Path, *, wait_s: float = 30.0, ingest: bool = True) -> Iterator[EmbeddedStore]:
        """Opens the store as its one owner and takes in what the spool holds.

        Args:
            home: the folder with ``spool/`` and ``db/``; made when it is not there.
            wait_s: how long to wait for another owner, such as a second report at the same time.
            ingest: False opens the database as it is.

        Raises:
            MissingExtraError: the embedded engine is not installed.
            StoreError: another process keeps the store, a newer vigilo has written it, or the disk refuses.
        """
        storable_path(home)
        with owner_lock(home, wait_s):
            engine = Engine(home / DATABASE_FOLDER)
            try:
                migrate(engine)
                store = cls(engine, Spool(home))
                if ingest:
                    store.ingest()
                yield store
            finally:
                engine.close()

    def ingest(self) -> Ingested:
        """Takes in what the spool holds now; also kept in ``ingested``.

        Raises:
            StoreError: the disk or the engine refuses; what was not taken in stays in the spool.
        """
        try:
            self._spool.sweep_temporary()
            self.ingested = Ingest(self._engine, self._spool.folder).run()
        except OSError as error:
            raise StoreError(f"cannot take in the segments in {self._spool.folder}: {error}") from None
        return self.ingested

    def query(self, sql: str, parameters: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]:
        """Rows of one SELECT; see :meth:`Engine.query`."""
        return self._engine.query(sql, parameters)
