"""A real redis-server on loopback for the tests of a session, and more of them where a test wants its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STARTS_IN_S = 20


class RedisServer(NamedTuple):
    """A running server; its data is gone when it ends."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(folder: Path, *options: str, port: int = 0) -> Iterator[RedisServer]:
    """Runs a redis-server without persistence, and kills it at the end."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    base = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([binary, *base, *options], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + STARTS_IN_S
        while True:
            assert process.poll() is None, "redis-server ended"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.02)
            else:
                break
        yield RedisServer(process, port)
    finally:
        process.kill()
        process.wait()


def place_in(url: str) -> str:
    """A place of its own in a server, as :mod:`places` writes them."""
    return f"redis:test-{uuid.uuid4().hex}@{url}"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The server of all tests that do not stop it."""
    pytest.importorskip("redis")
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_place(redis_server: RedisServer) -> str:
    return place_in(redis_server.url)
