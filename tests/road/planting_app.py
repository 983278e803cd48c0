"""An app that writes planted values into every place that telemetry has, and has every kind of exporter.

    python planting_app.py PLANTED.json OUT_FOLDER OTLP_HTTP OTLP_GRPC PROVIDER

Run by ``test_planted_secrets``; prints nothing of its own.
"""

import json
import logging
import pickle
import runpy
import sys
import warnings
from contextlib import suppress
from pathlib import Path

from opentelemetry import baggage, context, propagate
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler, LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanContext, StatusCode, set_span_in_context
from prometheus_client import CollectorRegistry, generate_latest

planted, out, http, grpc, provider_url = (
    json.loads(Path(sys.argv[1]).read_text()),
    Path(sys.argv[2]),
    *sys.argv[3:6],
)
NOTES = {kind: f"note {value} end" for kind, value in planted.items()}
ALL = "\n".join(NOTES.values())


class OwnExporter(SpanProcessor):
    """Exports by itself in `on_end`, every way an object can be written out."""

    def __init__(self, path):
        self._file = path.open("ab")

    def on_end(self, span):
        self._file.write(repr(vars(span)).encode())
        self._file.write(pickle.dumps({name: str(value) for name, value in vars(span).items()}))
        with suppress(TypeError):  # the SDK's JSON knows no bytes
            self._file.write(span.to_json().encode())
        self._file.write(repr([dict(event.attributes or {}) for event in span.events]).encode())
        self._file.write(repr((span.instrumentation_scope, span.resource.attributes)).encode())

    def shutdown(self):
        self._file.close()


class OwnLogs(LogRecordProcessor):
    """The same for log records, and adds an attribute to each, as processors may."""

    def __init__(self, path):
        self._file = path.open("ab")

    def on_emit(self, log_record):
        log_record.log_record.attributes["added"] = ALL
        self._file.write(repr(vars(log_record.log_record)).encode())
        self._file.write(repr((log_record.log_record.body, log_record.log_record.attributes)).encode())
        self._file.write(repr((log_record.log_record.event_name, log_record.resource.attributes)).encode())

    def shutdown(self):
        self._file.close()

    def force_flush(self, timeout_millis=30000):
        return True


# Some of it is there before vigilo is. `service.*` and the like keep what looks like a number, so they get no note.
resource = Resource.create(
    {"service.name": "planting", **{f"deploy note {n}": t for n, t in enumerate(NOTES.values())}}
)
spans = TracerProvider(sampler=ALWAYS_ON, resource=resource)
spans.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=(out / "console-before").open("w"))))
spans.add_span_processor(OwnExporter(out / "own-before"))
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(
    SimpleLogRecordProcessor(ConsoleLogRecordExporter(out=(out / "console-logs-before").open("w")))
)
registry = CollectorRegistry()
metrics = MeterProvider(
    [
        PrometheusMetricReader(registry=registry),
        *(
            PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
            for exporter in (HttpMetrics(f"{http}/v1/metrics"), GrpcMetrics(grpc, insecure=True))
        ),
    ],
    resource=resource,
    exemplar_filter=AlwaysOnExemplarFilter(),
    views=[View(instrument_name="kept", attribute_keys={"kept"})],
)
early = spans.get_tracer("early")

import vigilo  # noqa: E402

vigilo.instrument(tracer_provider=spans, meter_provider=metrics, logger_provider=logs)

from vigilo_exporter.exporters import (  # noqa: E402
    ClickHouseLogExporter,
    ClickHouseMetricExporter,
    ClickHouseSpanExporter,
)

for span_exporter in (HttpSpans(f"{http}/v1/traces"), GrpcSpans(grpc, insecure=True), ClickHouseSpanExporter()):
    spans.add_span_processor(BatchSpanProcessor(span_exporter))
spans.add_span_processor(OwnExporter(out / "own-after"))
spans.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=(out / "console-after").open("w"))))
logs.add_log_record_processor(OwnLogs(out / "own-logs"))
for log_exporter in (HttpLogs(f"{http}/v1/logs"), GrpcLogs(grpc, insecure=True), ClickHouseLogExporter()):
    logs.add_log_record_processor(BatchLogRecordProcessor(log_exporter))
late_readers = [
    PeriodicExportingMetricReader(metric_exporter, export_interval_millis=3_600_000)
    for metric_exporter in (
        ClickHouseMetricExporter(),
        ConsoleMetricExporter(out=(out / "console-metrics").open("w")),
    )
]
for reader in late_readers:
    metrics.add_metric_reader(reader)


