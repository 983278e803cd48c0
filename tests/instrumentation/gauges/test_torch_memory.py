"""Torch's allocator, as a module with the part of torch's interface that is read (torch 2.9, torch/cuda/memory.py)."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from vigilo.gauges.samples import DeviceSample
from vigilo.gauges.torch_memory import TorchDevice, hardware_ids, torch_devices

UUID = "11111111-0000-0000-0000-000000000000"


class Cuda:
    """``torch.cuda`` of a process that uses one GPU."""

    def __init__(self, uuid: str | None = UUID, *, initialized: bool = True) -> None:
        self._uuid, self._initialized = uuid, initialized
        self.asked: list[str] = []

    def is_initialized(self) -> bool:
        return self._initialized

    def device_count(self) -> int:
        self.asked.append("device_count")
        return 1

    def get_device_properties(self, index: int) -> Any:
        return SimpleNamespace(name=f"GPU {index}", **({"uuid": self._uuid} if self._uuid else {}))

    def memory_stats_as_nested_dict(self, index: int) -> dict[str, Any]:
        return {
            "allocated_bytes": {"all": {"current": 10, "peak": 30, "allocated": 99, "freed": 89}},
            "reserved_bytes": {"all": {"current": 40, "peak": 40}},
            "num_alloc_retries": 2,
            "num_ooms": index,
        }


@pytest.fixture
def use_torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda cuda: monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))  # type: ignore[arg-type]


def test_a_device_is_named_as_nvml_names_it(use_torch: Any) -> None:
    use_torch(Cuda())
    assert torch_devices() == [TorchDevice(0, f"GPU-{UUID}", 10, 40, 30, 2, 0)]


def test_a_mig_device_that_was_chosen_is_named_as_one(use_torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use_torch(Cuda())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"MIG-{UUID}")
    assert [device.uuid for device in torch_devices()] == [f"MIG-{UUID}"]


def test_versions_that_tell_no_uuid_give_the_rest(use_torch: Any) -> None:
    use_torch(Cuda(None))
    assert [(device.uuid, device.reserved) for device in torch_devices()] == [(None, 40)]


@pytest.mark.parametrize(
    ("uuids", "ids", "found"),
    [
        (["GPU-b", "GPU-a"], ["GPU-a", "GPU-b"], {0: "GPU-b", 1: "GPU-a"}),
        (["GPU-m"], ["GPU-a", "MIG-m"], {0: "MIG-m"}),  # torch does not tell that it is a MIG device
        (["MIG-m"], ["MIG-m"], {0: "MIG-m"}),
        ([None], ["GPU-a"], {0: "GPU-a"}),
        (["GPU-of HIP"], ["ffff74a1-0000"], {0: "ffff74a1-0000"}),
        (["GPU-of HIP"], ["ffff74a1-0000", "ffff74a1-0001"], {}),
        ([None, "GPU-b"], ["GPU-b"], {1: "GPU-b"}),
        ([None, None], ["GPU-a"], {}),
        (["GPU-a"], [], {}),
    ],
)
def test_devices_are_found_among_the_driver_s_by_what_comes_after_the_prefix(
    uuids: list[str | None], ids: list[str], found: dict[int, str]
) -> None:
    devices = [TorchDevice(index, uuid, 10, 40, 30, 2, 0) for index, uuid in enumerate(uuids)]
    assert hardware_ids(devices, [DeviceSample(one, {}) for one in ids]) == found


def test_torch_that_has_no_context_is_not_touched(use_torch: Any) -> None:
    cuda = Cuda(initialized=False)
    use_torch(cuda)
    assert torch_devices() == []
    assert cuda.asked == []


def test_torch_is_not_imported_and_may_be_half_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert torch_devices() == []
    assert "torch" not in sys.modules
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())  # type: ignore[arg-type]
    assert torch_devices() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_tells_nothing(use_torch: Any) -> None:
    use_torch(Cuda())
    child = os.fork()
    if child == 0:
        os._exit(0 if torch_devices() == [] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
