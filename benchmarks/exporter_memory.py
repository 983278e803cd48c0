"""Memory that exporters add to an app: vigilo's, embedded and with a server, beside OTLP over HTTP.

Each app is a process of its own that makes the same batches of spans; what one without an exporter takes is subtracted.
The server is a listener that takes everything. The promise is at most 40 MB. Linux only.

Run: ``python benchmarks/exporter_memory.py``
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

APP = """
import os, sys
sys.path[:0] = [sys.argv[3]]
from export_cost import calls
import opentelemetry.sdk.metrics.export, opentelemetry.sdk._logs.export
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
    exporter.force_flush(10_000)
peak, now = 0, 0
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"): peak = int(line.split()[1])
    if line.startswith("VmRSS"): now = int(line.split()[1])
print(now, peak)
"""


class Taker(BaseHTTPRequestHandler):
    """Says yes to everything; a SELECT gets the newest version of the schema that there may be."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        select = b"SELECT" in body[:20] and b"version" in body
        answer = b'{"version": 4294967295}\n' if select else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


def resident_mb(kind: str, endpoint: str) -> tuple[float, float]:
    """Memory at the end, and at the highest, of one app, in MB (1,000,000 bytes); the middle of three runs."""
    runs = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [sys.executable, "-c", APP, kind, endpoint, sys.path[0]],
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
    taken = {kind: resident_mb(kind, endpoint) for kind in ("none", "embedded", "server", "otlp")}
    server.shutdown()
    base_mb, base_peak_mb = taken.pop("none")
    print(f"app without an exporter: {base_mb:.1f} MB")
    for kind, (now_mb, peak_mb) in taken.items():
        print(f"{kind:9s} adds {now_mb - base_mb:5.1f} MB, {peak_mb - base_peak_mb:5.1f} MB at the highest")
    print(json.dumps({kind: round(now_mb - base_mb, 1) for kind, (now_mb, _) in taken.items()}))


if __name__ == "__main__":
    main()
