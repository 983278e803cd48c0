"""``vigilo serve``: owns the database of a home for long, takes in its spool, and lets others ask it over HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vigilo.errors import ConfigError, MissingExtraError, StoreError, VigiloError
from vigilo_exporter.clickhouse.lock import POLL_S, still_held, take_lock
from vigilo_exporter.clickhouse.maintenance import Maintenance
from vigilo_exporter.clickhouse.served import Served, forget_served
from vigilo_exporter.clickhouse.store import own_store
from vigilo_exporter.status import status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vigilo.settings import Settings
    from vigilo_exporter.clickhouse.engine import Engine
    from vigilo_exporter.clickhouse.store import Store

_log = logging.getLogger("vigilo")
INGEST_EVERY_S, MAX_BACKOFF_S = 0.5, 30.0
REST_RATIO, MAX_REST_S = 4, 5.0
"""Each round is followed by a rest of so many times as long, within bounds: an insert of one row takes tenths of a
second of CPU, so without it an app that never pauses would take most of a core."""
PRICE_EVERY_S, PRICE_AT_SERVER_EVERY_S = 10.0, 600.0
"""Pricing looks at all calls without a price, so not with each round."""
MAINTAIN_EVERY_S = 60.0
LOCKED_FOR_S = 60.0
"""How long to wait for a command that has the store open."""
REQUESTS_END_WITHIN_S, QUERIES_END_WITHIN_S = 5, 10.0
"""How long an end waits for requests, and after that for queries that it has told to stop."""
LOOK_EVERY_S = 0.1
INCOMING = "incoming"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the interface is. ``url`` is how programs on this machine reach it."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - where to find it
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class Rounds:
    """What goes on by itself: rounds over the spool, and upkeep. One round at a time, whoever asks for it."""

    def __init__(self, store: Store, upkeep: Callable[[], Any]) -> None:
        self._store, self._upkeep = store, upkeep
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._ingest_on, name="vigilo-ingest"),
            threading.Thread(target=self._maintain_on, name="vigilo-upkeep"),
        ]
        self._told: set[str] = set()
        self._priced_s = float("-inf")

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets the round under way end, and begins no other."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def now(self) -> Mapping[str, Any]:
        """One round now, prices included: what ``POST /-/ingest`` answers.

        Raises:
            StoreError: the disk or the engine refuses.
        """
        with self._lock:
            if self._ending.is_set():
                raise StoreError("`vigilo serve` is ending: try again")
            done = self._store.ingest()
        return {"segments": done.segments, "quarantined": list(done.quarantined)}

    def _ingest_on(self) -> None:
        pause_s = INGEST_EVERY_S
        while not self._ending.wait(pause_s):
            began_s = time.monotonic()
            try:
                with self._lock:
                    self._round()
            except Exception as error:  # noqa: BLE001 - the next round may go better
                pause_s = min(2 * pause_s, MAX_BACKOFF_S)
                self._tell(error)
            else:
                pause_s = max(INGEST_EVERY_S, min(REST_RATIO * (time.monotonic() - began_s), MAX_REST_S))
                self._told.clear()

    def _round(self) -> None:
        if self._store.has_work():
            quarantined = self._store.ingest(price=False).quarantined
            if quarantined:
                _log.warning("vigilo: %d segments could not be read: see `vigilo spool ls`", len(quarantined))
        if time.monotonic() - self._priced_s >= (PRICE_EVERY_S if self._store.is_own else PRICE_AT_SERVER_EVERY_S):
            self._priced_s = time.monotonic()
            self._store.price_arrivals()

    def _maintain_on(self) -> None:
        while not self._ending.wait(MAINTAIN_EVERY_S):
            try:
                self._upkeep()
            except Exception as error:  # noqa: BLE001 - it is tried again
                self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Logs what went wrong, once until a round goes well. Errors of others may quote data: only their type."""
        text = str(error) if isinstance(error, VigiloError) else f"{type(error).__name__}"
        if text not in self._told:
            self._told.add(text)
            _log.error("vigilo: %s; tried again, and told once", text)


