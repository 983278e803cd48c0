"""An app with a neighbour beside vigilo: makes calls in every style and writes what each left behind, as JSON.

    python app.py OUT {vigilo,neighbour,alone,auto} NEIGHBOUR CALL ...

The second argument says who is instrumented first; with ``alone`` only the neighbour is, and with ``auto`` that is left
to ``opentelemetry-instrument``. OUT gets, by call, the ``spans`` that ended ([scope, name, input tokens, output
tokens], null where a span has none), their ``costs``, how often they tell an address (``raw``) or that there was one
(``masked``), the ``tokens`` that the metrics counted by scope, how many ``requests`` reached
the provider and how often the gate was ``asked``; and under ``warnings`` what vigilo logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
from collections import Counter
from importlib import import_module
from pathlib import Path

from calls import ADDRESS, CALLS, SERVER, USAGE
from opentelemetry import metrics, trace
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import vigilo
from vigilo.capture import gate

EXPORTER = InMemorySpanExporter()
NEIGHBOURS = {
    "official": (
        ("opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"),
        ("opentelemetry.instrumentation.genai.anthropic", "AnthropicInstrumentor"),
        ("opentelemetry.instrumentation.google_genai", "GoogleGenAiSdkInstrumentor"),
    ),
    "official-langchain": (("opentelemetry.instrumentation.genai.langchain", "LangChainInstrumentor"),),
    "openllmetry": (
        ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor"),
        ("opentelemetry.instrumentation.anthropic", "AnthropicInstrumentor"),
        ("opentelemetry.instrumentation.google_generativeai", "GoogleGenerativeAiInstrumentor"),
    ),
    "openllmetry-langchain": (("opentelemetry.instrumentation.langchain", "LangchainInstrumentor"),),
    "openinference": (
        ("openinference.instrumentation.openai", "OpenAIInstrumentor"),
        ("openinference.instrumentation.anthropic", "AnthropicInstrumentor"),
        ("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor"),
    ),
    "openinference-langchain": (("openinference.instrumentation.langchain", "LangChainInstrumentor"),),
}


def instrument(neighbour, **providers):
    if neighbour == "logfire":
        import logfire

        logfire.configure(
            send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(EXPORTER)]
        )
        logfire.instrument_openai()
        logfire.instrument_anthropic()
        return
    if neighbour == "openlit":
        import openlit

        with tempfile.NamedTemporaryFile("w", suffix=".json") as prices:
            prices.write("{}")
            prices.flush()
            openlit.init(pricing_json=prices.name)  # the price list is fetched from the network by default
        return
    for module, name in NEIGHBOURS[neighbour]:
        # The official one for google-genai says that it does not know version 3, and works with it.
        getattr(import_module(module), name)().instrument(skip_dep_check=True, **providers)


def tokens_of(span):
    told = span.attributes
    return [
        told.get(f"gen_ai.usage.{kind}_tokens", told.get(f"llm.token_count.{openinference}"))
        for kind, openinference in (("input", "prompt"), ("output", "completion"))
    ]


def counted(reader):
    """Tokens by scope since the last time."""
    found = Counter()
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == "gen_ai.client.token.usage":
                    found[scope.scope.name] += sum(point.sum for point in metric.data.data_points)
    return dict(found)


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__("WARNING")
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


def set_up(first, neighbour, reader):
    if first == "auto":
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(EXPORTER))
        return
    providers = {"tracer_provider": TracerProvider(), "meter_provider": MeterProvider([reader])}
    providers["tracer_provider"].add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(providers["tracer_provider"])
    metrics.set_meter_provider(providers["meter_provider"])
    if first == "vigilo":
        vigilo.instrument(**providers)
    instrument(neighbour, **providers)
    if first == "neighbour":
        vigilo.instrument(**providers)


def main():
    out, first, neighbour, *chosen = sys.argv[1:]
    warnings = Warnings()
    logging.getLogger("vigilo").addHandler(warnings)
    deltas = dict.fromkeys((Histogram, sdk_metrics.Counter), AggregationTemporality.DELTA)
    reader = InMemoryMetricReader(deltas)
    set_up(first, neighbour, reader)
    asked = []
    gate.add_guard(asked.append)
    report = {}
    loop = asyncio.new_event_loop()  # one for all: LangChain keeps its connections
    with SERVER:
        os.environ.update(SERVER.environment())
        for name in chosen:
            SERVER.reset()
            SERVER.reply(f"Hello, {ADDRESS}!", usage=USAGE, times=9)
            made = CALLS[name]()
            if asyncio.iscoroutine(made):
                loop.run_until_complete(made)
            written = "".join(span.to_json() for span in EXPORTER.get_finished_spans())
            report[name] = {
                "raw": written.count(ADDRESS),
                "masked": written.count("[EMAIL]"),
                "costs": [span.attributes.get("gen_ai.usage.cost") for span in EXPORTER.get_finished_spans()],
                "spans": [
                    [span.instrumentation_scope.name, span.name, *tokens_of(span)]
                    for span in EXPORTER.get_finished_spans()
                ],
                "tokens": counted(reader) if first != "auto" else {},
                "requests": len(SERVER.requests),
                "asked": len(asked),
            }
            EXPORTER.clear()
            asked.clear()
    loop.close()
    Path(out).write_text(json.dumps({"calls": report, "warnings": warnings.said}))


if __name__ == "__main__":
    main()
