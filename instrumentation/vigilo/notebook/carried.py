"""What outlives the kernel and the machine: heartbeats, and the count of the week.

The kernel's heartbeat lies in ``home``. What is to outlive the machine lies in ``.vigilo`` in Google Drive where it is
mounted, or in Kaggle's working folder, which is kept between interactive sessions only with "Persistence: Files".
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vigilo.notebook.heartbeat import Beat, kernel_key, read_beat, restart_between, write_beat
from vigilo.notebook.ledger import Ledger
from vigilo.notebook.storage import KAGGLE_OUTPUT

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.notebook.heartbeat import Restart
    from vigilo.notebook.place import Place
    from vigilo.notebook.platform import Platform
    from vigilo.settings import Settings

FOLDER = ".vigilo"
KEPT_S = 30 * 86400.0
"""How long the heartbeat of a kernel is kept that is gone."""


@dataclass(frozen=True)
class Kept:
    """What was found where things outlive the machine.

    Attributes:
        before: the last heartbeat of the notebook on its last machine, or on this one before this process.
        restart: what it says has happened.
        others_s: seconds of each accelerator that other sessions used in the week of ``at_s``.
        own_s: the same of this one, as it was written down.
        at_s: when it was read, in seconds since 1970.
    """

    before: Beat | None = None
    restart: Restart | None = None
    others_s: dict[str, float] = field(default_factory=dict)
    own_s: dict[str, float] = field(default_factory=dict)
    at_s: float = 0.0


class Carried:
    """Reads and writes it. :meth:`keep` may hang on a drive: only for a thread that may."""

    def __init__(self, place: Place, settings: Settings, platform: Platform) -> None:
        self._place, self._settings, self._platform = place, settings, platform
        self._home = settings.home / "notebook"
        self._first: dict[Path, Beat | None] = {}
        """What was in the file of a heartbeat when it was first looked at."""
        key = kernel_key(place)
        # Outside of Jupyter nothing says whether two processes are the same program.
        self._kernel_file = self._home / "kernels" / f"{key}.json" if key else None

    def kernel_before(self) -> Beat | None:
        """The last heartbeat of this kernel, before it is overwritten. Those of kernels long gone are removed."""
        if self._kernel_file is None:
            return None
        for file in self._kernel_file.parent.glob("*.json"):
            with suppress(OSError):
                if self._place.wall_s() - file.stat().st_mtime > KEPT_S:
                    file.unlink()
        return read_beat(self._kernel_file)

    def beat(self, beat: Beat) -> None:
        """Leaves a sign of life of this kernel. A disk that is full must not be told of from here."""
        if self._kernel_file is not None:
            with suppress(OSError):
                write_beat(self._kernel_file, beat)

    def folder(self, drive: Path | None) -> Path:
        """Where things outlive the machine, as far as that is so."""
        if self._platform.name == "kaggle" and self._place.path(KAGGLE_OUTPUT).is_dir():
            return self._place.path(KAGGLE_OUTPUT) / FOLDER
        if self._platform.name == "colab" and drive is not None:
            return drive / FOLDER
        return self._home

    def keep(self, beat: Beat, accelerator: str, drive: Path | None) -> Kept:
        """Writes the heartbeat and, with an accelerator, how long it was used; reads what was there before."""
        folder = self.folder(drive)
        file, ledger = self._machine_file(folder), Ledger(folder / "accelerators.jsonl")
        if file is not None and file not in self._first:
            self._first[file] = read_beat(file)
        before = self._first[file] if file is not None else None
        # A machine of one's own has many sessions: each process has its clock.
        session = beat.machine if self._platform.managed else f"{beat.machine}/{beat.process}"
        with suppress(OSError):
            if accelerator != "none":
                ledger.append(session, accelerator, beat.session_began_s, beat.wall_s, closed=beat.ended)
            if file is not None:
                write_beat(file, beat, in_place=drive is not None)
        others_s = ledger.used_s(beat.wall_s, without=session)
        own_s = ledger.used_s(beat.wall_s, only=session)
        return Kept(before, restart_between(before, beat), others_s, own_s, beat.wall_s)

    def _machine_file(self, folder: Path) -> Path | None:
        """Where the notebook leaves its heartbeat for its next machine; None where nothing tells notebooks apart."""
        from vigilo.checkpoint.places import project

        name = project(self._place, self._settings)
        # Without a name all notebooks of a Drive would be one; elsewhere the folder is that of one, or of one machine.
        return None if name == "notebook" and self._platform.name == "colab" else folder / f"machine-{name}.json"
