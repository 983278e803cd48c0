"""The metrics of the host and this process by the conventions, all of them from one :class:`HostSnapshot`."""

from __future__ import annotations

import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.metrics import Observation

from vigilo import semconv
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

    from vigilo.gauges.host import HostLook, HostSnapshot
    from vigilo.gauges.host_devices import Transfers
    from vigilo.gauges.process import ProcessLook

SYSTEM_METRICS: Final = "opentelemetry.instrumentation.system_metrics"
_OLDER_NAMES: Final = {
    semconv.SYSTEM_PAGING_USAGE: "system.swap.usage",
    semconv.SYSTEM_PAGING_UTILIZATION: "system.swap.utilization",
    semconv.PROCESS_UNIX_FILE_DESCRIPTOR_COUNT: "process.open_file_descriptor.count",
}
"""Under which opentelemetry-instrumentation-system-metrics tells the same (0.66b2)."""


class _Metric(NamedTuple):
    """A metric of the conventions: what it is, and its points in one look."""

    kind: str
    name: str
    unit: str
    description: str
    points: Callable[[HostLook], Iterable[Observation]]


class HostGauges:
    """Tells the host and this process to meters, until it is stopped.

    Args:
        snapshot: of the host, one for all meters.
    """

    def __init__(self, snapshot: HostSnapshot) -> None:
        self._snapshot = snapshot
        self._telling: weakref.WeakSet[MeterProvider] = weakref.WeakSet()
        self._stopped = self._beside = False

    def tell(self, meter: Meter, meter_provider: MeterProvider, *, beside: bool) -> None:
        """Makes the observable instruments, once for each provider.

        Args:
            meter: of the provider.
            meter_provider: which it is.
            beside: whether to leave out what opentelemetry-instrumentation-system-metrics tells, from now on.
        """
        self._stopped, self._beside = False, beside
        if meter_provider in self._telling:
            return
        self._telling.add(meter_provider)
        for metric in METRICS:
            create = getattr(meter, f"create_observable_{metric.kind}")
            create(metric.name, [partial(self._observe, metric)], unit=metric.unit, description=metric.description)

    def stop(self) -> None:
        """Tells nothing any more. OpenTelemetry keeps the instruments of a meter for ever."""
        self._stopped = True

    def _observe(self, metric: _Metric, _: CallbackOptions) -> list[Observation]:
        with internal_errors("reading the host for metrics"):
            if self._stopped or (self._beside and told_by_system_metrics(metric.name)):
                return []
            look = self._snapshot.now()
            if look is not None:
                return list(metric.points(look))
        return []


def told_by_system_metrics(name: str) -> bool:
    """Whether opentelemetry-instrumentation-system-metrics, if it is at work, tells a metric of this name.

    Or the same by an older name. Asked at each collection, as it may begin after us. Its instruments stay when it is
    uninstrumented (0.66b2).
    """
    module = sys.modules.get(SYSTEM_METRICS)
    instrumentor: Any = getattr(getattr(module, "SystemMetricsInstrumentor", None), "_instance", None)
    if instrumentor is None:
        return False
    at_work = instrumentor.is_instrumented_by_opentelemetry or getattr(instrumentor, "_meter", None) is not None
    config = getattr(instrumentor, "_config", ())
    return at_work and (name in config or _OLDER_NAMES.get(name) in config)


def _by(attribute: str, values: Iterable[tuple[str, float]]) -> Iterator[Observation]:
    return (Observation(value, {attribute: key}) for key, value in values)


def _cpu_time(look: HostLook) -> Iterator[Observation]:
    return _by(semconv.CPU_MODE, look.cpu_s.items())


def _cpu_utilization(look: HostLook) -> Iterator[Observation]:
    return _by(semconv.CPU_MODE, look.cpu_utilization.items())


def _cpu_count(look: HostLook) -> Iterator[Observation]:
    if look.cpus is not None:
        yield Observation(look.cpus)


def _memory(look: HostLook) -> list[tuple[str, int]]:
    memory = look.memory
    if memory is None:
        return []
    states = [("used", memory.used_bytes), ("cached", memory.cached_bytes), ("free", memory.free_bytes)]
    return states if memory.limited else [*states, ("buffers", memory.buffers_bytes)]


