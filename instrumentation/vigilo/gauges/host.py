"""One look at the host and this process for all gauges and all readers of a cycle, through psutil.

CPU utilization is the difference of two looks. ``psutil.cpu_percent`` keeps the last call in the module: whoever asks
second in a cycle, another library for one, is told 0 %. So times are remembered here, with each snapshot its own.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from vigilo.gauges.cgroup import ControlGroup, Limits
from vigilo.gauges.host_devices import Devices, Transfers, Volume
from vigilo.gauges.host_memory import HostMemory, host_memory
from vigilo.gauges.process import ProcessLook, ThisProcess, told, usable_cpus
from vigilo.notebook.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TTL_S: Final = 1.0
"""Readers that collect within this time get the same look."""
WINDOW_S: Final = 10.0
"""Utilization is over at least this time where there is a look so old: two readers shall not halve their windows."""
_MODES: Final = ("user", "nice", "system", "idle", "iowait", "steal")  # those of guests are in `user` and `nice`


@dataclass(frozen=True, slots=True)
class HostLook:
    """One look; what the system does not tell is None or empty.

    Attributes:
        cpu_s: seconds of CPU time of the machine by mode, all CPUs together.
        cpu_utilization: 0 to 1 by mode, the share of all CPUs; empty at the first look.
        cpus: logical CPUs of the machine.
        memory: the machine's, or its control group's where that is limited.
        limits: of the control group.
        volumes: file systems on local disks.
        disks, networks: bytes moved since the machine began.
        uptime_s: of the machine, time asleep included.
        process: this process.
        process_utilization: 0 to 1 by mode, of the CPUs that the process may use; empty at the first look.
    """

    cpu_s: Mapping[str, float]
    cpu_utilization: Mapping[str, float]
    cpus: int | None
    memory: HostMemory | None
    limits: Limits
    volumes: tuple[Volume, ...]
    disks: tuple[Transfers, ...]
    networks: tuple[Transfers, ...]
    uptime_s: float | None
    process: ProcessLook | None
    process_utilization: Mapping[str, float]


class _Times(NamedTuple):
    """CPU times that later looks are compared with."""

    monotonic_s: float
    machine: Mapping[str, float]
    process: Mapping[str, float]


class HostSnapshot:
    """Looks at the host at most once in :data:`TTL_S`, for any number of threads; in a forked child not at all.

    Args:
        place: the machine, for the limits of its control groups and its memory; psutil sees only this one.
        monotonic_s: the clock.

    Raises:
        ImportError: psutil is not installed.
    """

    def __init__(self, place: Place | None = None, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        import psutil

        self._psutil: Any = psutil
        self._place = place or Place.here()
        self._clock = monotonic_s
        self._owner_pid = os.getpid()
        self._lock = threading.Lock()
        self._group = ControlGroup(self._place)
        self._this_process = told(ThisProcess)
        self._devices = Devices()
        self._cpus = told(lambda: psutil.cpu_count(logical=True))
        self._times: deque[_Times] = deque()
        self._looked_s, self._last = float("-inf"), cast("HostLook | None", None)
        self._times.append(self._times_of(self._clock(), self._machine_times(), self._process_look()))

    def now(self) -> HostLook | None:
        """The host as it is, or was less than :data:`TTL_S` ago; None in a child that was forked."""
        if os.getpid() != self._owner_pid:
            return None
        with self._lock:
            now_s = self._clock()
            if self._last is None or now_s - self._looked_s >= TTL_S:
                self._last, self._looked_s = self._look(now_s), now_s
            return self._last

    def _look(self, now_s: float) -> HostLook:
        limits = self._group.limits()
        process, machine_s = self._process_look(), self._machine_times()
        times = self._times_of(now_s, machine_s, process)
        machine, of_process = self._utilization(times, usable_cpus(limits.cpus))
        return HostLook(
            cpu_s=machine_s,
            cpu_utilization=machine,
            cpus=self._cpus,
            memory=host_memory(self._place, limits),
            limits=limits,
            volumes=told(lambda: self._devices.volumes(now_s)) or (),
            disks=told(lambda: self._devices.disks(now_s)) or (),
            networks=told(self._devices.networks) or (),
            uptime_s=told(self._uptime_s),
            process=process,
            process_utilization=of_process,
        )

    def _utilization(self, now: _Times, cpus: float) -> tuple[dict[str, float], dict[str, float]]:
        """Of the machine and of the process, by mode, since the newest look that is :data:`WINDOW_S` old."""
        while len(self._times) > 1 and now.monotonic_s - self._times[1].monotonic_s >= WINDOW_S:
            self._times.popleft()
        then = self._times[0]
        self._times.append(now)
        # Times of the machine can go back, those of `iowait` do on some kernels.
        spent = {mode: max(s - then.machine.get(mode, s), 0.0) for mode, s in now.machine.items()}
        in_all = sum(spent.values())
        machine = {mode: s / in_all for mode, s in spent.items()} if in_all > 0 else {}
        could_s = (now.monotonic_s - then.monotonic_s) * cpus
        process = {}
        if could_s > 0 and then.process:
            process = {mode: min(max(s - then.process[mode], 0.0) / could_s, 1.0) for mode, s in now.process.items()}
        return machine, process

    def _process_look(self) -> ProcessLook | None:
        return told(self._this_process.look) if self._this_process is not None else None

    def _machine_times(self) -> dict[str, float]:
        times = told(self._psutil.cpu_times)
        if times is None:
            return {}
        modes = {mode: getattr(times, mode) for mode in _MODES if hasattr(times, mode)}
        interrupts = [getattr(times, name) for name in ("irq", "softirq", "interrupt") if hasattr(times, name)]
        return {**modes, "interrupt": sum(interrupts)} if interrupts else modes

    def _uptime_s(self) -> float:
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return max(time.time() - float(self._psutil.boot_time()), 0.0)

    @staticmethod
    def _times_of(now_s: float, machine: Mapping[str, float], process: ProcessLook | None) -> _Times:
        return _Times(now_s, machine, process.cpu_s if process is not None else {})
