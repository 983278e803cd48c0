"""Warns before the memory of a GPU or of the host runs out: log, event, metric, the app's functions, a checkpoint.

It listens to the ring, which looks once a second in one thread of the process, and adds each look to a forecast for
each memory. The host's is the control group's where that is limited: there the kernel kills without a word, and what
it killed is found by its count afterwards (:mod:`vigilo.gauges.oom_kills`).
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vigilo import semconv
from vigilo.gauges.cgroup import ControlGroup
from vigilo.gauges.forecast import QUIET, Forecast, Outlook
from vigilo.gauges.host_memory import host_memory
from vigilo.gauges.memory_warnings import Warning_, request_checkpoint, tell, warning_of
from vigilo.gauges.oom_kills import OomKills
from vigilo.tallies import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vigilo.gauges.samples import DeviceSample
    from vigilo.gauges.torch_memory import TorchDevice
    from vigilo.notebook.place import Place
    from vigilo.settings import Settings

RANKS: Final = {"": 0, "watch": 1, "warn": 2, "critical": 3}
QUIET_S: Final = 300.0
"""A level is told again when there was less of a warning for so long in between."""
REQUEST_EVERY_S: Final = 300.0
"""Between two requests for a checkpoint while the warning stays: a false alarm costs one save."""
_GONE_S: Final = 600.0


@dataclass(slots=True)
class Memory:
    """A memory that is watched, and what is to be expected of it; written by the watch's thread only."""

    name: str
    labels: Mapping[str, str]
    forecast: Forecast
    used_bytes: int = 0
    outlook: Outlook = field(default=QUIET)
    seen_s: float = 0.0
    told: int = 0
    """Rank of the level that was told last."""
    told_s: float = 0.0
    """When the level was last as high as what was told."""
    max_allocated_bytes: int = 0


class MemoryWatch:
    """Watches all memories of this process. One thread at a time calls :meth:`look`; anybody reads.

    Args:
        settings: the horizon, and the folder in which kills are remembered.
        place: the machine.
    """

    def __init__(self, settings: Settings, place: Place) -> None:
        self._horizon_s, self._place = settings.oom_horizon_s, place
        self._group = ControlGroup(place)
        self.kills = OomKills(place, settings.home)
        self.warnings = Tally()
        self._memories: dict[str, Memory] = {}
        self._requested_s = float("-inf")

    def memories(self) -> list[Memory]:
        """What is watched now."""
        return list(self._memories.values())

    def look(self, monotonic_s: float, samples: list[DeviceSample]) -> None:
        """Looks at the host and takes what was seen of the GPUs: a listener of the ring."""
        self._look_at_host(monotonic_s)
        torch = _torch_by_device(samples)
        for sample in samples:
            used, limit = sample.memory_used_bytes, sample.memory_limit_bytes
            if used is None or not limit:
                continue
            if sample.memory_free_bytes is not None:  # allocations fail when this is 0, whatever is told as used
                used = limit - sample.memory_free_bytes
            name = sample.attributes.get(semconv.HW_NAME) or sample.id
            labels = {semconv.MEMORY_AREA: "gpu", semconv.HW_ID: sample.id}
            memory = self._memory(sample.id, f"memory of {name}", labels, limit)
            self._add(memory, monotonic_s, used, torch.get(sample.id))
        for key, memory in list(self._memories.items()):
            if monotonic_s - memory.seen_s > _GONE_S:
                del self._memories[key]

    def _look_at_host(self, monotonic_s: float) -> None:
        limits = self._group.limits()
        self.kills.look(limits.oom_kills)
        seen = host_memory(self._place, limits)
        if seen is not None:
            name = "memory of the container" if seen.limited else "memory of the host"
            memory = self._memory("", name, {semconv.MEMORY_AREA: "host"}, seen.limit_bytes)
            self._add(memory, monotonic_s, max(seen.limit_bytes - seen.available_bytes, 0), None)

    def _memory(self, key: str, name: str, labels: Mapping[str, str], limit_bytes: int) -> Memory:
        memory = self._memories.get(key)
        if memory is None or memory.forecast.limit_bytes != limit_bytes:  # another GPU, or a container resized
            memory = self._memories[key] = Memory(name, labels, Forecast(limit_bytes, self._horizon_s))
        return memory

    def _add(self, memory: Memory, now_s: float, used_bytes: int, torch: TorchDevice | None) -> None:
        told_by_torch: dict[str, int] = {}
        if torch is not None:
            # The peak of this second if it is a new one of the process: resetting it would be seen by the app.
            is_new = torch.max_allocated > memory.max_allocated_bytes > 0
            memory.max_allocated_bytes = torch.max_allocated
            told_by_torch = {
                "reserved_bytes": torch.reserved,
                "peak_allocated_bytes": torch.max_allocated if is_new else torch.allocated,
                "alloc_retries": torch.alloc_retries,
            }
        memory.used_bytes, memory.seen_s = used_bytes, now_s
        memory.outlook = memory.forecast.add(now_s, used_bytes, **told_by_torch)
        rank = RANKS[memory.outlook.level]
        higher = rank > memory.told
        if higher or now_s - memory.told_s > QUIET_S:
            memory.told = rank
        if rank >= memory.told:
            memory.told_s = now_s
        if rank >= RANKS["warn"] and (higher or now_s - self._requested_s >= REQUEST_EVERY_S):
            self._requested_s = now_s
            request_checkpoint()
        if higher:
            self._tell(memory)

    def _tell(self, memory: Memory) -> None:
        warning = warning_of(memory.name, memory.labels, memory.outlook, memory.used_bytes, memory.forecast.limit_bytes)
        self.warnings.add(1, {**memory.labels, semconv.MEMORY_FORECAST_LEVEL: warning.level})
        tell(warning, memory.labels, tuple(_callbacks))


