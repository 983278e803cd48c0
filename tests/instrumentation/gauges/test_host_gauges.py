"""What the instrumentor of the host tells: names, kinds and units of the conventions, and nothing twice."""

from __future__ import annotations

import os
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import psutil
import pytest
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader, Sum

from vigilo import semconv
from vigilo.gauges import host_gauges, memory_watch, ring, snapshot
from vigilo.instrumentors import HostInstrumentor
from vigilo.settings import app_settings


class Told:
    """A provider, and what its meters tell at one collection."""

    def __init__(self):
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    def metrics(self):
        """Metrics that have points, by name and scope."""
        data = self.reader.get_metrics_data()
        return {
            (metric.name, scope.scope.name): metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if list(metric.data.data_points)
        }

    def names(self, scope=semconv.SCOPE):
        return {name for name, of in self.metrics() if of == scope}


@pytest.fixture
def told():
    told = Told()
    yield told
    told.provider.shutdown()


@pytest.fixture
def instrument(monkeypatch, told):
    """Instruments the host with these settings, as a new process would."""
    monkeypatch.setattr(HostInstrumentor, "_instance", None)

    def instrument(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"VIGILO_{name.upper()}", value)
        app_settings.cache_clear()
        HostInstrumentor().instrument(meter_provider=told.provider)
        return told

    yield instrument
    if HostInstrumentor().is_instrumented_by_opentelemetry:
        HostInstrumentor().uninstrument()
    assert memory_watch.current_watch() is None
    ring.forget()
    snapshot.forget()


@pytest.fixture
def system_metrics(monkeypatch, told):
    """opentelemetry-instrumentation-system-metrics as it is right after it was imported."""
    monkeypatch.setattr(SystemMetricsInstrumentor, "_instance", None)
    made = []

    def begin(**arguments):
        made.append(SystemMetricsInstrumentor(**arguments))
        made[-1].instrument(meter_provider=told.provider)

    yield begin
    for instrumentor in made:
        instrumentor.uninstrument()


QUICK = {
    "config": {
        "system.cpu.utilization": ["idle", "user"],
        "system.memory.usage": ["used"],
        "process.memory.usage": None,
    }
}
"""Of its metrics some that do not walk all processes."""


def conventions():
    """Kind and unit of each metric in the conventions' own package, by name, from its documentation."""
    found = {}
    for area in ("system", "process"):
        module = import_module(f"opentelemetry.semconv._incubating.metrics.{area}_metrics")
        lines = iter(Path(module.__file__).read_text("utf-8").splitlines())
        for line in lines:
            _, assigned, name = line.partition(': Final = "')
            if assigned:
                text = [next(lines) for _ in range(5)]
                told = {key: value for key, _, value in (one.partition(": ") for one in text)}
                found[name.rstrip('"')] = (told.get("Instrument"), told.get("Unit"))
    return found


KINDS = {"counter": "counter", "updowncounter": "up_down_counter", "gauge": "gauge"}


def test_names_kinds_and_units_are_those_of_the_conventions():
    known = conventions()
    assert known["system.cpu.time"] == ("counter", "s")
    for metric in host_gauges.METRICS:
        if metric.name == semconv.OOM_KILLS:
            continue
        kind, unit = known[metric.name]
        assert (KINDS[kind], unit) == (metric.kind, metric.unit), metric.name


def test_the_host_and_the_process_are_told(instrument):
    metrics = {name: metric for (name, _), metric in instrument(host_metrics="own").metrics().items()}
    assert {
        "system.cpu.time",
        "system.memory.usage",
        "system.memory.limit",
        "system.uptime",
        "process.cpu.time",
        "process.memory.usage",
        "process.thread.count",
        "process.uptime",
    } <= set(metrics)
    (memory,) = metrics["process.memory.usage"].data.data_points
    assert memory.value == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    usage, (limit,) = metrics["system.memory.usage"].data, metrics["system.memory.limit"].data.data_points
    assert sum(point.value for point in usage.data_points) == limit.value
    assert (type(usage), usage.is_monotonic) == (Sum, False)
    assert metrics["system.cpu.time"].data.is_monotonic
    assert isinstance(metrics["system.uptime"].data, Gauge)
    modes = {point.attributes["cpu.mode"] for point in metrics["process.cpu.time"].data.data_points}
    assert modes == {"user", "system"}


