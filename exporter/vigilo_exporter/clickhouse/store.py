"""The store as readers see it: what apps wrote is taken in, and asked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.engine import Engine, storable_path
from vigilo_exporter.clickhouse.ingest import Ingest, Ingested
from vigilo_exporter.clickhouse.lock import owner_lock
from vigilo_exporter.clickhouse.migrate import applied_version, migrate, schema_files
from vigilo_exporter.clickhouse.repricing import COMMAND, Repricing
from vigilo_exporter.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from vigilo_exporter.clickhouse.repricing import ModelPrices, Selection

DATABASE_FOLDER = "db"


class Store:
    """The open store of one home folder. Open it with :func:`open_store`."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self._engine = engine
        self._spool = Spool(home)
        self._round = Ingest(engine, self._spool.folder)
        self._repricing = Repricing(engine, home)
        self.ingested = Ingested()

    def ingest(self) -> Ingested:
        """Takes in what the spool holds now, and prices what came without a cost; also kept in ``ingested``.

        Raises:
            StoreError: the disk or the engine refuses; what was not taken in stays in the spool.
        """
        try:
            self._spool.sweep_temporary()
            if self._round.has_work():
                self._repricing.expect_arrivals()
            self.ingested = self._round.run()
            self._round = Ingest(self._engine, self._spool.folder)
            self._repricing.price_arrivals()
        except OSError as error:
            raise StoreError(f"cannot take in the segments in {self._spool.folder}: {error}") from None
        return self.ingested

    def reprice(self, selection: Selection, *, dry_run: bool = False) -> tuple[ModelPrices, ...]:
        """Prices calls anew by today's table; see :meth:`Repricing.run`.

        Raises:
            StoreError: the disk or the engine refuses; what was begun is finished by the next owner.
            VigiloError: the price table cannot be loaded.
        """
        try:
            return self._repricing.run(selection, COMMAND, dry_run=dry_run)
        except OSError as error:
            raise StoreError(f"cannot price the calls: {error}") from None

    def finish_begun(self) -> None:
        """Completes what an earlier owner began before it was killed, under the schema that it began with."""
        try:
            self._repricing.finish_begun()
            self._round.finish_begun()
        except OSError as error:
            raise StoreError(f"cannot complete what was begun in {self._spool.folder}: {error}") from None

    def query(self, sql: str, parameters: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]:
        """Rows of one SELECT; see :meth:`Engine.query`."""
        return self._engine.query(sql, parameters)


@contextmanager
def open_store(home: Path, *, wait_s: float = 30.0, ingest: bool = True) -> Iterator[Store]:
    """Opens the store and takes in what the spool holds.

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
            store = Store(engine, home)
            if 0 < applied_version(engine) <= schema_files()[-1].version:
                store.finish_begun()
            migrate(engine)
            if ingest:
                store.ingest()
            yield store
        finally:
            engine.close()
