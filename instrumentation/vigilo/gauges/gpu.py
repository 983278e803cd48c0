"""What accelerators tell when metrics are collected, by the conventions for hardware; without any it is nothing.

What a device does not tell is absent, never 0: a GPU of unknown power does not draw 0 W.
"""

from __future__ import annotations

import sys
import threading
import weakref
from functools import partial
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.metrics import Observation

from vigilo import semconv
from vigilo.errors import internal_errors
from vigilo.gauges.ring import shared_ring
from vigilo.gauges.snapshot import TTL_S, shared_snapshot
from vigilo.gauges.torch_memory import TorchDevice, hardware_ids, torch_devices

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

    from vigilo.gauges.ring import Peaks
    from vigilo.gauges.samples import DeviceSample

    Label = str | int
    Told = Iterable[tuple[float | int | None, dict[str, Label]]]

_GPU: Final[dict[str, Label]] = {semconv.HW_TYPE: "gpu"}
_NONE: Final[dict[str, Label]] = {}
_STATES: Final = ("ok", "degraded", "failed")
_GAUGE, _COUNTER, _SUM = "gauge", "counter", "up_down_counter"
_MAX_FRAMES: Final = 24


class _Metric(NamedTuple):
    kind: str
    name: str
    unit: str
    description: str
    tell: Callable[[DeviceSample], Told]


def _field(name: str, labels: dict[str, Label] = _NONE) -> Callable[[DeviceSample], Told]:
    return lambda device: ((getattr(device, name), labels),)


def _memory_utilization(device: DeviceSample) -> Told:
    used, limit = device.memory_used_bytes, device.memory_limit_bytes
    return ((used / limit, _NONE),) if used is not None and limit else ()


def _utilization(device: DeviceSample) -> Told:
    yield device.utilization, {semconv.HW_GPU_TASK: "general"}
    yield device.encoder_utilization, {semconv.HW_GPU_TASK: "encoder"}
    yield device.decoder_utilization, {semconv.HW_GPU_TASK: "decoder"}


def _io(device: DeviceSample) -> Told:
    yield device.io_received_bytes, {semconv.NETWORK_IO_DIRECTION: "receive"}
    yield device.io_transmitted_bytes, {semconv.NETWORK_IO_DIRECTION: "transmit"}


def _status(device: DeviceSample) -> Told:
    return ((int(device.state == state), {**_GPU, semconv.HW_STATE: state}) for state in _STATES)


def _errors(device: DeviceSample) -> Told:
    return ((count, {**_GPU, semconv.ERROR_TYPE: kind}) for kind, count in device.errors.items())


def _limits(device: DeviceSample) -> Told:
    return ((limit, {**_GPU, semconv.HW_LIMIT_TYPE: kind}) for kind, limit in device.temperature_limits_c.items())


def _processes(device: DeviceSample) -> Told:
    return ((used, {semconv.PROCESS_PID: pid}) for pid, used in device.processes.items())


