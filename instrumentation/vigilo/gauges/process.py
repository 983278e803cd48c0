"""What this process uses, in one look through psutil."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vigilo.errors import internal_errors

try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:  # Windows
    getrusage = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class ProcessLook:
    """One look at this process; None where the system does not tell it.

    Attributes:
        cpu_s: seconds of CPU time since it began, by mode: user, system.
        memory_bytes, virtual_bytes: resident, and mapped.
        threads: of the system, not only Python's.
        switches: context switches since it began: voluntary, involuntary.
        file_descriptors: open ones; None on Windows.
        uptime_s: since it began.
    """

    cpu_s: Mapping[str, float]
    memory_bytes: int
    virtual_bytes: int
    threads: int
    switches: Mapping[str, int] | None
    file_descriptors: int | None
    uptime_s: float


class ThisProcess:
    """Looks at this process. Needs psutil."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        # From here on by the monotonic clock: setting the wall clock makes no process older.
        age_s = max(time.time() - self._process.create_time(), 0.0)
        self._began_monotonic_s = time.monotonic() - age_s

    def look(self) -> ProcessLook:
        """Looks now.

        Raises:
            psutil.Error, OSError: the system does not even tell time and memory.
        """
        process = self._process
        with process.oneshot():
            memory, threads = process.memory_info(), process.num_threads()
            cpu_s, switches = _spent(process)
        return ProcessLook(
            cpu_s=cpu_s,
            memory_bytes=memory.rss,
            virtual_bytes=memory.vms,
            threads=threads,
            switches=switches,
            file_descriptors=told(process.num_fds) if hasattr(process, "num_fds") else None,
            uptime_s=time.monotonic() - self._began_monotonic_s,
        )


def _spent(process: Any) -> tuple[dict[str, float], dict[str, int] | None]:
    """CPU time and context switches. The system's own call tells both, finer and ten times as fast as ``/proc``."""
    if getrusage is not None:
        used = getrusage(RUSAGE_SELF)
        cpu_s = {"user": used.ru_utime, "system": used.ru_stime}
        return cpu_s, {"voluntary": used.ru_nvcsw, "involuntary": used.ru_nivcsw}
    cpu, switches = process.cpu_times(), told(process.num_ctx_switches)
    in_all = switches and {"voluntary": switches.voluntary, "involuntary": switches.involuntary}
    return {"user": cpu.user, "system": cpu.system}, in_all


def usable_cpus(limit: float | None) -> float:
    """CPUs that this process may use: those it may run on, or the time that its control group allows if less.

    Args:
        limit: CPUs' worth of time of the control group, None for any.
    """
    try:
        cpus: float = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on macOS and Windows
        cpus = os.cpu_count() or 1
    return min(cpus, limit) if limit else cpus


def told(ask: Callable[[], _Told]) -> _Told | None:
    """What the system tells; None where it does not, as in a sandbox without parts of ``/proc``."""
    import psutil

    with internal_errors("looking at the host"):
        try:
            return ask()
        except (psutil.Error, OSError, NotImplementedError, RuntimeError):
            return None
    return None
