"""The ASGI application: one request is one statement."""

from __future__ import annotations

import logging
import tempfile
import time
import uuid
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from vigilo.errors import VigiloError
from vigilo_exporter.clickhouse.engine import EngineError
from vigilo_exporter.clickhouse.protocol.answers import SERVER_NAME, answer, in_blocks, refusal
from vigilo_exporter.clickhouse.protocol.blocks import unpacked_blocks
from vigilo_exporter.clickhouse.protocol.bodies import READ_BYTES, bounded, unpacked
from vigilo_exporter.clickhouse.protocol.execution import Asked, Execution
from vigilo_exporter.clickhouse.protocol.failures import (
    BUSY,
    NOT_ALLOWED,
    SYNTAX_ERROR,
    TOO_LARGE,
    UNKNOWN,
    Refused,
)
from vigilo_exporter.clickhouse.protocol.forms import form_fields
from vigilo_exporter.clickhouse.protocol.statements import insert_with_data

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from vigilo_exporter.clickhouse.engine import Engine
    from vigilo_exporter.clickhouse.protocol.access import Access
    from vigilo_exporter.clickhouse.protocol.execution import Done

    Body = tempfile.SpooledTemporaryFile[bytes]

_log = logging.getLogger("vigilo")
QUERIES_AT_ONCE, QUERIES_WAITING = 8, 200
STATEMENT_BYTES = 16 * 2**20
"""The longest statement, and the largest body of a reader."""
HEAD_BYTES = 2**18
"""How far into a body the words of an INSERT may reach."""
ROWS_BYTES = 2 * 2**30
"""The largest body of an INSERT, packed and unpacked."""
_IN_MEMORY_BYTES = 2**20


