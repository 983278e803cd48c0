"""How long the session has lasted, and how long no cell has run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigilo.notebook.place import Place

_START_TIME = 19
"""Index of a process' start, in ticks since the machine was started, after its name in /proc/<pid>/stat (proc(5))."""


class SessionClock:
    """How long the session has lasted, by a clock that nobody sets.

    Attributes:
        since: what its begin is: ``vm`` (the machine, or the container in it, was given for this session), ``process``
            (this one), or ``first_seen`` (by vigilo, as nothing tells it).
    """

    def __init__(self, place: Place, *, managed: bool) -> None:
        self._place = place
        age_s, self.since = (machine_age_s(place), "vm") if managed else (process_age_s(place), "process")
        if age_s is None:
            age_s, self.since = 0.0, "first_seen"
        self._began_s = place.monotonic_s() - age_s

    def uptime_s(self) -> float:
        """Seconds since the session began."""
        return max(0.0, self._place.monotonic_s() - self._began_s)

    def began_wall_s(self) -> float:
        """When it began, in seconds since 1970."""
        return self._place.wall_s() - self.uptime_s()

    def began_before(self, wall_s: float) -> None:
        """Where nothing told the begin: an earlier process of the same session has noted this one."""
        if self.since == "first_seen":
            self._began_s = min(self._began_s, self._place.monotonic_s() - (self._place.wall_s() - wall_s))


def machine_age_s(place: Place) -> float | None:
    """Seconds since the machine was started, or the container on it: /proc/uptime may be the host's."""
    uptime_s = _uptime_s(place)
    ages = [age for age in (uptime_s, _age_s(place, "1", uptime_s)) if age is not None]
    return min(ages, default=None)


def process_age_s(place: Place) -> float | None:
    """Seconds since this process was started; None where there is no /proc."""
    return _age_s(place, "self", _uptime_s(place))


def process_start(place: Place, pid: str = "self") -> str:
    """When a process was started, in ticks since the machine was; empty where there is no /proc."""
    stat = place.text(f"/proc/{pid}/stat")
    fields = stat.rpartition(")")[2].split() if stat else []
    return fields[_START_TIME] if len(fields) > _START_TIME else ""


def _uptime_s(place: Place) -> float | None:
    try:
        return float((place.text("/proc/uptime") or "").split()[0])
    except (IndexError, ValueError):
        return None


def _age_s(place: Place, pid: str, uptime_s: float | None) -> float | None:
    start = process_start(place, pid)
    if uptime_s is None or not start.isdigit():
        return None
    age_s = uptime_s - int(start) / os.sysconf("SC_CLK_TCK")
    return age_s if age_s >= 0 else None


class CellClock:
    """When cells ran. What a browser does is not seen: the platform's idle time may be shorter than this one."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._last_s = place.monotonic_s()
        self._busy_since_s: float | None = None
        self.cells = self.failed_cells = 0

    def began(self) -> None:
        self._busy_since_s = self._place.monotonic_s()
        self.cells += 1

    def ended(self, *, failed: bool) -> None:
        self._busy_since_s, self._last_s = None, self._place.monotonic_s()
        self.failed_cells += failed

    def cell_s(self) -> float | None:
        """How long the running cell has run; None where none runs."""
        since_s = self._busy_since_s
        return None if since_s is None else self._place.monotonic_s() - since_s

    def idle_s(self) -> float:
        """Seconds since a cell ran; 0 while one does."""
        return 0.0 if self._busy_since_s is not None else max(0.0, self._place.monotonic_s() - self._last_s)
