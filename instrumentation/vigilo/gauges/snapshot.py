"""The last look at all accelerators, shared by all who ask in this process: instruments, readers, the status card.

The drivers are asked in a thread of our own, and whoever asks waits a quarter of a second at the most. A driver may
hang, as one does whose GPU fell off the bus, and the SDK throws away the metrics of the whole app when a callback takes
too long.
"""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from vigilo.errors import internal_errors, report_internal
from vigilo.gauges.samples import SAMPLERS_GROUP, DeviceSample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vigilo.gauges.samples import Sampler

TTL_S: Final = 1.0
"""How old a look may be that is given again: one collection, or several readers at a time, make one look."""
BUDGET_S: Final = 0.25
"""How long is waited for a look, by all who wait for it together."""
STALE_S: Final = 60.0
"""After so long without an answer, what the devices said last is told no more, and they count as failed."""
REOPEN_S: Final = 60.0
"""Drivers without devices are asked again after this."""
IDLE_S: Final = 90.0
"""The thread ends when it was not needed for this long."""

_owner_pid = os.getpid()


class _Look:
    """What was seen last, and since when a new look is waited for."""

    def __init__(self) -> None:
        self.samples: list[DeviceSample] = []
        self.taken_s = float("-inf")
        self.asked_s: float | None = None


class _Driver:
    """A sampler, and whether it has devices. In the helper's thread only."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler, self.is_open, self._tried_s = sampler, False, float("-inf")

    def sample(self, memory_only: bool) -> list[DeviceSample]:
        if not self.is_open and monotonic() - self._tried_s >= REOPEN_S:
            self._tried_s = monotonic()
            self.is_open = self.sampler.open()
        return self.sampler.sample(memory_only=memory_only) if self.is_open else []


class Snapshot:
    """The accelerators of this machine, as they were a moment ago. Safe for threads; empty in a forked child.

    Args:
        find: gives the samplers; called once, in the helper's thread, since finding may import large modules.
        ttl_s, budget_s: as :data:`TTL_S` and :data:`BUDGET_S`.

    Attributes:
        owner_pid: the process that sees something: the one that imported this module.
    """

    def __init__(
        self, find: Callable[[], Sequence[Sampler]], *, ttl_s: float = TTL_S, budget_s: float = BUDGET_S
    ) -> None:
        self._find, self._ttl_s, self._budget_s = find, ttl_s, budget_s
        self.owner_pid = _owner_pid
        self._changed = threading.Condition()
        self._full, self._memory = _Look(), _Look()
        self._thread: threading.Thread | None = None
        self._drivers: list[_Driver] | None = None
        self._nothing_until_s = float("-inf")
        self._failure: Exception | None = None
        self._closed = False

    def devices(self) -> list[DeviceSample]:
        """All devices, with all that they tell. What a slow driver said last is given while it is waited for."""
        return self._look(self._full, self._ttl_s)

    def memory(self) -> list[DeviceSample]:
        """All devices with memory and utilization as they are now: for what looks once a second."""
        return self._look(self._memory, 0.0)

    def close(self) -> None:
        """Lets go of the drivers; nothing is seen after it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if self._thread is None:
                self._let_go()

    def _look(self, look: _Look, max_age_s: float) -> list[DeviceSample]:
        if os.getpid() != self.owner_pid:  # before the lock, which another thread of the parent may have held
            return []
        with self._changed:
            now_s = monotonic()
            if now_s - look.taken_s > max_age_s and now_s >= self._nothing_until_s and not self._closed:
                if look.asked_s is None:
                    look.asked_s = now_s
                    self._wake()
                if look.asked_s is not None:
                    until_s = look.asked_s + self._budget_s
                    self._changed.wait_for(lambda: look.asked_s is None, max(0.0, until_s - now_s))
            failure, self._failure = self._failure, None
            samples = max((look, self._full), key=lambda seen: seen.taken_s).samples
            # Not by the age of what was seen: with a minute between two exports, a slow look alone would be too late.
            if samples and look.asked_s is not None and monotonic() - look.asked_s > STALE_S:
                samples = [DeviceSample(one.id, one.attributes, "failed") for one in samples]
        if failure is not None:
            with internal_errors("looking at accelerators"):
                raise failure
        return list(samples)

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="vigilo-gpu", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no more threads, or the interpreter ends: who asks next tries again
                self._thread = self._full.asked_s = self._memory.asked_s = None
                return
        self._changed.notify_all()

    def _work(self) -> None:
        """Looks whenever somebody asks."""
        while True:
            with self._changed:
                asked = self._changed.wait_for(self._is_asked, IDLE_S)
                if self._closed or not asked:
                    self._thread = None
                    break
                memory_only = self._full.asked_s is None
            began_s = monotonic()
            samples = self._sample(memory_only)
            with self._changed:
                for look in (self._memory,) if memory_only else (self._memory, self._full):
                    look.samples, look.taken_s, look.asked_s = samples, began_s, None
                if not any(driver.is_open for driver in self._drivers or ()):
                    self._nothing_until_s = monotonic() + REOPEN_S
                self._changed.notify_all()
        if self._closed:
            self._let_go()

    def _let_go(self) -> None:
        drivers, self._drivers = self._drivers or [], []
        for driver in drivers:
            with internal_errors("closing a sampler"):
                driver.sampler.close()

    def _is_asked(self) -> bool:
        return self._closed or self._full.asked_s is not None or self._memory.asked_s is not None

    def _sample(self, memory_only: bool) -> list[DeviceSample]:
        """What all samplers say; one that fails does not keep the others from it."""
        samples: list[DeviceSample] = []
        try:
            if self._drivers is None:
                self._drivers = []
                self._drivers = [_Driver(sampler) for sampler in self._find()]
        except Exception as error:  # noqa: BLE001 - raised or told by whoever asks next
            self._failure = error
        for driver in self._drivers or ():
            try:
                samples += driver.sample(memory_only)
            except Exception as error:  # noqa: BLE001 - the same
                self._failure = error
        return samples


def shared_snapshot() -> Snapshot:
    """The one of this process."""
    global _shared
    if _shared is None:
        with _lock:
            if _shared is None:
                _shared = Snapshot(find_samplers)
    return _shared


def find_samplers() -> list[Sampler]:
    """NVIDIA's and AMD's, where their packages are installed, and those that other packages bring."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    from vigilo.settings import app_settings

    found: list[Sampler] = []
    if find_spec("pynvml") is not None:
        from vigilo.gauges.nvml import NvmlSampler

        found.append(NvmlSampler(processes=app_settings().gpu_processes))
    if find_spec("amdsmi") is not None:
        from vigilo.gauges.amd import AmdSampler

        found.append(AmdSampler())
    for entry_point in entry_points(group=SAMPLERS_GROUP):
        try:
            found.append(entry_point.load()())
        except Exception as error:  # noqa: BLE001 - somebody else's package
            report_internal(f"loading the sampler {entry_point.name}", error)
    return found


def forget() -> None:
    """Makes a new one for the next who asks: for tests."""
    global _shared
    if _shared is not None:
        _shared.close()
    _shared = None


_lock = threading.Lock()
_shared: Snapshot | None = None


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
