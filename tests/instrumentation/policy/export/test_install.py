"""Putting the policy in force: for what was there before and what comes later, loudly where it cannot be."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

import vigilo
from vigilo.policy.export import install

from .conftest import Written


def test_instrument_puts_it_in_force_and_uninstrument_ends_it():
    original = Span.__dict__["_readable_span"]
    vigilo.instrument()
    try:
        assert install.is_in_force()
        assert Span.__dict__["_readable_span"] is not original
        vigilo.instrument()
    finally:
        vigilo.uninstrument()
    assert not install.is_in_force()
    assert Span.__dict__["_readable_span"] is original


def test_it_stays_while_anybody_holds_it():
    install.hold("one")
    install.hold("two")
    install.release("one")
    assert install.is_in_force()
    install.release("two")
    install.release("two")
    assert not install.is_in_force()


APP = """
import io, sys
{first}
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
{second}
out = io.StringIO()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out)))
provider.get_tracer("another").start_span("for jane@example.com").end()
assert "jane" not in out.getvalue() and "[EMAIL]" in out.getvalue(), out.getvalue()
"""
WAYS = {
    "instrument": "import vigilo; vigilo.instrument()",
    "track": "import vigilo\nwith vigilo.track(user='ada'): pass",
    "the distro's hook": "from vigilo.distro import pre_instrument; pre_instrument()",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
@pytest.mark.parametrize("is_first", [True, False])
def test_it_holds_for_an_sdk_that_is_imported_before_or_after(way, is_first):
    script = APP.format(first=way if is_first else "", second="" if is_first else way)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_instrument_loads_nothing_of_the_sdk():
    script = (
        "import sys, vigilo; vigilo.instrument(); print([m for m in sys.modules if m.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Live(SpanProcessor):
    """Exports spans that have not ended."""

    def __init__(self):
        self.exporter = Written()

    def on_start(self, span, parent_context=None):
        self.exporter.export([span])


class Enriching(SpanProcessor):
    def on_start(self, span, parent_context=None):
        span.set_attribute("a", 1)


class Vendors(BatchSpanProcessor):
    def on_start(self, span, parent_context=None):
        span.set_attribute("a", 1)


@pytest.fixture
def _warnings_anew(monkeypatch):
    monkeypatch.setattr(install, "_warned", set())


@pytest.mark.usefixtures("in_force", "_warnings_anew")
def test_a_processor_that_exports_running_spans_is_told_of_once(caplog):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Live())
    provider.add_span_processor(Live())
    (record,) = caplog.records
    assert "Live has an exporter of its own and sees spans before they end" in record.getMessage()
    assert "BatchSpanProcessor" in record.getMessage()
    provider.shutdown()


@pytest.mark.usefixtures("in_force", "_warnings_anew")
def test_nothing_is_said_of_others(caplog):
    provider = TracerProvider(shutdown_on_exit=False)
    for processor in (Enriching(), Vendors(Written()), SimpleSpanProcessor(Written())):
        provider.add_span_processor(processor)
    assert caplog.records == []
    provider.shutdown()


@pytest.mark.usefixtures("_warnings_anew")
def test_an_sdk_that_has_changed_is_told_of(caplog):
    class Changed:
        """Has no method of the name."""

    install._replace(Changed, "_readable_span", lambda original: original)
    (record,) = caplog.records
    assert "has no test_an_sdk_that_has_changed_is_told_of.<locals>.Changed._readable_span" in record.getMessage()
    assert "unmasked" in record.getMessage()
