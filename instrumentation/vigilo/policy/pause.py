"""A wait on the way of a call, for sync and async callers alike."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Pause:
    """So many seconds; steps of a guard yield it, and whoever drives them waits in its own way.

    ``waker``: may end the wait early, from any thread.
    """

    __slots__ = ("wait_s", "waker")

    def __init__(self, wait_s: float, waker: Waker | None = None) -> None:
        self.wait_s = wait_s
        self.waker = waker

    def block(self) -> None:
        """Waits in this thread."""
        if self.waker is None:
            time.sleep(self.wait_s)
        else:
            self.waker.block(self.wait_s)

    async def suspend(self) -> None:
        """Waits in this task, of asyncio or of trio."""
        if self.waker is not None:
            await self.waker.suspend(self.wait_s)
        elif (trio := _running_trio()) is not None:
            await trio.sleep(self.wait_s)
        else:
            import asyncio

            await asyncio.sleep(self.wait_s)


class Waker:
    """What one waiter waits on. Waking never blocks, and is remembered until it is cleared."""

    __slots__ = ("_notify", "_woken")

    def __init__(self) -> None:
        self._woken = False
        self._notify: Callable[[], object] | None = None

    def clear(self) -> None:
        """To be called before the waiter looks at what it waits for, so that no change is missed."""
        self._woken = False

    def wake(self) -> None:
        """Ends the wait that is under way, or else the next one."""
        self._woken = True
        notify = self._notify
        if notify is not None:
            notify()

    def block(self, wait_s: float) -> None:
        """Waits in this thread for so many seconds, or until it is woken."""
        event = threading.Event()
        self._notify = event.set
        try:
            if not self._woken:  # looked at after `_notify` is there: no wake-up falls in between
                event.wait(wait_s)
        finally:
            self._notify = None

    async def suspend(self, wait_s: float) -> None:
        """Waits in this task for so many seconds, or until it is woken."""
        trio = _running_trio()
        if trio is not None:
            await self._suspend_in_trio(trio, wait_s)
            return
        import asyncio

        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not woken.done():
                woken.set_result(None)

        def notify() -> None:
            try:
                loop.call_soon_threadsafe(finish)
            except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
                return

        self._notify = notify
        timer = loop.call_later(wait_s, finish)
        try:
            if not self._woken:
                await woken
        finally:
            timer.cancel()
            self._notify = None

    async def _suspend_in_trio(self, trio: Any, wait_s: float) -> None:
        event, token = trio.Event(), trio.lowlevel.current_trio_token()

        def notify() -> None:
            try:
                token.run_sync_soon(event.set)
            except trio.RunFinishedError:
                return

        self._notify = notify
        try:
            if not self._woken:
                with trio.move_on_after(wait_s):
                    await event.wait()
        finally:
            self._notify = None


def _running_trio() -> Any:
    """trio, where this task is one of trio's: async SDKs run there too."""
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    try:
        trio.lowlevel.current_task()
    except (RuntimeError, AttributeError):
        return None
    return trio