def foreign_spans():
    late = spans.get_tracer("late", "1.0", attributes={f"scope note {n}": t for n, t in enumerate(NOTES.values())})
    for tracer in (early, late):
        for number, note in enumerate(NOTES.values()):
            link = Link(SpanContext(1, 2, is_remote=False), {"linked": note})
            with suppress(ValueError), tracer.start_as_current_span(f"work {note}", links=[link]) as span:
                span.set_attribute("text", note)
                span.set_attribute("texts", ["first", note])
                span.set_attribute("nested", {"deep": [{"deeper": note}, {note: number}]})
                span.set_attribute("json", json.dumps({"a": [note], note: 1}))
                span.set_attribute("json in json", json.dumps({"arguments": json.dumps({"to": note})}))
                span.set_attribute(f"name {note}", number)
                span.set_attribute("long", "word " * 2_000 + note)
                span.set_attribute("input.value", note)
                span.set_attribute("gen_ai.prompt.0.content", note)
                span.set_attribute(
                    "gen_ai.input.messages",
                    json.dumps([{"role": "user", "parts": [{"type": "text", "content": note}]}]),
                )
                span.set_attribute("gen_ai.output.messages", [{"role": note, "parts": [{"type": note, "name": note}]}])
                span.set_attribute("user.id", note)
                span.set_attribute("session.id", note)
                span.set_attribute("http.request.header.cookie", [note])
                span.add_event(f"event {note}", {"told": note, "list": [note]})
                span.add_link(SpanContext(3, 4, is_remote=False), {"linked": [note]})
                span.set_status(StatusCode.ERROR, note)
                span.update_name(f"renamed {note}")
                raise ValueError(note)
    for note in NOTES.values():
        early.start_span("bytes", attributes={"bytes": note.encode(), "nested": {"bytes": [note.encode()]}}).end()
    with suppress(RuntimeError), early.start_as_current_span("a trace with source lines"):
        script = out.parent / "raises.py"
        script.write_text(f"told = {ALL!r}\nraise RuntimeError(told) # {ALL!r}\n")
        runpy.run_path(str(script))


def foreign_logs():
    logger = logs.get_logger("another", attributes={f"scope note {n}": t for n, t in enumerate(NOTES.values())})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it moved to another distribution, and works the same
        handler = LoggingHandler(logger_provider=logs)
    shop = logging.getLogger("shop")
    shop.propagate = False
    shop.addHandler(handler)
    for number, note in enumerate(NOTES.values()):
        for body in (note, {"text": note, "list": [note, {note: number}]}, [note], note.encode()):
            logger.emit(
                LogRecord(
                    body=body,
                    attributes={"text": note, "nested": {"deep": [note]}, f"name {note}": 1},
                    event_name=f"event {note}",
                    severity_number=SeverityNumber.WARN,
                    severity_text=note,
                )
            )
        logger.emit(event_name="gen_ai.user.message", body={"content": note})
        logger.emit(body="failed", exception=ValueError(note))
        try:
            raise ValueError(note)
        except ValueError:
            shop.exception("failed for %s", note, extra={"customer": note})
        shop.warning({"customer": note})


def foreign_metrics():
    meter = metrics.get_meter("another", attributes={f"scope note {n}": t for n, t in enumerate(NOTES.values())})
    counter, updown = meter.create_counter("orders"), meter.create_up_down_counter("open")
    histogram, sizes, kept = (meter.create_histogram(name) for name in ("seconds", "sizes", "kept"))
    meter.create_observable_gauge("seen", [lambda _: [observation(note) for note in NOTES.values()]])
    for number, note in enumerate(NOTES.values()):
        for instrument in (counter.add, updown.add, histogram.record, sizes.record, kept.record):
            instrument(number + 1, {"kept": "x", "text": note, "several": [note], f"name {note}": 1})


def observation(note):
    from opentelemetry.metrics import Observation

    return Observation(1, {"text": note})


def outgoing_headers():
    for note in planted.values():
        carrier = {}
        in_force = context.Context()
        for name, value in (("who", note), ("user.id", note), ("plain", "kept as it is"), (f"name {note}", "x")):
            in_force = baggage.set_baggage(name, value, in_force)
        propagate.inject(carrier, in_force)
        with (out / "headers").open("a") as file:
            file.write(json.dumps(carrier) + "\n")


def own_calls():
    import anthropic
    import openai
    from google import genai

    tool = {
        "type": "function",
        "function": {"name": "note", "description": ALL, "parameters": {"type": "object", "description": ALL}},
    }
    client = openai.OpenAI(base_url=f"{provider_url}/v1", api_key="none", max_retries=0)
    for note in NOTES.values():
        with vigilo.track(
            user=note, conversation=note, session=note, operation=note, tags={"tag": note, note.replace("=", ":"): "x"}
        ):
            messages = [
                {"role": "system", "content": note},
                {"role": "user", "content": [{"type": "text", "text": note}]},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "note", "arguments": json.dumps({"to": note, note: [note]})},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"found": note})},
            ]
            client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[tool], stop=[note], user=note)
            for _ in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
                pass
            client.chat.completions.create(model=f"gpt {note}", messages=messages)
            client.responses.create(model="gpt-4o-mini", instructions=note, input=note)
            client.embeddings.create(model="text-embedding-3-small", input=[note])
            with suppress(openai.APIError):
                client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": f"please fail: {note}"}]
                )
    client.close()
    with anthropic.Anthropic(base_url=provider_url, api_key="none", max_retries=0) as client:
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=100,
            system=ALL,
            messages=[{"role": "user", "content": ALL}],
            tools=[{"name": "note", "description": ALL, "input_schema": {"type": "object", "description": ALL}}],
        )
    with genai.Client(api_key="none", http_options={"base_url": provider_url}) as client:
        client.models.generate_content(
            model="gemini-2.5-flash", contents=ALL, config={"system_instruction": ALL, "stop_sequences": ["END"]}
        )


with early.start_as_current_span("whole"):
    foreign_spans()
    foreign_logs()
    foreign_metrics()
    outgoing_headers()
    own_calls()
    set_span_in_context(early.start_span("left open"))
(out / "prometheus").write_bytes(generate_latest(registry))
for reader in late_readers:
    reader.force_flush()
for provider in (spans, logs, metrics):
    provider.force_flush()
    provider.shutdown()
