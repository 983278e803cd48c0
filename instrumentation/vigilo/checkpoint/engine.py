"""The checkpoints of one process: what is registered, where the computation is, and one save at a time."""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from vigilo.checkpoint import loading, places
from vigilo.checkpoint.ending import Ending, Helper
from vigilo.checkpoint.items import Item, check_name, random_item
from vigilo.checkpoint.machine import writer
from vigilo.checkpoint.manifest import Manifest
from vigilo.checkpoint.memory import has_room_for_copy
from vigilo.checkpoint.requests import DEADLINES, Requests
from vigilo.checkpoint.results import CheckpointError, Resumed, Saved
from vigilo.checkpoint.saving import MOUNT_LIMIT_S, Saving, clean
from vigilo.checkpoint.telling import Instruments
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.metrics import MeterProvider

    from vigilo.checkpoint.items import Staged
    from vigilo.checkpoint.places import Destination
    from vigilo.notebook.place import Place
    from vigilo.settings import Settings

_log = logging.getLogger("vigilo")

FORCE_AFTER_S: Final = 60.0
"""How long a deadline waits for a safe point, before what is safe in any thread is saved without one."""
WAIT_LOOK_S: Final = 0.2
BUSY_WAIT_S: Final = 5.0
"""How long a cell waits at the most until what is saved between cells is copied."""
COPY, FIRST_PLACE, ALL_PLACES = "copy", "first place", "all places"
"""What is waited for: only the copy of the items; that they lie at one place; that they lie at all."""
SAVE_WAIT_S: Final = MOUNT_LIMIT_S + 60.0
_VERSIONS_OF: Final = ("torch", "numpy", "sklearn", "keras", "tensorflow", "jax")


