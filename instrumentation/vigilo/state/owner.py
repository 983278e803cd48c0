"""Which process a hold belongs to, and whether it is still alive; never a process that got the same number later."""

from __future__ import annotations

import os
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_DEAD: Final = ("Z", "X", "x")


def owner() -> str:
    """This process: ``machine:pid:start``; without machine or start where the system does not tell them."""
    pid = os.getpid()
    return _owner(pid)


@lru_cache(maxsize=4)
def _owner(pid: int) -> str:
    state = _state(pid)
    return f"{_machine(pid)}:{pid}:{state[1] if state is not None else ''}"


def is_dead(name: str) -> bool:
    """Whether that process is surely no more; False where that cannot be known, as for one of another machine."""
    machine, _, process = name.partition(":")
    pid_text, _, start = process.partition(":")
    # Numbers of processes mean nothing on another machine, in another container or after a restart.
    if not machine or not start or not pid_text.isdigit() or machine != _machine(os.getpid()):
        return False
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it lives, as somebody else
    state = _state(pid)
    return state is not None and (state[1] != start or state[0] in _DEAD)


@lru_cache(maxsize=4)
def _machine(_pid: int) -> str:
    """The machine since it was started, and the space of process numbers on it; empty where that is not known."""
    try:
        parts = [(_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()]
        parts += [os.readlink(_PROC / "self/ns" / space) for space in ("pid", "time") if _has_space(space)]
    except (OSError, UnicodeDecodeError):
        return ""
    return blake2b("|".join(parts).encode(), digest_size=6).hexdigest()


def _has_space(space: str) -> bool:
    return space == "pid" or os.path.lexists(_PROC / "self/ns" / space)


def _state(pid: int) -> tuple[str, str] | None:
    """A process' state and when it was started, in ticks since the machine was; None where that is not told."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
        fields = stat[stat.rindex(")") + 2 :].split()
        # A main thread that has ended may leave others behind that go on.
        state = "S" if fields[0] in _DEAD and int(fields[17]) > 1 else fields[0]
        return state, fields[19]
    except (OSError, ValueError, IndexError):
        return None