def _memory_usage(look: HostLook) -> Iterator[Observation]:
    return _by(semconv.SYSTEM_MEMORY_STATE, _memory(look))


def _memory_utilization(look: HostLook) -> Iterator[Observation]:
    limit = look.memory.limit_bytes if look.memory is not None else 0
    return _by(semconv.SYSTEM_MEMORY_STATE, ((state, used / limit) for state, used in _memory(look) if limit))


def _memory_limit(look: HostLook) -> Iterator[Observation]:
    if look.memory is not None:
        yield Observation(look.memory.limit_bytes)


def _memory_available(look: HostLook) -> Iterator[Observation]:
    if look.memory is not None and sys.platform == "linux":
        yield Observation(look.memory.available_bytes)


def _paging(look: HostLook) -> list[tuple[str, int]]:
    memory = look.memory
    if memory is None or not memory.swap_limit_bytes:
        return []
    return [("used", memory.swap_used_bytes), ("free", memory.swap_limit_bytes - memory.swap_used_bytes)]


def _paging_usage(look: HostLook) -> Iterator[Observation]:
    return _by(semconv.SYSTEM_PAGING_STATE, _paging(look))


def _paging_utilization(look: HostLook) -> Iterator[Observation]:
    limit = look.memory.swap_limit_bytes if look.memory is not None else 0
    return _by(semconv.SYSTEM_PAGING_STATE, ((state, used / limit) for state, used in _paging(look)))


def _volume_usage(look: HostLook) -> Iterator[Observation]:
    for volume in look.volumes:
        labels = _volume_labels(volume)
        states = (("used", volume.used_bytes), ("free", volume.free_bytes), ("reserved", volume.reserved_bytes))
        for state, of_state in states:
            yield Observation(of_state, {**labels, semconv.SYSTEM_FILESYSTEM_STATE: state})


def _volume_utilization(look: HostLook) -> Iterator[Observation]:
    for volume in look.volumes:
        if volume.limit_bytes:
            labels = {**_volume_labels(volume), semconv.SYSTEM_FILESYSTEM_STATE: "used"}
            yield Observation(volume.used_bytes / volume.limit_bytes, labels)


def _volume_limits(look: HostLook) -> Iterator[Observation]:
    return (Observation(volume.limit_bytes, _volume_labels(volume)) for volume in look.volumes)


def _volume_labels(volume: Any) -> dict[str, str]:
    return {
        semconv.SYSTEM_DEVICE: volume.device,
        semconv.SYSTEM_FILESYSTEM_TYPE: volume.type,
        semconv.SYSTEM_FILESYSTEM_MODE: volume.mode,
        semconv.SYSTEM_FILESYSTEM_MOUNTPOINT: volume.mountpoint,
    }


def _moved(devices: Iterable[Transfers], device: str, direction: str, ways: tuple[str, str]) -> Iterator[Observation]:
    for one in devices:
        for way, moved_bytes in zip(ways, (one.in_bytes, one.out_bytes), strict=True):
            yield Observation(moved_bytes, {device: one.name, direction: way})


def _disk_io(look: HostLook) -> Iterator[Observation]:
    return _moved(look.disks, semconv.SYSTEM_DEVICE, semconv.DISK_IO_DIRECTION, ("read", "write"))


def _network_io(look: HostLook) -> Iterator[Observation]:
    ways = ("receive", "transmit")
    return _moved(look.networks, semconv.NETWORK_INTERFACE_NAME, semconv.NETWORK_IO_DIRECTION, ways)


def _uptime(look: HostLook) -> Iterator[Observation]:
    if look.uptime_s is not None:
        yield Observation(look.uptime_s)


def _oom_kills(look: HostLook) -> Iterator[Observation]:
    if look.limits.oom_kills is not None:
        yield Observation(look.limits.oom_kills)


def _process_cpu_utilization(look: HostLook) -> Iterator[Observation]:
    return _by(semconv.CPU_MODE, look.process_utilization.items())


def _of_process(read: Callable[[ProcessLook], Iterable[Observation]]) -> Callable[[HostLook], Iterable[Observation]]:
    return lambda look: read(look.process) if look.process is not None else ()