class Interface:
    """ClickHouse's HTTP interface in front of one engine.

    Args:
        engine: where statements go; the interface neither opens nor closes it.
        access: who may ask.
        folder: for the rows of INSERTs on their way; made, and emptied when the interface opens.
        ingest: what ``POST /-/ingest`` does; gives what it answers as JSON.
        status: what ``GET /status`` answers as JSON, to every user.
    """

    def __init__(
        self,
        engine: Engine,
        access: Access,
        folder: Path,
        ingest: Callable[[], Mapping[str, Any]] | None = None,
        status: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self._execution = Execution(engine)
        self._access = access
        self._folder = folder
        self._ingest, self._status = ingest, status
        self._limiter = anyio.CapacityLimiter(QUERIES_AT_ONCE)
        self._asking = 0

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/ping", self._ping, methods=["GET"]),
            Route("/replicas_status", self._ping, methods=["GET"]),
            Route("/-/ingest", self._take_in, methods=["POST"]),
            Route("/status", self._tell_status, methods=["GET"]),
            Route("/", self._handle, methods=["GET", "POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._folder.iterdir():
            left.unlink()
        yield
        self._execution.close()

    async def _ping(self, request: Request) -> Response:
        return PlainTextResponse("Ok.\n") if self._access.addressed(request.headers) else _foreign()

    async def _take_in(self, request: Request) -> Response:
        if not self._access.addressed(request.headers):
            return _foreign()
        try:
            if not self._access.may_write(request.headers, request.query_params):
                raise Refused(NOT_ALLOWED, "Not enough privileges: give the write token as user vigilo")
            if self._ingest is None:
                raise Refused(NOT_ALLOWED, "there is no spool here")
            return JSONResponse(await anyio.to_thread.run_sync(self._ingest))
        except (Refused, EngineError) as error:
            return refusal(error, {})
        except VigiloError as error:
            return refusal(Refused(UNKNOWN, str(error)), {})

    async def _tell_status(self, request: Request) -> Response:
        if not self._access.addressed(request.headers):
            return _foreign()
        try:
            self._access.may_write(request.headers, request.query_params)  # raises where it is nobody's
        except Refused as error:
            return refusal(error, {})
        return JSONResponse(await anyio.to_thread.run_sync(self._status) if self._status is not None else {})

    async def _handle(self, request: Request) -> Response:
        if not self._access.addressed(request.headers):
            return _foreign()
        query_id = request.query_params.get("query_id") or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Query-Id": "".join(sign for sign in query_id[:200] if " " <= sign <= "~"),
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": SERVER_NAME,
        }
        began = time.perf_counter_ns()
        try:
            with ExitStack() as stack:
                done, asked_encoding = await self._answer(request, query_id, stack)
        except (Refused, EngineError) as error:
            return refusal(error, headers)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001 - a request shall not end without an answer
            _log.exception("vigilo: a request to the ClickHouse interface failed")
            return refusal(Refused(UNKNOWN, f"{type(error).__name__} in vigilo; see its log"), headers)
        if done is None:
            return PlainTextResponse("Ok.\n", headers=headers)
        elapsed_ns = time.perf_counter_ns() - began
        return await anyio.to_thread.run_sync(answer, done, headers, asked_encoding, elapsed_ns)

    async def _answer(self, request: Request, query_id: str, stack: ExitStack) -> tuple[Done | None, str]:
        may_write = self._access.may_write(request.headers, request.query_params)
        parameters = dict(request.query_params)
        body = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(self._folder))  # noqa: SIM115
        stack.callback(body.close)
        if request.method == "POST":
            await _receive(request, body, ROWS_BYTES if may_write else STATEMENT_BYTES)
        if self._asking >= QUERIES_WAITING:
            raise Refused(BUSY, f"Too many simultaneous queries. Maximum: {QUERIES_WAITING}")
        self._asking += 1
        try:
            done = await self._run(request, partial(self._asked, request, parameters, body, query_id, may_write, stack))
        finally:
            self._asking -= 1
        wants_packed = parameters.get("enable_http_compression", "1") not in ("0", "false")
        if done is not None and parameters.get("compress") == "1":
            return await anyio.to_thread.run_sync(in_blocks, done), ""
        return done, request.headers.get("accept-encoding", "") if wants_packed else ""

    def _asked(
        self,
        request: Request,
        parameters: dict[str, str],
        body: Body,
        query_id: str,
        may_write: bool,
        stack: ExitStack,
    ) -> Asked | None:
        """Reads statement and rows out of a request; None where it has neither. Runs in a thread."""
        body.seek(0)
        kind = request.headers.get("content-type", "")
        if kind.startswith("multipart/form-data"):
            parameters.update(form_fields(kind, b"".join(bounded(unpacked(body, ""), STATEMENT_BYTES))))
            pieces: Iterator[bytes] = iter(())
        else:
            encoding = request.headers.get("content-encoding", "").lower()
            pieces = unpacked(body, encoding)
            if parameters.get("decompress") == "1":
                pieces = unpacked_blocks(pieces)
            pieces = bounded(pieces, ROWS_BYTES if may_write else STATEMENT_BYTES)
        head = parameters.get("query", "").encode()
        named = bool(head.strip())
        while len(head) < HEAD_BYTES and not named:
            piece = next(pieces, None)
            if piece is None:
                break
            head += piece
        sql = head.decode("utf-8", "replace")
        if not sql.strip():
            return None
        session = parameters.get("session_id", "")
        asked = Asked(
            sql=sql,
            data=None,
            parameters=parameters,
            may_write=may_write and request.method == "POST",
            query_id=query_id,
            default_format=parameters.get("default_format")
            or request.headers.get("x-clickhouse-format")
            or "TabSeparated",
            database=parameters.get("database") or request.headers.get("x-clickhouse-database") or "",
            session_of=session,
        )
        insert = insert_with_data(sql)
        if insert is None:
            rest = b"".join(bounded(pieces, STATEMENT_BYTES))
            if len(head) + len(rest) > STATEMENT_BYTES:
                raise Refused(TOO_LARGE, f"the statement is longer than {STATEMENT_BYTES:,} bytes")
            joint = b"\n" if named and rest else b""
            try:
                return replace(asked, sql=(head + joint + rest).decode())
            except UnicodeDecodeError:
                raise Refused(SYNTAX_ERROR, "Syntax error: the statement is not UTF-8") from None
        if not asked.may_write:
            return asked  # which refuses it
        file = stack.enter_context(tempfile.NamedTemporaryFile(dir=self._folder, prefix="rows-"))  # noqa: SIM115
        file.write(head[len(sql[: insert.data_at].encode()) :])
        for piece in pieces:
            file.write(piece)
        file.flush()
        return replace(asked, data=Path(file.name))

    async def _run(self, request: Request, reading: Callable[[], Asked | None]) -> Done | None:
        """Runs it in a thread; when the client goes away meanwhile, a query is ended, and an INSERT is not."""

        async def watch(asked: Asked) -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            await anyio.to_thread.run_sync(self._execution.stop, asked.query_id)

        async with self._limiter:
            asked = await anyio.to_thread.run_sync(reading)
            if asked is None:
                return None
            async with anyio.create_task_group() as group:
                if asked.data is None and not asked.may_write:
                    group.start_soon(watch, asked)
                try:
                    done, error = await anyio.to_thread.run_sync(self._execution.run, asked), None
                except (Refused, EngineError) as refused:
                    done, error = None, refused
                group.cancel_scope.cancel()
            if error is not None:
                raise error
            return done


async def _receive(request: Request, body: Body, most: int) -> None:
    """Writes the body as it comes.

    Raises:
        Refused: it is larger than ``most`` bytes.
        ClientDisconnect: it ended before it was complete.
    """
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise Refused(TOO_LARGE, f"the body is larger than {most:,} bytes: send it in parts")
        if size > READ_BYTES:
            await anyio.to_thread.run_sync(body.write, piece)
        else:
            body.write(piece)


def _foreign() -> Response:
    text = "this address is for programs on this machine: ask it as localhost, and not from a page in a browser"
    return refusal(Refused(NOT_ALLOWED, text), {})
