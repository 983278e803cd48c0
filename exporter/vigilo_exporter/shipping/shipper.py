"""A thread of the app that sends what lies in the spool to the ClickHouse server of the settings.

Of all processes with the same home the one that holds ``ship.lock`` sends for all; the others stand by. While the
server cannot be reached everything waits in the spool, and the app goes on: only an app that ends waits for the server,
and no longer than ``flush_timeout_s``.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

from vigilo import semconv
from vigilo.errors import StoreError, report_internal
from vigilo.tallies import EXPORT_FAILURES, EXPORT_ROWS
from vigilo_exporter.shipping.destination import Destination
from vigilo_exporter.shipping.lock import ShipLock, holder
from vigilo_exporter.shipping.outage import Outage
from vigilo_exporter.spool import FOLDER, MANIFEST_SUFFIX, SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.settings import Settings
    from vigilo_exporter.clickhouse.ingest import Ingested

LOOK_EVERY_S: Final = 1.0
"""How often the spool is looked at for what other processes wrote, and the lock for whether it is free."""
GATHER_S: Final = 0.25
"""How long after a write more is waited for: many small inserts cost ClickHouse much."""
SERVER_TIMEOUT_S: Final = 60.0
RETRY_S: Final = 0.3
_SURE_AFTER_S: Final = 0.05
_COUNTED_AFTER_S: Final = 1.0
"""How soon a flush asks a server again that was busy."""


class Shipper:
    """Sends the spool of one home folder, from a thread of its own. Get it with :func:`shipper_of`."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self._home, self._settings = home, settings
        self._folder = home / FOLDER
        self._users = 0
        self._lock = ShipLock(home)
        self._exit_left_s = settings.flush_timeout_s
        self._begin()

    def _begin(self) -> None:
        """What a process has of its own."""
        self._condition = threading.Condition()
        self._under_way = threading.Lock()  # while a round delivers and counts
        self._thread: threading.Thread | None = None
        self._destination: Destination | None = None
        self._outage = Outage(self._folder)
        self._told_quarantine = False
        self._ending = False
        self._written = False
        self._pause_until_s = 0.0
        self._asked = 0  # how many flushes were asked for
        self._heard = 0  # how many of them the thread knows of
        self._tried = 0  # how many of them it has made a try for

    def use(self) -> None:
        """One more exporter writes for it."""
        with self._condition:
            self._users += 1
            self._ending = False

    def wake(self) -> None:
        """Something was written: starts the thread when it does not run."""
        if self._thread is None:
            self._start()
        if not self._written:
            self._written = True
            with self._condition:
                self._condition.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Has everything sent at once, and waits until what lies in the spool now has left it; says whether it has.

        A server that is not there, or has no tables for it, is not waited for: one try tells. Others are asked again.
        """
        deadline_s = time.monotonic() + timeout_s
        left = self._names()
        if not left or timeout_s <= 0:
            return not left
        threaded = self._thread is not None or self._start()
        with self._condition:
            self._asked += 1
            asked = self._asked
            self._condition.notify_all()
        while True:
            if not threaded and (self._lock.held or self._lock.acquire()):
                self._try(max(0.1, deadline_s - time.monotonic()), deadline_s)
                self._lock.release()
            looked_s = time.monotonic()
            left &= self._names()
            now_s = time.monotonic()
            if not left:
                # Segments go before they are counted; the round that took them ends in a moment.
                if self._under_way.acquire(timeout=max(0.0, min(_COUNTED_AFTER_S, deadline_s - now_s))):
                    self._under_way.release()
                return True
            failed = self._tried >= asked and bool(self._outage.reason)
            if now_s >= deadline_s or (failed and self._outage.lasts) or self._others_fail():
                return False
            with self._condition:
                pause_s = RETRY_S if failed else max(0.02, 5 * (now_s - looked_s))
                self._condition.wait(min(pause_s, deadline_s - now_s))
                if failed:
                    self._asked += 1
                    asked = self._asked
                    self._condition.notify_all()

    def leave(self) -> bool:
        """One exporter less: flushes, and after the last one ends the thread, so that another process can send."""
        began_s = time.monotonic()
        flushed = self.flush(self._exit_left_s)
        if not flushed:  # the exporters of an app end one after the other, and together wait no longer than one
            self._exit_left_s = max(0.0, self._exit_left_s - (time.monotonic() - began_s))
        with self._condition:
            self._users -= 1
            if self._users <= 0:
                self._ending = True
                self._condition.notify_all()
                if not flushed:
                    self._outage.tell()
        return flushed

    def _start(self) -> bool:
        """Starts the thread; says whether it runs."""
        with self._condition:
            self._ending = self._users <= 0
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="vigilo-shipper", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter ends, or the machine has no threads left: a later write tries
                    return False
                self._thread = thread
            return True

    def _run(self) -> None:
        while True:
            try:
                if self._lock.held or self._lock.acquire():
                    self._try()
            except OSError as error:  # of the lock
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - whatever is wrong, the thread goes on
                report_internal("sending telemetry", error)
                self._fail(error)
            self._wait()
            with self._condition:
                if self._ending:
                    self._close()
                    self._thread = None
                    return

    def _wait(self) -> None:
        """Until there is something to do."""
        with self._condition:
            self._condition.notify_all()

            def called() -> bool:
                return self._asked > self._heard or self._ending

            if self._outage.reason:
                self._condition.wait_for(called, max(0.0, self._pause_until_s - time.monotonic()))
            else:
                self._condition.wait_for(lambda: self._written or called(), LOOK_EVERY_S)
                if self._written and self._lock.held:
                    self._condition.wait_for(called, GATHER_S)
            self._heard = self._asked

    def _try(self, timeout_s: float = SERVER_TIMEOUT_S, deadline_s: float = float("inf")) -> None:
        """One round over the spool. The lock is held."""
        with self._under_way:
            asked, self._written = self._asked, False
            destination = None
            try:
                if self._destination is None:
                    self._destination = Destination(self._home, self._settings)
                destination = self._destination
                destination.database.timeout_s = timeout_s
                destination.deliver(lambda: not self._ending and time.monotonic() < deadline_s)
            except (StoreError, OSError) as error:
                self._fail(error)
            else:
                was_failing = bool(self._outage.reason)
                self._outage.over()
                if was_failing:
                    self._lock.tell("")
            finally:
                if destination is not None:
                    self._count(destination.done)
                self._tried = asked

    def _fail(self, error: Exception) -> None:
        EXPORT_FAILURES.add()
        self._pause_until_s = time.monotonic() + self._outage.failed(error)
        self._lock.tell(self._outage.reason)

    def _count(self, done: Ingested) -> None:
        for table, rows in done.rows:
            EXPORT_ROWS.add(rows, {semconv.EXPORT_TABLE: table, semconv.EXPORT_OUTCOME: "delivered"})
        if done.quarantined and not self._told_quarantine:
            self._told_quarantine = True
            import logging

            logging.getLogger("vigilo").warning(
                "vigilo: %d pieces of telemetry cannot be stored and were set aside: `vigilo spool ls` says why "
                "(told once)",
                len(done.quarantined),
            )

    def _names(self) -> set[str]:
        try:
            with os.scandir(self._folder) as entries:
                return {entry.name for entry in entries if entry.name.endswith((SUFFIX, MANIFEST_SUFFIX))}
        except OSError:
            return set()

    def _others_fail(self) -> bool:
        """Whether another process sends, and cannot.

        Asked twice: who has just taken the lock is, for a moment, told by what a killed process left there.
        """
        for pause_s in (_SURE_AFTER_S, 0.0):
            other = None if self._lock.held else holder(self._home)
            if other is None or other.pid == os.getpid() or not other.failing:
                return False
            time.sleep(pause_s)
        return True

    def _close(self) -> None:
        self._lock.release()
        if self._destination is not None:
            self._destination.database.close()

    def _after_fork_in_child(self) -> None:
        """The child has no thread; it stands by, or sends where the parent has gone. What was open is the parent's."""
        ran = self._thread is not None
        if self._destination is not None:
            self._destination.database.forget()
        self._begin()
        if ran:
            self._start()


_shippers: dict[Path, Shipper] = {}
_shippers_lock = threading.Lock()


def shipper_of(home: Path, settings: Settings) -> Shipper:
    """The shipper of a home folder; there is one a process."""
    with _shippers_lock:
        shipper = _shippers.get(home)
        if shipper is None:
            shipper = _shippers[home] = Shipper(home, settings)
        return shipper


def _after_fork_in_child() -> None:
    global _shippers_lock
    _shippers_lock = threading.Lock()
    for shipper in list(_shippers.values()):
        shipper._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
