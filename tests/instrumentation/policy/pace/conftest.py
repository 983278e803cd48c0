"""A pacer by a clock of the test's own, and a provider on the wire that paced SDKs call."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import vigilo
from vigilo.capture.call import Request
from vigilo.policy import guard
from vigilo.policy.pace.pacer import Pacer
from vigilo.settings import Settings, app_settings
from vigilo.state.memory import MemoryStore
from vigilo.testing import ProviderServer

ASKED = Request(operation="chat", provider="openai", model="gpt-4o", server_address="api.openai.com", server_port=443)


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now_s: float = 1000.0
    paused: list = field(default_factory=list)

    def __call__(self):
        return self.now_s

    def drive(self, steps):
        """Goes through steps; the time of their pauses passes at once."""
        try:
            while True:
                pause = next(steps)
                self.paused.append(pause.wait_s)
                if pause.waker is None or not pause.waker._woken:
                    self.now_s += pause.wait_s
        except StopIteration as end:
            return end.value
        finally:
            steps.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pacer_of(clock):
    """Makes pacers; all have the same store."""
    store = MemoryStore(lambda: int((clock.now_s + 1_795_000_000) * 1e9))

    def make(**settings):
        return Pacer(Settings(**{"pacing": True, "pace_user_per_minute": 0, **settings}), store, clock)

    return make


@pytest.fixture
def server(monkeypatch):
    with ProviderServer() as provider:
        for name, value in provider.environment().items():
            monkeypatch.setenv(name, value)
        yield provider


@pytest.fixture
def paced(monkeypatch):
    """Says which settings of pacing hold; every client of every SDK is paced, and the finished spans are returned."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def start(**settings):
        for name, value in {"pacing": "true", "pace_user_per_minute": 0, **settings}.items():
            monkeypatch.setenv(f"VIGILO_{name.upper()}", str(value))
        app_settings.cache_clear()
        guard.forget()
        vigilo.instrument(tracer_provider=provider)

        def spans():
            gc.collect()
            return list(exporter.get_finished_spans())

        return spans

    yield start
    vigilo.uninstrument()
    provider.shutdown()
    guard.forget()