class Engine:
    """Everything behind :mod:`vigilo.checkpoint`, whose functions are its methods.

    Args:
        place: the machine.
        settings: ``checkpoint_*`` and ``home``.
        meter_provider: where its metrics go; the global one by default.
    """

    def __init__(self, place: Place, settings: Settings, meter_provider: MeterProvider | None = None) -> None:
        self._place, self._settings = place, settings
        self._owner, self._lineage = os.getpid(), uuid.uuid4().hex[:12]
        # Asked now: as a script ends it forgets its path before what runs at exit.
        self._names = places.Names("", places.project(place, settings))
        self._folder = None if settings.checkpoint_dir is None else Path(settings.checkpoint_dir)
        self._upload: Callable[[Path], bool | None] | None = None
        self._items: dict[str, Item] = {}
        self._requests = Requests(place.monotonic_s, settings.checkpoint_every_s)
        self._step, self._dirty, self._at_rest = 0, False, False
        self._begun = False  # it is clear that this computation is the one to keep
        self._held_back: bool | None = None
        self._newest_unix_ns = 0
        self._last_step_s, self._step_s = 0.0, 0.0
        self._saving = threading.Lock()
        self._main_saves = False
        self._rest_is_told, self._copied = False, threading.Event()
        self._waiter: threading.Thread | None = None
        self._last: Saved | None = None
        self._failures, self._last_error, self._told = 0, "", set[str]()
        self._destinations: list[Destination] | None = None
        self.helper = Helper()
        self._ending = Ending(self, settings.checkpoint_budget_s)
        self._instruments: Instruments | None = None
        self._meter_provider = meter_provider

    # What the app calls

    def register(self, name: str, obj: Any = None, **how: Any) -> None:
        self._items[name] = Item(name, obj, **how)
        self._requests.begin_period()
        if self._instruments is None:
            self._instruments = Instruments(self._meter_provider, self._size_bytes, self._age_s)
        with internal_errors("preparing checkpoints"):
            self.install_handlers()

    def step(self, number: int | None = None) -> int:
        self._step = self._step + 1 if number is None else number
        self._dirty = self._begun = True
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

    def serve(self) -> Saved | None:
        self._dirty = self._dirty or bool(self._items)
        saved = None
        with internal_errors("writing a checkpoint"):
            saved = self._serve("cell", FIRST_PLACE)
        self._at_rest = True
        if self._ending.asked:
            self._ending.go_on()
        return saved

    def busy(self) -> None:
        self._rest_is_told, self._at_rest = True, False
        if self._waiter is not None and self._saving.locked():
            self._copied.wait(BUSY_WAIT_S)

    def save(self, reason: str = "manual") -> Saved:
        if self._is_other_rank():
            raise CheckpointError("this is not rank 0, and one process saves for all")
        self._begun = True
        if not self._lock(SAVE_WAIT_S):
            raise CheckpointError("another checkpoint is still being written; see `vigilo.checkpoint.status()`")
        try:
            saved = self._save(reason, "asked", ALL_PLACES)
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
        found = loading.newest_first(places.sources(self._place, self._settings, self._names, self._folder))
        newest = next(loading.whole(found), None)
        self._begun = True
        if newest is None:
            return None
        loaded = loading.load(newest, self._items, strict=strict, trust=trust)
        manifest = newest.manifest
        self._newest_unix_ns = max(self._newest_unix_ns, *(one.manifest.created_unix_ns for one in found))
        self._step, self._lineage, self._dirty = manifest.step, manifest.lineage, False
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
        last = self._last
        return {
            "registered": sorted(self._items),
            "step": self._step,
            "last": None if last is None else told(last),
            "age_s": self._age_s(),
            "needed_s": None if last is None else last.duration_s,
            "asked": self._requests.pending(),
            "writing": self._saving.locked(),
            "unsaved": bool(self._items) and self._dirty,
            "every_s": self._settings.checkpoint_every_s,
            "failures": self._failures,
            "last_error": self._last_error,
            "places": [{"path": str(one.folder), "kind": one.kind} for one in self._destinations or ()],
        }

    def uploads(self, upload: Callable[[Path], bool | None]) -> None:
        self._upload = upload

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
        if self._saving.acquire(timeout=5.0):
            self._saving.release()
        self._items.clear()

    # What the handlers ask

    def now_s(self) -> float:
        """Seconds of the clock that only goes on."""
        return self._place.monotonic_s()

    def has_news(self) -> bool:
        """Whether something is lost when the process ends now."""
        return bool(self._items) and self._dirty and not self._is_other_rank() and self._is_begun()

    def is_writing_here(self) -> bool:
        """Whether the main thread is in the middle of a save, which only it can finish."""
        return self._main_saves

    def expects_step_within(self, seconds: float) -> bool:
        """Whether the app reaches a step about so often, and did lately."""
        since_s = self.now_s() - self._last_step_s
        return not self._at_rest and 0 < self._step_s < seconds and since_s < max(seconds, 3 * self._step_s)

    def save_last(self, reason: str, budget_s: float, *, consistency: str = "") -> None:
        """Writes the last checkpoint, unless all is there already, and takes no longer than the budget."""
        deadline_s = self.now_s() + budget_s
        self._ending.stop_waiting()
        if not self._saving.acquire(timeout=max(0.0, budget_s)):
            self._fail(reason, CheckpointError(f"another one was still being written after {budget_s:g} s"))
            return
        if not self.has_news():
            self._saving.release()
            return
        if not consistency:
            ended = reason == "exit" and "ipykernel" not in sys.modules
            consistency = "cell" if self._at_rest else "exit" if ended else "interrupted"

        def write() -> None:
            with suppress(CheckpointError):  # told already
                self._save(reason, consistency, ALL_PLACES, deadline_s)

        if not self.helper.run(write, deadline_s - self.now_s()):
            _log.error(
                "vigilo: the last checkpoint (%s) did not get done within `checkpoint_budget_s`, %g s; the one before "
                "it stays the newest",
                reason,
                budget_s,
            )

    # How it saves

    def _serve(self, consistency: str, mode: str) -> Saved | None:
        if not self._items or os.getpid() != self._owner or self._is_other_rank():
            return None
        if not self._lock(0.0):  # one is being written, and the next step asks again
            return None
        handed_on = False
        try:
            reason = self._requests.due()
            if reason is None:
                return None
            if not self._dirty or not self._is_begun():
                self._requests.drop()
                return None
            handed_on = True
            return self._save(reason, consistency, mode)
        except CheckpointError:  # told already
            return None
        finally:
            if not handed_on:
                self._unlock()

    def _save(self, reason: str, consistency: str, mode: str, deadline_s: float | None = None) -> Saved | None:
        """Saves, with the lock that the caller took, and lets go of it: here, or in the background when done there.

        Returns:
            What was written; None where that goes on in the background, or nothing is registered.

        Raises:
            CheckpointError: it could not be written; it has been told.
        """
        in_background = False
        try:
            if not self._items:
                return None
            with self._failures_told(reason):
                saving = self._begin(reason, consistency)
                items: Callable[[], Iterable[Staged]] = self._one_by_one
                if mode == COPY and (copies := self._copies(saving)) is not None:
                    items = copies.copy
                    in_background = self._in_background(lambda: self._write_all(saving, items))
                    if in_background:
                        return None
                self._write(saving, items, ending=deadline_s is not None)
                if mode != ALL_PLACES and saving.has_more:
                    in_background = self._in_background(lambda: self._spread(saving, MOUNT_LIMIT_S))
                if not in_background:
                    self._spread(saving, MOUNT_LIMIT_S if deadline_s is None else max(0.0, deadline_s - self.now_s()))
                return self._last
        finally:
            self._copied.set()
            if in_background:
                self._main_saves = False
            else:
                self._unlock()

    def _begin(self, reason: str, consistency: str) -> Saving:
        self._dirty = False
        self._copied.clear()
        destinations = self._places()
        if self._last is None:
            clean(destinations)
        created_ns = max(int(self._place.wall_s() * 1e9), self._newest_unix_ns + 1)
        manifest = Manifest(self._step, reason, created_ns, self._lineage, writer(), consistency, (), _versions())
        settings, size_bytes = self._settings, self._size_bytes() or 0
        return Saving(destinations, settings.checkpoint_keep, manifest, self.now_s(), size_bytes, self._upload)

    def _one_by_one(self) -> Iterator[Staged]:
        for item in list(self._items.values()):
            yield item.stage(copy=False)
        yield random_item()

    def _copies(self, saving: Saving) -> list[Staged] | None:
        """All items as they are now; None where there is no room for them, or one writes by itself and so right now."""
        if saving.manifest.reason == "memory" or not has_room_for_copy(self._place, self._size_bytes()):
            return None
        if any(not item.can_be_copied for item in self._items.values()):
            return None
        return [*(item.stage(copy=True) for item in list(self._items.values())), random_item()]

    def _write(self, saving: Saving, items: Callable[[], Iterable[Staged]], *, ending: bool = False) -> None:
        saving.write(items)
        manifest = saving.manifest
        self._newest_unix_ns = max(self._newest_unix_ns, manifest.created_unix_ns)
        self._keep(saving)
        self._requests.served()
        if self._instruments is not None:
            self._instruments.saved(manifest.reason, self.now_s() - saving.began_s, ending=ending)

    def _spread(self, saving: Saving, limit_s: float) -> None:
        saving.spread(limit_s)
        self._keep(saving)

    def _write_all(self, saving: Saving, items: Callable[[], Iterable[Staged]]) -> None:
        with suppress(CheckpointError), self._failures_told(saving.manifest.reason):
            self._write(saving, items)
            self._spread(saving, MOUNT_LIMIT_S)

    def _keep(self, saving: Saving) -> None:
        self._last = saving.saved(self.now_s() - saving.began_s)

    def _in_background(self, job: Callable[[], None]) -> bool:
        """Has it done in a thread that then lets go of the lock; False where no thread can be started."""

        def work() -> None:
            try:
                with internal_errors("writing a checkpoint"):
                    job()
            finally:
                self._saving.release()

        try:
            threading.Thread(target=work, name="vigilo-checkpoint", daemon=True).start()
        except RuntimeError:  # the interpreter ends, or the machine has no threads left
            return False
        return True

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
                self._serve("cell", COPY)
                return
            if monotonic() >= ends_s:
                break
            sleep(WAIT_LOOK_S)
        if not set(self._requests.pending()) & DEADLINES or not self.has_news():
            return
        if all(item.thread_safe for item in self._items.values()):
            self._serve("interrupted", FIRST_PLACE)
        else:
            self._tell_once("no safe point came; call vigilo.checkpoint.step() in the loop", _log.warning)

    # What it needs to know

    def _lock(self, timeout_s: float) -> bool:
        """Takes the lock of saving. A signal handler sees before and after that the main thread is about to."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main:
            self._main_saves = True
        if self._saving.acquire(timeout=timeout_s):
            return True
        if is_main:
            self._main_saves = False
        return False

    def _unlock(self) -> None:
        self._saving.release()
        if threading.current_thread() is threading.main_thread():
            self._main_saves = False

    def _places(self) -> list[Destination]:
        # Asked anew each time: Drive is mounted, and goes away, while the app runs.
        self._destinations = places.destinations(self._place, self._settings, self._names, self._folder)
        return self._destinations

    def _is_begun(self) -> bool:
        """Whether what would be saved is to be the newest.

        Until a step is done, or something saved or resumed, it is perhaps only the beginning of what an older
        checkpoint has the end of.
        """
        if self._begun:
            return True
        if self._held_back is None:
            local = [one.folder for one in self._places() if one.kind == places.LOCAL]
            self._held_back = any(loading.newest_first(local))
            if self._held_back:
                self._tell_once(
                    "there are checkpoints of an earlier run, so none is written yet: resume() goes on from there, "
                    "step() or save() begin anew",
                    _log.warning,
                )
        return not self._held_back

    def _is_other_rank(self) -> bool:
        """Whether torch.distributed has this process as another one than the first, which saves for all."""
        distributed = getattr(sys.modules.get("torch"), "distributed", None)
        if distributed is None or not distributed.is_available() or not distributed.is_initialized():
            return False
        return bool(distributed.get_rank() > 0)

    def _size_bytes(self) -> int | None:
        return None if self._last is None else self._last.size_bytes

    def _age_s(self) -> float | None:
        return None if self._last is None else max(0.0, self._place.wall_s() - self._last.created_unix_s)

    @contextmanager
    def _failures_told(self, reason: str) -> Iterator[None]:
        """Counts and logs what fails inside, and raises it as CheckpointError."""
        try:
            yield
        except CheckpointError as error:
            self._fail(reason, error)
            raise
        except Exception as error:
            failure = CheckpointError(f"{type(error).__name__}: {error}")
            self._fail(reason, failure, error)
            raise failure from error
        except BaseException:
            self._dirty = True
            raise

    def _fail(self, reason: str, failure: CheckpointError, cause: BaseException | None = None) -> None:
        self._dirty = True
        self._failures, self._last_error = self._failures + 1, str(failure)
        self._requests.failed()
        if self._instruments is not None:
            self._instruments.failed(reason, cause or failure)
        self._tell_once(f"a checkpoint ({reason}) could not be written: {failure}", _log.error)

    def _tell_once(self, text: str, log: Callable[..., None]) -> None:
        if text not in self._told:
            self._told.add(text)
            log("vigilo: %s", text)


def told(saved: Saved) -> dict[str, Any]:
    """A checkpoint in plain JSON values."""
    return {
        "step": saved.step,
        "reason": saved.reason,
        "path": str(saved.path),
        "created_unix_s": saved.created_unix_s,
        "size_bytes": saved.size_bytes,
        "duration_s": saved.duration_s,
        "consistency": saved.consistency,
        "local_ok": saved.local_ok,
        "mount_ok": saved.mount_ok,
        "remote_ok": saved.remote_ok,
        "missed": [{"path": str(one.path), "kind": one.kind, "why": one.why} for one in saved.missed],
    }


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in _VERSIONS_OF:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    return found
