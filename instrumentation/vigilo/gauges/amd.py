"""AMD's GPUs through ``amdsmi``, AMD's own package. Written from its source (7.0.2), and not tried on a GPU."""

from __future__ import annotations

import logging
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from vigilo import semconv
from vigilo.gauges.questions import SHORT_PAUSE_S, Lost, NoAnswer, Question
from vigilo.gauges.samples import DeviceSample

if TYPE_CHECKING:
    from collections.abc import Mapping

REOPEN_S: Final = 60.0
"""The driver is opened again so often at the most, after it went away."""
RARELY: Final = 30
"""Counts of errors are asked for in one of so many looks."""
_FINAL: Final = frozenset({2, 3, 5, 20, 40, 52, 55})
"""amdsmi_status_t: not supported, not implemented, no such symbol, no such folder, data, file or setting."""
_LOST: Final = frozenset({32, 34, 54})
"""The same: not initialized, driver not loaded, driver could not be restarted."""
_log = logging.getLogger("vigilo")


class AmdSampler:
    """All AMD GPUs."""

    def __init__(self) -> None:
        self._smi: Any = None
        self._devices: list[_Device] = []
        self._is_open = self._is_lost = self._has_told = False
        self._opened_s = float("-inf")

    def open(self) -> bool:
        self._opened_s = monotonic()
        try:
            self._smi = self._smi or import_module("amdsmi")
            self._shut_down()
            self._smi.amdsmi_init()
            self._is_open = True
            handles = self._smi.amdsmi_get_processor_handles()
            devices = [_Device(self._smi, handle) for handle in handles]
        except Exception as error:  # noqa: BLE001 - the package raises what it finds: no library, no driver, no GPU
            if not self._has_told:
                self._has_told = True
                _log.info("vigilo: amdsmi is installed and finds no GPU (%s)", type(error).__name__)
            return False
        if devices:  # else those that were lost stay, as failed
            self._devices, self._is_lost = devices, False
        return bool(devices)

    def sample(self, *, memory_only: bool = False) -> list[DeviceSample]:
        if self._is_lost and monotonic() - self._opened_s >= REOPEN_S:
            self.open()
        return [self._sample(device, memory_only) for device in self._devices]

    def close(self) -> None:
        self._devices = []
        self._shut_down()

    def _sample(self, device: _Device, memory_only: bool) -> DeviceSample:
        if not self._is_lost:
            try:
                return device.sample(memory_only)
            except Lost:
                self._is_lost = True
        return DeviceSample(device.id, device.attributes, "failed")

    def _shut_down(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                self._smi.amdsmi_shut_down()
            except Exception as error:  # noqa: BLE001 - the same
                _log.debug("vigilo: amdsmi_shut_down: %s", type(error).__name__)


class _Device:
    """One GPU."""

    def __init__(self, smi: Any, handle: Any) -> None:
        self._smi, self._handle, self._looks = smi, handle, 0
        self.id = str(smi.amdsmi_get_gpu_device_uuid(handle))
        self.attributes = {semconv.HW_ID: self.id, semconv.HW_VENDOR: "AMD", **self._facts()}
        self._often = [Question(ask, pause_s=SHORT_PAUSE_S) for ask in (self._memory, self._utilization)]
        self._each_look = [Question(ask) for ask in (self._power, self._energy, self._temperature, self._fan)]
        self._errors = Question(self._ask_errors)

    def sample(self, memory_only: bool) -> DeviceSample:
        """Raises :class:`Lost`."""
        questions = list(self._often)
        answers: dict[str, Any] = {}
        if not memory_only:
            if self._looks % RARELY == 0 and self._errors.may_be_asked():
                self._errors.put()
            self._looks += 1
            questions += self._each_look
            answers.update(self._errors.answer)
        for question in questions:
            if question.may_be_asked():
                question.put()
            answers.update(question.answer)
        return DeviceSample(self.id, self.attributes, **answers)

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._smi, name)(self._handle, *arguments)
        except AttributeError as error:
            raise NoAnswer(3, is_final=True) from error
        except Exception as error:
            code = error.get_error_code() if hasattr(error, "get_error_code") else None
            if not isinstance(code, int):
                raise
            if abs(code) in _LOST:
                raise Lost(code) from error
            raise NoAnswer(code, is_final=abs(code) in _FINAL) from error

    def _facts(self) -> dict[str, str]:
        facts: dict[str, str] = {}
        try:
            name = _told(self._ask("amdsmi_get_gpu_asic_info").get("market_name"))
            driver = _told(self._ask("amdsmi_get_gpu_driver_info").get("driver_version"))
        except (Lost, NoAnswer):
            return facts
        if name:
            facts[semconv.HW_NAME] = str(name)
        if driver:
            facts[semconv.HW_DRIVER_VERSION] = str(driver)
        return facts

    def _memory(self) -> Mapping[str, Any]:
        vram = self._smi.AmdSmiMemoryType.VRAM
        total = int(self._ask("amdsmi_get_gpu_memory_total", vram))
        used = int(self._ask("amdsmi_get_gpu_memory_usage", vram))
        return {"memory_used_bytes": used, "memory_limit_bytes": total, "memory_free_bytes": max(0, total - used)}

    def _utilization(self) -> Mapping[str, Any]:
        percent = _number(self._ask("amdsmi_get_gpu_activity").get("gfx_activity"))
        return {"utilization": percent / 100}

    def _power(self) -> Mapping[str, Any]:
        power = self._ask("amdsmi_get_power_info")
        for name in ("socket_power", "current_socket_power", "average_socket_power"):
            if isinstance(power.get(name), (int, float)) and power[name]:
                # Some versions give millionths of a watt; no socket takes ten kilowatts.
                return {"power_w": power[name] / 1e6 if power[name] > 10_000 else float(power[name])}
        raise NoAnswer(2, is_final=False)

    def _energy(self) -> Mapping[str, Any]:
        count = self._ask("amdsmi_get_energy_count")
        ticks = _number(count.get("energy_accumulator", count.get("power")))
        return {"energy_j": ticks * _number(count.get("counter_resolution")) / 1e6}

    def _temperature(self) -> Mapping[str, Any]:
        kinds, now = self._smi.AmdSmiTemperatureType, self._smi.AmdSmiTemperatureMetric.CURRENT
        # The MI series has no sensor at the edge, and older versions know no hotspot.
        for name in ("EDGE", "HOTSPOT", "JUNCTION"):
            kind = getattr(kinds, name, None)
            if kind is None:
                continue
            try:
                told = _number(self._ask("amdsmi_get_temp_metric", kind, now))
            except NoAnswer:
                continue
            return {"temperature_c": told / 1000 if told > 1000 else told}  # thousandths in older versions
        raise NoAnswer(2, is_final=True)

    def _fan(self) -> Mapping[str, Any]:
        most = _number(self._ask("amdsmi_get_gpu_fan_speed_max", 0))
        return {"fan_ratio": _number(self._ask("amdsmi_get_gpu_fan_speed", 0)) / most} if most else {}

    def _ask_errors(self) -> Mapping[str, Any]:
        counts = self._ask("amdsmi_get_gpu_total_ecc_count")
        names = {"corrected": "correctable_count", "uncorrected": "uncorrectable_count"}
        return {"errors": {kind: int(_number(counts.get(name))) for kind, name in names.items()}}


def _told(value: Any) -> Any:
    """None for ``N/A``."""
    return None if value == "N/A" else value


def _number(value: Any) -> float:
    """Raises NoAnswer where it is not told."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NoAnswer(2, is_final=False)
    return float(value)
