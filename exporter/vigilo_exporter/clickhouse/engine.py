"""The embedded ClickHouse engine (chDB) behind handles: one that writes, one that only reads, and more on demand.

chDB is imported when an engine is opened, never with this module: it takes 200 MB, and a process that has ever imported
it must not fork (a forked child hangs for ever in its first query: chdb-io/chdb issue 355).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigilo.errors import MissingExtraError, StoreError
from vigilo_exporter.clickhouse.database import NATIVE_SUFFIX, ClickHouseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vigilo_exporter.convert.columns import Columns

DATABASE = "otel"
STARTUP = {  # the engine's defaults take the whole machine for their own: 90 % of memory, and 5 GB for each cache
    "max_server_memory_usage": 2_000_000_000,
    "mark_cache_size": 128_000_000,
    "index_mark_cache_size": 32_000_000,
    "primary_index_cache_size": 128_000_000,
}
SESSION = (
    "SET session_timezone = 'UTC', max_memory_usage = 1500000000",
    f"USE {DATABASE}",
)
READING = (
    "SET output_format_json_quote_64bit_integers = 0, output_format_json_quote_decimals = 1",
    "SET readonly = 2",
)
_FORBIDDEN_IN_PATHS = frozenset("*?{},\\\n")
_ERROR = re.compile(r"Code: (\d+)\. DB::Exception: (.*?)(?:: In scope .*)?\s*(?:\((\w+)\))?\s*$", re.DOTALL)


class EngineError(ClickHouseError):
    """The engine refused a statement.

    Attributes:
        text: the whole of what it said, ``Code: 47. DB::Exception: ...``; it may quote the statement.
    """

    def __init__(self, message: str, code: int, text: str) -> None:
        super().__init__(message, code)
        self.text = text


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave: its rows in the format asked for, and how many rows it read to give them."""

    data: bytes
    rows_read: int


class Handle:
    """A session with an open engine: what is SET or USEd in it stays in it. For one thread at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, sql: str, output_format: str = "Null", parameters: Mapping[str, str] | None = None) -> Answer:
        """Runs a statement.

        Args:
            sql: one statement; a FORMAT in it wins over ``output_format``.
            output_format: of the answer.
            parameters: values for ``{name:Type}`` in it, escaped as fields of ClickHouse's tab-separated format.

        Raises:
            EngineError: the engine refused it.
        """
        try:
            result = self._connection.query(sql, output_format, params=dict(parameters or {}))
            return Answer(result.bytes() or b"", result.rows_read())
        except RuntimeError as error:
            raise _engine_error(error) from None

    def close(self) -> None:
        self._connection.close()


class Engine:
    """An open database folder. A process can hold one folder open at a time, and a folder one process."""

    def __init__(self, folder: Path) -> None:
        """Opens the folder and makes it, and the database in it, when they are not there.

        Raises:
            MissingExtraError: chDB is not installed.
            StoreError: the folder cannot be opened.
        """
        self._connect = _chdb_connect()
        options = "&".join(f"{name}={value}" for name, value in STARTUP.items())
        self._address = f"{storable_path(folder)}?{options}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            first = self._session()
            first.run(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
            self._writer = self.handle()
            self._reader = self.handle()
            first.close()
        except (OSError, EngineError) as error:
            raise StoreError(f"cannot open the database in {folder}: {error}") from None
        for statement in READING:
            self._reader.run(statement)

    def handle(self) -> Handle:
        """A session of its own, with vigilo's limits, in vigilo's database. Close it before the engine.

        Raises:
            EngineError: the engine refuses.
        """
        handle = self._session()
        for statement in SESSION:
            handle.run(statement)
        return handle

    def execute(self, statement: str) -> None:
        """Runs a statement that gives no rows: DDL or INSERT ... SELECT."""
        self._writer.run(statement)

    def query(self, sql: str, parameters: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]:
        """Rows of a SELECT as mappings. 64-bit integers come as ``int``, decimals as ``str``, NaN as None.

        Args:
            sql: one statement; it can change nothing.
            parameters: values for ``{name:Type}`` in it. Times are UTC: ``2026-11-01 00:00:00.5``.

        Raises:
            ClickHouseError: ClickHouse refused the statement.
        """
        escaped = {name: _escaped(value) for name, value in (parameters or {}).items()}
        # Decoded at once, since json.loads looks for the encoding of each; other ends of lines may be within a text.
        lines = self._reader.run(sql, "JSONEachRow", escaped).data.decode().split("\n")
        return [json.loads(line) for line in lines if line]

    def insert(self, table: str, columns: Columns, files: Sequence[Path], token: str) -> None:
        """Inserts the rows of files; see :meth:`Database.insert`."""
        names = ", ".join(f"`{name}`" for name, _ in columns)
        # Two things make a retry the same blocks, which the token counts once: the order, and one inserting thread.
        self.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows_of(files, columns)} ORDER BY ALL "  # noqa: S608 - names of ours
            f"SETTINGS insert_deduplication_token = {quoted(token)}, insert_deduplicate = 1, "
            "deduplicate_blocks_in_dependent_materialized_views = 1, max_insert_threads = 1, async_insert = 0, "
            "max_partitions_per_insert_block = 0"  # a spool may hold more days than the 100 that are the default
        )

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    def _session(self) -> Handle:
        try:
            return Handle(self._connect(self._address))
        except RuntimeError as error:
            raise _engine_error(error) from None


def storable_path(path: Path) -> str:
    """The path as text, if the engine can name files below it: some characters are patterns to it.

    Raises:
        StoreError: it cannot; names the character.
    """
    text = str(path.absolute())
    forbidden = sorted(_FORBIDDEN_IN_PATHS.intersection(text))
    if forbidden:
        raise StoreError(f"{text!r} has {forbidden[0]!r} in it, which ClickHouse reads as a pattern: set `VIGILO_HOME`")
    return text


def rows_of(files: Sequence[Path], columns: Columns) -> str:
    """The table function that reads the files: all of one folder, and of one kind."""
    names = files[0].name if len(files) == 1 else f"{{{','.join(file.name for file in files)}}}"
    native = files[0].name.endswith(NATIVE_SUFFIX)
    structure = ", ".join(f"`{name}` {type_}" for name, type_ in columns)
    path = quoted(f"{storable_path(files[0].parent)}/{names}")
    kind, compression = ("Native", "zstd") if native else ("JSONCompactEachRow", "none")
    return f"file({path}, '{kind}', {quoted(structure)}, '{compression}')"


def quoted(text: str) -> str:
    """The text as a SQL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _escaped(value: str | int | float) -> str:
    """A parameter as ClickHouse reads it: as one field of its tab-separated format."""
    return str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def _chdb_connect() -> Any:
    try:
        from chdb import connect
    except ImportError:
        raise MissingExtraError("the embedded ClickHouse store", "embedded") from None
    return connect


def _engine_error(error: RuntimeError) -> EngineError:
    text = str(error)
    found = _ERROR.search(text)
    if found is None:
        return EngineError(f"ClickHouse: {text[:300]}", 0, text)
    code, message, name = found.groups()
    return EngineError(f"ClickHouse: {message[:300]} ({name or 'error'} {code})", int(code), text)
