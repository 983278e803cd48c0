"""Measures the collections of one way to tell GPUs or the host, in an environment of its own: run by gauge_cost.py."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_S = 1.1
"""Longer than anybody keeps what was looked at."""
SECOND_GPU = "GPU-22222222-0000-0000-0000-000000000000"
WITHOUT = {"system.network.connections": None, "system.thread_count": None}

if sys.argv[1] != "vigilo_ring":
    os.environ |= {"VIGILO_PEAK_INTERVAL_S": "0", "VIGILO_OOM_FORECAST": "false"}
logging.disable(logging.CRITICAL)  # OpenLIT logs an error for each value that is not told, in each collection

from opentelemetry import metrics  # noqa: E402 - the settings are read at the import
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402


def counter() -> Callable[[], float]:
    """Counts the calls of NVML so far; a real driver does not tell them."""
    library = ctypes.CDLL("libnvidia-ml.so.1")
    if not hasattr(library, "scripted_nvml_calls"):
        return lambda: float("nan")
    library.scripted_nvml_calls.restype = ctypes.c_ulonglong
    return lambda: library.scripted_nvml_calls(None)


def instrument(kind: str) -> None:
    """Turns it on for the global provider."""
    if kind in ("vigilo_gpu", "vigilo_ring"):
        from vigilo.instrumentors import GpuInstrumentor

        GpuInstrumentor().instrument()
    elif kind == "vigilo_host":
        from vigilo.instrumentors import HostInstrumentor

        HostInstrumentor().instrument()
    elif kind == "openlit_gpu":
        from openlit.instrumentation.gpu import GPUInstrumentor

        GPUInstrumentor().instrument()
    elif kind == "floor":  # as many instruments and points as vigilo's of the host, that look at nothing
        meter = metrics.get_meter("floor")
        for number in range(24):
            seen = [metrics.Observation(1.0, {"state": str(state)}) for state in range(2)]
            meter.create_observable_gauge(f"floor.{number}", [lambda _, seen=seen: seen])
    else:
        from opentelemetry.instrumentation import system_metrics

        config = dict(system_metrics._DEFAULT_CONFIG)
        if kind == "system_metrics_less":
            config = {name: value for name, value in config.items() if name not in WITHOUT}
        system_metrics.SystemMetricsInstrumentor(config=config).instrument()


def points_of(reader: InMemoryMetricReader) -> list[tuple[str, Any]]:
    """A collection: names and points."""
    data = reader.get_metrics_data()
    return [
        (metric.name, point)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


def is_invented(name: str, point: Any) -> bool:
    """A value of the GPU that tells neither power nor utilization nor a fan's speed."""
    untold = any(part in name for part in ("power", "utilization", "fan")) and "memory" not in name
    return untold and SECOND_GPU in point.attributes.values()


def main() -> None:
    kind, rounds = sys.argv[1], int(sys.argv[2])
    count_calls = counter()
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    instrument(kind)
    for _ in range(4):  # what is asked once is asked for, what is refused is refused
        points_of(reader)
        time.sleep(PAUSE_S)
    calls, cpu_ms, wall_ms = [], [], []
    for _ in range(rounds):
        before, cpu_s, wall_s = count_calls(), time.process_time(), time.perf_counter()
        if kind == "vigilo_ring":
            time.sleep(PAUSE_S)  # what a second of it costs, with a collection
        points = points_of(reader)
        cpu_ms.append(1000 * (time.process_time() - cpu_s))
        wall_ms.append(1000 * (time.perf_counter() - wall_s - PAUSE_S * (kind == "vigilo_ring")))
        calls.append(count_calls() - before)
        if kind != "vigilo_ring":
            time.sleep(PAUSE_S)
    found = {
        "calls": sum(calls) / len(calls),
        "cpu_ms": median(cpu_ms),
        "wall_ms": median(wall_ms),
        "points": len(points),
        "invented": sum(is_invented(name, point) for name, point in points),
    }
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main()
