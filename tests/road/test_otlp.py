"""The same spans to any OTLP receiver, over HTTP and over gRPC."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

CHATS = """
import anthropic, openai, vigilo
asked = [{"role": "user", "content": "Hello, I am ada@example.com"}]
with openai.OpenAI() as client, vigilo.track(user="ada", conversation="c1"):
    client.chat.completions.create(model="gpt-4o-mini", messages=asked, temperature=0.5)
    for _ in client.chat.completions.create(model="gpt-4o-mini", messages=asked, stream=True):
        pass
with anthropic.Anthropic() as client:
    client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=asked)
"""


class Collected(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.requests = []

    def Export(self, request, context):  # noqa: N802 - the name in the protocol
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def otlp_grpc():
    collected = Collected()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collected, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", collected
    server.stop(None).wait()


def spans(requests):
    """Span id -> (name, attributes as text), of export requests; with what the store has no column for."""
    return {
        span.span_id.hex(): (
            span.name,
            {a.key: value_text(a.value) for a in span.attributes} | {"otel.scope.schema_url": scope.schema_url},
        )
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def value_text(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return "[" + ",".join(f'"{value_text(item)}"' for item in value.array_value.values) + "]"
    held = getattr(value, kind)
    return {True: "true", False: "false"}[held] if isinstance(held, bool) else str(held)


def stored_spans(road):
    (rows,) = road.query("SELECT SpanId, SpanName, SpanAttributes FROM otel_traces")
    return {row["SpanId"]: (row["SpanName"], row["SpanAttributes"]) for row in rows}


def test_over_http_the_receiver_gets_what_the_store_gets(road, server, otlp_http):
    road.run(
        CHATS,
        OTEL_TRACES_EXPORTER="otlp,vigilo_clickhouse",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp_http.endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        **server.environment(),
    )
    bodies = [body for path, body in otlp_http.received if path == "/v1/traces"]
    sent = spans(trace_service_pb2.ExportTraceServiceRequest.FromString(body) for body in bodies)
    assert len(sent) == 3
    assert sent == stored_spans(road)


def test_over_grpc_the_receiver_gets_what_the_store_gets(road, server, otlp_grpc):
    endpoint, collected = otlp_grpc
    road.run(
        CHATS,
        OTEL_TRACES_EXPORTER="otlp,vigilo_clickhouse",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        **server.environment(),
    )
    assert len(spans(collected.requests)) == 3
    assert spans(collected.requests) == stored_spans(road)


def test_otlp_alone_leaves_the_home_alone(road, server, otlp_http):
    road.run(
        CHATS,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp_http.endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        **server.environment(),
    )
    assert {path for path, _ in otlp_http.received} == {"/v1/traces", "/v1/metrics"}
    assert not (road.home / "spool").exists()


def test_an_endpoint_without_exporters_sends_to_both(road, server, otlp_http):
    road.run(
        CHATS,
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp_http.endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        **server.environment(),
    )
    assert "/v1/traces" in {path for path, _ in otlp_http.received}
    assert road.report()["totals"]["calls"] == 3
