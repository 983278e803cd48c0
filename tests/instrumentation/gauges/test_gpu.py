"""The metrics of GPUs: names, units and kinds of the conventions, and what a collection costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .scripted_gpu import ScriptedGpu

FIRST, SECOND = "GPU-11111111-0000-0000-0000-000000000000", "GPU-22222222-0000-0000-0000-000000000000"
METRICS = """
import os, threading, time
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from vigilo.gauges import snapshot as snapshots
from vigilo.gauges.ring import shared_ring
from vigilo.instrumentors import GpuInstrumentor

TTL_S = 0.3
shared = snapshots._shared = snapshots.Snapshot(snapshots.find_samplers, ttl_s=TTL_S, budget_s=20.0)
reader, other = InMemoryMetricReader(), InMemoryMetricReader()
provider = MeterProvider([reader, other])

def until(condition):
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.01)

def collect(reader=reader):
    data = reader.get_metrics_data()
    return [
        [metric.name, metric.unit, type(metric.data).__name__, getattr(metric.data, "is_monotonic", None),
         point.value, dict(point.attributes)]
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]

def values(points, name):
    return {"/".join(str(a.get(k, "")) for k in ("hw.id", "hw.gpu.task", "hw.state")).rstrip("/"): v
            for n, _, _, _, v, a in points if n == name}

