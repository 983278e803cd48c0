"""What masking the spans and logs of other instrumentors costs, on the app's thread and in the export thread.

    python benchmarks/foreign_cost.py

Prints microseconds of the thread's own CPU time per span, the best of several rounds, beside the bare SDK. An exporter
that reads every part of each span stands for a real one.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

import vigilo
from vigilo.policy.export.install import hold, release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SPANS = 2000
ROUNDS = 7
_numbers = itertools.count()
HTTP = {
    "http.request.method": "POST",
    "http.response.status_code": 200,
    "http.route": "/v1/orders/{order_id}",
    "url.scheme": "https",
    "url.path": "/v1/orders/1043",
    "server.address": "shop.internal",
    "server.port": 443,
    "network.protocol.version": "1.1",
    "network.protocol.name": "http",
    "user_agent.original": "python-httpx/0.28.1",
    "code.function.name": "orders.views.create",
    "code.file.path": "/srv/app/orders/views.py",
    "code.line.number": 120,
    "thread.id": 140234567890123,
    "thread.name": "MainThread",
    "db.system.name": "postgresql",
    "db.operation.name": "SELECT",
    "app.plan": "free",
    "app.cached": False,
    "app.duration_ms": 12.25,
}
MESSAGES = json.dumps(
    [
        {"role": "user", "parts": [{"type": "text", "content": "Summarise the report for the team, please. " * 8}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "Revenue grew and churn fell in spring. " * 8}]},
    ]
)


def http_span() -> dict[str, Any]:
    return {**HTTP, "app.request_id": f"req-{next(_numbers):08x}"}


def chat_span() -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": f"chatcmpl-{next(_numbers):08x}",
        "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 120,
        "gen_ai.input.messages": MESSAGES.replace("report", f"report {next(_numbers)}"),
    }


class Ended(SpanProcessor):
    """Keeps what a batch processor would queue."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class Emitted(LogRecordProcessor):
    """The same for log records."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def on_emit(self, log_record: Any) -> None:
        self.records.append(log_record)

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


def read(spans: Iterable[ReadableSpan]) -> None:
    for span in spans:
        _ = (span.name, span.attributes, span.events, span.links, span.status)
        _ = (span.resource, span.instrumentation_scope)


def read_records(records: Iterable[Any]) -> None:
    for record in records:
        _ = (record.log_record.body, record.log_record.attributes, record.log_record.event_name)


def spans_cost(attributes: Callable[[], dict[str, Any]]) -> tuple[float, float]:
    """Microseconds per span: on the thread that ends it, and on the one that exports it."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        ended = Ended()
        provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
        provider.add_span_processor(ended)
        tracer = provider.get_tracer("another")
        told = [attributes() for _ in range(SPANS)]
        began = time.thread_time()
        for each in told:
            tracer.start_span("POST /v1/orders", attributes=each).end()
        middle = time.thread_time()
        read(ended.spans)
        done = time.thread_time()
        best = [min(best[0], middle - began), min(best[1], done - middle)]
    return best[0] / SPANS * 1e6, best[1] / SPANS * 1e6


def logs_cost() -> tuple[float, float]:
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        emitted = Emitted()
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(emitted)
        logger = provider.get_logger("another")
        records = [
            LogRecord(body=f"order {number} was shipped to the customer in Berlin", attributes=HTTP)
            for number in range(SPANS)
        ]
        began = time.thread_time()
        for record in records:
            logger.emit(record)
        middle = time.thread_time()
        read_records(emitted.records)
        done = time.thread_time()
        best = [min(best[0], middle - began), min(best[1], done - middle)]
    return best[0] / SPANS * 1e6, best[1] / SPANS * 1e6


def metrics_cost() -> float:
    """Microseconds per point of collecting 1,000 series."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = provider.get_meter("another").create_counter("orders")
    for number in range(1000):
        counter.add(1, {"route": f"/v1/orders/{number}", "method": "POST", "status": 200})
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        reader.get_metrics_data()
        best = min(best, time.thread_time() - began)
    return best / 1000 * 1e6


def main() -> None:
    vigilo.price("openai", "gpt-4o", {"input_tokens": 1})  # loading the table is no part of a span
    print(f"{'':34} {'app thread':>22} {'export thread':>22}")
    print(f"{'us per span, record or point':34} {'bare':>10} {'masked':>11} {'bare':>10} {'masked':>11}")
    for name, measure in (
        ("span, 21 short attributes", lambda: spans_cost(http_span)),
        ("span of a chat, 700 characters", lambda: spans_cost(chat_span)),
        ("log record, 20 attributes", logs_cost),
        ("metric, point of 3 attributes", lambda: (0.0, metrics_cost())),
    ):
        bare = measure()
        hold("benchmark")
        masked = measure()
        release("benchmark")
        print(f"{name:34} {bare[0]:10.1f} {masked[0]:11.1f} {bare[1]:10.1f} {masked[1]:11.1f}")


if __name__ == "__main__":
    main()
