"""How long accelerators were used this week, by our own count: a file that is only appended to.

Each line tells one session so far, so the last one of a session counts and a lost one costs the time since the one
before: ``{"session", "accelerator", "began_s", "until_s", "closed"}``, seconds since 1970. Two sessions at a time count
twice, as they do at Kaggle. Where the file goes with the machine, the count begins anew with each one.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEEK_S = 7 * 86400.0
_FIRST_SATURDAY_S = 2 * 86400.0
"""1970 began on a Thursday; Kaggle's week begins on Saturday at 00:00 UTC."""
_READ_BYTES = 1 << 20
"""Of the end of the file: more than half a year of a line each five minutes of thirty hours a week."""


def week_began_s(wall_s: float) -> float:
    """When the week of a time began, in seconds since 1970."""
    return wall_s - (wall_s - _FIRST_SATURDAY_S) % WEEK_S


class Ledger:
    """The count in one file. Several machines may append to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, session: str, accelerator: str, began_s: float, until_s: float, *, closed: bool = False) -> None:
        """Tells how long a session has lasted.

        Raises:
            OSError: the disk is full, or not there.
        """
        line = json.dumps(
            {
                "session": session,
                "accelerator": accelerator,
                "began_s": round(began_s),
                "until_s": round(until_s),
                "closed": closed,
            }
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a line that was cut off must not take this one along
                    line = "\n" + line
            file.write(f"{line}\n".encode())

    def used_s(self, wall_s: float, *, only: str | None = None, without: str | None = None) -> dict[str, float]:
        """Seconds of each accelerator in the week of this time.

        Args:
            wall_s: the time, in seconds since 1970.
            only: the one session that counts.
            without: a session that does not count.
        """
        since_s = week_began_s(wall_s)
        spans: dict[tuple[str, str], tuple[float, float]] = {}
        for row in self._rows():
            key = (str(row["session"]), str(row["accelerator"]))
            if key[0] == without or only not in (None, key[0]):
                continue
            began_s, until_s = float(row["began_s"]), float(row["until_s"])
            known = spans.get(key, (began_s, until_s))
            spans[key] = (min(known[0], began_s), max(known[1], until_s))
        used: dict[str, float] = {}
        for (_, accelerator), (began_s, until_s) in spans.items():
            seconds = until_s - max(began_s, since_s)
            if seconds > 0:
                used[accelerator] = used.get(accelerator, 0.0) + seconds
        return used

    def _rows(self) -> Iterator[dict[str, Any]]:
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - _READ_BYTES))
                lines = file.read().splitlines()
        except OSError:
            return
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and {"session", "accelerator", "began_s", "until_s"} <= row.keys():
                yield row
