"""What the kernel killed as memory ran out: it tells the process that it kills nothing, but it counts.

The count of the control group is kept in a file in ``home``. Where it is higher than the process before left it, that
process, or one beside it, was killed: a kernel of a notebook that was restarted, a worker of a data loader.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.notebook.place import Place

FILE_NAME: Final = "oom_kills.json"
_log = logging.getLogger("vigilo")


@dataclass(frozen=True, slots=True)
class PostMortem:
    """Processes that were killed.

    Attributes:
        kills: how many.
        since: the earliest time at which they may have been, ISO 8601 in UTC.
        before_start: whether it was before this process looked for the first time.
    """

    kills: int
    since: str
    before_start: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file holds: a count means nothing after a restart of the machine, or in another container."""

    boot_id: str
    host_name: str
    group: str
    kills: int
    at: str


class OomKills:
    """Compares the count of kills with the one that was kept. For one thread.

    Args:
        place: the machine.
        home: the folder of the file.
    """

    def __init__(self, place: Place, home: Path) -> None:
        self._place, self._path = place, home / FILE_NAME
        self._kept: _Kept | None = None
        self.found: PostMortem | None = None
        """The last ones that were killed."""

    def look(self, kills: int | None) -> PostMortem | None:
        """Tells what was killed since the last look, or since another process looked; in the log as well.

        Args:
            kills: the count of the control group now, None where it is not told.
        """
        if kills is None or (self._kept is not None and kills == self._kept.kills):
            return None
        now = self._now(kills)
        before, first = (self._kept, False) if self._kept is not None else (self._read(), True)
        self._kept = now
        if before == now:
            return None
        self._write(now)
        same = before is not None and (before.boot_id, before.host_name, before.group) == _where(now)
        if before is None or not same or before.kills >= kills:
            return None
        self.found = PostMortem(kills - before.kills, before.at if first else now.at, before_start=first)
        _log.warning(
            "vigilo: memory ran out: the kernel has killed %s here%s",
            "a process" if self.found.kills == 1 else f"{self.found.kills} processes",
            f", at some time since {before.at}" if first else "",
        )
        return self.found

    def _now(self, kills: int) -> _Kept:
        wall = datetime.fromtimestamp(self._place.wall_s(), timezone.utc)
        return _Kept(
            boot_id=self._place.text("/proc/sys/kernel/random/boot_id") or "",
            host_name=self._place.text("/proc/sys/kernel/hostname") or "",
            group=self._place.text("/proc/self/cgroup") or "",
            kills=kills,
            at=wall.isoformat(timespec="seconds"),
        )

    def _read(self) -> _Kept | None:
        try:
            return _Kept(**json.loads(self._path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):  # none yet, or not ours
            return None

    def _write(self, kept: _Kept) -> None:
        part = self._path.with_name(f"{FILE_NAME}.{os.getpid()}.{threading.get_ident()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(asdict(kept)), "utf-8")
            part.replace(self._path)
        except OSError:  # a full or read-only disk: the next process knows less
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _where(kept: _Kept) -> tuple[str, str, str]:
    return kept.boot_id, kept.host_name, kept.group
