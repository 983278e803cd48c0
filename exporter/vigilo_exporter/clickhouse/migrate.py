"""Brings a database to the schema of this version: runs the files of ``schema/`` that it has not had yet, in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vigilo.errors import StoreError

if TYPE_CHECKING:
    from vigilo_exporter.clickhouse.engine import Engine

SCHEMA_FOLDER = Path(__file__).parent / "schema"
_VERSIONS = """CREATE TABLE IF NOT EXISTS schema_version
(
    Version UInt32,
    Name String,
    AppliedAt DateTime DEFAULT now()
)
ENGINE = MergeTree ORDER BY Version"""


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """One step of the schema: ``0005_llm_calls.sql`` has version 5. Its statements can be run again unharmed."""

    version: int
    name: str
    statements: tuple[str, ...]


@cache
def schema_files() -> tuple[SchemaFile, ...]:
    """The files of ``schema/``, oldest first."""
    return tuple(
        SchemaFile(int(path.name.partition("_")[0]), path.stem, split_statements(path.read_text("utf-8")))
        for path in sorted(SCHEMA_FOLDER.glob("[0-9]*.sql"))
    )


def split_statements(sql: str) -> tuple[str, ...]:
    """The statements of a file; each ends with a semicolon at the end of its line."""
    return tuple(statement.strip() for statement in f"{sql.rstrip()}\n".split(";\n") if statement.strip())


def applied_version(engine: Engine) -> int:
    """The version of the schema that the database has; 0 for a new one."""
    if not engine.query("SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = 'schema_version'"):
        return 0
    version: int = engine.query("SELECT max(Version) AS version FROM schema_version")[0]["version"]
    return version


def migrate(engine: Engine) -> None:
    """Runs what is missing. A process killed in between leaves a database that the next one completes.

    Inserts that an earlier owner began must be completed before: a view that is made anew, or whose query changes, does
    not know which of them it has seen (ClickHouse 26.5).

    Raises:
        StoreError: a newer version of vigilo has written the database.
    """
    files = schema_files()
    engine.execute(_VERSIONS)
    applied = applied_version(engine)
    if applied > files[-1].version:
        raise StoreError(
            f"the database has schema version {applied}, this vigilo knows up to {files[-1].version}: "
            "upgrade vigilo-otel, or set `VIGILO_HOME` to another folder"
        )
    for file in files:
        if file.version <= applied:
            continue
        for statement in file.statements:
            engine.execute(statement)
        # SELECT, not VALUES: the engine looks for VALUES also on standard input, and fails where that is a pipe.
        engine.execute(f"INSERT INTO schema_version (Version, Name) SELECT {file.version}, '{file.name}'")
