"""File systems, disks and network interfaces of the host, by psutil; only those that a look cannot hang on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

LIST_EVERY_S: Final = 60.0
"""How long the list of file systems and disks holds; how full they are is read each time."""
MOST: Final = 16
"""Volumes, disks and interfaces told, each: a host of containers has thousands."""
LOCAL_TYPES: Final = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "apfs", "hfs", "ntfs", "NTFS", "exfat", "vfat")
)
"""``statvfs`` on a file system of the network, or of another process (FUSE, as Google Drive's), may never return."""
_IN_MEMORY: Final = ("loop", "ram", "zram")
_INSIDE: Final = ("lo", "veth", "docker", "br-", "cali", "virbr")
"""Interfaces within the machine: what they carry to others is counted at another one as well."""


class Volume(NamedTuple):
    """A file system; its bytes by state, which together are its capacity: used, free, reserved (for root)."""

    device: str
    mountpoint: str
    type: str
    mode: str
    used_bytes: int
    free_bytes: int
    reserved_bytes: int

    @property
    def limit_bytes(self) -> int:
        """Its capacity."""
        return self.used_bytes + self.free_bytes + self.reserved_bytes


class Transfers(NamedTuple):
    """Bytes moved by a disk or an interface since the machine began: read and written, received and transmitted."""

    name: str
    in_bytes: int
    out_bytes: int


class Devices:
    """Remembers which there are. For one thread at a time. Needs psutil, whose errors and OSError it raises."""

    def __init__(self) -> None:
        import psutil

        self._psutil: Any = psutil
        self._volumes_listed_s = self._disks_listed_s = float("-inf")
        self._mounts: list[Any] = []
        self._whole_disks: frozenset[str] | None = None

    def volumes(self, now_s: float) -> tuple[Volume, ...]:
        """File systems on local disks, each disk once.

        Args:
            now_s: of the monotonic clock.
        """
        if now_s - self._volumes_listed_s >= LIST_EVERY_S:
            self._volumes_listed_s = now_s
            self._mounts = _local_mounts(self._psutil.disk_partitions(all=True))
        return tuple(volume for volume in map(_volume, self._mounts) if volume is not None)

    def disks(self, now_s: float) -> tuple[Transfers, ...]:
        """Whole disks: what their partitions move is in it.

        Args:
            now_s: of the monotonic clock.
        """
        if now_s - self._disks_listed_s >= LIST_EVERY_S:
            self._disks_listed_s, self._whole_disks = now_s, _whole_disks()
        counters = self._psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        return _used(
            Transfers(name, io.read_bytes, io.write_bytes)
            for name, io in counters.items()
            if self._whole_disks is None or name in self._whole_disks
        )

    def networks(self) -> tuple[Transfers, ...]:
        """Interfaces to other machines."""
        counters = self._psutil.net_io_counters(pernic=True, nowrap=False) or {}
        return _used(
            Transfers(name, io.bytes_recv, io.bytes_sent)
            for name, io in counters.items()
            if not name.startswith(_INSIDE)
        )


def _used(moved: Iterable[Transfers]) -> tuple[Transfers, ...]:
    return tuple(sorted(one for one in moved if one.in_bytes or one.out_bytes)[:MOST])


def _whole_disks() -> frozenset[str] | None:
    """Names of the disks of Linux; None elsewhere, where psutil tells whole disks only."""
    try:
        return frozenset(name for name in os.listdir("/sys/block") if not name.startswith(_IN_MEMORY))
    except OSError:
        return None


def _local_mounts(mounts: Iterable[Any]) -> list[Any]:
    """One mount of each local file system: the one nearest to the root. Containers have files of it mounted as well."""
    nearest: dict[str, Any] = {}
    for mount in sorted(mounts, key=lambda mount: len(mount.mountpoint)):
        # Layers of containers are no disks of their own, but in a container one of them is its root.
        local = mount.fstype in LOCAL_TYPES and (mount.fstype != "overlay" or mount.mountpoint == "/")
        if local and mount.device not in nearest and os.path.isdir(mount.mountpoint):
            nearest[mount.device] = mount
    return list(nearest.values())[:MOST]


def _volume(mount: Any) -> Volume | None:
    try:
        size = os.statvfs(mount.mountpoint)
    except (AttributeError, OSError):  # Windows has none; unmounted meanwhile
        return None
    mode = "ro" if "ro" in mount.opts.split(",") else "rw"
    return Volume(
        mount.device,
        mount.mountpoint,
        mount.fstype,
        mode,
        used_bytes=(size.f_blocks - size.f_bfree) * size.f_frsize,
        free_bytes=size.f_bavail * size.f_frsize,
        reserved_bytes=(size.f_bfree - size.f_bavail) * size.f_frsize,
    )
