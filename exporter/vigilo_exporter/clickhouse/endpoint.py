"""One address of a ClickHouse server, and the connections to it that are kept open."""

from __future__ import annotations

import os
import selectors
import threading
import time
import weakref
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from vigilo.errors import StoreError

if TYPE_CHECKING:
    import ssl

DEFAULT_PORTS = {"http": 8123, "https": 8443}
IDLE_S = 2.5
"""How long a connection is kept without use: servers close theirs after 3 seconds (older ones) to 30."""
MAX_KEPT = 4


class Endpoint:
    """Where one server listens, and who asks. Its text is free of secrets.

    Args:
        url: ``http[s]://[user:password@]host[:port]``, user and password percent-encoded.
        user, password: where the URL names none.
        token: bearer token; goes before both.

    Raises:
        StoreError: the user, the password or the token cannot be sent.
    """

    def __init__(self, url: str, user: str = "", password: str = "", token: str = "") -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._secure = parts.scheme == "https"
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"{parts.scheme}://{shown}:{self.port}"
        if parts.username is not None:
            user, password = unquote(parts.username), unquote(parts.password or "")
        self.headers = _credentials(user, password, token)
        self._context: ssl.SSLContext | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._kept: list[tuple[HTTPConnection, float]] = []
        self._open: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()

    def __str__(self) -> str:
        return self.url

    def connection(self, timeout_s: float) -> tuple[HTTPConnection, bool]:
        """A connection for one request, and whether it was used before; give it back with :meth:`keep`.

        Args:
            timeout_s: of each wait for the network.

        Raises:
            OSError: the server cannot be reached, or its certificate is not trusted.
        """
        if self._pid != os.getpid():  # a child that was forked
            self.forget()
        while True:
            with self._lock:
                kept = self._kept.pop() if self._kept else None
            if kept is None:
                break
            connection, used_s = kept
            if time.monotonic() - used_s < IDLE_S and not _ended(connection):
                connection.sock.settimeout(timeout_s)
                return connection, True
            connection.close()
        made = self._new(timeout_s)
        self._open.add(made)
        try:
            made.connect()
        except BaseException:
            made.close()
            raise
        return made, False

    def keep(self, connection: HTTPConnection) -> None:
        """Takes back a connection whose answer was read to its end."""
        if connection.sock is None or self._pid != os.getpid():
            connection.close()
            return
        with self._lock:
            if len(self._kept) < MAX_KEPT:
                self._kept.append((connection, time.monotonic()))
                return
        connection.close()

    def close(self) -> None:
        """Closes the connections that are kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for connection, _ in kept:
            connection.close()

    def forget(self) -> None:
        """In a child after a fork: closes its copies of the parent's connections, without a word to the server."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._kept = []
        for connection in list(self._open):
            connection.close()

    def _new(self, timeout_s: float) -> HTTPConnection:
        if not self._secure:
            return HTTPConnection(self.host, self.port, timeout=timeout_s)
        if self._context is None:
            import ssl  # not with this module: most apps send without TLS, to this machine

            self._context = ssl.create_default_context()
        return HTTPSConnection(self.host, self.port, timeout=timeout_s, context=self._context)


def _ended(connection: HTTPConnection) -> bool:
    """Whether the server closed the connection meanwhile: there is something to read though nothing was asked."""
    with selectors.DefaultSelector() as selector:  # not select(): apps may have more than 1024 files open
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _credentials(user: str, password: str, token: str) -> dict[str, bytes]:
    headers = {}
    if token:
        headers = {"Authorization": f"Bearer {token}"}
    elif user or password:
        headers = {"X-ClickHouse-User": user or "default", "X-ClickHouse-Key": password}
    encoded = {name: value.encode() for name, value in headers.items()}
    if any(byte < 32 or byte == 127 for value in encoded.values() for byte in value):
        raise StoreError(
            "the user, password or token of `clickhouse_url` has a line break or another control character"
        )
    return encoded
