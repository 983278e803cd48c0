"""CPU a span costs on its way out of the app: our segments beside OTLP over HTTP, for the same batch.

The promise is at most a quarter of OTLP's cost. Needs ``opentelemetry-exporter-otlp-proto-common``.

Run: ``python benchmarks/export_cost.py [spans in a batch]``
"""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from vigilo import semconv
from vigilo_exporter.convert.columns import TRACES
from vigilo_exporter.convert.rows import Dropped, block
from vigilo_exporter.convert.spans import span_rows
from vigilo_exporter.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

ROUNDS = 100


def calls(count: int) -> Sequence[ReadableSpan]:
    """Spans of LLM calls: 20 attributes each, every tenth with an event."""
    exporter = InMemorySpanExporter()
    names = {
        "service.name": "shop",
        "service.version": "1.4.2",
        "deployment.environment.name": "prod",
        "host.name": "h1",
        "process.pid": 123,
    }
    provider = TracerProvider(resource=Resource.create(names), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("vigilo", "0.1.0")
    random.seed(7)
    for number in range(count):
        span = tracer.start_span("chat gpt-4o", kind=SpanKind.CLIENT, attributes=attributes(number))
        if number % 10 == 0:
            span.add_event("retry", {"reason": "429"})
        span.end()
    return exporter.get_finished_spans()


def attributes(number: int) -> dict[str, Any]:
    return {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-4o",
        semconv.RESPONSE_MODEL: "gpt-4o-2024-08-06",
        semconv.RESPONSE_ID: f"chatcmpl-{random.getrandbits(96):x}",
        semconv.USAGE_INPUT_TOKENS: random.randrange(5000),
        semconv.USAGE_OUTPUT_TOKENS: random.randrange(900),
        semconv.USAGE_CACHE_READ_INPUT_TOKENS: 100,
        semconv.USAGE_CACHE_WRITE_INPUT_TOKENS: 0,
        semconv.USAGE_REASONING_OUTPUT_TOKENS: 44,
        semconv.CONVERSATION_ID: f"conversation-{number % 50}",
        semconv.USER_ID: f"user-{number % 20}",
        semconv.VIGILO_OPERATION: "answer_question",
        semconv.RESPONSE_FINISH_REASONS: ("stop",),
        semconv.REQUEST_TEMPERATURE: 0.7,
        semconv.REQUEST_MAX_TOKENS: 4096,
        semconv.SERVER_ADDRESS: "api.example.com",
        semconv.SERVER_PORT: 443,
        semconv.USAGE_COST: random.randrange(1, 10**6) / 10**9,
        semconv.RESPONSE_TIME_TO_FIRST_CHUNK: random.random(),
    }


def best_us(steps: Mapping[str, Callable[[], object]], spans: int) -> dict[str, float]:
    """CPU time a span of each step's fastest round, in microseconds.

    All steps are done in each round, so that whatever else the machine does slows all of them.
    """
    fastest_s = dict.fromkeys(steps, float("inf"))
    for _ in range(ROUNDS):
        for name, work in steps.items():
            started_s = time.process_time()
            work()
            fastest_s[name] = min(fastest_s[name], time.process_time() - started_s)
    return {name: seconds / spans * 1e6 for name, seconds in fastest_s.items()}


def import_ms(module: str) -> float:
    """What importing a module adds to a process that has the SDK loaded already."""
    code = (
        "import time, opentelemetry.sdk.trace.export, opentelemetry.sdk.metrics.export\n"
        "import opentelemetry.sdk._logs.export\n"
        f"started = time.perf_counter()\nimport {module}\nprint(time.perf_counter() - started)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs) * 1e3


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 512
    spans = calls(count)
    dropped = Dropped()
    rows = span_rows(spans, dropped)
    data = block(TRACES, rows, dropped)
    assert data is not None
    assert dropped.count == 0
    message = encode_spans(spans)
    encoded = message.SerializeToString()
    with tempfile.TemporaryDirectory() as home:
        spool = Spool(Path(home))
        steps = {
            "rows": lambda: span_rows(spans, dropped),
            "Native block": lambda: block(TRACES, rows, dropped),
            "zstd and file": lambda: spool.write(TRACES, *data),
            "OTLP encode_spans": lambda: encode_spans(spans),
            "OTLP serialize": message.SerializeToString,
            "OTLP gzip": lambda: gzip.compress(encoded),
        }
        cost = best_us(steps, count)
        segment_bytes = spool.segments()[0].stat().st_size
    for name, us in cost.items():
        print(f"{name:20s} {us:7.2f} us/span")
    for level in (1, 3):
        compressor = zstandard.ZstdCompressor(level)
        [us] = best_us({"": lambda compressor=compressor: compressor.compress(data.content)}, count).values()
        print(
            f"  zstd level {level}       {us:7.2f} us/span {len(compressor.compress(data.content)) / count:7.1f} B/span"
        )
    ours = cost["rows"] + cost["Native block"] + cost["zstd and file"]
    otlp = cost["OTLP encode_spans"] + cost["OTLP serialize"]
    zipped = otlp + cost["OTLP gzip"]
    print(f"segments   {ours:7.2f} us/span, {segment_bytes / count:6.1f} B/span")
    print(f"OTLP       {otlp:7.2f} us/span, {len(encoded) / count:6.1f} B/span: segments take {ours / otlp:.2f} of it")
    size = len(gzip.compress(encoded)) / count
    print(f"OTLP gzip  {zipped:7.2f} us/span, {size:6.1f} B/span: segments take {ours / zipped:.2f} of it")
    print(f"import of vigilo_exporter.exporters after the SDK: {import_ms('vigilo_exporter.exporters'):.1f} ms")
    figures = {"segments_us": ours, "otlp_us": otlp, "ratio": ours / otlp, "ratio_to_gzip": ours / zipped}
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
