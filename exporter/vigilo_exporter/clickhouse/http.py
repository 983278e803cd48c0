"""A ClickHouse server, asked over HTTP with nothing but the standard library: light enough for the app's process.

It is safe for threads, and in a forked child, which opens connections of its own.
"""

from __future__ import annotations

from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from vigilo_exporter.clickhouse.database import NATIVE_SUFFIX, ClickHouseError
from vigilo_exporter.clickhouse.endpoint import Endpoint
from vigilo_exporter.clickhouse.http_answer import Answer, error_of
from vigilo_exporter.spool.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from http.client import HTTPConnection, HTTPMessage
    from pathlib import Path

    from vigilo.settings import Settings
    from vigilo_exporter.convert.columns import Columns

CONNECT_TIMEOUT_S: Final = 5.0
SESSION: Final = {"session_timezone": "UTC", "wait_end_of_query": "1"}
READING: Final = {
    "default_format": "JSONEachRow",
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_decimals": "1",
    "enable_http_compression": "1",
}
INSERTING: Final = {
    # Two things make a retry the same blocks, which the token counts once: all rows in one block, and one thread.
    "insert_deduplicate": "1",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
    "max_insert_threads": "1",
    "min_insert_block_size_rows": "1000000000",
    "min_insert_block_size_bytes": "0",
    "input_format_parallel_parsing": "0",
    "async_insert": "0",
    "max_partitions_per_insert_block": "0",  # a spool may hold more days than the 100 that are the default
}
_AT_ONE_ENDPOINT: Final = frozenset({192, 193, 194, 202, 203, 242, 497, 516, 745})
"""Codes that another endpoint may not give: users known there, queries at once, a table that is read-only there."""
_READONLY: Final = 164
_CHUNK_BYTES: Final = 2**18


class ShortWriteError(ClickHouseError):
    """The server says that it wrote fewer rows than it was sent.

    Attributes:
        written: 0 also where it had them already.
    """

    def __init__(self, endpoint: str, written: int, expected: int) -> None:
        super().__init__(f"{endpoint} says that it wrote {written} of {expected} rows", executed=None)
        self.written = written


