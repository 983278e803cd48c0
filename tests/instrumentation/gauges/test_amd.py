"""AMD's GPUs, through a module with the part of amdsmi's interface that is used (amdsmi 7.0.2, amdsmi_interface.py)."""

from __future__ import annotations

import sys
from enum import Enum
from types import ModuleType
from typing import Any

import pytest

from vigilo.gauges import amd
from vigilo.gauges.amd import AmdSampler

NOT_SUPPORTED, NO_PERMISSION, NOT_LOADED = 2, 10, 34


class SmiError(Exception):
    """As ``AmdSmiLibraryException``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self._code = code

    def get_error_code(self) -> int:
        return self._code


class Smi(ModuleType):
    """``amdsmi`` with one GPU."""

    AmdSmiMemoryType = Enum("AmdSmiMemoryType", "VRAM GTT")
    AmdSmiTemperatureType = Enum("AmdSmiTemperatureType", "EDGE HOTSPOT")
    AmdSmiTemperatureMetric = Enum("AmdSmiTemperatureMetric", "CURRENT MAX")

    def __init__(self) -> None:
        super().__init__("amdsmi")
        self.errors: dict[str, int] = {}
        self.calls: list[str] = []
        self.activity: int | str = 37
        self.power: dict[str, Any] = {"socket_power": "N/A", "current_socket_power": 300}

    def _call(self, name: str, answer: Any) -> Any:
        self.calls.append(name)
        if name in self.errors:
            raise SmiError(self.errors[name])
        return answer

    def amdsmi_init(self) -> None:
        self._call("init", None)

    def amdsmi_shut_down(self) -> None:
        self._call("shut_down", None)

    def amdsmi_get_processor_handles(self) -> list[str]:
        return self._call("handles", ["card0"])

    def amdsmi_get_gpu_device_uuid(self, _: str) -> str:
        return self._call("uuid", "ffff74a1-0000-1000-80ff-000000000000")

    def amdsmi_get_gpu_asic_info(self, _: str) -> dict[str, Any]:
        return self._call("asic", {"market_name": "AMD Instinct MI300X"})

    def amdsmi_get_gpu_driver_info(self, _: str) -> dict[str, Any]:
        return self._call("driver", {"driver_name": "amdgpu", "driver_version": "6.10.5"})

    def amdsmi_get_gpu_memory_total(self, _: str, kind: Enum) -> int:
        assert kind is self.AmdSmiMemoryType.VRAM
        return self._call("total", 192 * 2**30)

    def amdsmi_get_gpu_memory_usage(self, _: str, kind: Enum) -> int:
        return self._call("used", 2**30)

    def amdsmi_get_gpu_activity(self, _: str) -> dict[str, Any]:
        return self._call("activity", {"gfx_activity": self.activity, "umc_activity": 3, "mm_activity": "N/A"})

    def amdsmi_get_power_info(self, _: str) -> dict[str, Any]:
        return self._call("power", self.power)

    def amdsmi_get_energy_count(self, _: str) -> dict[str, Any]:
        return self._call("energy", {"energy_accumulator": 2_000_000, "counter_resolution": 15.5, "timestamp": 1})

    def amdsmi_get_temp_metric(self, _: str, kind: Enum, metric: Enum) -> int:
        assert metric is self.AmdSmiTemperatureMetric.CURRENT
        return self._call(f"temperature {kind.name}", 44)

    def amdsmi_get_gpu_fan_speed(self, _: str, sensor: int) -> int:
        return self._call("fan", 51)

    def amdsmi_get_gpu_fan_speed_max(self, _: str, sensor: int) -> int:
        return self._call("fan_max", 255)

    def amdsmi_get_gpu_total_ecc_count(self, _: str) -> dict[str, int]:
        return self._call("ecc", {"correctable_count": 1, "uncorrectable_count": 0, "deferred_count": 0})


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch) -> Smi:
    made = Smi()
    monkeypatch.setitem(sys.modules, "amdsmi", made)
    return made


def test_a_gpu_tells_what_amdsmi_says(smi: Smi) -> None:
    sampler = AmdSampler()
    assert sampler.open()
    (device,) = sampler.sample()
    assert device.attributes == {
        "hw.id": "ffff74a1-0000-1000-80ff-000000000000",
        "hw.vendor": "AMD",
        "hw.name": "AMD Instinct MI300X",
        "hw.driver_version": "6.10.5",
    }
    assert (device.memory_used_bytes, device.memory_limit_bytes, device.memory_free_bytes) == (
        2**30,
        192 * 2**30,
        191 * 2**30,
    )
    assert (device.utilization, device.power_w, device.energy_j, device.temperature_c) == (0.37, 300.0, 31.0, 44.0)
    assert (device.fan_ratio, device.errors) == (0.2, {"corrected": 1, "uncorrected": 0})
    sampler.close()
    assert smi.calls[-1] == "shut_down"


def test_once_a_second_only_memory_and_utilization_are_asked_for(smi: Smi) -> None:
    sampler = AmdSampler()
    sampler.open()
    smi.calls.clear()
    (device,) = sampler.sample(memory_only=True)
    assert smi.calls == ["total", "used", "activity"]
    assert device.power_w is None


def test_what_is_not_told_is_absent_and_what_is_not_supported_is_not_asked_for_again(smi: Smi) -> None:
    smi.activity = "N/A"
    smi.errors = {"fan_max": NOT_SUPPORTED, "power": NO_PERMISSION, "temperature EDGE": NOT_SUPPORTED}
    sampler = AmdSampler()
    sampler.open()
    for _ in range(9):
        (device,) = sampler.sample()
    assert (device.utilization, device.fan_ratio, device.power_w, device.state) == (None, None, None, "ok")
    assert device.temperature_c == 44.0
    assert [smi.calls.count(one) for one in ("fan_max", "power", "activity", "ecc")] == [1, 3, 3, 1]


def test_millionths_of_a_watt_are_known_by_their_size(smi: Smi) -> None:
    smi.power = {"socket_power": 303_000_000}
    sampler = AmdSampler()
    sampler.open()
    assert sampler.sample()[0].power_w == 303.0


def test_a_driver_that_went_away_is_failed_and_one_that_never_was_is_nothing(smi: Smi) -> None:
    sampler = AmdSampler()
    sampler.open()
    smi.errors["total"] = NOT_LOADED
    assert [(one.state, one.memory_used_bytes) for one in sampler.sample()] == [("failed", None)]
    smi.errors["init"] = NOT_LOADED
    assert not AmdSampler().open()


def test_a_driver_that_went_away_is_opened_again_once_a_minute(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(amd, "monotonic", lambda: now_s)
    sampler = AmdSampler()
    sampler.open()
    smi.errors = {"total": NOT_LOADED, "init": NOT_LOADED}
    for _ in range(12):
        now_s += 10
        assert [one.state for one in sampler.sample()] == ["failed"]
    assert smi.calls.count("init") == 1 + 2
    assert smi.calls.count("total") == 1
    smi.errors = {}
    now_s += 60
    assert [(one.state, one.memory_used_bytes) for one in sampler.sample()] == [("ok", 2**30)]


def test_counts_of_errors_asked_for_after_the_driver_went_away_make_it_failed(smi: Smi) -> None:
    sampler = AmdSampler()
    sampler.open()
    smi.errors["ecc"] = NOT_LOADED
    assert [one.state for one in sampler.sample()] == ["failed"]


def test_versions_that_know_no_hotspot_tell_the_junction(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smi, "AmdSmiTemperatureType", Enum("AmdSmiTemperatureType", "EDGE JUNCTION"), raising=False)
    smi.errors["temperature EDGE"] = NOT_SUPPORTED
    sampler = AmdSampler()
    sampler.open()
    assert sampler.sample()[0].temperature_c == 44.0
    assert smi.calls.count("temperature JUNCTION") == 1
