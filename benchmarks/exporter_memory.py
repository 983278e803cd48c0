"""Memory that exporters add to an app: vigilo's, embedded and with a server, beside OTLP over HTTP.

Each app is a process of its own that makes the same batches of spans; what one without an exporter takes is subtracted.
The server is `vigilo serve`. The promise is at most 40 MB. Linux only.

Run: ``python benchmarks/exporter_memory.py``
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = """
import os, random, sys
import opentelemetry.sdk.metrics.export, opentelemetry.sdk._logs.export
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

def calls(count):
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("vigilo")
    for number in range(count):
        attributes = {f"gen_ai.attribute_{each}": random.getrandbits(40) for each in range(15)}
        names = {"gen_ai.operation.name": "chat", "user.id": f"user-{number}", "gen_ai.request.model": "gpt-4o"}
        tracer.start_span("chat gpt-4o", attributes={**attributes, **names}).end()
    return memory.get_finished_spans()

kind, endpoint = sys.argv[1:3]
exporter = None
if kind == "otlp":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.exporter.otlp.proto.http import Compression
    exporter = OTLPSpanExporter(endpoint + "/v1/traces", compression=Compression.Gzip)
elif kind != "none":
    if kind == "server":
        os.environ["VIGILO_CLICKHOUSE_URL"] = endpoint
    from vigilo_exporter.exporters import ClickHouseSpanExporter
    exporter = ClickHouseSpanExporter()
spans = calls(512)
for _ in range(60):
    if exporter is not None:
        exporter.export(spans)
if exporter is not None:
    assert exporter.force_flush(10_000), "nobody took it"
peak, now = 0, 0
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"): peak = int(line.split()[1])
    if line.startswith("VmRSS"): now = int(line.split()[1])
print(now, peak)
"""


class Taker(BaseHTTPRequestHandler):
    """Says yes to all that is sent by OTLP."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def clickhouse() -> Iterator[str]:
    """The URL of a ClickHouse server: the embedded engine behind `vigilo serve`."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "vigilo_exporter.cli", "serve", "--port", "0", "--home", home]
        owner = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not (Path(home) / "owner.json").exists():
                time.sleep(0.1)
            served = json.loads((Path(home) / "owner.json").read_text())
            yield served["url"].replace("://", f"://vigilo:{served['token']}@")
        finally:
            owner.terminate()
            owner.wait()


def resident_mb(kind: str, endpoint: str) -> tuple[float, float]:
    """Memory at the end, and at the highest, of one app, in MB (1,000,000 bytes); the middle of three runs."""
    runs = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [sys.executable, "-c", APP, kind, endpoint],
                env={"VIGILO_HOME": home, "PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path[1:])},
                capture_output=True,
                text=True,
                check=True,
            )
        now, peak = (int(word) * 1024 / 1e6 for word in done.stdout.split())
        runs.append((now, peak))
    return sorted(runs)[1]


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    taken = {kind: resident_mb(kind, endpoint) for kind in ("none", "embedded", "otlp")}
    with clickhouse() as url:
        taken["server"] = resident_mb("server", url)
    server.shutdown()
    base_mb, base_peak_mb = taken.pop("none")
    print(f"app without an exporter: {base_mb:.1f} MB")
    for kind, (now_mb, peak_mb) in taken.items():
        print(f"{kind:9s} adds {now_mb - base_mb:5.1f} MB, {peak_mb - base_peak_mb:5.1f} MB at the highest")
    print(json.dumps({kind: round(now_mb - base_mb, 1) for kind, (now_mb, _) in taken.items()}))


if __name__ == "__main__":
    main()
