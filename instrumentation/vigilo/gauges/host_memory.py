"""The memory that this process can have: the machine's, or what its control group allows where that is less.

Linux' own files are read, so that it works without psutil; elsewhere psutil is asked, where it is there.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vigilo.gauges.cgroup import read_small

if TYPE_CHECKING:
    from vigilo.gauges.cgroup import Limits
    from vigilo.notebook.place import Place

_LINE: Final = re.compile(
    r"^(MemTotal|MemFree|MemAvailable|Buffers|Cached|Shmem|SReclaimable|SwapTotal|SwapFree):\s*(\d+) kB$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Memory in bytes. Used, cached, buffers and free together are the limit.

    Attributes:
        limit_bytes: the machine's memory, or the limit of the control group.
        used_bytes: by processes, shared memory included.
        cached_bytes: files that are read again from disk when the memory is needed.
        buffers_bytes: the same of devices; 0 where it is not told.
        free_bytes: used by nothing.
        available_bytes: what processes can still have, as the kernel estimates it.
        swap_limit_bytes, swap_used_bytes: of the machine; 0 where it has none.
        limited: whether it is the limit of the control group.
    """

    limit_bytes: int
    used_bytes: int
    cached_bytes: int
    buffers_bytes: int
    free_bytes: int
    available_bytes: int
    swap_limit_bytes: int = 0
    swap_used_bytes: int = 0
    limited: bool = False


def host_memory(place: Place, limits: Limits) -> HostMemory | None:
    """The memory now; None where nothing tells it. Never raises.

    Args:
        place: the machine.
        limits: of the control group; a limit above the machine's memory is none.
    """
    machine = _of_meminfo(read_small(place.path("/proc/meminfo"))) or _of_psutil()
    limit, used, cached = limits.memory_bytes, limits.memory_used_bytes, limits.memory_cached_bytes or 0
    if limit is None or used is None or (machine is not None and limit >= machine.limit_bytes):
        return machine
    return HostMemory(
        limit_bytes=limit,
        used_bytes=min(used, limit),
        cached_bytes=min(cached, max(limit - used, 0)),
        buffers_bytes=0,
        free_bytes=max(limit - used - cached, 0),
        # The machine may run out before the group does.
        available_bytes=max(min(limit - used, machine.available_bytes if machine else limit), 0),
        swap_limit_bytes=machine.swap_limit_bytes if machine else 0,
        swap_used_bytes=machine.swap_used_bytes if machine else 0,
        limited=True,
    )


def _of_meminfo(text: str) -> HostMemory | None:
    told = {name: int(kib) * 1024 for name, kib in _LINE.findall(text)}
    total, free = told.get("MemTotal"), told.get("MemFree")
    if not total or free is None:
        return None
    buffers = told.get("Buffers", 0)
    # `Cached` counts shared memory, which is not given back: that of data loaders, for one.
    cached = max(told.get("Cached", 0) - told.get("Shmem", 0), 0) + told.get("SReclaimable", 0)
    swap = told.get("SwapTotal", 0)
    return HostMemory(
        limit_bytes=total,
        used_bytes=max(total - free - buffers - cached, 0),
        cached_bytes=cached,
        buffers_bytes=buffers,
        free_bytes=free,
        available_bytes=told.get("MemAvailable", free + buffers + cached),
        swap_limit_bytes=swap,
        swap_used_bytes=swap - told.get("SwapFree", swap),
    )


def _of_psutil() -> HostMemory | None:
    if sys.platform == "linux":
        return None
    try:
        import psutil

        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    except (ImportError, OSError, RuntimeError, NotImplementedError):
        return None
    cached = max(memory.total - memory.used - memory.free, 0)
    return HostMemory(
        limit_bytes=memory.total,
        used_bytes=memory.total - memory.free - cached,
        cached_bytes=cached,
        buffers_bytes=0,
        free_bytes=memory.free,
        available_bytes=memory.available,
        swap_limit_bytes=swap.total,
        swap_used_bytes=swap.used,
    )
