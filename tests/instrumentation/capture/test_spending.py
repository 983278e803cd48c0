"""The counter of costs: sums by label, one for each meter provider, and its own for each process."""

import os
import subprocess
import sys

import openai
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import vigilo
from vigilo.capture import spending
from vigilo.capture.spending import Spending, spending_of

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def test_costs_of_all_calls_add_up_by_label(instrumented, server):
    with openai.OpenAI() as client:
        for model in ("gpt-4o-mini", "gpt-4o-mini", "gpt-4o"):
            client.chat.completions.create(**{**CHAT, "model": model})
    spans = instrumented.spans()
    points = {point.attributes["gen_ai.request.model"]: point for point in instrumented.points()["vigilo.cost"]}
    for model in ("gpt-4o-mini", "gpt-4o"):
        costs = [s.attributes["gen_ai.usage.cost"] for s in spans if s.attributes["gen_ai.request.model"] == model]
        assert points[model].value == pytest.approx(sum(costs), rel=1e-12)
        assert points[model].attributes["gen_ai.provider.name"] == "openai"


def test_several_who_record_to_one_provider_share_a_sum(telemetry, server):
    with openai.OpenAI() as first, openai.OpenAI() as second:
        for client in (first, second):
            vigilo.wrap(client, **telemetry.providers).chat.completions.create(**CHAT)
    (point,) = telemetry.points()["vigilo.cost"]
    assert point.value == pytest.approx(sum(span.attributes["gen_ai.usage.cost"] for span in telemetry.spans()))


def test_a_call_without_a_price_adds_nothing(instrumented, server):
    with openai.OpenAI() as client:
        client.chat.completions.create(**{**CHAT, "model": "nobody-knows-me"})
    assert instrumented.span().attributes["vigilo.cost.unpriced"] is True
    assert not instrumented.points().get("vigilo.cost")


def test_the_sums_go_with_their_provider():
    provider = MeterProvider([InMemoryMetricReader()])
    assert spending_of(provider) is spending_of(provider)
    assert spending_of(provider) is not spending_of(None)
    assert spending_of(None) is spending_of(None)
    provider.shutdown()


def test_more_labels_than_are_kept_are_one_sum(monkeypatch):
    monkeypatch.setattr(spending, "MAX_LABELS", 2)
    sums = Spending()
    for number in range(5):
        sums.add(1.0, number, {"n": number})
    assert [(o.value, dict(o.attributes)) for o in sums.observe(None)] == [(1.0, {"n": 0}), (1.0, {"n": 1}), (3.0, {})]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_counts_from_zero():
    script = (
        "import os\n"
        "from vigilo.capture.spending import spending_of\n"
        "sums = spending_of(None)\n"
        "sums.add(2.0, 'k', {})\n"
        "if os.fork() == 0:\n"
        "    sums.add(0.5, 'k', {})\n"
        "    assert [o.value for o in sums.observe(None)] == [0.5]\n"
        "    os._exit(0)\n"
        "assert os.wait()[1] == 0\n"
        "assert [o.value for o in sums.observe(None)] == [2.0]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
