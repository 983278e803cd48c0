"""The session of a notebook: what it may still use, and what is told before it runs out."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from vigilo.notebook.place import Place
from vigilo.notebook.platform import platform_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import Meter

    from vigilo.settings import Settings


class Session:
    """The session that this process is part of. All methods are quick, for any thread, and never raise into the app.

    Args:
        place: the machine: files, variables, clocks.
        settings: the limits that the user knows better.
    """

    def __init__(self, place: Place, settings: Settings) -> None:
        self.place, self.settings = place, settings
        self.platform = platform_of(place, settings)

    def cell_began(self, text: str = "") -> None:
        """A cell runs from now on. Of its text nothing is kept."""

    def cell_ended(self, *, failed: bool = False) -> None:
        """No cell runs any more."""

    def start(self) -> None:
        """Watches from a daemon thread: heartbeat every 30 s, warnings. Harmless when it was started before."""

    def stop(self) -> None:
        """Ends the thread, and writes what the next session needs to know. Harmless when it is not running."""

    def on_warning(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Has it called, from the watching thread, with each new entry of ``status()["warnings"]``."""

    def status(self, wait_s: float = 0.0) -> dict[str, Any]:
        """All that is known now, as plain JSON values; what is not known is None.

        Args:
            wait_s: seconds to wait at the most for what is being looked at (Drive, internet, sizes, quota): the first
                looks take until about two seconds after the start.

        Returns:
            ``platform``: ``{"name", "variant", "source"}``.
            ``session``: ``{"uptime_s", "limit_s", "remaining_s", "source", "since"}``; since: vm, process, first_seen.
            ``idle``: ``{"busy", "idle_s", "limit_s", "source", "cells", "failed_cells", "cell_s"}``; cell_s: how long
            the running cell has run.
            ``quota``: a list of ``{"accelerator", "used_s", "limit_s", "remaining_s", "source", "limit_source",
            "resets_at_s"}``; source of what is used: api or ledger; times of day in seconds since 1970.
            ``storage``: a list of ``{"area", "path", "used_bytes", "limit_bytes", "source"}``; area: ephemeral, output,
            drive.
            ``drive``: ``{"state", "mounted", "path", "last_timeout"}``; state: absent, mounted, stale, slow, dead.
            ``internet``: ``{"up"}``; None where nobody looks: only on Colab and Kaggle.
            ``accelerator``: ``{"type", "devices", "changes", "previous"}``; type: gpu, tpu, none; devices: names.
            ``restarts``: ``{"count", "last"}``; last: ``{"kind", "lost_s", "memory_ran_out"}``, kind: kernel, machine.
            ``warnings``: a list of ``{"kind", "level", "message", "at_s"}``, newest last; level: watch, warn, critical.
            Every ``source`` of a limit: setting, api, documented, reported (by users, nobody promises it), measured,
            or none.
        """
        return {
            "platform": {"name": self.platform.name, "variant": self.platform.variant, "source": self.platform.source},
            "session": {"uptime_s": 0.0, "limit_s": None, "remaining_s": None, "source": "none", "since": "first_seen"},
            "idle": {
                "busy": False,
                "idle_s": 0.0,
                "limit_s": None,
                "source": "none",
                "cells": 0,
                "failed_cells": 0,
                "cell_s": None,
            },
            "quota": [],
            "storage": [],
            "drive": {"state": "absent", "mounted": False, "path": None, "last_timeout": None},
            "internet": {"up": None},
            "accelerator": {"type": "none", "devices": [], "changes": 0, "previous": None},
            "restarts": {"count": 0, "last": None},
            "warnings": [],
        }

    def tell(self, meter: Meter) -> None:
        """Makes the ``notebook.*`` instruments on this meter."""


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
