"""A simulated machine: files below a folder, variables and clocks that only tests move."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vigilo.gauges.samples import DeviceSample
from vigilo.notebook.place import Place
from vigilo.notebook.session import Session
from vigilo.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

TICKS_S = os.sysconf("SC_CLK_TCK")
SUNDAY = 1_795_305_600.0
"""2026-11-22 00:00 UTC, a Sunday: the week of the quota began a day before."""
GB = 10**9
KERNEL_ARGV = ("ipykernel_launcher.py", "-f", "/root/.local/share/jupyter/runtime/kernel-5f2a.json")
COLAB = {"COLAB_RELEASE_TAG": "release-colab_20261101", "TBE_RUNTIME_ADDR": "172.28.0.1:8011"}
KAGGLE = {
    "KAGGLE_KERNEL_RUN_TYPE": "Interactive",
    "KAGGLE_URL_BASE": "https://www.kaggle.com",
    "COLAB_RELEASE_TAG": "release-colab-external-images_20260514",
    "KAGGLE_CONTAINER_NAME": "kaggle_1",
}
DRIVE_MOUNT = "overlay / overlay rw 0 0\ndrive /content/drive fuse.drive rw,nosuid,nodev 0 0\n"


@dataclass
class World:
    """One machine after the other; each :meth:`session` is a new process on it."""

    root: Path
    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    wall_s: float = SUNDAY
    monotonic_s: float = 5_000.0
    booted_s: float = 5_000.0
    disk: tuple[int, int, int] = (100 * GB, 40 * GB, 60 * GB)
    online: bool = True
    gpus: list[str] = field(default_factory=list)
    driver_s: float = 0.0
    drive_error: int = 0
    boots: int = 0
    processes: int = 0

    def put(self, path: str, text: str) -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def folder(self, path: str) -> Path:
        folder = self.root / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def boot(self) -> None:
        """A machine that was given just now."""
        self.boots += 1
        self.booted_s = self.monotonic_s
        self.put("/proc/sys/kernel/random/boot_id", f"boot-{self.boots}\n")
        self.put("/proc/1/stat", _stat(1, 0))

    def mount_drive(self) -> Path:
        self.put("/proc/self/mounts", DRIVE_MOUNT)
        return self.folder("/content/drive/MyDrive")

    def unmount_drive(self) -> None:
        self.put("/proc/self/mounts", "overlay / overlay rw 0 0\n")

    def session(self, *, argv=KERNEL_ARGV, wait_s: float = 5.0, stat=None, **settings) -> Session:
        """The session as a new process sees it."""
        self.processes += 1
        self.put("/proc/uptime", f"{self.uptime_s:.2f} 1.00\n")
        self.put("/proc/self/stat", _stat(os.getpid(), max(0, int(self.uptime_s * TICKS_S) - 100) + self.processes))
        place = Place(
            self.root,
            self.environ,
            lambda: self.wall_s,
            lambda: self.monotonic_s,
            argv,
            lambda _: self.disk,
            stat or self._stat_drive,
            self._connect,
        )
        return Session(place, Settings(home=self.home, **settings), self._samples, wait_s)

    def advance(self, seconds: float, session: Session | None = None, every_s: float = 30.0) -> None:
        """Time goes by, in which a session's thread does its rounds."""
        until_s = self.monotonic_s + seconds
        while self.monotonic_s < until_s:
            step_s = min(every_s, until_s - self.monotonic_s)
            self.monotonic_s += step_s
            self.wall_s += step_s
            if session is not None:
                session.tick()

    @property
    def uptime_s(self) -> float:
        return self.monotonic_s - self.booted_s

    def _samples(self) -> list[DeviceSample]:
        time.sleep(self.driver_s)  # real ones
        return [
            DeviceSample(id=f"GPU-{self.boots}-{at}", attributes={"hw.id": f"GPU-{at}", "hw.model": name})
            for at, name in enumerate(self.gpus)
        ]

    def _stat_drive(self, path: Path) -> object:
        if self.drive_error:
            raise OSError(self.drive_error, os.strerror(self.drive_error), str(path))
        return path.stat()

    def _connect(self, host: str, port: int, patience_s: float) -> None:
        if not self.online:
            raise OSError(errno.ENETUNREACH, "no route")


def _stat(pid: int, start: int) -> str:
    return f"{pid} (python (x)) S " + "0 " * 18 + f"{start} 0 0\n"


def kinds(session: Session) -> list[tuple[str, str]]:
    """Kinds and levels of what was warned of so far."""
    return [(entry["kind"], entry["level"]) for entry in session.status()["warnings"]]
