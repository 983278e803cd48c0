"""A process' connection to the file of shared state: opened on demand, locked with patience, never taken over a fork.

SQLite's own waiting for a lock is unfair enough to starve a process, so whoever finds the file locked tries again after
short, random times.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import sqlite3
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from vigilo.state.sqlite_file import UnusableFileError, connect, damaged, is_busy, is_damage
from vigilo.state.store import StateError
from vigilo.state.turns import TakesTurns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Result = TypeVar("Result")

FIRST_STEPS_S: Final = (0.0002, 0.001)
LONGEST_STEP_S: Final = 0.004
LOOK_EVERY_S: Final = 1.0
"""How often it is looked whether the file is still the one that is open."""


class SqliteLink(TakesTurns):
    """Does operations as transactions, one at a time in this process."""

    def __init__(self, path: Path, contention_s: float) -> None:
        super().__init__()
        self._path, self._contention_s = path, contention_s
        self._cursor: sqlite3.Cursor | None = None
        self._inode = (0, 0)
        self._look_at_s = 0.0
        self._jitter = random.Random()  # noqa: S311 - and not the app's, whose order may matter to it
        self._complained: set[str] = set()
        _links.add(self)

    def __del__(self) -> None:
        try:  # noqa: SIM105 - not `suppress`: at the interpreter's end it may be gone already
            self._let_go()
        except Exception:  # noqa: BLE001, S110 - and so may anything else
            pass

    def close(self) -> None:
        """Lets go of the file; it is opened again at its next use."""
        self._take_turn(self._let_go, self._contention_s)

    def _is_there(self) -> bool:
        """Whether there is a file; what only reads makes none."""
        return self._cursor is not None or self._path.exists()

    def _do(self, work: Callable[[sqlite3.Cursor], Result], *, writes: bool = True) -> Result:
        try:
            return self._take_turn(lambda: self._transact(work, writes), self._contention_s)
        except UnusableFileError as error:
            self._complain(error)
            raise

    def _do_or_put_off(self, work: Callable[[sqlite3.Cursor], Result]) -> Result | None:
        try:
            return self._take_turn_or_put_off(lambda: self._transact(work, True), self._contention_s)
        except UnusableFileError as error:
            self._complain(error)
            raise

    def _transact(self, work: Callable[[sqlite3.Cursor], Result], writes: bool) -> Result:
        try:
            cursor = self._open()
            execute = cursor.execute
            if not writes:
                return self._patiently(lambda: work(cursor))
            try:
                execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                self._patiently(lambda: execute("BEGIN IMMEDIATE"), waited=True)
            try:
                result = work(cursor)
                execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # what went wrong is told, not this
                    if cursor.connection.in_transaction:
                        execute("ROLLBACK")
                raise
            return result
        except (sqlite3.Error, OSError) as error:
            self._let_go()
            if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
                raise damaged(self._path) from error
            raise StateError(f"{self._path}: {error}") from error
        except (OverflowError, ValueError) as error:
            raise StateError(f"SQLite cannot keep this: {error}") from error

    def _patiently(self, attempt: Callable[[], Result], *, waited: bool = False) -> Result:
        """Tries until the file is not locked any more.

        Raises:
            StateError: it was for too long.
        """
        until_s = time.monotonic() + self._contention_s
        step_s = FIRST_STEPS_S
        while True:
            if waited:
                self._sleep(self._jitter.uniform(*step_s))
                step_s = (step_s[0], min(LONGEST_STEP_S, 2 * step_s[1]))
            waited = True
            try:
                return attempt()
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if time.monotonic() > until_s:
                    raise StateError(f"{self._path} was locked for {self._contention_s} s") from error

    def _open(self) -> sqlite3.Cursor:
        """One cursor for everything: making one for each statement would cost as much as the statement."""
        cursor = self._cursor
        now_s = time.monotonic()
        if cursor is not None and now_s < self._look_at_s:
            return cursor
        self._look_at_s = now_s + LOOK_EVERY_S
        if cursor is not None and self._inode == _inode(self._path):
            return cursor
        self._let_go()  # of a file that was moved away
        self._cursor = cursor = self._patiently(lambda: connect(self._path)).cursor()
        self._inode = _inode(self._path)
        return cursor

    def _let_go(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor.connection.close()

    def _before_fork(self) -> None:
        # SQLite notes the locks of a file by process: no connection may be open in two.
        self._let_go()

    def _after_fork_in_child(self) -> None:
        if self._cursor is not None:  # forked by something that does not tell Python before
            _inherited.append(self._cursor)
            self._cursor = None
        self._jitter = random.Random()  # noqa: S311

    def _complain(self, error: UnusableFileError) -> None:
        if str(error) not in self._complained:
            self._complained.add(str(error))
            logging.getLogger("vigilo").error("vigilo: quotas and pacing cannot use their state: %s", error)


def _inode(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino


_links: Final[weakref.WeakSet[SqliteLink]] = weakref.WeakSet()
_inherited: Final[list[sqlite3.Cursor]] = []
"""Connections of a parent, never closed here: that would take its locks away."""


def _close_all() -> None:
    for link in list(_links):
        try:
            link.close()
        except StateError:
            continue  # a thread still uses it


atexit.register(_close_all)