def _value(field: str) -> Callable[[HostLook], Iterable[Observation]]:
    def points(process: ProcessLook) -> Iterator[Observation]:
        value = getattr(process, field)
        if value is not None:
            yield Observation(value)

    return _of_process(points)


_COUNTER, _SUM, _GAUGE = "counter", "up_down_counter", "gauge"
METRICS: Final = (
    _Metric(_COUNTER, semconv.SYSTEM_CPU_TIME, "s", "CPU time of the machine", _cpu_time),
    _Metric(_GAUGE, semconv.SYSTEM_CPU_UTILIZATION, "1", "Share of the machine's CPUs", _cpu_utilization),
    _Metric(_SUM, semconv.SYSTEM_CPU_LOGICAL_COUNT, "{cpu}", "Logical CPUs of the machine", _cpu_count),
    _Metric(_SUM, semconv.SYSTEM_MEMORY_USAGE, "By", "Memory of the machine or the control group", _memory_usage),
    _Metric(_GAUGE, semconv.SYSTEM_MEMORY_UTILIZATION, "1", "Share of that memory", _memory_utilization),
    _Metric(_SUM, semconv.SYSTEM_MEMORY_LIMIT, "By", "Memory that there is, or that is allowed", _memory_limit),
    _Metric(_SUM, semconv.SYSTEM_MEMORY_LINUX_AVAILABLE, "By", "What can still be had of it", _memory_available),
    _Metric(_SUM, semconv.SYSTEM_PAGING_USAGE, "By", "Swap space", _paging_usage),
    _Metric(_GAUGE, semconv.SYSTEM_PAGING_UTILIZATION, "1", "Share of the swap space", _paging_utilization),
    _Metric(_SUM, semconv.SYSTEM_FILESYSTEM_USAGE, "By", "Space of local file systems", _volume_usage),
    _Metric(_GAUGE, semconv.SYSTEM_FILESYSTEM_UTILIZATION, "1", "Share of it that is used", _volume_utilization),
    _Metric(_SUM, semconv.SYSTEM_FILESYSTEM_LIMIT, "By", "Capacity of local file systems", _volume_limits),
    _Metric(_COUNTER, semconv.SYSTEM_DISK_IO, "By", "Bytes that disks moved", _disk_io),
    _Metric(_COUNTER, semconv.SYSTEM_NETWORK_IO, "By", "Bytes that network interfaces moved", _network_io),
    _Metric(_GAUGE, semconv.SYSTEM_UPTIME, "s", "Time that the machine has run", _uptime),
    _Metric(_COUNTER, semconv.OOM_KILLS, "{kill}", "Processes killed as memory ran out", _oom_kills),
    _Metric(
        _COUNTER,
        semconv.PROCESS_CPU_TIME,
        "s",
        "CPU time of the process",
        _of_process(lambda process: _by(semconv.CPU_MODE, process.cpu_s.items())),
    ),
    _Metric(_GAUGE, semconv.PROCESS_CPU_UTILIZATION, "1", "Share of the CPUs it may use", _process_cpu_utilization),
    _Metric(_SUM, semconv.PROCESS_MEMORY_USAGE, "By", "Memory of the process in RAM", _value("memory_bytes")),
    _Metric(_SUM, semconv.PROCESS_MEMORY_VIRTUAL, "By", "Memory it has mapped", _value("virtual_bytes")),
    _Metric(_SUM, semconv.PROCESS_THREAD_COUNT, "{thread}", "Threads of the process", _value("threads")),
    _Metric(
        _COUNTER,
        semconv.PROCESS_CONTEXT_SWITCHES,
        "{context_switch}",
        "Times that it was taken off a CPU",
        _of_process(lambda process: _by(semconv.CONTEXT_SWITCH_TYPE, (process.switches or {}).items())),
    ),
    _Metric(
        _SUM,
        semconv.PROCESS_UNIX_FILE_DESCRIPTOR_COUNT,
        "{file_descriptor}",
        "File descriptors it has open",
        _value("file_descriptors"),
    ),
    _Metric(_GAUGE, semconv.PROCESS_UPTIME, "s", "Time since the process began", _value("uptime_s")),
)
