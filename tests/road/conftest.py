"""Whole apps under `opentelemetry-instrument`, and what is stored of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"
QUERY = """
import json, sys
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    print(json.dumps([store.query(sql) for sql in sys.argv[2:]]))
"""


class Road:
    """One home, the apps that write to it, and the readers of it."""

    def __init__(self, home: Path, scripts: Path) -> None:
        self.home = home
        self._scripts = scripts

    def environment(self, **variables):
        # Apps and commands run as a user's would: failures inside vigilo are swallowed and logged, not raised.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("VIGILO_", "OTEL_"))}
        return {**inherited, "VIGILO_HOME": str(self.home), "VIGILO_PRICE_AGE_DAYS": "0", **variables}

    def start(self, script, **variables):
        """Starts an app under `opentelemetry-instrument` with nothing configured but the home."""
        path = self._scripts / f"app_{len(list(self._scripts.iterdir()))}.py"
        path.write_text(script)
        return subprocess.Popen(
            [INSTRUMENT, sys.executable, path],
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script, **variables):
        """Runs an app to its end and returns what it printed; what it wrote to stderr is empty."""
        app = self.start(script, **variables)
        out, err = app.communicate(timeout=120)
        assert (app.returncode, err) == (0, "")
        return out

    def vigilo(self, *arguments, **variables):
        """Runs a command of the command line, and returns the finished process."""
        return subprocess.run(
            [sys.executable, "-m", "vigilo_exporter.cli", *arguments],
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def report(self, *arguments):
        done = self.vigilo("report", "--format", "json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def query(self, *statements):
        """The rows of each SQL statement, read by the owner of the store in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-c", QUERY, self.home, *statements],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def road(tmp_path):
    scripts = tmp_path / "apps"
    scripts.mkdir()
    return Road(tmp_path / "home", scripts)


@pytest.fixture(scope="session")
def provider():
    from vigilo.testing import ProviderServer

    with ProviderServer() as server:
        yield server


@pytest.fixture
def server(provider):
    provider.reset()
    return provider


class OtlpServer:
    """A receiver of OTLP over HTTP: the path and the body of every request, as they came."""

    def __init__(self) -> None:
        self.received = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def otlp_http():
    server = OtlpServer()
    yield server
    server.close()
