"""Where checkpoints go, and where they are looked for: this machine's disks, Kaggle's output, Google Drive."""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from vigilo.notebook.drive import is_mounted, look_at_drive
from vigilo.notebook.platform import platform_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.notebook.place import Place
    from vigilo.settings import Settings

Answer = TypeVar("Answer")

LOCAL: Final = "local"
MOUNT: Final = "mount"
FOLDER: Final = "checkpoints"
_OVER_THE_NETWORK: Final = re.compile(r"^(fuse(?!blk|\.fuse-overlayfs)|nfs|cifs|smb|9p|ceph|lustre|davfs|afs)")
LOOK_S: Final = 2.0
"""How long a look at a mount may take: a dead one never answers."""
_INPUT_DEPTH: Final = 3


class Destination(NamedTuple):
    """A folder that checkpoints go to: on a disk of this machine (``local``), or through a mount (``mount``)."""

    folder: Path
    kind: str


class Names(NamedTuple):
    """Of what is computed: as the app gives it, or empty; and the one of the notebook or the script."""

    given: str
    project: str

    @property
    def any(self) -> str:
        """The one of its folder where nobody has chosen a folder."""
        return self.given or self.project


def destinations(place: Place, settings: Settings, names: Names, folder: Path | None = None) -> list[Destination]:
    """Where checkpoints go; the first one is local, so that nothing waits for a network to have them whole.

    Args:
        place: the machine.
        settings: ``checkpoint_dir``, ``home`` and ``platform``.
        names: of what is computed.
        folder: in place of the setting.
    """
    chosen = folder or settings.checkpoint_dir
    own = settings.home / FOLDER / names.any
    if chosen is not None:
        # A folder that was chosen is taken as it is: one for each thing that is computed is up to who chose it.
        found = [Destination(chosen / names.given, kind_of(place, chosen))]
    elif is_kaggle(place, settings):
        found = [Destination(place.path("/kaggle/working") / FOLDER / names.any, LOCAL)]
    else:
        drive = drive_home(place)
        mounted = [Destination(drive / "vigilo" / FOLDER / names.any, MOUNT)] if drive else []
        found = [Destination(own, LOCAL), *mounted]
    if found[0].kind == MOUNT:
        found.insert(0, Destination(own, LOCAL))
    return found


def sources(place: Place, settings: Settings, names: Names, folder: Path | None = None) -> list[Path]:
    """Where a checkpoint may be: where they go, where they would go by default, and the inputs of Kaggle."""
    found = [one.folder for one in destinations(place, settings, names, folder)]
    found.append(settings.home / FOLDER / names.any)
    if folder is None and settings.checkpoint_dir is None and is_kaggle(place, settings):
        found += _inputs(place.path("/kaggle/input"), names.any)
    return list(dict.fromkeys(found))


def project(place: Place, settings: Settings) -> str:
    """The name of the notebook, where the server tells it, or of the script; otherwise ``notebook``."""
    path = place.environ.get("JPY_SESSION_NAME", "")  # jupyter_server 2: the path of the notebook
    if is_kaggle(place, settings):
        return "notebook"  # one to a machine, and run in a batch it has another name
    if not path:
        main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
        path = "" if "ipykernel" in main or "colab_kernel" in main else main
    stem = PurePosixPath(path.replace("\\", "/")).stem
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.")[:100] or "notebook"


def is_kaggle(place: Place, settings: Settings) -> bool:
    """Whether this is Kaggle, where the output of a notebook is the folder that stays."""
    return platform_of(place, settings).name == "kaggle"


def drive_home(place: Place) -> Path | None:
    """The user's folder on Google Drive, where that is mounted and answers within two seconds."""
    if not is_mounted(place):
        return None
    try:
        return within(LOOK_S, lambda: look_at_drive(place)).path
    except OSError:  # no answer at all
        return None


def kind_of(place: Place, folder: Path) -> str:
    """Whether a folder lies on a disk of this machine, by the table of mounts."""
    best, found = "", LOCAL
    path = PurePosixPath(folder.absolute())
    for point, kind in _mounts(place):
        at = PurePosixPath(place.path(point))
        if point != "/" and len(str(at)) > len(best) and (path == at or at in path.parents):
            best, found = str(at), MOUNT if _OVER_THE_NETWORK.match(kind) else LOCAL
    return found


def within(seconds: float, look: Callable[[], Answer]) -> Answer:
    """What a look at a file system gives; OSError where it takes longer, and the thread is left to itself."""
    answers: list[Answer] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(look())
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that asked
            failures.append(error)

    thread = threading.Thread(target=run, name="vigilo-checkpoint-look", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter ends and starts no more threads
        return look()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not answers:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return answers[0]


def _mounts(place: Place) -> list[tuple[str, str]]:
    """Mount points and types of file systems; empty where there is no such table."""
    table = [line.split(" ") for line in (place.text("/proc/self/mounts") or "").splitlines()]
    return [(row[1].replace("\\040", " "), row[2]) for row in table if len(row) > 2]


def _inputs(folder: Path, name: str, depth: int = _INPUT_DEPTH) -> list[Path]:
    """Folders of checkpoints among the inputs of a notebook on Kaggle, such as the output of an earlier version."""
    try:
        # Data sets have very many files: what the listing tells is not asked again.
        below = [
            folder / entry.name for entry in sorted(os.scandir(folder), key=lambda one: one.name) if entry.is_dir()
        ]
    except OSError:
        return []
    found = [path / name for path in below if path.name == FOLDER]
    if depth:
        found += [one for path in below if path.name != FOLDER for one in _inputs(path, name, depth - 1)]
    return found
