"""Runs the statement of one request, with the rights of who sent it."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vigilo_exporter.clickhouse.engine import quoted
from vigilo_exporter.clickhouse.protocol.failures import BAD_ARGUMENTS, READONLY, Refused
from vigilo_exporter.clickhouse.protocol.reading import check_reading, reading_settings
from vigilo_exporter.clickhouse.protocol.revisions import CUSTOM_SERIALIZATION, with_block_info
from vigilo_exporter.clickhouse.protocol.sessions import DEFAULT_TIMEOUT_S, Sessions
from vigilo_exporter.clickhouse.protocol.statements import insert_with_data, output_format

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vigilo_exporter.clickhouse.engine import Engine, Handle

_SETTING = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PREFIX = "param_"
OF_THE_TRANSPORT = frozenset(
    {"query", "database", "default_format", "query_id", "user", "password", "quota_key", "role", "compress"}
    | {"decompress", "session_id", "session_timeout", "session_check", "close_session", "client_protocol_version"}
    | {"wait_end_of_query", "buffer_size", "enable_http_compression", "http_zlib_compression_level", "stacktrace"}
    | {"http_write_exception_in_output_format", "http_headers_progress_interval_ms", "send_progress_in_http_headers"}
    | {"cancel_http_readonly_queries_on_client_close", "http_response_buffer_size", "add_http_cors_header"}
    | {"http_native_compression_disable_checksumming_on_decompress", "http_wait_end_of_query"}
    | {"http_response_headers", "http_make_head_request", "framing_protocol"}
)
"""Parameters of a request that are no settings of its statement."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One statement and all that came with it.

    Attributes:
        sql: the statement; of an INSERT with rows, up to where they begin or further.
        data: file with the rows of an INSERT, or None.
        parameters: those of the URL and the form.
        may_write: whether it may change anything.
        query_id: a name for it in ``system.processes``.
    """

    sql: str
    data: Path | None
    parameters: Mapping[str, str]
    may_write: bool
    query_id: str
    default_format: str = "TabSeparated"
    database: str = ""
    session_of: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What a statement gave."""

    data: bytes = field(repr=False)
    format: str = "TabSeparated"
    read_rows: int = 0
    written_rows: int = 0


class Execution:
    """Runs statements on one engine; each has a handle of its own, unless the client asks for a session."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions = Sessions(engine)
        with ExitStack() as stack:
            handle = engine.handle()
            stack.callback(handle.close)
            names = handle.run("SELECT lower(name) FROM system.table_functions", "TSV").data.decode()
        self._table_functions = frozenset(names.split("\n"))

    def run(self, asked: Asked) -> Done:
        """Runs one statement.

        Raises:
            Refused: it is not allowed, or not understood.
            EngineError: the engine refuses it.
        """
        if not asked.may_write:
            return self._read(asked)
        with ExitStack() as stack:
            handle = stack.enter_context(
                self._sessions.handle(asked.session_of, self._timeout_s(asked), must_exist=self._must_exist(asked))
            )
            if asked.database:
                handle.run(f"USE {identifier(asked.database)}")
            settings = {name: value for name, value in asked.parameters.items() if not of_the_transport(name)}
            if asked.session_of:
                stack.callback(_set, handle, _values(handle, settings))
            _set(handle, {**settings, "log_comment": asked.query_id})
            return self._insert(handle, asked) if asked.data is not None else self._answer(handle, asked)

    def stop(self, query_id: str) -> None:
        """Ends a statement whose client is gone; one that is over already is no matter."""
        handle = self._engine.handle()
        try:
            handle.run(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(query_id)} ASYNC")
        finally:
            handle.close()

    def close(self) -> None:
        self._sessions.close()

    def _read(self, asked: Asked) -> Done:
        if insert_with_data(asked.sql) is not None or asked.data is not None:
            raise Refused(READONLY, "This user may only read: Cannot execute query in readonly mode")
        check_reading(asked.sql, self._table_functions)
        settings = reading_settings(
            {name: value for name, value in asked.parameters.items() if not of_the_transport(name)}
        )
        with self._sessions.handle("", 0) as handle:
            if asked.database:
                handle.run(f"USE {identifier(asked.database)}")
            ours = {"result_overflow_mode": "throw", "log_comment": asked.query_id, "readonly": "1"}
            _set(handle, {**settings, **ours})
            return self._answer(handle, asked)

    def _answer(self, handle: Handle, asked: Asked) -> Done:
        wanted = output_format(asked.sql, asked.default_format)
        given = {name.removeprefix(_PREFIX): v for name, v in asked.parameters.items() if name.startswith(_PREFIX)}
        answer = handle.run(asked.sql, wanted, given)
        with_info = wanted == "Native" and _reads_block_info(asked)
        return Done(with_block_info(answer.data) if with_info else answer.data, wanted, answer.rows_read)

    def _insert(self, handle: Handle, asked: Asked) -> Done:
        insert = insert_with_data(asked.sql)
        if insert is None or asked.data is None:
            raise Refused(BAD_ARGUMENTS, "the request has rows for a statement that takes none")
        file = quoted(str(asked.data))
        # On lines of their own: each part may end with a comment.
        parts = (insert.head, f"FROM INFILE {file} COMPRESSION 'none'", insert.settings, f"FORMAT {insert.format}")
        answer = handle.run("\n".join(parts))
        return Done(b"", "TabSeparated", answer.rows_read, answer.rows_read)

    @staticmethod
    def _timeout_s(asked: Asked) -> float:
        try:
            return float(asked.parameters.get("session_timeout", DEFAULT_TIMEOUT_S))
        except ValueError:
            raise Refused(BAD_ARGUMENTS, "session_timeout is no number of seconds") from None

    @staticmethod
    def _must_exist(asked: Asked) -> bool:
        return asked.parameters.get("session_check") == "1"


def _reads_block_info(asked: Asked) -> bool:
    version = asked.parameters.get("client_protocol_version", "")
    return version.isdecimal() and int(version) >= CUSTOM_SERIALIZATION


def of_the_transport(name: str) -> bool:
    """Whether a parameter of a request is no setting of its statement."""
    return name in OF_THE_TRANSPORT or name.startswith(_PREFIX)


def identifier(name: str) -> str:
    """A name in backquotes, as SQL writes it."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _set(handle: Handle, settings: Mapping[str, str]) -> None:
    for name, value in sorted(
        settings.items(), key=lambda setting: setting[0] == "readonly"
    ):  # after it, no other can be
        if not _SETTING.fullmatch(name):
            raise Refused(BAD_ARGUMENTS, f"{name[:50]!r} is not the name of a setting")
        handle.run(f"SET {name} = {quoted(value)}")


def _values(handle: Handle, names: Mapping[str, str]) -> dict[str, str]:
    """The values that settings have in a session, which those of one request do not outlast."""
    kept = {}
    for name in names:
        rows = handle.run("SELECT value FROM system.settings WHERE name = {name:String}", "RawBLOB", {"name": name})
        kept[name] = rows.data.decode()
    return kept
