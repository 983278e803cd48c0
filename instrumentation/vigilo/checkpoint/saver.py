"""One save at a time: what is registered becomes a checkpoint, here and now or behind the app's back."""

from __future__ import annotations

import logging
import sys
import threading
import uuid
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from vigilo.checkpoint.items import random_item
from vigilo.checkpoint.keeping import list_checkpoints
from vigilo.checkpoint.machine import writer
from vigilo.checkpoint.manifest import Manifest
from vigilo.checkpoint.memory import has_room_for_copy
from vigilo.checkpoint.places import LOCAL
from vigilo.checkpoint.results import CheckpointError
from vigilo.checkpoint.saving import MOUNT_LIMIT_S, Saving
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from vigilo.checkpoint.items import Item, Staged
    from vigilo.checkpoint.places import Destination
    from vigilo.checkpoint.requests import Requests
    from vigilo.checkpoint.results import Saved
    from vigilo.checkpoint.telling import Instruments
    from vigilo.notebook.place import Place

_log = logging.getLogger("vigilo")

COPY, FIRST_PLACE, ALL_PLACES = "copy", "first place", "all places"
"""What is waited for: only the copy of the items; that they lie at one place; that they lie at all."""
_VERSIONS_OF: Final = ("torch", "numpy", "sklearn", "keras", "tensorflow", "jax")


