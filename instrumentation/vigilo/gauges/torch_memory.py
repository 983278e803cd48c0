"""What PyTorch's caching allocator holds of each GPU: asked only where the app already uses one.

Importing torch, or making it touch a GPU, would create a CUDA context of hundreds of megabytes on it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vigilo.gauges.samples import DeviceSample

_owner_pid = os.getpid()


@dataclass(frozen=True, slots=True)
class TorchDevice:
    """The allocator of one CUDA (or ROCm) device, in bytes and counts since the process began.

    Attributes:
        index: torch's, which ``CUDA_VISIBLE_DEVICES`` moves.
        uuid: mostly as NVML has it, see :func:`hardware_ids`; None in versions of torch that do not tell it.
        allocated, reserved: in tensors; in the allocator's hands.
        max_allocated: since the process began, or since the app called ``reset_peak_memory_stats``.
        alloc_retries: allocations that succeeded only after the cache was flushed.
        ooms: allocations that failed.
    """

    index: int
    uuid: str | None
    allocated: int
    reserved: int
    max_allocated: int
    alloc_retries: int
    ooms: int


def torch_devices() -> list[TorchDevice]:
    """All devices of torch's allocator; none where torch is not in use on a GPU, and in a forked child."""
    torch: Any = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)  # None while torch is being imported
    if cuda is None or os.getpid() != _owner_pid:
        return []
    with internal_errors("asking torch for its memory"):
        if cuda.is_initialized():
            return [_device(cuda, index) for index in range(cuda.device_count())]
    return []


def hardware_ids(devices: Sequence[TorchDevice], samples: Sequence[DeviceSample]) -> dict[int, str]:
    """The ``hw.id`` of torch's devices by their index, where they are known among these samples.

    Prefixes do not count: torch does not tell what is a MIG device. On ROCm its UUIDs are others than the driver's.
    """
    by_uuid = {one.id.partition("-")[2]: one.id for one in samples}
    uuids = {device.index: (device.uuid or "").partition("-")[2] for device in devices}
    found = {index: by_uuid[uuid] for index, uuid in uuids.items() if uuid and uuid in by_uuid}
    if not found and len(devices) == len(samples) == 1:
        return {devices[0].index: samples[0].id}
    return found


def _device(cuda: Any, index: int) -> TorchDevice:
    # Not `memory_stats`, which makes a flat dictionary of some hundred names of the same.
    stats = cuda.memory_stats_as_nested_dict(index)
    allocated, reserved = (stats.get(name, {}).get("all", {}) for name in ("allocated_bytes", "reserved_bytes"))
    return TorchDevice(
        index,
        _uuid(cuda, index),
        allocated.get("current", 0),
        reserved.get("current", 0),
        allocated.get("peak", 0),
        stats.get("num_alloc_retries", 0),
        stats.get("num_ooms", 0),
    )


def _uuid(cuda: Any, index: int) -> str | None:
    """``GPU-1b2c...``, and ``MIG-1b2c...`` where such a device was chosen: torch tells it without the prefix.

    Torch keeps the properties of its devices, so it is asked each time.
    """
    uuid = getattr(cuda.get_device_properties(index), "uuid", None)
    if uuid is None:
        return None
    mig = f"MIG-{uuid}"
    return mig if mig in os.environ.get("CUDA_VISIBLE_DEVICES", "") else f"GPU-{uuid}"
