"""The policy in force, and exporters that serialise at once: what is kept as an object might be masked later."""

from __future__ import annotations

import json

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from vigilo.policy.export import install


class Written(SpanExporter):
    """Keeps each span as the SDK's JSON, read back."""

    def __init__(self):
        self.spans = []

    def export(self, spans):
        self.spans += [json.loads(span.to_json()) for span in spans]
        return SpanExportResult.SUCCESS


@pytest.fixture
def in_force():
    install.hold("test")
    yield
    install.release("test")


@pytest.fixture
def set_up(monkeypatch):
    """Sets variables of vigilo for the rest of the test."""

    def set_variables(**variables):
        from vigilo.settings import app_settings

        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        app_settings.cache_clear()

    return set_variables


@pytest.fixture
def provider(in_force):
    made = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    yield made
    made.shutdown()


@pytest.fixture
def written(provider):
    exporter = Written()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def attributes_of(provider, written):
    """What is exported of a span of another instrumentor with these attributes."""

    def exported(attributes, scope="another", name="work"):
        provider.get_tracer(scope).start_span(name, attributes=attributes).end()
        return written.spans[-1]["attributes"]

    return exported
