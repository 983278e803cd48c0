"""A ClickHouse server for tests: the engine behind vigilo's HTTP interface, in a process of its own.

The fixture ``clickhouse_server`` gives one to each test that asks for it, with a database of its own. With
``VIGILO_TEST_CLICKHOUSE_URL`` (``http://user:password@host:port``) it is a real server, which cannot be killed.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest

REAL_SERVER = os.environ.get("VIGILO_TEST_CLICKHOUSE_URL", "")
STARTS_WITHIN_S = 60


class Server:
    """A ClickHouse server.

    Attributes:
        url: without user and password: ``http://127.0.0.1:45123``.
        user, token: of a user who may do everything.
        database: where a test's tables go; on the embedded server it exists and is empty.
        can_be_killed: False for a real server.
    """

    def __init__(self, url, user, token, database):
        self.url, self.user, self.token, self.database = url, user, token, database
        self.can_be_killed = False

    @property
    def port(self):
        return urlsplit(self.url).port

    @property
    def url_with_user(self):
        return self.url.replace("://", f"://{quote(self.user)}:{quote(self.token)}@", 1)

    @property
    def environ(self):
        """The settings with which vigilo uses this server."""
        return {
            "VIGILO_CLICKHOUSE_URL": self.url,
            "VIGILO_CLICKHOUSE_USER": self.user,
            "VIGILO_CLICKHOUSE_PASSWORD": self.token,
            "VIGILO_CLICKHOUSE_DATABASE": self.database,
        }

    def execute(self, sql, **parameters):
        """The answer's body as text. Raises AssertionError with ClickHouse's message."""
        parameters = {"database": self.database, **parameters}
        status, body = request(
            self.url,
            f"/?{urlencode(parameters)}",
            sql.encode(),
            {"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.token},
        )
        assert status == 200, body.decode()
        return body.decode()

    def rows(self, sql, **parameters):
        """Rows of a SELECT as mappings; 64-bit integers as int."""
        parameters = {"output_format_json_quote_64bit_integers": "0", **parameters}
        lines = self.execute(sql, default_format="JSONEachRow", **parameters).split("\n")
        return [json.loads(line) for line in lines if line]

    def count(self, table, where="1"):
        return self.rows(f"SELECT count() AS rows FROM {table} WHERE {where}")[0]["rows"]

    def kill(self):
        pytest.skip("a real server is not killed")

    stop = start = kill


class EmbeddedServer(Server):
    """The engine behind vigilo's interface. ``kill()`` is ``kill -9``; ``start()`` brings it back on the same port."""

    def __init__(self, home):
        self.home = home
        self.process = None
        super().__init__(f"http://127.0.0.1:{free_port()}", "vigilo", f"token-{uuid.uuid4().hex}", "otel")
        self.can_be_killed = True

    def start(self):
        self.home.mkdir(parents=True, exist_ok=True)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("VIGILO_", "OTEL_"))}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--home", str(self.home), "--port", str(self.port)],
            env={**environ, "PYTHONPATH": os.pathsep.join(sys.path), "TEST_SERVER_TOKEN": self.token},
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                if request(self.url, "/ping")[0] == 200:
                    return
            except (OSError, HTTPException):
                assert self.process.poll() is None, "the server did not start"
                assert time.monotonic() < deadline, "the server did not start in time"
                time.sleep(0.02)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Lets requests finish, then ends."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)


def request(url, target, body=None, headers=None, timeout=120):
    """Status and body of one request."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request("GET" if body is None else "POST", target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_server(home):
    """A server with nothing in it; ``home`` is for its files."""
    if REAL_SERVER:
        parts = urlsplit(REAL_SERVER)
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2], path="").geturl()
        server = Server(url, parts.username or "default", parts.password or "", f"vigilo_test_{uuid.uuid4().hex}")
        server.execute(f"CREATE DATABASE {server.database}", database="default")
        try:
            yield server
        finally:
            server.execute(f"DROP DATABASE {server.database}", database="default")
        return
    server = EmbeddedServer(home)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def clickhouse_server(tmp_path):
    with running_server(tmp_path / "clickhouse-server") as server:
        yield server


def main():
    import uvicorn

    from vigilo_exporter.clickhouse.deduplication_logs import forget_unwritten
    from vigilo_exporter.clickhouse.engine import Engine
    from vigilo_exporter.clickhouse.protocol.access import Access
    from vigilo_exporter.clickhouse.protocol.app import Interface

    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    forget_unwritten(options.home / "db")  # as `vigilo serve` does
    engine = Engine(options.home / "db")
    interface = Interface(engine, Access(os.environ["TEST_SERVER_TOKEN"]), options.home / "incoming")
    uvicorn.run(interface.app(), host="127.0.0.1", port=options.port, log_level="warning")
    engine.close()


if __name__ == "__main__":
    main()