def watch_memory(settings: Settings, place: Place | None = None, *, holder: str = "app") -> MemoryWatch | None:
    """Starts the watch of this process, once; None where the settings want none, and in a forked child.

    Args:
        settings: of the app.
        place: the machine; this one by default.
        holder: who wants it; it goes on until all have let go of it.
    """
    global _watch
    if not settings.oom_forecast or settings.peak_interval_s <= 0 or os.getpid() != _owner_pid:
        return None
    with _lock:
        _holders.add(holder)
        if _watch is None:
            from vigilo.gauges.ring import shared_ring
            from vigilo.notebook.place import Place

            _watch = MemoryWatch(settings, place or Place.here())
            shared_ring().listen(_watch.look)
        return _watch


def release(holder: str = "app") -> None:
    """Lets go of the watch, which ends when nobody holds it; the functions of the app stay."""
    global _watch
    with _lock:
        _holders.discard(holder)
        watch = _watch
        if watch is None or _holders:
            return
        _watch = None
    from vigilo.gauges.ring import shared_ring

    shared_ring().unlisten(watch.look)


def current_watch() -> MemoryWatch | None:
    """The watch of this process, where it is started."""
    return _watch if os.getpid() == _owner_pid else None


def on_level(callback: Callable[[Warning_], None]) -> Callable[[], None]:
    """Has a function of the app called with each warning, in a thread of its own. What it raises is logged once.

    Returns:
        what takes it back.
    """
    _callbacks.append(callback)

    def take_back() -> None:
        if callback in _callbacks:
            _callbacks.remove(callback)

    return take_back


def stop() -> None:
    """Lets go of the watch for who took it without a name."""
    release()


def _torch_by_device(samples: list[DeviceSample]) -> dict[str, TorchDevice]:
    """What torch's allocator says by ``hw.id``, where it is known."""
    if not samples or "torch" not in sys.modules:
        return {}
    from vigilo.gauges.torch_memory import hardware_ids, torch_devices

    devices = torch_devices()
    ids = hardware_ids(devices, samples)
    return {ids[device.index]: device for device in devices if device.index in ids}


_lock = threading.Lock()
_owner_pid = os.getpid()
_watch: MemoryWatch | None = None
_holders: Final[set[str]] = set()
_callbacks: list[Callable[[Warning_], None]] = []


def _after_fork_in_child() -> None:
    # Neither the thread nor the memory of GPUs is the child's: the owner tells.
    global _lock, _watch
    _lock, _watch = threading.Lock(), None
    _holders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
