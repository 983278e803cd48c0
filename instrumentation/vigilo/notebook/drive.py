"""Google Drive as Colab mounts it: whether it is there, and whether it answers.

A write that succeeds here is on the machine's disk, not in Drive: DriveFS uploads on its own schedule, so nothing here
tells that a file has arrived.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.notebook.place import Place

MOUNT = "/content/drive"
FOLDERS = ("MyDrive", "My Drive")
TIMEOUTS = "/root/.config/Google/DriveFS/Logs/timeouts.txt"
"""A line for each time-out that DriveFS had; Colab's page reads it as well."""
_DEAD = (errno.ENOTCONN, errno.EIO, errno.ECONNABORTED, errno.ESTALE)


@dataclass(frozen=True)
class Drive:
    """What is known of the mount.

    Attributes:
        state: ``absent``; ``mounted``; ``stale`` (a folder is there, and no mount); ``slow`` (it does not answer in
            time); ``dead`` (its process is gone: "Transport endpoint is not connected").
        path: of the user's files, where they are there.
        last_timeout: of DriveFS, as it wrote it.
    """

    state: str = "absent"
    path: Path | None = None
    last_timeout: str | None = None

    @property
    def mounted(self) -> bool:
        """Whether files can be read and written."""
        return self.state == "mounted"


def is_mounted(place: Place) -> bool:
    """Whether the kernel has a FUSE mount there; asks only the kernel, so it does not hang."""
    for line in (place.text("/proc/self/mounts") or "").splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[1] == MOUNT and "fuse" in fields[2]:
            return True
    return False


def look_at_drive(place: Place) -> Drive:
    """Asks the mount itself, and so may hang: only for a thread that may."""
    timeouts = place.text(TIMEOUTS)
    last_timeout = timeouts.splitlines()[-1] if timeouts else None
    if not is_mounted(place):
        # The kernel knows of no mount, so this is a folder on the machine's own disk.
        stale = any(place.path(f"{MOUNT}/{name}").is_dir() for name in FOLDERS)
        return Drive("stale" if stale else "absent", None, last_timeout)
    for name in FOLDERS:
        path = place.path(f"{MOUNT}/{name}")
        try:
            place.stat(path)
        except OSError as error:
            if error.errno in _DEAD:
                return Drive("dead", None, last_timeout)
        else:
            return Drive("mounted", path, last_timeout)
    return Drive("stale", None, last_timeout)
