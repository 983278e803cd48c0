"""Where we are and what time it is: the only way in which the notebook's modules ask for files, variables and clocks.

Tests give another root, environment and clock, and twelve hours pass in milliseconds.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT_VARIABLE = "VIGILO_PLATFORM_ROOT"


@dataclass(frozen=True)
class Place:
    """A machine: its files, its environment, its clocks.

    Attributes:
        root: folder in place of ``/``.
        environ: the environment; secrets in it are looked for by name only, and never told.
        wall_s: seconds since 1970.
        monotonic_s: seconds that no setting of the clock moves.
    """

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    wall_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic

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
