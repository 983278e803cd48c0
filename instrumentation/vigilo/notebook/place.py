"""Where we are and what time it is: the only way in which the notebook's modules ask for files, variables and clocks.

Tests give another root, environment and clock, and twelve hours pass in milliseconds.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT_VARIABLE = "VIGILO_PLATFORM_ROOT"


def _disk(path: Path) -> tuple[int, int, int]:
    total, used, free = shutil.disk_usage(path)
    return total, used, free


def _connect(host: str, port: int, patience_s: float) -> None:
    socket.create_connection((host, port), patience_s).close()


@dataclass(frozen=True)
class Place:
    """A machine: its files, its environment, its clocks.

    Attributes:
        root: folder in place of ``/``.
        environ: the environment; secrets in it are looked for by name only, and never told.
        wall_s: seconds since 1970.
        monotonic_s: seconds that no setting of the clock moves.
        argv: how this process was started.
        disk: bytes in all, used and free where a path lies; raises OSError, and may hang.
        stat: looks whether a path is there; raises OSError, and may hang.
        connect: opens a connection to a host and a port within seconds, sends nothing and closes it; raises OSError.
    """

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    wall_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    argv: Sequence[str] = field(default_factory=lambda: sys.argv)
    disk: Callable[[Path], tuple[int, int, int]] = _disk
    stat: Callable[[Path], object] = os.stat
    connect: Callable[[str, int, float], None] = _connect

    @classmethod
    def here(cls) -> Place:
        """This machine, or what ``VIGILO_PLATFORM_ROOT`` names in its place."""
        return cls(Path(os.environ.get(ROOT_VARIABLE) or "/"))

    def path(self, absolute: str) -> Path:
        """``/content/drive`` as a path below the root."""
        return self.root / absolute.lstrip("/")

    def text(self, absolute: str) -> str | None:
        """What a small file says, without space around it; None where it is not there or cannot be read."""
        try:
            return self.path(absolute).read_text("utf-8", "replace").strip()
        except OSError:
            return None
