"""A wait on the way of a call, for sync and async callers alike."""

from __future__ import annotations

import time


class Pause:
    """So many seconds; steps of a guard yield it, and whoever drives them waits in its own way."""

    __slots__ = ("wait_s",)

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s

    def block(self) -> None:
        """Waits in this thread."""
        time.sleep(self.wait_s)

    async def suspend(self) -> None:
        """Waits in this task."""
        import asyncio

        await asyncio.sleep(self.wait_s)