GpuInstrumentor().instrument(meter_provider=provider)
"""
STILL = {"VIGILO_PEAK_INTERVAL_S": "0", "VIGILO_OOM_FORECAST": "false", "VIGILO_RAISE_INTERNAL": "1"}
TWO_LOOKS = """
until(shared.devices)
time.sleep(TTL_S)
collect()
time.sleep(TTL_S)
"""


def test_names_units_and_kinds_are_those_of_the_conventions(gpu: ScriptedGpu) -> None:
    points = gpu.run(
        METRICS,
        'change("gpu0.fan 40", "gpu0.field.197 5", "gpu0.field.198 6")',
        TWO_LOOKS,
        TWO_LOOKS,
        TWO_LOOKS,
        "tell(collect())",
        VIGILO_GPU_PROCESSES="true",
        **STILL,
    )
    found = {name: (unit, kind, monotonic) for name, unit, kind, monotonic, _, _ in points}
    assert found == {
        "hw.gpu.memory.limit": ("By", "Sum", False),
        "hw.gpu.memory.usage": ("By", "Sum", False),
        "hw.gpu.memory.utilization": ("1", "Gauge", None),
        "hw.gpu.utilization": ("1", "Gauge", None),
        "hw.gpu.io": ("By", "Sum", True),
        "hw.errors": ("{error}", "Sum", True),
        "hw.status": ("1", "Sum", False),
        "hw.power": ("W", "Gauge", None),
        "hw.energy": ("J", "Sum", True),
        "hw.temperature": ("Cel", "Gauge", None),
        "hw.temperature.limit": ("Cel", "Gauge", None),
        "hw.fan.speed_ratio": ("1", "Gauge", None),
        "process.gpu.memory.usage": ("By", "Sum", False),
        "hw.gpu.memory.usage.max": ("By", "Gauge", None),
        "hw.gpu.utilization.max": ("1", "Gauge", None),
        "hw.gpu.utilization.avg": ("1", "Gauge", None),
    }
    device = {
        "hw.id": FIRST,
        "hw.name": "Tesla T4",
        "hw.vendor": "NVIDIA",
        "hw.driver_version": "550.54.15",
        "hw.serial_number": "1320521000001",
    }
    own = {name: [] for name in found}
    for name, _, _, _, value, attributes in points:
        if attributes["hw.id"] == FIRST:
            own[name].append((value, {k: v for k, v in attributes.items() if device.get(k) != v}))
    assert own["hw.gpu.memory.usage"] == [(1_000_000_000, {})]
    assert own["hw.gpu.memory.utilization"] == [(pytest.approx(1_000_000_000 / 16_106_127_360), {})]
    assert (0.37, {"hw.gpu.task": "general"}) in own["hw.gpu.utilization"]
    assert (0.05, {"hw.gpu.task": "encoder"}) in own["hw.gpu.utilization"]
    assert own["hw.power"] == [(41.5, {"hw.type": "gpu"})]
    assert own["hw.temperature.limit"] == [
        (96.0, {"hw.type": "gpu", "hw.limit_type": "critical"}),
        (93.0, {"hw.type": "gpu", "hw.limit_type": "throttled"}),
    ]
    assert own["hw.errors"][0] == (2, {"hw.type": "gpu", "error.type": "corrected"})
    assert sorted((value, one["hw.state"]) for value, one in own["hw.status"]) == [
        (0, "degraded"),
        (0, "failed"),
        (1, "ok"),
    ]
    assert own["process.gpu.memory.usage"] == [(734003200, {"process.pid": 4242})]


def test_a_collection_by_two_readers_takes_at_most_eight_calls(gpu: ScriptedGpu) -> None:
    counts = gpu.run(
        METRICS,
        TWO_LOOKS,
        """
        shared._ttl_s = 60.0
        counts = []
        for _ in range(3):
            shared._full.taken_s = float("-inf")
            before = calls()
            first, second = collect(), collect(other)
            assert len(first) == len(second) > 30
            counts.append(calls() - before)
        tell(counts)
        """,
        **STILL,
    )
    assert max(counts) <= 8


def test_what_is_not_told_is_absent_and_never_0(gpu: ScriptedGpu) -> None:
    points = gpu.run(
        METRICS,
        """
        change("gpus 1", "gpu0.fail.nvmlDeviceGetUtilizationRates 3", "-gpu0.field.186", "-gpu0.power",
               "-gpu0.temperature", "-gpu0.encoder", "gpu0.fail.nvmlDeviceGetDecoderUtilization 4")
        """,
        TWO_LOOKS,
        "tell(collect())",
        **STILL,
    )
    names = {point[0] for point in points}
    assert "hw.gpu.memory.usage" in names
    assert not names & {"hw.gpu.utilization", "hw.power", "hw.temperature", "hw.fan.speed_ratio", "hw.gpu.io"}
    assert not names & {"hw.gpu.utilization.max", "hw.gpu.utilization.avg"}


def test_a_lost_gpu_is_told_as_failed_and_its_values_are_gone(gpu: ScriptedGpu) -> None:
    points = gpu.run(METRICS, TWO_LOOKS, 'change("gpu1.lost 1"); tell(collect())', **STILL)
    states = {
        (attributes["hw.id"], attributes["hw.state"]): value
        for name, _, _, _, value, attributes in points
        if name == "hw.status"
    }
    assert (states[FIRST, "ok"], states[SECOND, "ok"], states[SECOND, "failed"]) == (1, 0, 1)
    assert [a["hw.id"] for name, _, _, _, _, a in points if name == "hw.gpu.memory.usage"] == [FIRST]


def test_peaks_between_two_exports_are_told_to_each_reader(gpu: ScriptedGpu) -> None:
    peaks = gpu.run(
        METRICS,
        f"""
        collect(), collect(other)
        seen = []
        shared_ring().listen(lambda _, samples: seen.append([one.memory_used_bytes for one in samples]))
        until(lambda: seen and seen[-1][:1] == [1000000000])
        change("gpu0.used 9000000000", "gpu0.utilization 100")
        until(lambda: seen[-1][0] == 9000000000)
        change("gpu0.used 2000000000", "gpu0.utilization 10")
        until(lambda: seen[-1][0] == 2000000000)
        seen.clear()
        until(lambda: len(seen) > 1)
        time.sleep(TTL_S)
        def most(reader):
            points = collect(reader)
            return [values(points, name)["{FIRST}"] for name in ("hw.gpu.memory.usage", "hw.gpu.memory.usage.max",
                    "hw.gpu.utilization.max", "hw.gpu.utilization.avg")]
        tell([most(reader), most(other), most(reader)])
        """,
        VIGILO_PEAK_INTERVAL_S="0.05",
        VIGILO_OOM_FORECAST="false",
        VIGILO_RAISE_INTERNAL="1",
    )
    for now, most, most_utilization, mean in peaks[:2]:
        assert (now, most, most_utilization) == (2_000_000_000, 9_000_000_000, 1.0)
        assert 0.1 < mean < 1.0
    assert peaks[2][1] == 2_000_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_a_forked_child_tells_nothing_and_does_not_touch_the_driver(gpu: ScriptedGpu) -> None:
    told = gpu.run(
        METRICS,
        TWO_LOOKS,
        """
        assert collect()
        child = os.fork()
        if child == 0:  # the library aborts a process that calls it and did not open it
            points = collect()
            os._exit(len(points) + len(shared_ring().peaks("x")))
        tell([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(collect()) > 30])
        """,
        **STILL,
    )
    assert told == [0, True]


def test_a_slow_call_does_not_hold_up_the_collection(gpu: ScriptedGpu) -> None:
    looks, slow, waited = gpu.run(
        METRICS,
        """
        until(lambda: len(collect()) > 30)
        time.sleep(TTL_S)
        shared._budget_s = 0.05
        change("gpu0.sleep_ms.nvmlDeviceGetUtilizationRates 15000", "gpu0.used 7000000000")
        started_s = time.monotonic()
        points = collect()
        tell([values(points, "hw.gpu.memory.usage"), len(points), time.monotonic() - started_s])
        sys.stdout.flush()
        os._exit(0)  # not for the call to end
        """,
        **STILL,
    )
    assert looks[FIRST] == 1_000_000_000
    assert slow > 30
    assert waited < 15


def test_without_a_driver_there_are_no_metrics_and_no_errors(gpu: ScriptedGpu) -> None:
    assert gpu.run(METRICS, 'change("fail.nvmlInitWithFlags 12"); tell([collect(), collect(other)])', **STILL) == [
        [],
        [],
    ]


def test_uninstrumenting_stops_it_and_instrumenting_again_tells_each_once(gpu: ScriptedGpu) -> None:
    stopped, again = gpu.run(
        METRICS,
        """
        until(collect)
        GpuInstrumentor().uninstrument()
        stopped = collect()
        GpuInstrumentor().instrument(meter_provider=provider)
        until(collect)
        tell([stopped, [point[5]["hw.id"] for point in collect() if point[0] == "hw.power"]])
        """,
        **STILL,
    )
    assert stopped == []
    assert sorted(again) == [FIRST, SECOND]


TORCH = """
from types import SimpleNamespace
stats = {"allocated_bytes": {"all": {"current": 10, "peak": 30}}, "reserved_bytes": {"all": {"current": 40}},
         "num_alloc_retries": 2, "num_ooms": 1}
sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(
    is_initialized=lambda: True, device_count=lambda: 1, memory_stats_as_nested_dict=lambda index: stats,
    get_device_properties=lambda index: SimpleNamespace(uuid="11111111-0000-0000-0000-000000000000")))
"""


def test_torch_s_allocator_is_told_by_the_same_id_and_its_maximum_is_kept(gpu: ScriptedGpu) -> None:
    before, after = gpu.run(
        METRICS,
        TORCH,
        """
        before = [point for point in collect() if point[0].startswith("torch.")]
        stats["allocated_bytes"]["all"]["peak"] = 11  # the app reset it,
        stats |= {"num_alloc_retries": 1, "num_ooms": 0}  # and these
        time.sleep(1.1)
        collect(), collect(other)
        stats |= {"num_alloc_retries": 4, "num_ooms": 0}
        time.sleep(1.1)
        after = {point[0]: point[4] for point in collect()}
        tell([before, [after[f"torch.cuda.memory.{name}"] for name in ("allocated.max", "alloc_retries", "ooms")]])
        """,
        **STILL,
    )
    told: dict[str, Any] = {name: (unit, kind, value) for name, unit, kind, _, value, _ in before}
    assert told == {
        "torch.cuda.memory.allocated": ("By", "Gauge", 10),
        "torch.cuda.memory.reserved": ("By", "Gauge", 40),
        "torch.cuda.memory.allocated.max": ("By", "Gauge", 30),
        "torch.cuda.memory.alloc_retries": ("{retry}", "Sum", 2),
        "torch.cuda.memory.ooms": ("{error}", "Sum", 1),
    }
    assert {point[5]["hw.id"] for point in before} == {FIRST}
    assert after == [30, 2 + 4, 1]


@pytest.mark.parametrize(
    ("id_of_torch", "driver", "name"),
    [
        (SECOND[4:], "", SECOND),
        ("of-nobody", "", "cuda:0"),
        ("alone", 'change("fail.nvmlInitWithFlags 12")', "GPU-alone"),
    ],
)
def test_torch_s_devices_have_ids_that_the_driver_has_too(
    gpu: ScriptedGpu, id_of_torch: str, driver: str, name: str
) -> None:
    points = gpu.run(
        METRICS,
        driver,
        TORCH.replace("11111111-0000-0000-0000-000000000000", id_of_torch),
        'tell([point for point in collect() if point[0].startswith("torch.")])',
        **STILL,
    )
    assert {one for point in points for one in point[5].values()} == {name}
