"""Apps that fork: workers of a preloading web server, children of os.fork and of multiprocessing. Each call once.

Each app runs with the embedded store, and with a ClickHouse server to which one of its processes sends for all.
"""

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.exporter.clickhouse.server import running_server

from vigilo_exporter.clickhouse.http import HttpDatabase
from vigilo_exporter.clickhouse.migrate import migrate

INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"
COUNTS = (
    "SELECT count() AS n, uniqExact(SpanId) AS ids FROM llm_calls",
    "SELECT sum(Calls) AS n FROM llm_hourly",
)
WSGI = """
import os
import openai
client = openai.OpenAI()

def app(environ, start_response):
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": environ["PATH_INFO"]}])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
CALL = """
import multiprocessing, os, sys
import openai

def call(number):
    with openai.OpenAI() as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": f"Hello {number}"}])
    return number
"""
FORK = """
if __name__ == "__main__":
    call(0)
    for number in range(1, 4):
        if os.fork() == 0:
            call(number)
            sys.exit(0)
    assert [os.wait()[1] for _ in range(3)] == [0, 0, 0]
"""
POOL = """
if __name__ == "__main__":
    call(0)
    with multiprocessing.get_context("{method}").Pool(3) as pool:
        assert sorted(pool.map(call, range(1, 13), chunksize=1)) == list(range(1, 13))
        pool.close()
        pool.join()
"""


@pytest.fixture(params=["embedded", "server"])
def store(request, road, tmp_path):
    """The variables with which an app uses the store, and what gives the counts in it."""
    if request.param == "embedded":
        yield {}, lambda: road.query(*COUNTS)
        return
    with running_server(tmp_path / "clickhouse-server") as clickhouse:
        # Apps make the tables as well (tests/exporter/shipping); how long that takes a busy machine says nothing here.
        migrate(HttpDatabase(clickhouse.url_with_user, database=clickhouse.database))
        patient = {**clickhouse.environ, "VIGILO_FLUSH_TIMEOUT_S": "25"}
        yield patient, lambda: [clickhouse.rows(query) for query in COUNTS]


def assert_calls(counts, calls):
    assert counts() == [[{"n": calls, "ids": calls}], [{"n": calls}]]


def ask(port, path):
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def wait_for_port(process, port):
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_workers_of_gunicorn_that_were_preloaded_lose_nothing_when_they_are_stopped(road, server, store, tmp_path):
    environ, counts = store
    (tmp_path / "shop.py").write_text(WSGI)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [INSTRUMENT, Path(sys.executable).parent / "gunicorn", "--preload", "--workers", "3"]
    command += ["--graceful-timeout", "60"]
    gunicorn = subprocess.Popen(
        [*command, "--bind", f"127.0.0.1:{port}", "shop:app"],
        env=road.environment(**server.environment(), **environ),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for_port(gunicorn, port)
        with ThreadPoolExecutor(6) as clients:
            workers = set(clients.map(lambda number: ask(port, f"/{number}"), range(30)))
        assert str(gunicorn.pid).encode() not in workers
        gunicorn.send_signal(signal.SIGTERM)
        log = gunicorn.communicate(timeout=120)[1]
    finally:
        gunicorn.kill()
        gunicorn.communicate()
    assert "Traceback" not in log, log
    assert_calls(counts, 30)


def test_children_of_fork_export_their_own_calls_and_not_those_of_their_parent(road, server, store):
    environ, counts = store
    road.run(CALL + FORK, **server.environment(), **environ)
    assert_calls(counts, 4)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_export_what_they_have_when_they_end(road, server, store, method):
    environ, counts = store
    road.run(CALL + POOL.format(method=method), **server.environment(), **environ)
    assert_calls(counts, 13)
