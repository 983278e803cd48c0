"""An app that exports telemetry of calls until it is killed or told to stop, and keeps a journal: run it as a script.

Every batch of spans holds the same calls, ``CALLS``, and one span that is no call. The journal says of each batch when
its export began, and when ``export()`` said SUCCESS: ``begun traces <batch>`` and ``stored traces <batch>``.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

BATCH = "chaos.batch"
DAY_S = 86_400
LOGS_IN_BATCH = 4
MAX_WAITING = 400  # segments: on a busy machine the owner would have more to take in than the test has time for


@dataclass(frozen=True)
class Call:
    """One call of a batch; its price is told by the span, or found by the store."""

    day: int
    user: str
    conversation: str
    session: str
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int | None
    error: bool


CALLS = tuple(
    Call(
        day=number % 2,  # two partitions of each table get a part of every insert
        user=f"user-{number % 5}",
        conversation=f"conversation-{number % 3}" if number % 4 else "",
        session=f"session-{number % 2}",
        input_tokens=100 + number,
        output_tokens=10 + number,
        cost_nano_usd=None if number == 0 else 1000 + number,
        error=number == 3,
    )
    for number in range(12)
)
SPANS_IN_BATCH = len(CALLS) + 1


class App:
    """The telemetry of one app, ``name``, whose calls are of ``newest_s`` (seconds since 1970) and the day before."""

    def __init__(self, name: str, newest_s: int) -> None:
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._newest_ns = newest_s * 10**9
        self._resource = Resource.create({"service.name": name})
        self._spans, self._logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
        traces, logs = TracerProvider(resource=self._resource), LoggerProvider(self._resource)
        traces.add_span_processor(SimpleSpanProcessor(self._spans))
        logs.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self._tracer, self._logger = traces.get_tracer("chaos"), logs.get_logger("chaos")

    def spans(self, batch: str):
        from opentelemetry.trace import StatusCode

        from vigilo import semconv

        self._spans.clear()
        for number, call in enumerate(CALLS):
            start_ns = self._newest_ns - call.day * DAY_S * 10**9 + number
            span = self._tracer.start_span("chat gpt-4o-mini", start_time=start_ns)
            span.set_attributes(
                {
                    BATCH: batch,
                    semconv.OPERATION_NAME: "chat",
                    semconv.PROVIDER_NAME: "openai",
                    semconv.REQUEST_MODEL: "gpt-4o-mini",
                    semconv.USER_ID: call.user,
                    semconv.CONVERSATION_ID: call.conversation,
                    semconv.SESSION_ID: call.session,
                    semconv.VIGILO_OPERATION: "answer",
                    semconv.USAGE_INPUT_TOKENS: call.input_tokens,
                    semconv.USAGE_OUTPUT_TOKENS: call.output_tokens,
                    semconv.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"Hello"}]}]',
                }
            )
            if call.cost_nano_usd is not None:
                span.set_attribute(semconv.USAGE_COST, call.cost_nano_usd / 10**9)
            if call.error:
                span.set_status(StatusCode.ERROR)
                span.set_attribute(semconv.ERROR_TYPE, "openai.RateLimitError")
            span.end(start_ns + 10**9)
        with self._tracer.start_as_current_span("GET /", attributes={BATCH: batch}):
            pass
        return self._spans.get_finished_spans()

    def logs(self, batch: str):
        self._logs.clear()
        for number in range(LOGS_IN_BATCH):
            self._logger.emit(body=f"asked {number}", attributes={BATCH: batch})
        return self._logs.get_finished_logs()

    def metrics(self, batch: str):
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        reader = InMemoryMetricReader()
        meter = MeterProvider([reader], self._resource, shutdown_on_exit=False).get_meter("chaos")
        meter.create_counter("chaos.calls").add(len(CALLS), {BATCH: batch})
        meter.create_histogram("chaos.duration").record(1.0, {BATCH: batch})
        return reader.get_metrics_data()


def main(home: Path, journal: Path, name: str, newest_s: int, pause_s: float, stop: Path) -> None:
    from vigilo_exporter.exporters import ClickHouseLogExporter, ClickHouseMetricExporter, ClickHouseSpanExporter

    app = App(name, newest_s)
    exporters = {
        "traces": (app.spans, ClickHouseSpanExporter(home)),
        "logs": (app.logs, ClickHouseLogExporter(home)),
        "metrics": (app.metrics, ClickHouseMetricExporter(home)),
    }
    written = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in count():
        batch = f"{name}-{os.getpid()}-{number}"
        for signal, (make, exporter) in exporters.items():
            if signal != "traces" and number % 5:
                continue
            data = make(batch)
            os.write(written, f"begun {signal} {batch}\n".encode())
            if exporter.export(data).name == "SUCCESS":
                os.write(written, f"stored {signal} {batch}\n".encode())
        time.sleep(pause_s)
        while not stop.exists() and len(os.listdir(home / "spool")) > MAX_WAITING:
            time.sleep(pause_s)
        if stop.exists():
            break
    for _, exporter in exporters.values():
        exporter.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), Path(sys.argv[6]))
