"""Metrics of quotas and pacing: nothing without them, and once a process with them."""

from __future__ import annotations

import re

import openai
import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest

import vigilo
from vigilo import semconv, tallies
from vigilo.capture import gate, quota_gauges
from vigilo.capture.call import Request, Response, Usage
from vigilo.capture.instruments import Instruments, labels_of
from vigilo.capture.recorder import Recorder
from vigilo.errors import QuotaExceeded
from vigilo.policy import guard
from vigilo.policy.guard import Settled
from vigilo.settings import app_settings

CALL = Request("chat", "openai", "gpt-4o-mini")
ANSWER = Response(usage=Usage(input_tokens=100, output_tokens=20))


@pytest.fixture
def quotas():
    guard.forget()
    yield vigilo.quota
    guard.forget()


def test_nothing_is_told_where_there_is_no_quota(telemetry, quotas):
    Recorder(**telemetry.providers).begin(CALL).finish(ANSWER)
    assert not [name for name in telemetry.points() if name.startswith(("vigilo.quota", "vigilo.pace", "vigilo.state"))]


def test_what_is_used_and_held_is_told_by_rule(telemetry, quotas):
    quotas.set(metric="tokens", limit=1000, window="day", mode="block", provider="openai")
    quotas.set(metric="usd", limit=2.5, window="month")
    Instruments(telemetry.meter_provider, None)
    (done,) = gate.admit(CALL)
    done.settle(CALL, ANSWER, 0.25, None)
    (open_call,) = gate.admit(CALL)
    points = telemetry.points()
    told = {
        (name, point.attributes[semconv.QUOTA_METRIC]): (point.value, dict(point.attributes))
        for name in ("vigilo.quota.used", "vigilo.quota.limit", "vigilo.quota.held")
        for point in points[name]
    }
    tokens = {
        semconv.QUOTA_METRIC: "tokens",
        semconv.QUOTA_WINDOW: "day",
        semconv.QUOTA_SCOPE: "provider=openai",
        semconv.QUOTA_MODE: "block",
    }
    assert told["vigilo.quota.used", "tokens"] == (120, tokens)
    assert told["vigilo.quota.limit", "tokens"] == (1000, tokens)
    assert told["vigilo.quota.held", "tokens"][0] > 0
    assert told["vigilo.quota.used", "usd"][0] == 0.25
    assert told["vigilo.quota.limit", "usd"][0] == 2.5
    assert len(told) == 6
    open_call.settle(CALL, None, None, None)
    assert {point.value for point in telemetry.points()["vigilo.quota.held"]} == {0}


def test_the_state_is_read_once_a_collection_however_many_record_to_a_provider(telemetry, quotas, monkeypatch):
    quotas.set(metric="requests", limit=10)
    for _ in range(3):
        Instruments(telemetry.meter_provider, None)
    (done,) = gate.admit(CALL)
    done.settle(CALL, ANSWER, None, None)
    reads = []
    inner = quota_gauges._quotas
    monkeypatch.setattr(quota_gauges, "_quotas", lambda: reads.append(1) or inner())
    for collected in (1, 2, 3):
        assert len(telemetry.points()["vigilo.quota.used"]) == 1
        assert len(reads) == collected


def test_refusals_thresholds_and_errors_are_counted(telemetry, quotas):
    quotas.set(metric="requests", limit=1, mode="block")
    Instruments(telemetry.meter_provider, None)
    (done,) = gate.admit(CALL)
    for _ in range(2):
        with pytest.raises(QuotaExceeded):
            gate.admit(CALL)
    done.settle(CALL, ANSWER, None, None)
    tallies.EXPIRED_HOLDS.add(2)
    tallies.STATE_ERRORS.add()
    tallies.PACE_REFUSALS.add(labels={semconv.PACE_LIMITED_BY: "rate"})
    points = telemetry.points()
    (refusals,) = points["vigilo.quota.refusals"]
    assert refusals.value == 2
    assert refusals.attributes[semconv.QUOTA_SCOPE] == "global"
    assert sum(point.value for point in points["vigilo.quota.thresholds"]) == len(points["vigilo.quota.thresholds"]) > 0
    assert [point.value for point in points["vigilo.quota.expired_holds"]] == [2]
    assert [point.value for point in points["vigilo.state.errors"]] == [1]
    assert dict(points["vigilo.pace.refusals"][0].attributes) == {semconv.PACE_LIMITED_BY: "rate"}


class Paced:
    """An admission that waited for its turn."""

    takes_over_retries = False

    def answered(self, headers):
        pass

    def settle(self, request, response, cost_usd, error):
        return Settled({semconv.PACE_WAIT: 1.5}, ())


def test_waits_are_measured_where_there_were_some(telemetry, quotas):
    recorder = Recorder(**telemetry.providers)
    recording = recorder.begin(CALL)
    recording.admissions = (Paced(),)
    recording.finish(ANSWER)
    recorder.begin(CALL).finish(ANSWER)
    (waits,) = telemetry.points()["vigilo.pace.waits"]
    assert (waits.count, waits.sum) == (1, 1.5)
    assert waits.attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert [span.attributes.get(semconv.PACE_WAIT) for span in telemetry.spans()] == [1.5, None]


def test_the_names_in_prometheus(quotas):
    quotas.set(metric="requests", limit=1, mode="block")
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    try:
        Instruments(provider, None).record_call(
            labels_of("chat", "openai", "m", None, None), Usage(), duration_s=1.0, waited_s=0.5
        )
        (done,) = gate.admit(CALL)
        with pytest.raises(QuotaExceeded):
            gate.admit(CALL)
        done.settle(CALL, ANSWER, None, None)
        tallies.EXPIRED_HOLDS.add()
        tallies.STATE_ERRORS.add()
        tallies.PACE_REFUSALS.add()
        exposed = set(re.findall(r"^(vigilo_\w+)", generate_latest(REGISTRY).decode(), re.MULTILINE))
    finally:
        provider.shutdown()
    assert exposed >= {
        "vigilo_quota_used",
        "vigilo_quota_limit",
        "vigilo_quota_held",
        "vigilo_quota_refusals_total",
        "vigilo_quota_thresholds_total",
        "vigilo_quota_expired_holds_total",
        "vigilo_pace_waits_seconds_count",
        "vigilo_pace_refusals_total",
        "vigilo_state_errors_total",
    }


def test_the_rate_that_pacing_found_is_told(monkeypatch, quotas, telemetry, server):
    monkeypatch.setenv("VIGILO_PACING", "true")
    app_settings.cache_clear()
    server.fail(429, retry_after_s=0.01)
    with openai.OpenAI() as client:
        vigilo.wrap(client, **telemetry.providers)
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
    assert len(server.requests) == 2
    (rate,) = telemetry.points()["vigilo.pace.rate"]
    assert rate.value > 0
    assert rate.attributes["gen_ai.provider.name"] == "openai"
    assert rate.attributes["gen_ai.request.model"] == "gpt-4o-mini"