class HttpDatabase:
    """A database at a ClickHouse server, or at several that share one store. See :class:`Database`.

    What one endpoint refuses before it does anything is tried at the next; the one that answered last goes first.

    Args:
        urls: ``http[s]://[user:password@]host[:port]``, several separated by commas.
        database: where vigilo's tables are.
        user, password: for URLs without them.
        token: bearer token in place of them.
        timeout_s: of each wait for the server.

    Raises:
        StoreError: the user, the password or the token cannot be sent.
    """

    def __init__(
        self,
        urls: str,
        *,
        database: str = "otel",
        user: str = "",
        password: str = "",
        token: str = "",
        timeout_s: float = 300.0,
    ) -> None:
        self._all = tuple(Endpoint(url, user, password, token) for url in urls.split(","))
        self._database = database
        self.timeout_s = timeout_s
        """Of each wait for the server, in seconds."""
        self._first = 0
        self._readonly_user = False

    @classmethod
    def of(cls, settings: Settings, timeout_s: float = 300.0) -> HttpDatabase:
        """The server of the settings; ``clickhouse_url`` must be set."""
        return cls(
            settings.clickhouse_url,
            database=settings.clickhouse_database,
            user=settings.clickhouse_user,
            password=settings.clickhouse_password,
            token=settings.clickhouse_token,
            timeout_s=timeout_s,
        )

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where it is, without secrets; the one that answered last comes first."""
        return tuple(endpoint.url for endpoint in self._in_order())

    def at(self, url: str) -> HttpDatabase:
        """The same database at one endpoint only, which is one of :attr:`endpoints`, over the same connections."""
        one = object.__new__(HttpDatabase)
        one.__dict__.update(self.__dict__)
        one._all = tuple(endpoint for endpoint in self._all if endpoint.url == url)
        one._first = 0
        return one

    def prefer(self, url: str) -> None:
        """Has one of :attr:`endpoints` asked first from now on: it answered."""
        self._first = next(place for place, endpoint in enumerate(self._all) if endpoint.url == url)

    def execute(self, statement: str) -> None:
        """Runs a statement that gives no rows; see :meth:`Database.execute`."""
        words = statement.split(None, 2)[:2]
        # Named in the request, a database must exist.
        makes_it = [word.upper() for word in words] in (["CREATE", "DATABASE"], ["DROP", "DATABASE"])
        self._ask(statement, SESSION, in_database=not makes_it)

    def query(self, sql: str, parameters: Mapping[str, str | int | float] | None = None) -> list[dict[str, Any]]:
        """Rows of a SELECT as mappings; see :meth:`Database.query`."""
        given = {f"param_{name}": _escaped(value) for name, value in (parameters or {}).items()}
        asked = {**SESSION, **READING, **given}
        if not self._readonly_user:
            try:
                answer, endpoint = self._ask(sql, {**asked, "readonly": "2"}, again=True)
                return answer.rows(endpoint.url)
            except ClickHouseError as error:
                if error.code != _READONLY or "Cannot modify" not in str(error):
                    raise
                self._readonly_user = True  # who may only read may not say so either
        answer, endpoint = self._ask(sql, asked, again=True)
        return answer.rows(endpoint.url)

    def insert(self, table: str, columns: Columns, files: Sequence[Path], token: str) -> None:
        """Sends the files' bytes as they are, one after the other, as one insert; see :meth:`Database.insert`.

        Raises:
            ShortWriteError: the server wrote fewer rows than the names of the files say.
            OSError: a file cannot be read.
        """
        names = ", ".join(f"`{name}`" for name, _ in columns)
        native = files[0].name.endswith(NATIVE_SUFFIX)
        statement = f"INSERT INTO {table} ({names}) FORMAT {'Native' if native else 'JSONCompactEachRow'}"
        asked = {**SESSION, **INSERTING, "insert_deduplication_token": token, "query": statement}
        answer, endpoint = self._ask(_Files(files), asked, again=True, compressed=native)
        expected, written = _rows_named(files), answer.written_rows
        if expected is not None and written is not None and written < expected:
            raise ShortWriteError(endpoint.url, written, expected)

    def close(self) -> None:
        """Closes the connections that are kept; the next question opens one anew."""
        for endpoint in self._all:
            endpoint.close()

    def forget(self) -> None:
        """In a child after a fork: closes its copies of the parent's connections, which go on in the parent."""
        for endpoint in self._all:
            endpoint.forget()

    def _in_order(self) -> list[Endpoint]:
        return [self._all[(self._first + place) % len(self._all)] for place in range(len(self._all))]

    def _ask(
        self,
        body: str | _Files,
        parameters: Mapping[str, str],
        *,
        again: bool = False,
        compressed: bool = False,
        in_database: bool = True,
    ) -> tuple[Answer, Endpoint]:
        """The answer of the first endpoint that takes it. ``again``: it may be sent twice to one."""
        if in_database:
            parameters = {"database": self._database, **parameters}
        path = f"/?{urlencode(parameters)}"
        for left in range(len(self._all) - 1, -1, -1):
            endpoint = self._all[self._first]
            try:
                return self._send(endpoint, path, body, again=again, compressed=compressed), endpoint
            except ClickHouseError as error:
                # Another endpoint gives the same answer to what is wrong with the statement.
                statement_at_fault = error.code and error.code not in _AT_ONE_ENDPOINT
                if not left or error.executed is None or statement_at_fault:
                    raise
                self._first = (self._first + 1) % len(self._all)
        raise AssertionError  # there is one endpoint at least

    def _send(self, endpoint: Endpoint, path: str, body: str | _Files, *, again: bool, compressed: bool) -> Answer:
        while True:
            connection, used = self._connected(endpoint)
            try:
                status, headers, content = self._exchange(endpoint, connection, path, body, compressed=compressed)
            except (OSError, HTTPException) as error:
                connection.close()
                if isinstance(error, FileError):
                    raise error.reason from None
                if used and again and isinstance(error, (ConnectionError, HTTPException)):
                    continue  # a connection that was kept: the server may have closed it just then
                raise ClickHouseError(f"no answer from {endpoint} ({_reason(error)})", executed=None) from None
            except BaseException:
                connection.close()
                raise
            if status != 200:
                raise error_of(endpoint.url, status, headers, content)
            return Answer(endpoint.url, headers, content)

    def _connected(self, endpoint: Endpoint) -> tuple[HTTPConnection, bool]:
        try:
            connection, used = endpoint.connection(min(CONNECT_TIMEOUT_S, self.timeout_s))
        except OSError as error:
            raise ClickHouseError(f"cannot reach {endpoint} ({_reason(error)})") from None
        connection.sock.settimeout(self.timeout_s)
        return connection, used

    def _exchange(
        self, endpoint: Endpoint, connection: HTTPConnection, path: str, body: str | _Files, *, compressed: bool
    ) -> tuple[int, HTTPMessage, bytes]:
        whole = False
        sent = body.encode() if isinstance(body, str) else body
        headers: dict[str, Any] = {
            "User-Agent": "vigilo",
            "Accept-Encoding": "zstd, gzip",
            "Content-Length": str(len(sent)),
            **({"Content-Encoding": "zstd"} if compressed else {}),
            **endpoint.headers,
        }
        try:
            connection.request("POST", path, body=sent, headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # a server that refuses may answer before it has read all
        else:
            whole = True
        response = connection.getresponse()
        content = response.read()
        if whole:
            endpoint.keep(connection)
        else:
            connection.close()
        return response.status, response.headers, content


class FileError(OSError):
    """A file of an insert cannot be read, which is not the network's fault."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Files:
    """The bytes of files as the body of a request. It can be sent again."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._bytes = sum(file.stat().st_size for file in files)

    def __len__(self) -> int:
        return self._bytes

    def __iter__(self) -> Iterator[bytes]:
        for path in self._files:
            try:
                with path.open("rb") as file:
                    while chunk := file.read(_CHUNK_BYTES):
                        yield chunk
            except OSError as error:
                raise FileError(error) from None


def _rows_named(files: Iterable[Path]) -> int | None:
    """How many rows segments hold, by their names; None where one does not say."""
    rows = 0
    for file in files:
        segment = Segment.parse(file.name)
        if segment is None or segment.rows is None:
            return None
        rows += segment.rows
    return rows


def _reason(error: Exception) -> str:
    """Why the network failed, in a few words, without what was sent."""
    return str(getattr(error, "strerror", None) or getattr(error, "reason", None) or error or type(error).__name__)[
        :200
    ]


def _escaped(value: str | int | float) -> str:
    """A parameter as ClickHouse reads it: as one field of its tab-separated format."""
    return str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
