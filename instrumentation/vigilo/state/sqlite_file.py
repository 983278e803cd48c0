"""The file that SQLite keeps shared state in: made for its owner only, and never changed where it is not ours."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from vigilo.state.store import StateError

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x76696731  # "vig1"
CHECKPOINT_PAGES: Final = 4000
"""Pages in the log after which they are moved into the file, for which whoever commits then waits."""

PAGE_BYTES: Final = 1024
"""Small, for each page that a transaction changes is written as a whole."""

# Counters have row numbers, so that those that were made together lie together, and are written together.
_TABLES: Final = """
CREATE TABLE counters(
    key TEXT PRIMARY KEY, used INTEGER NOT NULL, held INTEGER NOT NULL, told TEXT NOT NULL,
    forget_unix_s INTEGER NOT NULL
);
CREATE INDEX counters_to_forget ON counters(forget_unix_s) WHERE forget_unix_s > 0;
CREATE TABLE rates(
    key TEXT PRIMARY KEY, full_unix_ns INTEGER NOT NULL, not_before_unix_ns INTEGER NOT NULL,
    seen_unix_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE holds(
    id TEXT PRIMARY KEY, expires_unix_ns INTEGER NOT NULL, send_unix_ns INTEGER NOT NULL, owner TEXT NOT NULL,
    shares TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE ended(id TEXT PRIMARY KEY, forget_unix_s INTEGER NOT NULL, shares TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rules(name TEXT PRIMARY KEY, rule TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE meta(one INTEGER PRIMARY KEY, rules_version INTEGER NOT NULL, swept_unix_ns INTEGER NOT NULL);
INSERT INTO meta VALUES (1, 0, 0);
"""


class UnusableFileError(StateError):
    """A file that stays as it is until somebody does something about it."""


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file, and makes it where there is none.

    Raises:
        UnusableFileError: it is damaged, another program's, or of a newer version of vigilo.
        sqlite3.Error, OSError: it cannot be opened now.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One that is there is never opened and closed by anything but SQLite: that would take away its locks.
    with suppress(FileExistsError):
        # SQLite gives the files that it makes beside it the same permissions.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        if _was_new(connection, path):
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            _make_tables(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
            raise damaged(path) from error
        raise
    return connection


def _was_new(connection: sqlite3.Connection, path: Path) -> bool:
    connection.execute("BEGIN")  # one look, or it may be somebody else's while it is made
    try:
        return _is_new(connection, path)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if application_id == APPLICATION_ID and 0 < version <= SCHEMA_VERSION:
        return False
    if application_id == APPLICATION_ID:
        raise UnusableFileError(
            f"{path} was written by a newer version of vigilo (state {version}, this one knows {SCHEMA_VERSION}): "
            "upgrade vigilo here, or give it another `home`"
        )
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    if application_id or version or tables:
        raise UnusableFileError(f"{path} is not vigilo's but another program's database: move it away, or set `home`")
    return True


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_new(connection, path):  # nobody was faster
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process is at it; worth another try."""
    return "is locked" in str(error) or "locking protocol" in str(error)


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is none of SQLite's, or damaged."""
    text = str(error)
    return "not a database" in text or "malformed" in text or "unsupported file format" in text


def damaged(path: Path) -> UnusableFileError:
    """What to say of a damaged file."""
    return UnusableFileError(
        f"{path} is damaged or no SQLite database: move it away (with {path.name}-wal and {path.name}-shm), and what "
        "is used is counted anew"
    )