def serve(home: Path, settings: Settings, address: Address, ready: Callable[[Address], None]) -> None:
    """Serves until SIGTERM or SIGINT. To be called in the main thread.

    Args:
        home: the folder with the spool and the database.
        settings: tokens, and what upkeep goes by.
        address: where to listen; port 0 takes a free one.
        ready: called with the address when it can be reached.

    Raises:
        MissingExtraError: the engine or the web server is not installed.
        ConfigError: beyond loopback there must be a ``serve_token``.
        StoreError: the port is taken, another ``vigilo serve`` runs, or the store cannot be opened.
    """
    check(settings, address)
    from vigilo_exporter.clickhouse.protocol.access import Access
    from vigilo_exporter.clickhouse.protocol.app import Interface

    with ExitStack() as stack:
        ended = _Ending()
        stack.enter_context(ended)
        listener = _listen(address, stack)
        address = Address(address.host, listener.getsockname()[1])
        _own(home, stack, ended)
        store, engine = own_store(home, stack)
        rounds = Rounds(store, Maintenance(store.database, store.layout, home, settings).run_due)
        token = secrets.token_urlsafe(32)
        access = Access(token, settings.serve_token, address.host)
        interface = Interface(engine, access, home / INCOMING, rounds.now, partial(status, settings))
        stack.callback(_end_queries, engine)
        with suppress(StoreError):
            rounds.now()  # else the first round tells what is wrong
        rounds.start()
        stack.callback(rounds.stop)
        Served(os.getpid(), address.url, token).write(home)
        stack.callback(forget_served, home)
        asyncio.run(_run(interface.app(), listener, lambda: ready(address), partial(_end_queries, engine), ended))


def serve_server(home: Path, settings: Settings, ready: Callable[[str], None]) -> None:
    """Ships the spool to the server of ``clickhouse_url`` and keeps it up, until SIGTERM or SIGINT.

    Raises:
        StoreError: the folder cannot be written.
    """
    from vigilo_exporter.clickhouse.store import open_store

    with ExitStack() as stack:
        ended = stack.enter_context(_Ending())
        store = stack.enter_context(open_store(home, ingest=False, settings=settings))
        rounds = Rounds(store, Maintenance(store.database, store.layout, home, settings).run_due)
        rounds.start()
        stack.callback(rounds.stop)
        ready(store.where)
        while not ended.asked:
            time.sleep(POLL_S)


def check(settings: Settings, address: Address) -> None:
    """Whether it may, and can, listen there.

    Raises:
        MissingExtraError, ConfigError: as :func:`serve`.
    """
    if not all(find_spec(name) for name in ("lz4", "starlette", "uvicorn")):
        raise MissingExtraError("vigilo serve", "server")
    from vigilo_exporter.clickhouse.protocol.access import is_loopback

    if not is_loopback(address.host) and not settings.serve_token:
        raise ConfigError(
            f"{address.host} can be reached from other machines: set `VIGILO_SERVE_TOKEN`, the password that readers "
            "give, or listen on 127.0.0.1"
        )


class _Ending:
    """Notes SIGTERM and SIGINT, in place of dying of them, wherever they come."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Ending:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        self.asked = True


def _listen(address: Address, stack: ExitStack) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = stack.enter_context(socket.socket(family, kind, protocol))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except OSError as error:
        raise StoreError(
            f"cannot listen on {address.host} port {address.port} ({error.strerror}): another program or "
            "`vigilo serve` has it; choose one with `--port` or `VIGILO_SERVE_PORT`"
        ) from None
    return listener


def _own(home: Path, stack: ExitStack, ended: _Ending) -> None:
    """Waits for commands that have the store open; not for another ``vigilo serve``."""
    deadline = time.monotonic() + LOCKED_FOR_S
    while not take_lock(home, stack):
        served = Served.of(home)
        if served is not None and served.answers():
            raise StoreError(f"`vigilo serve` runs already (process {served.pid}, {served.url})")
        if ended.asked or time.monotonic() >= deadline:
            raise still_held(home, LOCKED_FOR_S)
        time.sleep(POLL_S)


async def _run(
    app: Any, listener: socket.socket, ready: Callable[[], None], end_queries: Callable[[], None], ended: _Ending
) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",  # addresses of requests hold statements, and may hold passwords
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2 * REQUESTS_END_WITHIN_S,
        lifespan="on",
        ws="none",
    )
    server = uvicorn.Server(config)

    async def watch() -> None:
        while not server.started:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(POLL_S)
        ready()
        # A signal may come before the web server takes them over.
        while not (ended.asked or server.should_exit):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_S)
        server.should_exit = True
        await asyncio.sleep(REQUESTS_END_WITHIN_S)
        await asyncio.to_thread(end_queries)

    watching = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()


def _end_queries(engine: Engine) -> None:
    """Requests that took longer than the web server waited for: the engine must not be closed under them."""
    others = "query NOT LIKE '%system.processes%' AND query NOT LIKE 'KILL %'"
    deadline = time.monotonic() + QUERIES_END_WITHIN_S
    with suppress(StoreError):
        engine.execute(f"KILL QUERY WHERE {others} ASYNC")
        while time.monotonic() < deadline and engine.query(f"SELECT 1 FROM system.processes WHERE {others}"):  # noqa: S608
            time.sleep(POLL_S)
