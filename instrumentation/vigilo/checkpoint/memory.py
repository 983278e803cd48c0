"""Whether the host has room for a copy of what is saved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vigilo.gauges.cgroup import ControlGroup

if TYPE_CHECKING:
    from vigilo.notebook.place import Place

SHARE: Final = 0.5
"""Of what is free; the app goes on while it is written, and takes memory too."""


def has_room_for_copy(place: Place, size_bytes: int) -> bool:
    """Whether so much fits into half of the memory that is free, by the machine and by the control group."""
    available = re.search(r"^MemAvailable:\s+(\d+) kB", place.text("/proc/meminfo") or "", re.MULTILINE)
    free = [int(available[1]) * 1024] if available else []
    limits = ControlGroup(place).limits()
    if limits.memory_bytes is not None and limits.memory_used_bytes is not None:
        free.append(limits.memory_bytes - limits.memory_used_bytes)
    return size_bytes <= SHARE * min(free, default=2 * size_bytes)