def test_all_metrics_of_a_collection_are_of_one_look(instrument, monkeypatch):
    told = instrument(host_metrics="own")
    looks = []
    inner = psutil.cpu_times
    monkeypatch.setattr(psutil, "cpu_times", lambda: looks.append(1) or inner())
    second = InMemoryMetricReader()
    other = MeterProvider([second])
    HostInstrumentor()._instrument(meter_provider=other)
    told.metrics()
    assert second.get_metrics_data() is not None
    other.shutdown()
    assert len(looks) <= 2  # two where the collections were more than a second apart


def test_nothing_is_told_where_it_is_off(instrument):
    assert instrument(host_metrics="off", oom_forecast="false").names() == set()
    assert memory_watch.current_watch() is None


@pytest.mark.parametrize("ours_first", [True, False])
def test_nothing_is_told_twice_beside_system_metrics(instrument, system_metrics, told, ours_first):
    if ours_first:
        instrument(host_metrics="auto")
    system_metrics(**QUICK)
    if not ours_first:
        instrument(host_metrics="auto")
    names = Counter(name for name, _ in told.metrics())
    assert [name for name, count in names.items() if count > 1] == []
    theirs = told.names("opentelemetry.instrumentation.system_metrics")
    assert {"system.memory.usage", "process.memory.usage"} <= theirs
    assert "process.uptime" in told.names()


def test_nothing_of_its_whole_set_is_told_twice(instrument, system_metrics, told):
    system_metrics()
    instrument(host_metrics="auto")
    names = Counter(name for name, _ in told.metrics())
    assert [name for name, count in names.items() if count > 1] == []


def test_what_it_tells_by_older_names_is_not_told_twice(instrument, system_metrics, told):
    older = {"system.swap.usage": ["used"], "process.open_file_descriptor.count": None}
    system_metrics(config=older)
    instrument(host_metrics="auto")
    assert host_gauges.told_by_system_metrics("system.paging.usage")
    assert not host_gauges.told_by_system_metrics("system.paging.utilization")
    names = told.names()
    assert "process.unix.file_descriptor.count" not in names
    assert "process.thread.count" in names


def test_all_of_ours_are_told_where_they_are_asked_for(instrument, system_metrics, told):
    system_metrics(**QUICK)
    instrument(host_metrics="own")
    assert {"system.memory.usage", "process.memory.usage"} <= told.names()


def test_what_it_was_told_to_leave_out_is_ours(instrument, system_metrics, told):
    system_metrics(config={"system.memory.usage": ["used"]})
    instrument(host_metrics="auto")
    assert "process.memory.usage" in told.names()
    assert "system.memory.usage" not in told.names()


def test_it_is_only_imported_and_not_at_work(instrument, told):
    assert host_gauges.SYSTEM_METRICS in sys.modules
    instrument(host_metrics="auto")
    assert "system.memory.usage" in told.names()


def test_uninstrumented_it_tells_nothing_and_then_again_once(instrument, told):
    instrument(host_metrics="own")
    HostInstrumentor().uninstrument()
    assert told.names() == set()
    HostInstrumentor().instrument(meter_provider=told.provider)
    data = told.reader.get_metrics_data()
    names = Counter(metric.name for one in data.resource_metrics for of in one.scope_metrics for metric in of.metrics)
    assert names["system.memory.usage"] == 1
    assert max(names.values()) == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_exports_nothing_of_the_host(instrument, told):
    instrument(host_metrics="own", oom_forecast="false")
    assert told.names()
    child = os.fork()
    if child == 0:
        os._exit(0 if told.names() == set() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_without_psutil_it_is_a_conflict_and_not_an_error(instrument, monkeypatch):
    monkeypatch.setattr("opentelemetry.instrumentation.dependencies.version", _not_installed)
    conflict = HostInstrumentor()._check_dependency_conflicts()
    assert conflict is not None
    assert conflict.found is None


def _not_installed(name):
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)
