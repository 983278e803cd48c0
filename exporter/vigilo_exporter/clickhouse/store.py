"""The store as commands see it, wherever it is: at a server, behind ``vigilo serve``, or opened by this process."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.database import Layout
from vigilo_exporter.clickhouse.deduplication_logs import forget_unwritten
from vigilo_exporter.clickhouse.engine import Engine, storable_path
from vigilo_exporter.clickhouse.http import HttpDatabase
from vigilo_exporter.clickhouse.ingest import Ingest, Ingested
from vigilo_exporter.clickhouse.lock import POLL_S, owner_lock, still_held, take_lock
from vigilo_exporter.clickhouse.migrate import applied_version, migrate, schema_files
from vigilo_exporter.clickhouse.repricing import COMMAND, Repricing
from vigilo_exporter.clickhouse.served import WRITER, Served, forget_served
from vigilo_exporter.shipping.destination import Destination
from vigilo_exporter.shipping.lock import ShipLock
from vigilo_exporter.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from vigilo.settings import Settings
    from vigilo_exporter.clickhouse.database import Database
    from vigilo_exporter.clickhouse.repricing import ModelPrices, Selection

DATABASE_FOLDER = "db"
PRICE_LOCK = "reprice.lock"
SERVER_TIMEOUT_S = 300.0
LOCKED_FOR_S = 600.0
"""How long to wait for another process that prices calls."""
SHIPPED_WITHIN_S = 5.0
"""How long to wait for an app that ships the spool by itself."""


class Store:
    """An open store. Open it with :func:`open_store`.

    Attributes:
        database: where statements go.
        layout: what its tables are called.
        home: the folder with the spool.
        ingested: what the last :meth:`ingest` did.
    """

    def __init__(
        self,
        database: Database,
        home: Path,
        layout: Layout | None = None,
        *,
        served: Served | None = None,
        destination: Destination | None = None,
    ) -> None:
        """``served`` is who takes in the spool in place of this process; ``destination`` the server that it goes to."""
        self.database, self.home, self.layout = database, home, layout or Layout()
        self.ingested = Ingested()
        self._served, self._destination = served, destination
        self._server = ",".join(sorted(destination.database.endpoints)) if destination is not None else ""
        self._spool = Spool(home)
        self._repricing = Repricing(database, home, self.layout, self._server)

    def ingest(self, *, price: bool = True) -> Ingested:
        """Takes in what the spool holds now; also kept in ``ingested``.

        Args:
            price: also prices what came without a cost; at a server, `vigilo serve` and `vigilo reprice` do.

        Raises:
            StoreError: the disk or ClickHouse refuses; what was not taken in stays in the spool.
        """
        if self._served is not None:
            segments, quarantined = self._served.ingest()
            self.ingested = Ingested(segments, quarantined)
            return self.ingested
        try:
            if self._destination is not None:
                self._ship(self._destination)
            else:
                self._spool.sweep_temporary()
                ingest = self._ingest()
                if ingest.has_work():
                    self._repricing.expect_arrivals()
                self.ingested = ingest.run()
                if price:
                    self.price_arrivals()
        except OSError as error:
            raise StoreError(f"cannot take in the segments in {self._spool.folder}: {error}") from None
        return self.ingested

    @property
    def where(self) -> str:
        """Where the rows are, without secrets."""
        return self._server or (self._served.url if self._served is not None else str(self.home))

    @property
    def is_own(self) -> bool:
        """Whether this process owns the database."""
        return self._served is None and self._destination is None

    @property
    def is_served(self) -> bool:
        """Whether `vigilo serve` has it open, and not this process."""
        return self._served is not None

    def has_work(self) -> bool:
        """Whether the spool holds anything to take in."""
        return self._ingest().has_work()

    def price_arrivals(self) -> None:
        """Prices what was taken in without a cost; at a server, which others write to, all calls without one.

        Raises:
            StoreError: the disk or ClickHouse refuses.
        """
        try:
            with owner_lock(self.home, LOCKED_FOR_S, PRICE_LOCK):
                if self._destination is not None:
                    self._repricing.finish_begun()
                    self._repricing.expect_arrivals()
                self._repricing.price_arrivals()
        except OSError as error:
            raise StoreError(f"cannot price the calls: {error}") from None

    def reprice(self, selection: Selection, *, dry_run: bool = False) -> tuple[ModelPrices, ...]:
        """Prices calls anew by today's table; see :meth:`Repricing.run`.

        Raises:
            StoreError: the disk or ClickHouse refuses; what was begun is finished by the next owner.
            VigiloError: the price table cannot be loaded.
        """
        try:
            # Two at once would both count the difference of a call's cost.
            with owner_lock(self.home, LOCKED_FOR_S, PRICE_LOCK):
                if not self.is_own:
                    self._repricing.finish_begun()
                return self._repricing.run(selection, COMMAND, dry_run=dry_run)
        except OSError as error:
            raise StoreError(f"cannot price the calls: {error}") from None

    def finish_begun(self) -> None:
        """Completes what an earlier owner began before it was killed, under the schema that it began with."""
        try:
            self._repricing.finish_begun()
            self._ingest().finish_begun()
        except OSError as error:
            raise StoreError(f"cannot complete what was begun in {self._spool.folder}: {error}") from None

    def query(self, sql: str, parameters: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]:
        """Rows of one SELECT; see :meth:`Database.query`."""
        return self.database.query(sql, parameters)

    def _ship(self, destination: Destination) -> None:
        """Ships what the spool holds, unless an app is at it: then that is waited for, a little."""
        destination.make_ready()
        lock = ShipLock(self.home)
        if lock.acquire():
            try:
                self.ingested = destination.deliver()
            finally:
                lock.release()
            return
        waiting = {path.name for path in self._spool.segments()}
        deadline = time.monotonic() + SHIPPED_WITHIN_S
        while waiting.intersection(path.name for path in self._spool.segments()) and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _ingest(self) -> Ingest:
        return Ingest(self.database, self._spool.folder, self.layout)


@contextmanager
def open_store(
    home: Path, *, wait_s: float = 30.0, ingest: bool = True, settings: Settings | None = None
) -> Iterator[Store]:
    """Opens the store and takes in what the spool holds.

    It is the server of ``clickhouse_url``, where that is set; else what a ``vigilo serve`` has open; else the database
    in ``home``, which this process then owns until it leaves.

    Args:
        home: the folder with ``spool/`` and ``db/``; made when it is not there.
        wait_s: how long to wait for another owner, such as a second report at the same time.
        ingest: False opens the database as it is.
        settings: the user's own by default.

    Raises:
        MissingExtraError: the embedded engine is needed, and not installed.
        StoreError: another process keeps the store, a newer vigilo has written it, or the disk or a server refuses.
        ConfigError: a setting is wrong.
    """
    if settings is None:
        from vigilo.settings import load_settings

        settings = load_settings()
    with ExitStack() as stack:
        if settings.clickhouse_url:
            store = _at_server(home, settings, stack)
        else:
            store = _embedded(home, wait_s, stack, ingest=ingest)
        if ingest and not store.is_served:
            store.ingest()
        yield store
        if ingest and store.is_own:
            from vigilo_exporter.clickhouse.maintenance import Maintenance

            Maintenance(store.database, store.layout, home, settings).run_due()


def own_store(home: Path, stack: ExitStack) -> tuple[Store, Engine]:
    """The store of the database in ``home``, brought to this version's schema. The lock must be held.

    Raises:
        MissingExtraError, StoreError: as :func:`open_store`.
    """
    forget_served(home)
    try:
        forget_unwritten(home / DATABASE_FOLDER)
    except OSError as error:
        raise StoreError(f"cannot look into the database in {home / DATABASE_FOLDER}: {error}") from None
    engine = Engine(home / DATABASE_FOLDER)
    stack.callback(engine.close)
    store = Store(engine, home)
    if 0 < applied_version(engine) <= schema_files()[-1].version:
        store.finish_begun()
    migrate(engine)
    return store, engine


def _at_server(home: Path, settings: Settings, stack: ExitStack) -> Store:
    destination = Destination(home, settings, SERVER_TIMEOUT_S)
    stack.callback(destination.database.close)
    return Store(destination.database, home, destination.layout, destination=destination)


def _embedded(home: Path, wait_s: float, stack: ExitStack, *, ingest: bool) -> Store:
    storable_path(home)
    deadline = time.monotonic() + wait_s
    while True:
        with ExitStack() as attempt:
            if take_lock(home, attempt):
                store, _ = own_store(home, attempt)
                stack.enter_context(attempt.pop_all())
                return store
        served = Served.of(home)
        if served is not None and served.answers():
            database = HttpDatabase(served.url, user=WRITER, password=served.token)
            store = Store(database, home, served=served)
            try:
                if ingest:
                    store.ingest()
                _check_version(database, served)
            except StoreError:
                if served.answers():
                    raise
                database.close()  # it has just ended: the next attempt finds out who is the owner now
            else:
                stack.callback(database.close)
                return store
        if time.monotonic() >= deadline:
            raise still_held(home, wait_s)
        time.sleep(POLL_S)


def _check_version(database: Database, served: Served) -> None:
    applied, known = applied_version(database), schema_files()[-1].version
    if applied != known:
        raise StoreError(
            f"`vigilo serve` (process {served.pid}) runs another version of vigilo: its schema has version {applied}, "
            f"this command knows version {known}; restart it"
        )