class Saver:
    """Writes the checkpoints of an engine.

    Args:
        place: the machine.
        items: what is registered, by name; filled by the engine.
        requests: told when one was written, or failed.
        destinations: where they go, asked anew each time: Drive is mounted, and goes away, while the app runs.
        keep: how many stay at each place.

    Attributes:
        dirty: something has changed since the items were last taken.
        lineage: see :class:`vigilo.checkpoint.manifest.Manifest`.
        newest_unix_ns: when the newest of all that are known was created.
        copied: set while no copy is being made.
        main_saves: the main thread is in the middle of a save, or about to be.
    """

    def __init__(
        self,
        place: Place,
        items: Mapping[str, Item],
        requests: Requests,
        destinations: Callable[[], list[Destination]],
        keep: int,
    ) -> None:
        self._place, self._items, self._requests = place, items, requests
        self._destinations, self._kept = destinations, keep
        self._saving = threading.Lock()
        self._cleaned: set[Path] | None = None
        self._saved_last: Saving | None = None
        self._told: set[str] = set()
        self.instruments: Instruments | None = None
        self.upload: Callable[[Path], bool | None] | None = None
        self.lineage, self.newest_unix_ns = uuid.uuid4().hex[:12], 0
        self.dirty = self.main_saves = False
        self.copied = threading.Event()
        self.last: Saved | None = None
        self.failures, self.last_error = 0, ""

    @property
    def writing(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._saving.locked()

    def lock(self, timeout_s: float, *, ending: bool = False) -> bool:
        """Takes the lock of saving. A signal handler sees, from before it is taken, that the main thread saves.

        Args:
            timeout_s: how long another save is waited for.
            ending: the handler itself takes it, for another thread.
        """
        is_main = threading.current_thread() is threading.main_thread() and not ending
        if is_main:
            self.main_saves = True
        if self._saving.acquire(timeout=max(0.0, timeout_s)):
            return True
        if is_main:
            self.main_saves = False
        return False

    def unlock(self) -> None:
        """Lets go of it; also where another thread took it."""
        self._saving.release()
        if threading.current_thread() is threading.main_thread():
            self.main_saves = False

    def save(
        self,
        step: int,
        reason: str,
        consistency: str,
        mode: str,
        deadline_s: float | None = None,
        abandoned: threading.Event | None = None,
    ) -> Saved | None:
        """Saves, with the lock that the caller took, and lets go of it as soon as it lies at one place.

        The copies to others, through mounts that may be slow, keep nobody from saving what comes after.

        Args:
            step: the last that is done.
            reason: the highest that asked.
            consistency: what goes on meanwhile, see :class:`vigilo.checkpoint.results.Saved`.
            mode: what is waited for.
            deadline_s: of the monotonic clock, where the process ends then.
            abandoned: set when the app has stopped waiting, and may change what is being written.

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
                saving = self._begin(step, reason, consistency, ending=deadline_s is not None)
                items: Callable[[], Iterable[Staged]] = partial(self._one_by_one, abandoned)
                if mode == COPY and (copies := self._copies(saving)) is not None:
                    items = copies.copy
                    in_background = self._in_background(lambda: self._write_all(saving, items))
                    if in_background:
                        return None
                saved = self._write(saving, items, ending=deadline_s is not None)
        finally:
            self.copied.set()
            if in_background:
                self.main_saves = False
            else:
                self.unlock()
        if not saving.has_more:
            return saved
        if mode != ALL_PLACES and self._in_background(lambda: self._spread(saving, MOUNT_LIMIT_S)):
            return saved
        return self._spread(saving, self._left_s(deadline_s), patient=mode == ALL_PLACES)

    def _left_s(self, deadline_s: float | None) -> float:
        return MOUNT_LIMIT_S if deadline_s is None else max(0.0, deadline_s - self._place.monotonic_s())

    def _begin(self, step: int, reason: str, consistency: str, *, ending: bool) -> Saving:
        self.dirty = False
        self.copied.clear()
        destinations = self._destinations()
        if self._cleaned is None:
            self._cleaned = set()
            for destination in destinations:
                if destination.kind == LOCAL:  # a clock that was set back makes nothing older than what is there
                    there = [one.manifest.created_unix_ns for one in list_checkpoints(destination.folder)]
                    self.newest_unix_ns = max(self.newest_unix_ns, *there, 0)
        created_ns = max(int(self._place.wall_s() * 1e9), self.newest_unix_ns + 1)
        manifest = Manifest(step, reason, created_ns, self.lineage, writer(), consistency, (), _versions())
        size_bytes = self.size_bytes() or 0
        cleaned = None if ending else self._cleaned
        return Saving(destinations, self._kept, manifest, self._place.monotonic_s(), size_bytes, self.upload, cleaned)

    def _one_by_one(self, abandoned: threading.Event | None) -> Iterator[Staged]:
        """Each as it is when its turn comes; the one before it is written by then."""
        for item in list(self._items.values()):
            yield item.stage(copy=False)
            if abandoned is not None and abandoned.is_set():
                raise CheckpointError("it took longer than `checkpoint_budget_s`, and the app went on meanwhile")
        yield random_item()

    def _copies(self, saving: Saving) -> list[Staged] | None:
        """All items as they are now; None where there is no room for them, or one writes by itself and so right now."""
        size_bytes = self.size_bytes()
        if size_bytes is None:
            # How large the first one gets is not known: the app waits for it, unless it is written behind its back.
            has_room = threading.current_thread() is not threading.main_thread()
        else:
            has_room = saving.manifest.reason != "memory" and has_room_for_copy(self._place, size_bytes)
        if not has_room:
            return None
        if any(not item.can_be_copied for item in self._items.values()):
            return None
        return [*(item.stage(copy=True) for item in list(self._items.values())), random_item()]

    def _write(self, saving: Saving, items: Callable[[], Iterable[Staged]], *, ending: bool = False) -> Saved:
        saving.write(items)
        manifest = saving.manifest
        self.newest_unix_ns = max(self.newest_unix_ns, manifest.created_unix_ns)
        took_s = self._place.monotonic_s() - saving.began_s
        self._saved_last, self.last = saving, saving.saved(took_s)
        self._requests.served()
        if self.instruments is not None:
            self.instruments.saved(manifest.reason, took_s, ending=ending)
        return self.last

    def _spread(self, saving: Saving, limit_s: float, *, patient: bool = False) -> Saved:
        with internal_errors("copying a checkpoint"):
            saving.spread(limit_s, patient=patient)
        saved = saving.saved(self._place.monotonic_s() - saving.began_s)
        if self._saved_last is saving:  # another one may have been written meanwhile
            self.last = saved
        return saved

    def _write_all(self, saving: Saving, items: Callable[[], Iterable[Staged]]) -> None:
        with suppress(CheckpointError):
            try:
                with self._failures_told(saving.manifest.reason):
                    self._write(saving, items)
            finally:
                self._saving.release()
            self._spread(saving, MOUNT_LIMIT_S)

    def _in_background(self, job: Callable[[], object]) -> bool:
        """Has it done in a thread; False where none can be started."""

        def work() -> None:
            with internal_errors("writing a checkpoint"):
                job()

        try:
            threading.Thread(target=work, name="vigilo-checkpoint", daemon=True).start()
        except RuntimeError:  # the interpreter ends, or the machine has no threads left
            return False
        return True

    def size_bytes(self) -> int | None:
        return None if self.last is None else self.last.size_bytes

    def age_s(self) -> float | None:
        return None if self.last is None else max(0.0, self._place.wall_s() - self.last.created_unix_s)

    @contextmanager
    def _failures_told(self, reason: str) -> Iterator[None]:
        """Counts and logs what fails inside, and raises it as CheckpointError."""
        try:
            yield
        except CheckpointError as error:
            self.fail(reason, error)
            raise
        except Exception as error:
            failure = CheckpointError(f"{type(error).__name__}: {error}")
            self.fail(reason, failure, error)
            raise failure from error
        except BaseException:
            self.dirty = True
            raise

    def fail(self, reason: str, failure: CheckpointError, cause: BaseException | None = None) -> None:
        self.dirty = True
        self.failures, self.last_error = self.failures + 1, str(failure)
        self._requests.failed()
        if self.instruments is not None:
            self.instruments.failed(reason, cause or failure)
        self.tell_once(f"a checkpoint ({reason}) could not be written: {failure}", _log.error)

    def tell_once(self, text: str, log: Callable[..., None]) -> None:
        if text not in self._told:
            self._told.add(text)
            log("vigilo: %s", text)


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in _VERSIONS_OF:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    return found
