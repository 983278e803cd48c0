"""NVIDIA's GPUs through NVML: which there are, and what becomes of those that are lost.

The module ``pynvml`` is that of the package ``nvidia-ml-py``.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from vigilo import semconv
from vigilo.gauges.nvml_device import UNKNOWN, Device, call
from vigilo.gauges.questions import Lost, NoAnswer
from vigilo.gauges.samples import DeviceSample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REOPEN_S: Final = 60.0
"""The driver is opened again so often at the most, while a device does not answer."""
LOOK_FOR_MISSING_S: Final = 600.0
"""The same, while one is missing and all that there are answer."""
_LIBRARY_NOT_FOUND: Final = 12
_log = logging.getLogger("vigilo")


class NvmlSampler:
    """All NVIDIA devices. MIG devices stand beside the GPU that they are part of, and name it as their parent.

    Args:
        processes: whether to ask for the memory of each process, which takes milliseconds: twice a minute at most.
    """

    def __init__(self, *, processes: bool = False) -> None:
        self._processes = processes
        self._nvml: Any = None
        self._is_open = False
        self._opened_s = float("-inf")
        self._devices: list[Device] = []
        self._seen: dict[str, Mapping[str, str]] = {}
        """All devices that were ever there, by their ids."""
        self._lost: set[str] = set()
        self._incomplete = False
        self._told: set[str] = set()

    def open(self) -> bool:
        self._opened_s = monotonic()
        try:
            self._nvml = self._nvml or import_module("pynvml")
        except ImportError as error:
            self._tell("vigilo: the module pynvml cannot be imported (%s); there are no metrics of NVIDIA GPUs", error)
            return False
        self.close()
        try:
            call(self._nvml.nvmlInit)
            self._is_open = True
            count = call(self._nvml.nvmlDeviceGetCount)
            driver = self._fact(self._nvml.nvmlSystemGetDriverVersion)
        except (Lost, NoAnswer) as error:
            if error.code != _LIBRARY_NOT_FOUND:
                reason = self._nvml.NVMLError(error.code)
                self._tell("vigilo: NVIDIA's driver does not answer (%s); its GPUs are not seen until it does", reason)
            self._incomplete = True
            return bool(self._seen)
        self._lost.clear()
        self._incomplete = False
        self._devices = [device for index in range(count) for device in self._open_gpu(index, driver)]
        self._seen |= {device.id: device.attributes for device in self._devices}
        return bool(self._seen)

    def sample(self, *, memory_only: bool = False) -> list[DeviceSample]:
        if monotonic() - self._opened_s >= self._reopen_after_s():
            self.open()
        samples = {}
        for device in self._devices:
            if device.id not in self._lost:
                try:
                    samples[device.id] = device.sample(memory_only)
                except Lost:
                    self._lost.add(device.id)
        self._forget_mig_devices(samples)
        return [
            samples.get(device_id) or DeviceSample(device_id, attributes, "failed")
            for device_id, attributes in self._seen.items()
        ]

    def close(self) -> None:
        self._devices = []
        if self._is_open:
            self._is_open = False
            with suppress(Lost, NoAnswer):
                call(self._nvml.nvmlShutdown)

    def _reopen_after_s(self) -> float:
        if self._lost or self._incomplete:
            return REOPEN_S
        missing = self._seen.keys() - {device.id for device in self._devices}
        return LOOK_FOR_MISSING_S if missing else float("inf")

    def _open_gpu(self, index: int, driver: str | None) -> list[Device]:
        """A GPU, and its MIG devices."""
        nvml = self._nvml
        try:
            handle = call(nvml.nvmlDeviceGetHandleByIndex, index)
            uuid = _text(call(nvml.nvmlDeviceGetUUID, handle))
        except (Lost, NoAnswer) as error:
            # One that may not be seen from a container will not be seen in a minute either.
            self._incomplete |= isinstance(error, Lost) or error.code == UNKNOWN
            return []
        attributes = self._attributes(handle, uuid, driver)
        serial = self._fact(nvml.nvmlDeviceGetSerial, handle)
        if serial is not None:
            attributes[semconv.HW_SERIAL_NUMBER] = serial
        limits_c = {}
        for limit, threshold in (("critical", 0), ("throttled", 1)):
            with suppress(Lost, NoAnswer):
                limits_c[limit] = float(call(nvml.nvmlDeviceGetTemperatureThreshold, handle, threshold))
        gpu = Device(nvml, handle, uuid, attributes, limits_c, processes=self._processes)
        return [gpu, *self._open_mig_devices(handle, uuid, driver)]

    def _open_mig_devices(self, gpu: Any, parent: str, driver: str | None) -> list[Device]:
        nvml = self._nvml
        try:
            if not call(nvml.nvmlDeviceGetMigMode, gpu)[0]:
                return []
            most = call(nvml.nvmlDeviceGetMaxMigDeviceCount, gpu)
        except (Lost, NoAnswer):
            return []
        devices = []
        for index in range(most):
            try:
                handle = call(nvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, index)
                uuid = _text(call(nvml.nvmlDeviceGetUUID, handle))
            except (Lost, NoAnswer):  # not so many are set up, or the container may not see it
                continue
            attributes = {**self._attributes(handle, uuid, driver), semconv.HW_PARENT: parent}
            devices.append(Device(nvml, handle, uuid, attributes))
        return devices

    def _attributes(self, handle: Any, uuid: str, driver: str | None) -> dict[str, str]:
        facts = {
            semconv.HW_ID: uuid,
            semconv.HW_NAME: self._fact(self._nvml.nvmlDeviceGetName, handle),
            semconv.HW_VENDOR: "NVIDIA",
            semconv.HW_DRIVER_VERSION: driver,
        }
        return {key: value for key, value in facts.items() if value is not None}

    def _fact(self, function: Callable[..., Any], *arguments: Any) -> str | None:
        """What does not change, and is asked once."""
        try:
            return _text(call(function, *arguments)) or None
        except (Lost, NoAnswer):
            return None

    def _forget_mig_devices(self, samples: Mapping[str, DeviceSample]) -> None:
        """A MIG device that is gone while its GPU is there was taken down, and is not broken."""
        for device_id, attributes in list(self._seen.items()):
            is_gone = device_id not in samples and device_id not in self._lost
            if is_gone and attributes.get(semconv.HW_PARENT) in samples:
                del self._seen[device_id]

    def _tell(self, message: str, reason: object) -> None:
        """Logs it once."""
        if message not in self._told:
            self._told.add(message)
            _log.warning(message, reason)


def _text(told: Any) -> str:
    """Older bindings give bytes."""
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
