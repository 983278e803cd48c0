"""Which process writes: told in the names of unfinished folders, so that only those of dead processes are removed."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

_PROC = Path("/proc")


def machine() -> str:
    """Eight hex digits, the same for all processes that see each other's ids: host, its start and pid namespace."""
    parts = [socket.gethostname()]
    try:
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip())
    except OSError:
        parts.append("")
    try:
        parts.append(str((_PROC / "self/ns/pid").stat().st_ino))
    except OSError:
        parts.append("")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:8]


def started(pid: int) -> str:
    """When a process began, in ticks since the machine did; ``0`` where that cannot be known, ``dead`` for a zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
    except OSError:
        return "0"
    fields = stat.rpartition(")")[2].split()  # from field 3 on: the command before it may have spaces
    return "dead" if fields[0] == "Z" else fields[19]


def writer() -> str:
    """This process: ``machine-pid-start``."""
    return f"{machine()}-{os.getpid()}-{started(os.getpid())}"


def is_alive(who: str) -> bool | None:
    """Whether a writer still runs; None where it is, or was, on another machine."""
    try:
        where, pid_text, start = who.split("-")
        pid = int(pid_text)
    except ValueError:
        return None
    if where != machine():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        pass
    return start == "0" or started(pid) in (start, "0")