_METRICS: Final = (
    _Metric(_SUM, semconv.HW_GPU_MEMORY_LIMIT, "By", "Memory of the GPU", _field("memory_limit_bytes")),
    _Metric(_SUM, semconv.HW_GPU_MEMORY_USAGE, "By", "Used memory of the GPU", _field("memory_used_bytes")),
    _Metric(_GAUGE, semconv.HW_GPU_MEMORY_UTILIZATION, "1", "Used share of the GPU's memory", _memory_utilization),
    _Metric(_GAUGE, semconv.HW_GPU_UTILIZATION, "1", "Share of the time that the GPU worked", _utilization),
    _Metric(_COUNTER, semconv.HW_GPU_IO, "By", "What the GPU received and sent over its bus", _io),
    _Metric(_COUNTER, semconv.HW_ERRORS, "{error}", "Errors of the GPU's memory", _errors),
    _Metric(_SUM, semconv.HW_STATUS, "1", "1 for the state that the GPU is in", _status),
    _Metric(_GAUGE, semconv.HW_POWER, "W", "Power that the GPU draws", _field("power_w", _GPU)),
    _Metric(_COUNTER, semconv.HW_ENERGY, "J", "Energy that the GPU drew", _field("energy_j", _GPU)),
    _Metric(_GAUGE, semconv.HW_TEMPERATURE, "Cel", "Temperature of the GPU", _field("temperature_c", _GPU)),
    _Metric(_GAUGE, semconv.HW_TEMPERATURE_LIMIT, "Cel", "Temperatures at which the GPU slows down or stops", _limits),
    _Metric(_GAUGE, semconv.HW_FAN_SPEED_RATIO, "1", "Speed of the GPU's fan, of its most", _field("fan_ratio", _GPU)),
    _Metric(_SUM, semconv.PROCESS_GPU_MEMORY_USAGE, "By", "Memory of the GPU by process", _processes),
)
_PEAKS: Final = (
    (semconv.HW_GPU_MEMORY_USAGE_MAX, "By", "The most memory that was used since the last export"),
    (semconv.HW_GPU_UTILIZATION_MAX, "1", "The highest utilization since the last export"),
    (semconv.HW_GPU_UTILIZATION_AVG, "1", "The mean utilization since the last export"),
)
_TORCH: Final = (
    (_GAUGE, semconv.TORCH_MEMORY_ALLOCATED, "By", "Memory in tensors of this process", "allocated"),
    (_GAUGE, semconv.TORCH_MEMORY_RESERVED, "By", "Memory that torch's allocator holds", "reserved"),
    (_GAUGE, semconv.TORCH_MEMORY_ALLOCATED_MAX, "By", "The most memory that was in tensors", "max_allocated"),
    (_COUNTER, semconv.TORCH_ALLOC_RETRIES, "{retry}", "Allocations that needed the cache flushed", "alloc_retries"),
    (_COUNTER, semconv.TORCH_OOMS, "{error}", "Allocations that failed for want of memory", "ooms"),
)


class GpuGauges:
    """The instruments of accelerators: all meter providers, and all their readers, are told of the same looks."""

    def __init__(self) -> None:
        self._on = False
        self._telling: weakref.WeakSet[MeterProvider] = weakref.WeakSet()
        self._labels: dict[tuple[object, ...], tuple[Mapping[str, str], dict[str, Label]]] = {}
        self._torch = _Torch()

    def tell(self, meter: Meter, meter_provider: MeterProvider) -> None:
        """Makes the instruments, once for each provider: made while metrics are collected, they would deadlock."""
        self._on = True
        if meter_provider in self._telling:
            return
        self._telling.add(meter_provider)
        for metric in _METRICS:
            make = getattr(meter, f"create_observable_{metric.kind}")
            make(metric.name, [self._telling_of(metric.tell)], unit=metric.unit, description=metric.description)
        seen = _PeaksSeen()
        for index, (name, unit, description) in enumerate(_PEAKS):
            callback = self._guarded(partial(self._peaks, seen, index))
            meter.create_observable_gauge(name, [callback], unit=unit, description=description)
        for kind, name, unit, description, value in _TORCH:
            callback = self._guarded(partial(self._torch.tell, value))
            getattr(meter, f"create_observable_{kind}")(name, [callback], unit=unit, description=description)

    def stop(self) -> None:
        """Tells nothing more: instruments cannot be taken back."""
        self._on = False

    def _guarded(self, tell: Callable[[], Iterable[Observation]]) -> Callable[[CallbackOptions], list[Observation]]:
        def callback(_: CallbackOptions) -> list[Observation]:
            told: list[Observation] = []
            if self._on:
                with internal_errors("telling of accelerators"):
                    told.extend(one for one in tell() if isfinite(one.value))
            return told

        return callback

    def _telling_of(self, tell: Callable[[DeviceSample], Told]) -> Callable[[CallbackOptions], list[Observation]]:
        def observe() -> Iterator[Observation]:
            for device in shared_snapshot().devices():
                for value, labels in tell(device):
                    if value is not None:
                        yield Observation(value, self._labels_of(device, labels))

        return self._guarded(observe)

    def _peaks(self, seen: _PeaksSeen, index: int) -> Iterator[Observation]:
        peaks = seen.take(index)
        for device in shared_snapshot().devices():
            now = (device.memory_used_bytes, device.utilization, device.utilization)[index]
            peak = peaks[device.id][index] if device.id in peaks else None
            if peak is None or (now is not None and index < 2):  # what is told as the most is no less than what is now
                peak = max((one for one in (peak, now) if one is not None), default=None)
            if peak is not None:
                yield Observation(peak, self._labels_of(device, _NONE))

    def _labels_of(self, device: DeviceSample, labels: dict[str, Label]) -> dict[str, Label]:
        """Made once for each point of a device, as long as it has the same attributes."""
        key = (device.id, *labels.items())
        kept = self._labels.get(key)
        if kept is None or kept[0] is not device.attributes:
            if semconv.PROCESS_PID in labels:  # they come and go
                return {semconv.HW_ID: device.id, **labels}
            kept = self._labels[key] = device.attributes, {semconv.HW_ID: device.id, **device.attributes, **labels}
        return kept[1]


