"""What other instrumentors record, in an app that has nothing configured: masked, priced and counted once."""

SPANS = """
import json, logging
from opentelemetry import metrics, trace
tracer = trace.get_tracer("a framework")
chat = {
    "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.response.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 500,
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "ada@example.com"}]}]),
}
with tracer.start_as_current_span("chat of ada@example.com", attributes=chat):
    pass
with tracer.start_as_current_span("ChatOpenAI", attributes=chat), tracer.start_as_current_span("chat", attributes=chat):
    pass
with tracer.start_as_current_span("agent", attributes={**chat, "gen_ai.operation.name": "invoke_agent"}):
    pass
metrics.get_meter("a framework").create_counter("orders").add(1, {"by": "ada@example.com"})
"""


def test_spans_are_masked_priced_and_counted_once(road):
    road.run(SPANS)
    calls, spans, points = road.query(
        "SELECT Operation, CostUsd, CostSource FROM llm_calls ORDER BY Timestamp",
        "SELECT SpanName, SpanAttributes FROM otel_traces",
        "SELECT Attributes FROM otel_metrics_sum WHERE MetricName = 'orders'",
    )
    assert [(call["Operation"], float(call["CostUsd"]), call["CostSource"]) for call in calls] == [
        ("chat", 0.0075, "genai-prices")
    ] * 2
    assert "ada@" not in str((spans, points))
    assert "chat of [EMAIL]" in {span["SpanName"] for span in spans}
    assert [point["Attributes"] for point in points] == [{"by": "[EMAIL]"}]
    assert road.report()["totals"]["cost_usd"] == "0.015"


def test_with_the_setting_off_they_are_exported_as_they_are(road):
    road.run(SPANS, VIGILO_MASK_OTHER_TELEMETRY="false")
    (spans,) = road.query("SELECT SpanName FROM otel_traces")
    assert "chat of ada@example.com" in {span["SpanName"] for span in spans}
