"""The streams that are open now: the ones that nobody reads any more are ended after a while, and a fork leaves them.

One daemon thread looks after all of them. It lives only while streams are open, and wakes a few times within the
shortest idle limit. It also ends the streams whose dropping was noticed in the middle of OpenTelemetry's own code.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from vigilo.capture.streams import StreamEnd

LOOKS_PER_LIMIT = 4

_open: dict[StreamEnd, tuple[int, float]] = {}
"""Per stream, the chunks it had when it was last seen to move, and when that was (``time.monotonic``)."""
_lock = threading.Lock()
_watcher: threading.Thread | None = None
_dropped: SimpleQueue[StreamEnd | None] = SimpleQueue()
"""What the watcher is to end, or None to have it look; finalizers may put something in at any time."""
_sleeps_s = 0.0
_ends_at_exit = False


def follow(stream: StreamEnd) -> None:
    """Begins to look after a stream. The app's stream itself is not kept alive by it."""
    _open[stream] = (-1, 0.0)
    if _watcher is None:
        _start()
    elif 0 < stream.idle_limit_s < _sleeps_s:
        _dropped.put(None)


def end_later(stream: StreamEnd) -> bool:
    """Has the watcher end a dropped stream where that cannot be done here; False where it can.

    The garbage collection may run in the middle of the SDK's own code, in any thread, and its locks are not re-entrant:
    to record a metric there would hang for ever.
    """
    if _watcher is None or not _is_inside_the_sdk():
        return False
    _dropped.put(stream)
    return True


def _is_inside_the_sdk() -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("opentelemetry.sdk."):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def forget(stream: StreamEnd) -> None:
    """Stops looking after a stream that has ended."""
    _open.pop(stream, None)


def end_idle(now_s: float) -> None:
    """Ends the streams that have had no chunk, and nobody who waits for one, for as long as their limit says.

    Args:
        now_s: the time on the clock of ``time.monotonic``.
    """
    for stream, (chunks, since_s) in list(_open.items()):
        if stream.recording.ended:
            forget(stream)  # by an error before anything was read
        elif stream.recording.chunks != chunks or stream.is_waited_for:
            _open[stream] = (stream.recording.chunks, now_s)
        elif 0 < stream.idle_limit_s <= now_s - since_s:
            stream.end("idle")


def _start() -> None:
    global _watcher, _ends_at_exit
    with _lock:
        if _watcher is not None:
            return
        if not _ends_at_exit:
            # After the providers were made, so before they are shut down.
            atexit.register(_end_all)
            _ends_at_exit = True
        _watcher = threading.Thread(target=_watch, name="vigilo-open-streams", daemon=True)
        with internal_errors("watching open streams"):
            try:
                _watcher.start()
            except RuntimeError:  # no thread can start while the interpreter exits
                _watcher = None


def _watch() -> None:
    global _watcher, _sleeps_s
    while True:
        limits_s = [stream.idle_limit_s for stream in list(_open) if stream.idle_limit_s]
        _sleeps_s = min(limits_s, default=60.0) / LOOKS_PER_LIMIT
        dropped = None
        with suppress(Empty):
            dropped = _dropped.get(timeout=_sleeps_s)
        with internal_errors("ending streams that nobody reads"):
            if dropped is not None:
                dropped.end_now("drop")
            else:
                end_idle(time.monotonic())
        with _lock:
            # In this order: a stream that comes in between finds no watcher, and starts one.
            _watcher = None
            if not _open:
                return
            _watcher = threading.current_thread()


def _end_all() -> None:
    for stream in list(_open):
        stream.end_now("drop" if stream.is_dropped else "exit")


def _after_fork_in_child() -> None:
    """The parent reads its streams on, so it is the parent that tells of them."""
    global _watcher, _lock, _dropped
    _lock, _dropped = threading.Lock(), SimpleQueue()
    _watcher = None
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
