"""Looks at memory and utilization once a second, so that peaks between two exports are seen, and growth in time.

No faster: what a GPU tells as its utilization is an average of up to a second (NVML, ``nvmlUtilization_t``).
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.errors import internal_errors
from vigilo.gauges.snapshot import shared_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from vigilo.gauges.samples import DeviceSample
    from vigilo.gauges.snapshot import Snapshot

    Listener = Callable[[float, list[DeviceSample]], None]

MAX_READERS: Final = 16
"""Readers whose peaks are kept; the one that asked least lately is forgotten for another."""
NOBODY_S: Final = 900.0
"""Peaks are looked for as long as somebody asked for them within this."""
NOTHING_S: Final = 60.0
"""Seconds between looks where there is no device, or nobody is there for whom to look."""


class Peaks(NamedTuple):
    """Of one device, over a while; None where the device does not tell it. In bytes, and 0 to 1."""

    max_bytes: int | None
    max_utilization: float | None
    mean_utilization: float | None


class _Seen:
    """What was seen of one device."""

    __slots__ = ("count", "max_bytes", "max_utilization", "sum_utilization")

    def __init__(self) -> None:
        self.max_bytes: int | None = None
        self.max_utilization: float | None = None
        self.sum_utilization, self.count = 0.0, 0

    def add(self, sample: DeviceSample) -> None:
        used, utilization = sample.memory_used_bytes, sample.utilization
        if used is not None:
            self.max_bytes = used if self.max_bytes is None else max(used, self.max_bytes)
        if utilization is not None:
            self.max_utilization = max(utilization, self.max_utilization or 0.0)
            self.sum_utilization += utilization
            self.count += 1

    def peaks(self) -> Peaks:
        mean = self.sum_utilization / self.count if self.count else None
        return Peaks(self.max_bytes, self.max_utilization, mean)


class Ring:
    """One thread that looks, for all who listen and all who read. Safe for threads; does nothing in a forked child.

    Args:
        snapshot: whose devices.
        interval_s: between two looks; 0: never looks.
    """

    def __init__(self, snapshot: Snapshot, interval_s: float = 1.0) -> None:
        self._snapshot, self._interval_s = snapshot, interval_s
        self._owner_pid = snapshot.owner_pid
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        self._readers: OrderedDict[Hashable, dict[str, _Seen]] = OrderedDict()
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._asked_s = float("-inf")

    def listen(self, callback: Listener) -> None:
        """Calls it after each look with the time of the monotonic clock and the devices, which may be none.

        From the ring's own thread, one after the other: it must not take long.
        """
        if os.getpid() != self._owner_pid:
            return
        with self._lock:
            if callback not in self._listeners:
                self._listeners = (*self._listeners, callback)
        self._start()

    def unlisten(self, callback: Listener) -> None:
        """Calls it no more."""
        if os.getpid() == self._owner_pid:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one != callback)

    def peaks(self, reader_id: Hashable) -> dict[str, Peaks]:
        """What was seen of each device since this reader last asked; nothing when it asks for the first time."""
        if os.getpid() != self._owner_pid:
            return {}
        with self._lock:
            self._asked_s = monotonic()
            seen = self._readers.pop(reader_id, {})
            self._readers[reader_id] = {}
            if len(self._readers) > MAX_READERS:
                self._readers.popitem(last=False)
        self._start()
        return {device_id: one.peaks() for device_id, one in seen.items()}

    def stop(self) -> None:
        """Ends the thread, and waits for it for a second."""
        self._stopped.set()
        self._woken.set()
        if self._thread is not None and os.getpid() == self._owner_pid:
            self._thread.join(1.0)

    def _start(self) -> None:
        self._woken.set()
        if self._thread is not None or self._interval_s <= 0:
            return
        with self._lock:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="vigilo-peaks", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # no more threads, or the interpreter ends: who asks next tries again
                    self._thread = None

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()  # before it looks: who wakes it from here on has the next look at once
            if self._stopped.is_set():
                break
            samples: list[DeviceSample] = []
            with internal_errors("looking at memory"):
                samples = self._snapshot.memory()
            now_s = monotonic()
            with self._lock:
                listeners = self._listeners
                for seen in self._readers.values():
                    for sample in samples:
                        if sample.id not in seen:
                            seen[sample.id] = _Seen()
                        seen[sample.id].add(sample)
            for listener in listeners:
                with internal_errors("looking after memory"):
                    listener(now_s, samples)
            if listeners or (samples and now_s - self._asked_s < NOBODY_S):
                self._stopped.wait(self._interval_s)
            else:
                self._woken.wait(max(self._interval_s, NOTHING_S))


def shared_ring() -> Ring:
    """The one of this process; it looks every ``peak_interval_s``."""
    global _shared
    if _shared is None:
        with _lock:
            if _shared is None:
                from vigilo.settings import app_settings

                _shared = Ring(shared_snapshot(), app_settings().peak_interval_s)
    return _shared


def forget() -> None:
    """Makes a new one for the next who asks: for tests."""
    global _shared
    if _shared is not None:
        _shared.stop()
    _shared = None


_lock = threading.Lock()
_shared: Ring | None = None


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
