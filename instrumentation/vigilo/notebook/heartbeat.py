"""What a kernel leaves behind every half minute, so that the next one knows what happened to it.

The same machine and another process: the kernel was restarted, or killed. Another machine: the session was given up,
and a new one has begun.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from vigilo.notebook.clocks import process_start

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.notebook.place import Place

_MEMORY_EVENTS = "/sys/fs/cgroup/memory.events"


@dataclass(frozen=True)
class Beat:
    """One heartbeat.

    Attributes:
        machine: a digest that tells machines, or containers, apart.
        process: the same for processes on it.
        wall_s: when it was written, in seconds since 1970.
        session_began_s: the same, of the session's begin.
        devices: pairs of id and name of its accelerators.
        restarts: of the kernel on this machine so far.
        changes: of the accelerator so far.
        oom_kills: processes that the kernel of the machine has killed for want of memory.
        ended: the process has said good-bye.
    """

    machine: str
    process: str
    wall_s: float
    session_began_s: float
    devices: tuple[tuple[str, str], ...] = ()
    restarts: int = 0
    changes: int = 0
    oom_kills: int = 0
    ended: bool = False


@dataclass(frozen=True)
class Restart:
    """What happened before.

    Attributes:
        kind: ``kernel`` (on the same machine) or ``machine`` (a new one).
        lost_s: from the last sign of life to now.
        memory_ran_out: a process was killed for want of memory meanwhile.
        expected: the last process had said good-bye.
    """

    kind: str
    lost_s: float
    memory_ran_out: bool = False
    expected: bool = False


def restart_between(before: Beat | None, now: Beat) -> Restart | None:
    """What happened between the last heartbeat and now; None where it is the same process, or there is none."""
    if before is None or (before.machine, before.process) == (now.machine, now.process):
        return None
    same = before.machine == now.machine
    return Restart(
        "kernel" if same else "machine",
        max(0.0, now.wall_s - before.wall_s),
        same and now.oom_kills > before.oom_kills,
        before.ended,
    )


def read_beat(path: Path) -> Beat | None:
    """The heartbeat in a file; None where there is none, or none that can be read."""
    try:
        said: Any = json.loads(path.read_text("utf-8"))
        known = {field.name: said[field.name] for field in fields(Beat) if field.name in said}
        known["devices"] = tuple((str(one), str(name)) for one, name in known.get("devices", ()))
        beat = Beat(**known)
        float(beat.wall_s + beat.session_began_s + beat.restarts + beat.changes + beat.oom_kills)
        return beat
    except (OSError, ValueError, TypeError):
        return None


def write_beat(path: Path, beat: Beat, *, in_place: bool = False) -> None:
    """Puts it in place of the last one; a reader sees either.

    Args:
        path: the file.
        beat: what it is to hold.
        in_place: overwrites the file, which a reader may see half written: in Google Drive each file that another one
            takes the place of would lie in the trash, and count.

    Raises:
        OSError: the disk is full, or not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(beat))
    if in_place:
        path.write_text(text, "utf-8")
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    os.replace(draft, path)


def machine_id(place: Place) -> str:
    """Tells machines apart, and containers on one: the identifier of the boot alone may be the host's."""
    facts = [
        place.text("/proc/sys/kernel/random/boot_id"),
        place.text("/etc/hostname"),
        place.environ.get("KAGGLE_CONTAINER_NAME"),
        process_start(place, "1"),
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def process_id(place: Place) -> str:
    """Tells processes of one machine apart; a PID alone may come again."""
    return f"{os.getpid()}-{process_start(place)}"


def kernel_key(place: Place) -> str:
    """Stays the same when a kernel is restarted: the name of its connection file; empty outside of Jupyter."""
    argv = list(place.argv)
    for at, argument in enumerate(argv):
        value = argv[at + 1] if argument == "-f" and at + 1 < len(argv) else argument.partition("-f=")[2]
        if value.endswith(".json"):
            return re.sub(r"[^\w-]", "_", os.path.basename(value).removesuffix(".json"))
    return ""


def oom_kills(place: Place) -> int:
    """Processes that were killed for want of memory in this container; Colab names further files to look at."""
    named = place.environ.get("CGROUP_MEMORY_EVENTS", "").split()
    counts = [0]
    for path in {_MEMORY_EVENTS, *named}:
        for line in (place.text(path) or "").splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.isdigit():
                counts.append(int(value))
    return max(counts)
