"""The session of a notebook: what it may still use, and what is told before it runs out."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from vigilo.errors import internal_errors
from vigilo.loaded import loaded
from vigilo.notebook import rules
from vigilo.notebook.alerts import Alerts
from vigilo.notebook.clocks import CellClock, SessionClock
from vigilo.notebook.heartbeat import Beat, kernel_key, machine_id, oom_kills, process_id, restart_between
from vigilo.notebook.limits import Limit, idle_limit, session_limit
from vigilo.notebook.observed import WAIT_S, Observed
from vigilo.notebook.place import Place
from vigilo.notebook.platform import platform_of
from vigilo.notebook.session_status import quotas, told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.metrics import Meter

    from vigilo.gauges.samples import DeviceSample
    from vigilo.notebook.heartbeat import Restart
    from vigilo.settings import Settings

EVERY_S = 30.0
"""Between two heartbeats."""
_STOP_WAIT_S = 2.0


class Session:
    """The session that this process is part of. All methods are quick, for any thread, and never raise into the app.

    Args:
        place: the machine: files, variables, clocks.
        settings: the limits that the user knows better.
        gpus: what the samplers of GPUs see; None: the snapshot that this process shares.
        wait_s: how long a look at a drive or a disk may take before it counts as late.
    """

    def __init__(
        self,
        place: Place,
        settings: Settings,
        gpus: Callable[[], Sequence[DeviceSample]] | None = None,
        wait_s: float = WAIT_S,
    ) -> None:
        self.place, self.settings = place, settings
        self.platform = platform_of(place, settings)
        self.clock = SessionClock(place, managed=self.platform.managed)
        self.cells = CellClock(place)
        self.observed = Observed(place, settings, self.platform, gpus, wait_s)
        self.alerts = Alerts(place, self._may_log)
        self.restarts = self.changes = 0
        self.last_restart: Restart | None = None
        self.previous_devices: list[str] | None = None
        self._wait_s = wait_s
        self._owner = os.getpid()
        self._machine, self._process = machine_id(place), process_id(place)
        self._looked, self._opened, self._stopped = threading.Event(), False, False
        self._names: list[str] | None = None
        self._kept_told: object = None
        self._was_mounted = self._was_up = False
        self._told_to: weakref.WeakSet[Meter] = weakref.WeakSet()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock, self._ticking = threading.RLock(), threading.Lock()  # a signal may stop what is being started

    def cell_began(self, text: str = "") -> None:
        """A cell runs from now on. Of its text nothing is kept."""
        self.cells.began()
        self.alerts.over("idle")
        self.alerts.log_waiting()

    def cell_ended(self, failed: bool = False) -> None:
        """No cell runs any more."""
        self.cells.ended(failed=failed)

    def start(self) -> None:
        """Watches from a daemon thread: heartbeat every 30 s, warnings. Harmless when it was started before."""
        if os.getpid() != self._owner:
            return
        with internal_errors("watching the session"), self._lock:
            if self._thread is not None:
                return
            self._stopped, self._stop = False, threading.Event()
            self._thread = threading.Thread(target=self._watch, args=(self._stop,), name="vigilo: session", daemon=True)
            self._thread.start()
            atexit.register(self.stop)

    def looked(self, wait_s: float) -> bool:
        """Waits so many seconds at the most for the end of the first round; says whether it is over.

        Before, neither a restart nor the accelerator is known for certain, and with it the limit.
        """
        return self._looked.wait(wait_s)

    def stop(self) -> None:
        """Ends the thread, and writes what the next session needs to know. Harmless when it is not running."""
        if os.getpid() != self._owner:
            return
        with internal_errors("ending the watch of the session"), self._lock:
            if self._thread is None:
                return
            self._stop.set()
            if self._thread is not threading.current_thread():  # a function that is told warnings may end it
                self._thread.join(_STOP_WAIT_S)
            self._thread, self._stopped = None, True
            atexit.unregister(self.stop)
            self.observed.keep(self._beat(ended=True), self._wait_s, now=True)

    def on_warning(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Has it called, from the watching thread, with each new entry of ``status()["warnings"]``."""
        self.alerts.callbacks.append(callback)

    def tick(self, wait_s: float = 2 * WAIT_S) -> None:
        """One round of the watching thread: looks, leaves a sign of life, warns.

        Args:
            wait_s: seconds to wait at the most for what is looked at.
        """
        if os.getpid() != self._owner or not self._ticking.acquire(blocking=False):
            return
        try:
            self._open()
            self.observed.look(wait_s)
            self._notice_changes()
            self.observed.keep(self._beat(), wait_s)
            self._warn()
        finally:
            self._ticking.release()
            self._looked.set()

    def status(self, wait_s: float = 0.0) -> dict[str, Any]:
        """All that is known now, as plain JSON values; what is not known is None.

        Args:
            wait_s: seconds to wait at the most for what is being looked at (Drive, internet, sizes), as in the first
                two seconds after the start. Where the session is not started, nothing else looks.

        Returns:
            ``platform``: ``{"name", "variant", "source"}``.
            ``session``: ``{"uptime_s", "limit_s", "remaining_s", "source", "since"}``; since: vm, process, first_seen.
            ``idle``: ``{"busy", "idle_s", "limit_s", "source", "cells", "failed_cells", "cell_s"}``; cell_s: of the
            running cell.
            ``quota``: a list of ``{"accelerator", "used_s", "limit_s", "remaining_s", "source", "limit_source",
            "resets_at_s"}``; source of what is used: api or ledger; times of day in seconds since 1970.
            ``storage``: a list of ``{"area", "path", "used_bytes", "limit_bytes", "source"}``; area: ephemeral, output,
            drive.
            ``drive``: ``{"state", "mounted", "path", "last_timeout"}``; state: absent, mounted, stale, slow, dead.
            ``internet``: ``{"up"}``; None where nobody looks: only on Colab and Kaggle.
            ``accelerator``: ``{"type", "devices", "changes", "previous"}``; type: gpu, tpu, none; devices: names.
            ``restarts``: ``{"count", "last"}``; last: ``{"kind", "lost_s", "memory_ran_out", "expected"}``, kind:
            kernel, machine; count: of the kernel on this machine.
            ``warnings``: a list of ``{"kind", "level", "message", "at_s"}``, newest last; level: watch, warn, critical.
            Every ``source`` of a limit: setting, api, documented, reported (by users, nobody promises it), measured,
            or none.
        """
        if wait_s > 0 and os.getpid() == self._owner:
            with internal_errors("looking at the session"):
                self.observed.look(wait_s)
        with internal_errors("reading the session"):
            return told(self)
        return {}

    def limit(self) -> Limit:
        """How long the session may last, in seconds."""
        return session_limit(self.platform, self.observed.accelerator.type, self.settings)

    def remaining_s(self) -> float | None:
        """How long it may still last; 0 where it has lasted longer, None where there is no limit."""
        limit = self.limit().value
        return None if limit is None else max(0.0, limit - self.clock.uptime_s())

    def tell(self, meter: Meter) -> None:
        """Makes the ``notebook.*`` instruments on this meter, once."""
        with internal_errors("making the instruments of the session"):
            if meter not in self._told_to:
                from vigilo.notebook.session_gauges import tell_session

                self._told_to.add(meter)
                tell_session(meter, self._known)

    def _may_log(self) -> bool:
        """Between two cells of a kernel a line of the log would be output, which counts as activity."""
        return self.cells.cell_s() is not None or not kernel_key(self.place)

    def _known(self) -> dict[str, Any] | None:
        return None if self._stopped or os.getpid() != self._owner else told(self)

    def _watch(self, stop: threading.Event) -> None:
        while True:
            with internal_errors("watching the session"):
                self.tick()
            if stop.wait(EVERY_S):
                return

    def _beat(self, *, ended: bool = False) -> Beat:
        return Beat(
            machine=self._machine,
            process=self._process,
            wall_s=self.place.wall_s(),
            session_began_s=self.clock.began_wall_s(),
            devices=self.observed.accelerator.devices,
            restarts=self.restarts,
            changes=self.changes,
            oom_kills=oom_kills(self.place),
            ended=ended,
        )

    def _open(self) -> None:
        """Learns, once, what happened to this kernel before."""
        if not self._opened:
            self._opened = True
            self._learn(self.observed.carried.kernel_before())

    def _learn(self, before: Beat | None) -> None:
        if before is None or before.machine != self._machine:
            return
        if self.platform.managed:
            self.clock.began_before(before.session_began_s)
        restart = restart_between(before, self._beat())
        self.restarts, self.changes = before.restarts + (restart is not None), before.changes
        if restart is not None:
            self.last_restart = restart
            self.alerts.happened(rules.restarted(restart))

    def _notice_changes(self) -> None:
        """Compares the accelerator with that of a moment ago, and with that of the last session."""
        if not self.observed.settled:
            return
        names = self.observed.accelerator.names
        if self._names is not None and names != self._names:
            self._changed(self._names, names)
        self._names = names
        kept = self.observed.kept
        if kept is None or kept.before is self._kept_told or kept.before is None:
            return
        self._kept_told = kept.before
        same_machine = kept.before.machine == self._machine
        if not same_machine and not self.platform.managed:
            return  # a home that several machines share
        if kept.restart is not None and kept.restart.kind == "machine":
            self.last_restart = self.last_restart or kept.restart
            self.alerts.happened(rules.restarted(kept.restart))
        self.changes = max(self.changes, kept.before.changes)
        before = sorted(name for _, name in kept.before.devices)
        if before != names:
            self._changed(before, names)

    def _changed(self, before: list[str], now: list[str]) -> None:
        self.changes += 1
        self.previous_devices = before
        self.alerts.happened(rules.accelerator_changed(before, now))

    def _warn(self) -> None:
        """Tells what is about to run out, or is gone."""
        look, drive, up = self.alerts.look, self.observed.drive, self.observed.internet
        look(rules.session(self.remaining_s(), self.limit(), _last_save_s()))
        if self.cells.cell_s() is None:
            look(rules.idle(self.cells.idle_s(), idle_limit(self.platform, self.settings)))
        for quota in quotas(self):
            if quota["accelerator"] == self.observed.accelerator.type:
                limit = Limit(quota["limit_s"], quota["limit_source"])
                look(rules.quota(quota["accelerator"], quota["used_s"], limit))
        for area in self.observed.areas:
            look(rules.storage(area))
        look(rules.drive(drive, late=drive.state == "slow", was_mounted=self._was_mounted))
        look(rules.internet(up, was_up=self._was_up))
        self._was_mounted, self._was_up = self._was_mounted or drive.mounted, self._was_up or bool(up)


def _last_save_s() -> float:
    """How long the last checkpoint took; 0 where there was none."""
    with internal_errors("asking how long checkpoints take"):
        if (checkpoint := loaded("vigilo.checkpoint")) is not None:
            return float(checkpoint.status().get("needed_s") or 0.0)
    return 0.0


_lock = threading.Lock()
_shared: Session | None = None


def current_session() -> Session | None:
    """The session of this process, where there is one; None in a process that was forked from it."""
    return _shared


def shared_session() -> Session:
    """The session of this process, made at the first time from ``Place.here()`` and the app's settings; not started."""
    from vigilo.settings import app_settings

    global _shared
    with _lock:
        if _shared is None:
            _shared = Session(Place.here(), app_settings())
        return _shared


def _after_fork_in_child() -> None:
    global _lock, _shared
    _lock, _shared = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
