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
    from collections.abc import Iterable

_owner_pid = os.getpid()


@dataclass(frozen=True, slots=True)
class TorchDevice:
    """The allocator of one CUDA (or ROCm) device, in bytes and counts since the process began.

    Attributes:
        index: torch's, which ``CUDA_VISIBLE_DEVICES`` moves.
        uuid: as torch tells it, without the prefix that NVML has; None in versions that do not tell it.
        allocated_bytes, reserved_bytes: in tensors; in the allocator's hands.
        max_allocated_bytes: since the process began, or since the app called ``reset_peak_memory_stats``.
        alloc_retries: allocations that succeeded only after the cache was flushed.
        ooms: allocations that failed.
    """

    index: int
    uuid: str | None
    allocated_bytes: int
    reserved_bytes: int
    max_allocated_bytes: int
    alloc_retries: int
    ooms: int

    def hardware_id(self, known: Iterable[str]) -> str | None:
        """The device's ``hw.id`` among those that are known; None where it cannot be told."""
        uuid = self.uuid
        return next((one for one in known if uuid and bare_uuid(one) == uuid), None)


def bare_uuid(device_id: str) -> str:
    """``1b2c...`` of NVML's ``GPU-1b2c...`` or ``MIG-1b2c...``."""
    return device_id.removeprefix("GPU-").removeprefix("MIG-").lower()


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


def _device(cuda: Any, index: int) -> TorchDevice:
    # Flattened, as `memory_stats` gives them, they take five times as long.
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
    """Torch keeps the properties of its devices, so this is asked again each time."""
    uuid = getattr(cuda.get_device_properties(index), "uuid", None)
    return None if uuid is None else bare_uuid(str(uuid))
