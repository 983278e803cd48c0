"""Makes ``track`` blocks hold in threads: in those started inside, and in the jobs given to thread pools inside.

Tasks and callbacks of asyncio, ``asyncio.to_thread`` and anyio's worker threads copy context variables by themselves.
Only vigilo's own value is carried; OpenTelemetry's context, with the app's spans, stays as the app has it.
"""

from __future__ import annotations

from functools import partial, wraps
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any

from vigilo.capture.context import Frame, in_force, inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_POOLS = frozenset({"concurrent.futures.thread", "multiprocessing.pool"})
"""Modules whose threads work for many: they must not keep the block of whoever happened to start them."""
_JOB_METHODS = ("apply_async", "imap", "imap_unordered", "_map_async")
"""The methods of ``multiprocessing.pool.ThreadPool`` through which all of its methods hand jobs to the workers."""

_unpatched = [True]


def follow_threads() -> None:
    """Patches the ways into threads, once a process. Where no block is in force the patches pass through."""
    try:
        _unpatched.pop()  # one step, also for two threads
    except IndexError:
        return
    from wrapt import register_post_import_hook

    for owner in (Thread, Timer):
        if "start" in vars(owner):  # OpenTelemetry's instrumentor of threads gives Timer one of its own
            _replace(owner, "start", _start)
    register_post_import_hook(_patch_executor, "concurrent.futures.thread")
    register_post_import_hook(_patch_thread_pool, "multiprocessing.pool")


def _patch_executor(module: ModuleType) -> None:
    _replace(module.ThreadPoolExecutor, "submit", _submit)


def _patch_thread_pool(module: ModuleType) -> None:
    for name in _JOB_METHODS:
        _replace(module.ThreadPool, name, _hand_over)


def _replace(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    setattr(owner, name, wrapper(getattr(owner, name)))


def _start(inner: Callable[[Thread], None]) -> Callable[[Thread], None]:
    @wraps(inner)
    def start(self: Thread) -> None:
        frame = _carried()
        # A thread that already runs has an ident, and cannot be started again.
        if frame is None or self.ident is not None or _works_for_many(self):
            return inner(self)
        own = vars(self).get("run")  # some apps set it on the thread instead of making a subclass
        vars(self)["run"] = partial(_run_thread, self, own, frame, self.run)
        try:
            return inner(self)
        except BaseException:
            _put_back(self, own)
            raise

    return start


def _works_for_many(thread: Thread) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", None) in _POOLS


def _run_thread(thread: Thread, own: Any, frame: Frame, run: Callable[[], None]) -> None:
    _put_back(thread, own)
    with inside(frame):
        run()


def _put_back(thread: Thread, own: Any) -> None:
    if own is None:
        vars(thread).pop("run", None)
    else:
        vars(thread)["run"] = own


def _submit(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        frame = _carried()
        if frame is None or _leaves_the_interpreter(self):
            return inner(self, fn, *args, **kwargs)
        return inner(self, partial(_run_job, frame, fn), *args, **kwargs)

    return submit


def _leaves_the_interpreter(executor: object) -> bool:
    """Python 3.14's pool of interpreters is a thread pool, but its jobs are pickled."""
    return any(base.__module__ == "concurrent.futures.interpreter" for base in type(executor).__mro__)


def _hand_over(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    def hand_over(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        frame = _carried()
        return inner(self, func if frame is None else partial(_run_job, frame, func), *args, **kwargs)

    return hand_over


def _run_job(frame: Frame, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    with inside(frame):
        return job(*args, **kwargs)


def _carried() -> Frame | None:
    """What another thread takes over: the values in force, without the frames around them."""
    frame = in_force()
    return None if frame is None else Frame(frame.tracked)
