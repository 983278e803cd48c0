"""Values of 36 kinds, planted in every place that telemetry has, are in nothing that any exporter wrote.

Exporters that serialise at once stand before and after vigilo: OTLP over HTTP and gRPC, the console, vigilo's own, the
text of Prometheus, and processors that export by themselves. A run without masking proves that the search finds them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from vigilo.testing import ProviderServer
from vigilo.testing.script import ToolCall

from .conftest import OtlpServer
from .planted import leaks, planted_values

APP = Path(__file__).parent / "planting_app.py"
FILES = (
    "console-before",
    "console-after",
    "console-logs-before",
    "console-metrics",
    "own-before",
    "own-after",
    "own-logs",
    "prometheus",
    "headers",
)
OTLP_HTTP = ("/v1/traces", "/v1/logs", "/v1/metrics")
OTLP_GRPC = ("trace.v1.TraceService", "logs.v1.LogsService", "metrics.v1.MetricsService")
SINKS = (*FILES, *OTLP_HTTP, *OTLP_GRPC, "spool")
UNMASKED = {"VIGILO_CONTENT": "full", "VIGILO_MASK_OTHER_TELEMETRY": "false", "VIGILO_USER_IDS": "plain"}


class AnyService(grpc.GenericRpcHandler):
    """Takes every request, and keeps its bytes as they came."""

    def __init__(self):
        self.received = []

    def service(self, details):
        def export(request, _):
            self.received.append((details.method, request))
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


class Run:
    """One run of the app: the values that it planted, and the bytes that came of it, by where they went."""

    def __init__(self, folder, seed, **settings):
        self.values = planted_values(seed)
        self.home, self.out = folder / "home", folder / "out"
        self.out.mkdir(parents=True)
        given = folder / "planted.json"
        given.write_text(json.dumps(self.values))
        http, caught = OtlpServer(), AnyService()
        server = grpc.server(ThreadPoolExecutor(2), (caught,), maximum_concurrent_rpcs=8)
        server_options = server.add_insecure_port("127.0.0.1:0")
        server.start()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("VIGILO_", "OTEL_"))}
        (folder / "user").mkdir()
        with ProviderServer() as provider:
            notes = [f"note {value} end" for value in self.values.values()]
            for model in ("claude-haiku-4-5", "gemini-2.5-flash"):
                provider.reply("\n".join(notes), match=model)  # its own answer would quote half a value
            for note in notes:
                asked = json.dumps(note)[1:-1]
                provider.fail(400, message=f"cannot answer: {note}", match=f"please fail: {asked}")
                provider.reply(
                    f"you said {note}", tool_calls=[ToolCall("note", {"to": note, note: [note]})], match=asked
                )
            self.app = subprocess.run(
                [
                    sys.executable,
                    APP,
                    given,
                    self.out,
                    http.endpoint,
                    f"127.0.0.1:{server_options}",
                    provider.url,
                ],
                env={**inherited, "VIGILO_HOME": str(self.home), "HOME": str(folder / "user"), **settings},
                capture_output=True,
                timeout=300,
                check=False,
            )
        assert self.app.returncode == 0, self.app.stderr[-5000:].decode()
        http.close()
        server.stop(None).wait()
        given.unlink()
        self.written = {name: (self.out / name).read_bytes() for name in FILES}
        for path in OTLP_HTTP:
            self.written[path] = b"\n".join(body for to, body in http.received if to == path)
        for service in OTLP_GRPC:
            self.written[service] = b"\n".join(body for method, body in caught.received if service in method)
        self.segments = [path.read_bytes() for path in sorted((self.home / "spool").iterdir())]
        self.folder = folder

    def leaks(self, sink):
        """The kinds of value that are found in what went there."""
        if sink != "spool":
            return leaks(self.values, self.written[sink])
        return set().union(*(leaks(self.values, segment) for segment in self.segments))


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("masked"), seed=1)


@pytest.fixture(scope="module")
def unmasked(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("unmasked"), seed=2, **UNMASKED)


def test_there_are_enough_kinds():
    assert len(planted_values(0)) > 30
    assert not set(planted_values(1).values()) & set(planted_values(2).values())


def test_the_app_says_nothing_of_it(masked):
    assert masked.app.stdout == b""
    assert b"[EMAIL]" in masked.app.stderr  # the name of a model without a price, in a warning
    assert b"Traceback" not in masked.app.stderr
    assert leaks(masked.values, masked.app.stderr) == set()


@pytest.mark.parametrize("sink", SINKS)
def test_what_was_planted_is_not_exported(masked, sink):
    assert masked.leaks(sink) == set()


@pytest.mark.parametrize("sink", SINKS)
def test_without_masking_all_of_it_is_found(unmasked, sink):
    assert unmasked.leaks(sink) == set(unmasked.values)


def test_telemetry_stays_telemetry(masked):
    for sink in SINKS:
        written = masked.written.get(sink) or b"".join(masked.segments)
        assert len(written) > 4000, sink
    assert b"[EMAIL]" in masked.written["console-before"]
    assert b"[SECRET]" in masked.written["/v1/logs"]
    assert b'text="note [CARD] end"' in masked.written["prometheus"]
    assert b"kept+as+it+is" in masked.written["headers"]


def test_nothing_of_it_is_left_on_the_disk(masked):
    """Spool, state, keys and whatever was written into the user's home."""
    (masked.folder / "raises.py").unlink()  # the app's own file
    found = {path: leaks(masked.values, path.read_bytes()) for path in masked.folder.rglob("*") if path.is_file()}
    assert {path: kinds for path, kinds in found.items() if kinds} == {}
    assert {"console-before", "own-before"} <= {path.name for path in found}
    assert any(masked.home in path.parents for path in found)


def test_nothing_of_it_is_in_the_database(masked, road):
    road.home = masked.home
    (tables,) = road.query("SELECT name FROM system.tables WHERE database = 'otel' AND engine != 'MaterializedView'")
    text = json.dumps(road.query(*(f"SELECT * FROM otel.`{table['name']}`" for table in tables)))
    assert "[EMAIL]" in text
    assert "gpt-4o-mini" in text
    assert leaks(masked.values, text.encode()) == set()
    files = [path.read_bytes() for path in masked.home.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert leaks(masked.values, b"\n".join(files)) == set()
