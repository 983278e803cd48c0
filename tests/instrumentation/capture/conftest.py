"""A provider on the wire, and telemetry that is kept in memory."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import vigilo
from vigilo.testing import ProviderServer


@dataclass
class Telemetry:
    """What the instrumentation emitted."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    logger_provider: LoggerProvider
    spans_exporter: InMemorySpanExporter
    metric_reader: InMemoryMetricReader
    logs_exporter: InMemoryLogRecordExporter

    @property
    def providers(self):
        return {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
            "logger_provider": self.logger_provider,
        }

    def spans(self):
        """The finished spans, oldest first; dropped streams are collected before."""
        gc.collect()
        return list(self.spans_exporter.get_finished_spans())

    def span(self):
        """The only finished span."""
        (span,) = self.spans()
        return span

    def points(self):
        """All metric points by metric name."""
        found = {}
        data = self.metric_reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = list(metric.data.data_points)
        return found

    def logs(self):
        return [entry.log_record for entry in self.logs_exporter.get_finished_logs()]


@pytest.fixture
def telemetry():
    spans, logs, reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
    tracer_provider, logger_provider = TracerProvider(), LoggerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    meter_provider = MeterProvider([reader])
    yield Telemetry(tracer_provider, meter_provider, logger_provider, spans, reader, logs)
    tracer_provider.shutdown()
    meter_provider.shutdown()
    logger_provider.shutdown()


@pytest.fixture
def instrumented(telemetry):
    """Every client of every SDK is seen."""
    vigilo.instrument(**telemetry.providers)
    yield telemetry
    vigilo.uninstrument()


@pytest.fixture
def server(monkeypatch):
    with ProviderServer() as provider:
        for name, value in provider.environment().items():
            monkeypatch.setenv(name, value)
        yield provider
