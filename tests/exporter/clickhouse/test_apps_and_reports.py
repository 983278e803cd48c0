"""Apps that export with the real SDK, and reports at the same time, on one home folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys

APP = """
import sys, time
from pathlib import Path
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from vigilo import semconv
from vigilo_exporter.exporters import ClickHouseLogExporter, ClickHouseMetricExporter, ClickHouseSpanExporter

home, name, calls = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
resource = Resource.create({"service.name": name})
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(ClickHouseSpanExporter(home), schedule_delay_millis=50))
reader = PeriodicExportingMetricReader(ClickHouseMetricExporter(home), export_interval_millis=200)
metrics = MeterProvider([reader], resource)
logs = LoggerProvider(resource)
logs.add_log_record_processor(BatchLogRecordProcessor(ClickHouseLogExporter(home), schedule_delay_millis=50))

tracer, meter, logger = traces.get_tracer("app"), metrics.get_meter("app"), logs.get_logger("app")
spent = meter.create_counter(semconv.VIGILO_COST, unit="USD")
duration = meter.create_histogram(semconv.CLIENT_OPERATION_DURATION, unit="s")
meter.create_observable_gauge("app.calls", [lambda _: [Observation(calls)]])
for number in range(calls):
    with tracer.start_as_current_span("chat gpt-5") as span:
        span.set_attributes({
            semconv.OPERATION_NAME: "chat",
            semconv.PROVIDER_NAME: "openai",
            semconv.REQUEST_MODEL: "gpt-5",
            semconv.RESPONSE_FINISH_REASONS: ("stop",),
            semconv.RESPONSE_TIME_TO_FIRST_CHUNK: 0.25,
            semconv.USAGE_INPUT_TOKENS: 1000,
            semconv.USAGE_OUTPUT_TOKENS: 10,
            semconv.USAGE_COST: 0.0000123,
            semconv.USER_ID: f"user-{number % 3}",
        })
        logger.emit(body="asked", event_name="app.asked", severity_text="INFO")
    spent.add(0.0000123)
    duration.record(0.5)
    time.sleep(0.01)
for provider in (traces, metrics, logs):
    provider.shutdown()
"""

CALLS = 150


def test_three_apps_and_reports_at_the_same_time_lose_and_double_nothing(home, vigilo_command, ask):
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    names = ["shop", "desk", "batch"]
    apps = [subprocess.Popen([sys.executable, "-c", APP, home, name, str(CALLS)], env=environ) for name in names]
    seen = []
    while any(app.poll() is None for app in apps):
        seen.append(json.loads(vigilo_command("report", "--format", "json").stdout)["totals"]["calls"])
    assert [app.wait() for app in apps] == [0, 0, 0]
    assert seen == sorted(seen)

    document = json.loads(vigilo_command("report", "--format", "json", "--by", "user").stdout)
    assert document["totals"]["calls"] == 3 * CALLS
    assert document["totals"]["cost_usd"] == "0.005535"
    assert document["totals"]["time_to_first_chunk_p50_ms"] == 250.0
    assert {row["key"]: row["input_tokens"] for row in document["by"]["user"]} == dict.fromkeys(
        ("user-0", "user-1", "user-2"), CALLS * 1000
    )
    hourly, logs, spent, durations, gauges, finish = ask(
        "SELECT ServiceName AS app, sum(Calls) AS calls FROM llm_hourly GROUP BY app ORDER BY app",
        "SELECT count() AS n, uniqExact(SpanId) AS spans FROM otel_logs WHERE EventName = 'app.asked'",
        "SELECT round(sum(v), 7) AS usd FROM (SELECT max(Value) AS v FROM otel_metrics_sum GROUP BY ServiceName)",
        "SELECT sum(n) AS n FROM (SELECT max(Count) AS n FROM otel_metrics_histogram GROUP BY ServiceName)",
        "SELECT DISTINCT Value AS value FROM otel_metrics_gauge WHERE MetricName = 'app.calls'",
        "SELECT DISTINCT FinishReason AS reason FROM llm_calls",
    )["answers"]
    assert hourly == [{"app": name, "calls": CALLS} for name in sorted(names)]
    assert logs == [{"n": 3 * CALLS, "spans": 3 * CALLS}]
    assert spent == [{"usd": 0.005535}]
    assert durations == [{"n": 3 * CALLS}]
    assert gauges == [{"value": CALLS}]
    assert finish == [{"reason": "stop"}]