class _PeaksSeen:
    """The peaks of each reader's collection: read once for its three gauges."""

    def __init__(self) -> None:
        self._read: dict[Hashable, tuple[set[int], dict[str, Peaks]]] = {}

    def take(self, index: int) -> dict[str, Peaks]:
        reader_id = _reader_id()
        told, peaks = self._read.get(reader_id, ({index}, {}))
        if index in told:
            told, peaks = set(), shared_ring().peaks((id(self), reader_id))
            while len(self._read) > 16:
                self._read.pop(next(iter(self._read)), None)
            self._read[reader_id] = told, peaks
        told.add(index)
        return peaks


def _reader_id() -> Hashable:
    """Which reader collects: callbacks are not told, so it is looked for among the callers, else it is the thread."""
    frame = sys._getframe(1)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            break
        if frame.f_code.co_name == "collect":
            reader = frame.f_locals.get("metric_reader")  # of opentelemetry.sdk's MeasurementConsumer
            if reader is not None:
                return id(reader)
        frame = frame.f_back  # type: ignore[assignment]
    return threading.get_ident()


class _Torch:
    """What torch's allocator says: asked once for all gauges of a collection."""

    def __init__(self) -> None:
        self._devices: list[TorchDevice] = []
        self._asked_s = float("-inf")
        self._ids: dict[int, str] = {}
        self._most: dict[int, int] = {}
        self._counts: dict[tuple[int, str], tuple[int, int]] = {}

    def tell(self, value: str) -> Iterator[Observation]:
        if "torch" not in sys.modules:
            return
        if monotonic() - self._asked_s > TTL_S:
            self._devices, self._asked_s = torch_devices(), monotonic()
            samples = shared_snapshot().devices() if self._devices else []
            self._ids = hardware_ids(self._devices, samples)
            if not samples:  # nobody says otherwise
                self._ids = {one.index: one.uuid for one in self._devices if one.uuid}
        for device in self._devices:
            number = getattr(device, value)
            if value == "max_allocated":  # which the app may reset
                number = self._most[device.index] = max(number, self._most.get(device.index, 0))
            elif value in ("alloc_retries", "ooms"):
                number = self._count(device.index, value, number)
            hw_id = self._ids.get(device.index)
            yield Observation(number, {semconv.HW_ID: hw_id} if hw_id else {semconv.HW_NAME: f"cuda:{device.index}"})

    def _count(self, index: int, value: str, count: int) -> int:
        """Goes on where the app resets the statistics: a counter that falls would be a new process."""
        last, before = self._counts.get((index, value), (0, 0))
        if count < last:
            before += last
        self._counts[index, value] = count, before
        return before + count
