"""The checkpoints of one process: what is registered, where the computation is, and one save at a time."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from vigilo.checkpoint import loading, places
from vigilo.checkpoint.ending import Ending, Helper
from vigilo.checkpoint.items import Item, check_name
from vigilo.checkpoint.requests import DEADLINES, Requests
from vigilo.checkpoint.results import CheckpointError, Resumed, told
from vigilo.checkpoint.saver import ALL_PLACES, COPY, FIRST_PLACE, Saver
from vigilo.checkpoint.saving import MOUNT_LIMIT_S, wait_for_copies
from vigilo.checkpoint.telling import Instruments
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider

    from vigilo.checkpoint.places import Destination
    from vigilo.checkpoint.results import Saved
    from vigilo.notebook.place import Place
    from vigilo.settings import Settings

_log = logging.getLogger("vigilo")

FORCE_AFTER_S: Final = 60.0
"""How long a deadline waits for a safe point, before what is safe in any thread is saved without one."""
WAIT_LOOK_S: Final = 0.2
BUSY_WAIT_S: Final = 5.0
"""How long a cell waits at the most until what is saved between cells is copied."""
SAVE_WAIT_S: Final = MOUNT_LIMIT_S + 60.0


class Engine:
    """Everything behind :mod:`vigilo.checkpoint`, whose functions are its methods.

    Args:
        place: the machine.
        settings: ``checkpoint_*`` and ``home``.
        meter_provider: where its metrics go; the global one by default.
    """

    def __init__(self, place: Place, settings: Settings, meter_provider: MeterProvider | None = None) -> None:
        self._place, self._settings = place, settings
        self._owner = os.getpid()
        # Asked now: as a script ends it forgets its path before what runs at exit.
        self._names = places.Names("", places.project(place, settings))
        self._folder = None if settings.checkpoint_dir is None else Path(settings.checkpoint_dir)
        self._items: dict[str, Item] = {}
        self._requests = Requests(place.monotonic_s, settings.checkpoint_every_s)
        self._saver = Saver(place, self._items, self._requests, self._places, settings.checkpoint_keep)
        self._step, self._at_rest, self._rest_is_told, self._rest = 0, False, False, "cell"
        self._begun = False  # it is clear that this computation is the one to keep
        self._held_back: bool | None = None
        self._last_step_s, self._step_s = 0.0, 0.0
        self._waiter: threading.Thread | None = None
        self._destinations: list[Destination] | None = None
        self.helper = Helper()
        self._ending = Ending(self, settings.checkpoint_budget_s)
        self._meter_provider = meter_provider

    # What the app calls

    def register(self, name: str, obj: Any = None, **how: Any) -> None:
        self._items[name] = Item(name, obj, **how)
        self._requests.begin_period()
        if self._saver.instruments is None:
            self._saver.instruments = Instruments(self._meter_provider, self._saver.size_bytes, self._saver.age_s)
        with internal_errors("preparing checkpoints"):
            self.install_handlers()

    def step(self, number: int | None = None) -> int:
        self._step = self._step + 1 if number is None else self._number(number)
        self._saver.dirty = self._begun = True
        self._at_rest = False
        now_s, before_s = self.now_s(), self._last_step_s
        self._last_step_s = now_s
        if before_s:
            self._step_s += 0.2 * (now_s - before_s - self._step_s)
        if self._ending.asked:
            with internal_errors("writing a checkpoint on SIGTERM"):
                self.save_last("sigterm", self._ending.left_s, consistency="step")
        elif not self._requests.is_idle():
            with internal_errors("writing a checkpoint"):
                self._serve("step", COPY)
        if self._ending.asked:
            self._ending.go_on()
        return self._step

    def serve(self, *, interrupted: bool = False) -> Saved | None:
        self._rest = "interrupted" if interrupted else "cell"
        self._saver.dirty = self._saver.dirty or bool(self._items)
        saved = None
        with internal_errors("writing a checkpoint"):
            saved = self._serve(self._rest, FIRST_PLACE)
        self._at_rest = True
        if self._ending.asked:
            self._ending.go_on()
        return saved

    def busy(self) -> None:
        self._rest_is_told, self._at_rest = True, False
        if self._waiter is not None and self._saver.writing:
            self._saver.copied.wait(BUSY_WAIT_S)

    def save(self, reason: str = "manual") -> Saved:
        if self._is_other_rank():
            raise CheckpointError("this is not rank 0, and one process saves for all")
        self._begun = True
        if not self._saver.lock(SAVE_WAIT_S):
            raise CheckpointError("another checkpoint is still being written; see `vigilo.checkpoint.status()`")
        try:
            saved = self._saver.save(self._step, reason, "asked", ALL_PLACES)
        finally:
            if self._ending.asked:
                self._ending.go_on()
        if saved is None:
            raise CheckpointError("nothing is registered: vigilo.checkpoint.register('model', model)")
        return saved

    def request(self, reason: str) -> None:
        self._requests.ask(reason)
        if threading.current_thread() is not threading.main_thread() and self._items and self._waiter is None:
            with internal_errors("waiting for a safe point"):
                self._wait_for_safe_point()

    def resume(self, *, strict: bool = True, trust: bool = False) -> Resumed | None:
        found = loading.newest_first(self._sources())
        newest = next(loading.whole(found), None)
        if newest is None:
            self._begun = True
            return None
        loaded = loading.load(newest, self._items, strict=strict, trust=trust)
        self._begun = True  # not where it raised: what is registered is then older than what is there
        manifest = newest.manifest
        self._saver.newest_unix_ns = max(self._saver.newest_unix_ns, *(one.manifest.created_unix_ns for one in found))
        self._step, self._saver.lineage, self._saver.dirty = manifest.step, manifest.lineage, False
        _log.info("vigilo: goes on after step %d, from %s", manifest.step, newest.path)
        return Resumed(
            step=manifest.step,
            reason=manifest.reason,
            path=newest.path,
            created_unix_s=manifest.created_unix_ns / 1e9,
            restored=loaded.restored,
            missing=loaded.missing,
            unknown=loaded.unknown,
            values=loaded.values,
            consistency=manifest.consistency,
        )

    def status(self) -> dict[str, Any]:
        last = self._saver.last
        return {
            "registered": sorted(self._items),
            "step": self._step,
            "last": None if last is None else told(last),
            "age_s": self._saver.age_s(),
            "needed_s": None if last is None else last.duration_s,
            "asked": self._requests.pending(),
            "writing": self._saver.writing,
            "unsaved": bool(self._items) and self._saver.dirty,
            "every_s": self._settings.checkpoint_every_s,
            "failures": self._saver.failures,
            "last_error": self._saver.last_error,
            "places": [{"path": str(one.folder), "kind": one.kind} for one in self._destinations or ()],
        }

    def uploads(self, upload: Callable[[Path], bool | None]) -> None:
        self._saver.upload = upload

    def use(self, *, name: str | None = None, folder: Path | str | None = None) -> None:
        if name is not None:
            self._names = self._names._replace(given=check_name(name))
        if folder is not None:
            self._folder = Path(folder).expanduser().absolute()
        self._destinations = self._held_back = None

    def install_handlers(self) -> bool:
        return self._ending.install()

    def remove_handlers(self) -> None:
        self._ending.remove()

    def close(self) -> None:
        """Waits a moment for what is being written, and restores the handlers."""
        self._ending.remove()
        if self._saver.lock(5.0):
            self._saver.unlock()
        self._items.clear()

    # What the handlers ask

    def now_s(self) -> float:
        """Seconds of the clock that only goes on."""
        return self._place.monotonic_s()

    def has_news(self) -> bool:
        """Whether something is lost when the process ends now."""
        is_known_older = not self._begun and self._held_back  # a handler looks at no disk for it
        return bool(self._items) and self._saver.dirty and not self._is_other_rank() and not is_known_older

    def is_writing_here(self) -> bool:
        """Whether the main thread is in the middle of a save, which only it can finish."""
        return self._saver.main_saves

    def expects_step_within(self, seconds: float) -> bool:
        """Whether the app reaches a step about so often, and did lately."""
        since_s = self.now_s() - self._last_step_s
        return not self._at_rest and 0 < self._step_s < seconds and since_s < max(seconds, 3 * self._step_s)

    def save_last(self, reason: str, budget_s: float, *, consistency: str = "") -> None:
        """Writes the last checkpoint, unless all is there already, and takes no longer than the budget."""
        deadline_s = self.now_s() + budget_s
        self._ending.stop_waiting()
        if not self._saver.lock(budget_s, ending=True):
            self._saver.fail(reason, CheckpointError(f"another one was still being written after {budget_s:g} s"))
            return
        if not self.has_news():
            self._saver.unlock()
            wait_for_copies(deadline_s - self.now_s())
            return
        if not consistency:
            ended = reason == "exit" and "ipykernel" not in sys.modules
            consistency = self._rest if self._at_rest else "exit" if ended else "interrupted"

        abandoned = threading.Event()

        def write() -> None:
            if not self._is_begun():
                self._saver.unlock()
                return
            with suppress(CheckpointError):  # told already
                self._saver.save(self._step, reason, consistency, ALL_PLACES, deadline_s, abandoned)

        if not self.helper.run(write, deadline_s - self.now_s()):
            abandoned.set()
            if self._saver.writing:  # else it lies at one place, and only the copies to others are not done
                _log.error(
                    "vigilo: the last checkpoint (%s) did not get done within `checkpoint_budget_s`, %g s; the one "
                    "before it stays the newest",
                    reason,
                    budget_s,
                )

    # How it saves

    def _serve(self, consistency: str, mode: str) -> Saved | None:
        if not self._items or os.getpid() != self._owner or self._is_other_rank():
            return None
        if not self._saver.lock(0.0):  # one is being written, and the next step asks again
            return None
        handed_on = False
        try:
            reason = self._requests.due()
            if reason is None:
                return None
            if not self._saver.dirty or not self._is_begun():
                self._requests.drop()
                return None
            handed_on = True
            return self._saver.save(self._step, reason, consistency, mode)
        except CheckpointError:  # told already
            return None
        finally:
            if not handed_on:
                self._saver.unlock()

    def _wait_for_safe_point(self) -> None:
        """Sees to a request that comes while the app may reach no safe point."""

        def wait() -> None:
            try:
                with internal_errors("waiting for a safe point"):
                    self._save_without_safe_point()
            finally:
                self._waiter = None

        self._waiter = threading.Thread(target=wait, name="vigilo-checkpoint-wait", daemon=True)
        self._waiter.start()

    def _save_without_safe_point(self) -> None:
        ends_s = monotonic() + FORCE_AFTER_S
        while self._requests.waiting:
            if self._at_rest and self._rest_is_told:
                self._serve(self._rest, COPY)
                return
            if monotonic() >= ends_s:
                break
            sleep(WAIT_LOOK_S)
        if not set(self._requests.pending()) & DEADLINES or not self.has_news():
            return
        if all(item.thread_safe for item in self._items.values()):
            self._serve("interrupted", FIRST_PLACE)
        else:
            self._saver.tell_once("no safe point came; call vigilo.checkpoint.step() in the loop", _log.warning)

    # What it needs to know

    def _places(self) -> list[Destination]:
        self._destinations = places.destinations(self._place, self._settings, self._names, self._folder)
        return self._destinations

    def _sources(self) -> list[Path]:
        return places.sources(self._place, self._settings, self._names, self._folder)

    def _is_begun(self) -> bool:
        """Whether what would be saved is to be the newest.

        Until a step is done, or something saved or resumed, it is perhaps only the beginning of what an older
        checkpoint has the end of.
        """
        if self._begun:
            return True
        if self._held_back is None:
            self._held_back = loading.are_any(self._sources)
            if self._held_back:
                self._saver.tell_once(
                    "there are checkpoints of an earlier run, so none is written yet: resume() goes on from there, "
                    "step() or save() begin anew",
                    _log.warning,
                )
        return not self._held_back

    def _number(self, number: int) -> int:
        """Of a step, as a plain number: that of numpy is none for JSON."""
        try:
            return int(number)
        except (TypeError, ValueError, OverflowError):
            self._saver.tell_once("step() takes how many steps are done; what it was given is no number", _log.warning)
            return self._step + 1

    def _is_other_rank(self) -> bool:
        """Whether torch.distributed has this process as another one than the first, which saves for all."""
        distributed = getattr(sys.modules.get("torch"), "distributed", None)
        if distributed is None or not distributed.is_available() or not distributed.is_initialized():
            return False
        return bool(distributed.get_rank() > 0)
