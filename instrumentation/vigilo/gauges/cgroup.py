"""What the control group of this process may use, version 2 and version 1 of Linux' control groups.

In a container ``/proc/meminfo`` and the number of CPUs are the machine's; what ends the process is the group's limit.
Files and their meaning: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel. Which folder is
the group's: its path in ``/proc/self/cgroup``, below the mount whose root ``/proc/self/mountinfo`` tells; with a
namespace of its own the path is ``/``, without one the mount shows the group alone, so that the path is beyond it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.notebook.place import Place

UNLIMITED_BYTES: Final = 1 << 60
"""Version 1 writes "no limit" as the largest multiple of a page."""
EVENTS_VARIABLE: Final = "CGROUP_MEMORY_EVENTS"
"""Paths separated by spaces: where Colab keeps the events of the group that notebooks run in."""
_SMALL_BYTES: Final = 1 << 16
_V2_CACHE: Final = ("active_file", "inactive_file", "slab_reclaimable")
_V1_CACHE: Final = ("total_active_file", "total_inactive_file")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the group may use; None where it is not limited, or not told.

    Attributes:
        memory_bytes: the lowest limit of the group and those above it.
        memory_used_bytes: used under that limit, without what the kernel gives back before it kills: the cache of
            files. With the cache, reading a large data set looks like a leak.
        cpus: CPUs' worth of time, 1.5 for 150 ms in 100 ms.
        oom_kills: processes of the group that the kernel has killed as memory ran out; of the machine where the
            process is in no group that counts.
        memory_cached_bytes: the cache of files that is counted under the limit.
    """

    memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    cpus: float | None = None
    oom_kills: int | None = None
    memory_cached_bytes: int | None = None


class ControlGroup:
    """The control group of this process. Its files are looked for once and read each time.

    Args:
        place: the machine.
    """

    def __init__(self, place: Place) -> None:
        mounts, paths = _mounts(place.text("/proc/self/mountinfo")), _paths(place.text("/proc/self/cgroup"))

        def found(controller: str, mount: str, *names: str) -> list[list[Path]]:
            """Files of the levels that have the first of them, the nearest level first."""
            levels = _levels(place, *mounts.get(controller, (mount, "/")), paths.get(controller, "/"))
            files = [[place.path(f"{level}/{name}") for name in names] for level in levels]
            return [of_level for of_level in files if of_level[0].is_file()]

        v2, v1, cpu = ("", "/sys/fs/cgroup"), ("memory", "/sys/fs/cgroup/memory"), ("cpu", "/sys/fs/cgroup/cpu")
        self._cpu_max = found(*v2, "cpu.max")
        self._cpu_quota = found(*cpu, "cpu.cfs_quota_us", "cpu.cfs_period_us")
        self._memory_v2 = found(*v2, "memory.max", "memory.current", "memory.stat")
        self._memory_v1 = found(*v1, "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
        # The nearest level that counts; in version 2 it counts what is below it as well.
        counting = [*found(*v2, "memory.events")[:1], *found(*v1, "memory.oom_control")[:1]]
        named = [place.path(path) for path in place.environ.get(EVENTS_VARIABLE, "").split()]
        self._events = [path for (path,) in counting] + [path for path in named if path.is_file()]
        self._machine_events = place.path("/proc/vmstat")

    def limits(self) -> Limits:
        """Reads what is so now. Never raises."""
        memory = _tightest(self._memory_v2, _V2_CACHE) or _tightest(self._memory_v1, _V1_CACHE)
        limit, used, cached = memory or (None, None, None)
        return Limits(limit, used, self.cpus(), self.oom_kills(), cached)

    def cpus(self) -> float | None:
        """CPUs' worth of time that the group may use."""
        told = [read_small(path).partition(" ")[::2] for (path,) in self._cpu_max]
        told += [(read_small(quota), read_small(period)) for quota, period in self._cpu_quota]
        shares = [_share(quota, period) for quota, period in told]
        return min((share for share in shares if share is not None), default=None)

    def oom_kills(self) -> int | None:
        """Processes that the kernel has killed as memory ran out."""
        counts = [_table(read_small(path)).get("oom_kill") for path in self._events]
        known = [count for count in counts if count is not None]
        return max(known) if known else _table(read_small(self._machine_events)).get("oom_kill")


def limits(place: Place) -> Limits:
    """What the control group of this process may use now. Never raises."""
    return ControlGroup(place).limits()


def _levels(place: Place, mount: str, root: str, path: str) -> list[str]:
    """Folders of a group and of those above it, nearest first.

    Args:
        place: the machine.
        mount: where the groups are mounted.
        root: the group that the mount shows at its top.
        path: of the group.
    """
    inside = PurePosixPath(path)
    if ".." in inside.parts or not inside.is_relative_to(root):
        return [mount]
    below = inside.relative_to(root)
    return [f"{mount}/{part}" for part in (below, *below.parents) if part.name] + [mount]


def _mounts(mountinfo: str | None) -> dict[str, tuple[str, str]]:
    """Mount point and root by controller; version 2 has the name ``""``."""
    found: dict[str, tuple[str, str]] = {}
    for line in (mountinfo or "").splitlines():
        mount, _, system = line.partition(" - ")
        fields, system_fields = mount.split(), system.split()
        if len(fields) < 5 or len(system_fields) < 3:
            continue
        root, point = fields[3:5]
        if system_fields[0] == "cgroup2":
            found.setdefault("", (point, root))
        elif system_fields[0] == "cgroup":
            for controller in system_fields[2].split(","):
                found.setdefault(controller, (point, root))
    return found


def _paths(groups: str | None) -> dict[str, str]:
    """``4:cpu,cpuacct:/docker/1a2b`` -> path by controller; version 2 has the name ``""``."""
    found: dict[str, str] = {}
    for line in (groups or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _tightest(levels: list[list[Path]], cache: tuple[str, ...]) -> tuple[int, int, int] | None:
    """Limit, use and cache in bytes at the level with the lowest limit; the higher one of two that are alike."""
    lowest: tuple[int, list[Path]] | None = None
    for files in levels:
        limit = _number(read_small(files[0]))
        if limit is not None and 0 < limit < UNLIMITED_BYTES and (lowest is None or limit <= lowest[0]):
            lowest = limit, files
    if lowest is None:
        return None
    limit, (_, usage_file, stat_file) = lowest
    usage = _number(read_small(usage_file))
    if usage is None:
        return None
    stat = _table(read_small(stat_file))
    cached = min(sum(stat.get(name, 0) for name in cache), usage)
    return limit, usage - cached, cached


def read_small(path: Path) -> str:
    """What a small file of the kernel says, in one read; nothing where it cannot be read, as after its group is gone.

    A third of what ``Path.read_text`` costs, and several of them are read once a second.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(file, _SMALL_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(file)


def _table(text: str) -> dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _share(quota: str, period: str) -> float | None:
    quota_us, period_us = _number(quota), _number(period)
    return quota_us / period_us if quota_us and period_us else None
