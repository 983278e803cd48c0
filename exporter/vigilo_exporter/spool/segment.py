"""What a segment's file name says: when it was written and by whom, how many rows of which table are in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SUFFIX: Final = ".native.zst"
_NAME = re.compile(
    r"([0-9]{20})-(0|[1-9][0-9]*)-([0-9a-f]{8})-(0|[1-9][0-9]*)(?:-(0|[1-9][0-9]*))?\.([A-Za-z0-9_]+)\.native\.zst"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment by its name, which is its identity. Names sort by the time of writing.

    Attributes:
        time_ns: when it was written, in ns since 1970.
        pid: of the process that wrote it.
        instance: eight hex digits that tell writers of the same pid apart.
        number: how many segments that writer had written before.
        rows: how many it holds; None in names of older versions, which do not say.
        table: whose rows they are.
    """

    time_ns: int
    pid: int
    instance: str
    number: int
    rows: int | None
    table: str

    @classmethod
    def parse(cls, name: str) -> Segment | None:
        """The segment of that file name, without a folder; None when no segment has such a name."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        time_ns, pid, instance, number, rows, table = match.groups()
        return cls(int(time_ns), int(pid), instance, int(number), None if rows is None else int(rows), table)

    @property
    def name(self) -> str:
        """The file name that it was parsed from."""
        rows = "" if self.rows is None else f"-{self.rows}"
        return f"{self.time_ns:020d}-{self.pid}-{self.instance}-{self.number}{rows}.{self.table}{SUFFIX}"


def is_segment(name: str) -> bool:
    """Whether that is a segment's file name: much faster than parsing it."""
    return _NAME.fullmatch(name) is not None
