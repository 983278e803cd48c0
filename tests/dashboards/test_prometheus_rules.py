"""The Prometheus rules are valid, fire when they should, and ask for names that vigilo's metrics really get."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest

import vigilo
from vigilo import semconv, tallies
from vigilo.capture import gate
from vigilo.capture.call import Request, Response, Usage
from vigilo.capture.instruments import Instruments, labels_of
from vigilo.policy import guard
from vigilo_exporter.assets import asset

if TYPE_CHECKING:
    from pathlib import Path

CALL = Request("chat", "openai", "m")
RULES = "vigilo.rules.yml"
SET_BY_PROMETHEUS = {"job"}
FUNCTIONS_AND_WORDS = {"sum", "max", "by", "rate", "increase", "and", "or", "unless", "offset"}


@pytest.fixture
def promtool():
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def _run(promtool: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def rules_folder(tmp_path):
    return shutil.copytree(asset("dashboards", "alerts", "prometheus"), tmp_path / "rules")


@pytest.mark.needs_promtool
def test_rules_are_valid_and_their_unit_tests_pass(promtool, rules_folder):
    checked = _run(promtool, rules_folder, "check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr

    tested = _run(promtool, rules_folder, "test", "rules", "vigilo_test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.needs_promtool
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("> 20", "> 0", id="no minimum of traffic"),
        pytest.param("> 0.05", "> 0.5", id="ratio never reached"),
        pytest.param("> 0.05", "> 0.01", id="ratio too low"),
        pytest.param('{error_type!=""}', "", id="every call counts as failed"),
        pytest.param("> 10", "> 100", id="spend never reached"),
        pytest.param("vigilo_cost_USD_total", "vigilo_cost_total", id="a metric that nobody emits"),
        pytest.param("> 0.8 <= 0.95", "> 0.8", id="nearly used up and used up at once"),
        pytest.param("> 0.8", "> 0.9", id="told of a quota too late"),
        pytest.param('{vigilo_quota_window!="minute"}', "", id="windows of a minute count"),
        pytest.param("(vigilo_quota_limit) > 0)", "(vigilo_quota_limit))", id="limits of 0 count"),
        pytest.param("unless vigilo_quota_refusals_total offset 10m", "", id="old refusals count"),
        pytest.param("unless vigilo_quota_expired_holds_total offset 30m", "", id="old expired holds count"),
        pytest.param("for: 2m", "for: 20m", id="an outage told too late"),
        pytest.param("[10m])) > 20", "[10m])) > 5", id="few refusals of pacing count"),
    ],
)
def test_the_unit_tests_notice_a_changed_rule(promtool, rules_folder, right, wrong):
    path = rules_folder / RULES
    text = path.read_text("utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), "utf-8")

    assert _run(promtool, rules_folder, "test", "rules", "vigilo_test.yml").returncode != 0


def _exposed_by_our_metrics() -> str:
    reader = PrometheusMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    try:
        labels = labels_of("chat", "openai", "m", None, None, error_type="TimeoutError")
        Instruments(provider, None).record_call(labels, Usage(), duration_s=0.5, cost_usd=0.25)
        guard.forget()
        vigilo.quota.set(metric="requests", limit=1, mode="block")
        (admission,) = gate.admit(CALL)
        with pytest.raises(vigilo.QuotaExceeded):
            gate.admit(CALL)
        admission.settle(CALL, Response(), None, None)
        tallies.EXPIRED_HOLDS.add()
        tallies.STATE_ERRORS.add()
        tallies.PACE_REFUSALS.add(labels={semconv.PACE_LIMITED_BY: "rate"})
        return generate_latest(REGISTRY).decode()
    finally:
        provider.shutdown()
        guard.forget()


def test_rules_use_only_names_that_our_metrics_get_in_prometheus():
    exposed = _exposed_by_our_metrics()
    metrics = set(re.findall(r"^(\w+)\{", exposed, re.MULTILINE))
    labels = set(re.findall(r"[{,](\w+)=", exposed)) | SET_BY_PROMETHEUS
    groups = yaml.safe_load(asset("dashboards", "alerts", "prometheus", RULES).read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules

    for rule in rules:
        words = set(re.findall(r"\b[a-z_]\w+\b", re.sub('"[^"]*"', "", rule["expr"]))) - FUNCTIONS_AND_WORDS
        assert words <= metrics | labels, f"{rule['alert']}: not emitted: {sorted(words - metrics - labels)}"
        assert words & metrics
        assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= labels
