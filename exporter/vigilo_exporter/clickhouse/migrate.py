"""Brings a database to the schema of this version: runs the files of ``schema/`` that it has not had yet, in order.

It also takes over tables that others made: those of the Collector's clickhouseexporter, and those that somebody made
from the files by hand, as our docker-compose.yml does. Their rows are kept, and calls among them are taken in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.adoption import ADOPTED, Found, look
from vigilo_exporter.clickhouse.cluster import for_cluster
from vigilo_exporter.clickhouse.database import Layout
from vigilo_exporter.clickhouse.migration_lock import MigrationLock, migrating
from vigilo_exporter.clickhouse.schema_files import SchemaFile, schema_files, split_statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vigilo_exporter.clickhouse.database import Database
    from vigilo_exporter.clickhouse.schema_files import Rows

__all__ = ["Plan", "SchemaFile", "Step", "applied_version", "create_database", "migrate", "migrating", "plan",
           "plan_of_nothing", "schema_files", "split_statements"]  # fmt: skip
ONE = Layout()
_VERSIONS = """CREATE TABLE IF NOT EXISTS schema_version
(
    Version UInt32,
    Name String,
    AppliedAt DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY Version
SETTINGS index_granularity = 8192"""


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that bring the database from one version to the next; ``version`` 0 prepares for the first one."""

    version: int
    name: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is missing. ``applied`` is 0 for a database without our tables; ``adopted``: the Collector made some."""

    applied: int
    latest: int
    adopted: bool
    steps: tuple[Step, ...]


def plan(database: Database, layout: Layout = ONE) -> Plan:
    """What :func:`migrate` would run.

    Raises:
        StoreError: a newer version of vigilo has written the database, or the tables there cannot be taken over.
        ClickHouseError: the server refuses, or cannot be reached.
    """
    return _planned(look(database, layout), layout)


def plan_of_nothing(name: str, layout: Layout = ONE) -> Plan:
    """What is missing where there is no database of that name yet."""
    return _planned(Found(name, 0), layout)


def _planned(found: Found, layout: Layout) -> Plan:
    files = schema_files()
    applied, latest = found.version, files[-1].version
    if applied > latest:
        raise StoreError(
            f"the database has schema version {applied}, this vigilo knows up to {latest}: "
            "upgrade vigilo-otel, or set `VIGILO_HOME` to another folder, or `clickhouse_database` to another database"
        )
    steps = tuple(
        Step(file.version, file.name, _in(layout, found, (*file.expanded(rows=_rows(found)), _row(file))))
        for file in files
        if file.version > applied
    )
    preparing = tuple(_in(layout, found, _prepare(found, files)))
    if preparing and (steps or found.recognised):
        steps = (Step(0, "prepare", preparing), *steps)
    return Plan(applied, latest, found.adopted, steps)


def migrate(
    database: Database, layout: Layout = ONE, *, shared: bool = False, done: Callable[[Step], None] = lambda step: None
) -> Plan:
    """Runs what is missing and gives what that was. Killed in between, it is completed by the next one.

    Inserts that were begun before must be completed before: a view that is made anew, or whose query changes, does not
    know which of them it has seen (ClickHouse 26.5).

    Args:
        database: the one to change.
        layout: one ClickHouse, or a cluster.
        shared: others may migrate this database at the same time, which a lock in it prevents.
        done: is told each step that is complete.

    Raises:
        StoreError: as :func:`plan`, or somebody else migrates the database now; says who.
        ClickHouseError: as :func:`plan`.
    """
    whole = plan(database, layout)
    if not whole.steps:
        return whole
    if not shared:
        _run(database, whole, lambda: None, done)
        return whole
    with MigrationLock(database, layout) as lock:
        whole = plan(database, layout)  # another one may have been at it until now
        _run(database, whole, lock.beat, done)
    return whole


def applied_version(database: Database, layout: Layout = ONE) -> int:
    """The version of the schema that the database has; 0 for one without our tables.

    Raises:
        ClickHouseError: the server refuses, or cannot be reached.
    """
    return look(database, layout).version


def create_database(database: Database, name: str, layout: Layout = ONE) -> None:
    """Makes the database where it is not there.

    Raises:
        ClickHouseError: the server refuses, or cannot be reached.
    """
    database.execute(f"CREATE DATABASE IF NOT EXISTS `{name}`{layout.on_cluster}")


def _run(database: Database, whole: Plan, beat: Callable[[], None], done: Callable[[Step], None]) -> None:
    for step in whole.steps:
        for statement in step.statements:
            beat()
            database.execute(statement)
        done(step)


def _prepare(found: Found, files: tuple[SchemaFile, ...]) -> Iterator[str]:
    """What comes before the first file: the table of versions, and what fits tables of others."""
    if not found.has_versions:
        yield _VERSIONS
    if found.recognised:
        yield from (_row(file) for file in files if file.version <= found.version)
    if found.adopted and not found.marked_adopted:
        yield _row(ADOPTED)
    if found.adopted:
        yield from found.fitting


def _rows(found: Found) -> Rows:
    return "theirs" if found.adopted else "ours" if found.version else "none"


def _row(file: SchemaFile) -> str:
    # SELECT, not VALUES: the engine looks for VALUES also on standard input, and fails where that is a pipe.
    return f"INSERT INTO schema_version (Version, Name) SELECT {file.version}, '{file.name}'"


def _in(layout: Layout, found: Found, statements: tuple[str, ...] | Iterator[str]) -> tuple[str, ...]:
    if not layout.cluster:
        return tuple(statements)
    return tuple(one for each in statements for one in for_cluster(each, layout.cluster, found.database))
