"""Mends the deduplication logs of an embedded database whose owner was killed in the middle of an insert.

A MergeTree table writes the token of an insert into its log before it puts the part of it into place (seen with 26.5).
Killed in between, it would take the repeated insert for one that it has: the rows would be missing in that table alone.
So, before the engine opens the folder, the last token of each log is forgotten if its part is not there.

Source of the log's form: ``src/Storages/MergeTree/MergeTreeDeduplicationLog.cpp`` of ClickHouse: an operation (1 added,
2 dropped), the name of the part and the block's id in a line, separated by tabs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_ADDED, _DROPPED = "1", "2"
_PART: Final = re.compile(r"(?P<partition>[^_]+)_(?P<first>\d+)_(?P<last>\d+)_\d+(?:_\d+)?")
_TAIL_BYTES: Final = 4096  # a part has two records of a hundred bytes


def forget_unwritten(database: Path) -> int:
    """Forgets the tokens of parts that were never put into place; gives how many parts that were.

    The database must not be open anywhere.

    Args:
        database: its folder.

    Raises:
        OSError: the disk does not let us read or write.
    """
    return sum(_mended(logs) for logs in sorted(database.glob("store/*/*/deduplication_logs")))


def _mended(logs: Path) -> bool:
    files = sorted(logs.glob("deduplication_log_*.txt"), key=lambda file: int(re.sub(r"\D", "", file.stem) or 0))
    newest = next((file for file in reversed(files) if file.stat().st_size), None)
    if newest is None:
        return False
    with newest.open("rb") as file:
        file.seek(max(0, newest.stat().st_size - _TAIL_BYTES))
        records = [line.split("\t") for line in file.read().decode("utf-8", "replace").split("\n")]
    if records.pop() != [""] or not records or len(records[-1]) != 3:
        return False  # not of the form that we know: left alone
    operation, part, _ = records[-1]
    if operation != _ADDED or _is_there(part, logs.parent):
        return False
    blocks = [record[2] for record in records if record[:2] == [_ADDED, part] and len(record) == 3]
    with newest.open("a", encoding="utf-8") as log:
        log.writelines(f"{_DROPPED}\t{part}\t{block}\n" for block in dict.fromkeys(blocks))
    return True


def _is_there(name: str, table: Path) -> bool:
    """Whether the part is in the table's folder, or one that it was merged into."""
    part = _PART.fullmatch(name)
    if part is None:
        return True
    for folder in table.iterdir():
        other = _PART.fullmatch(folder.name)
        if (
            other is not None
            and other["partition"] == part["partition"]
            and int(other["first"]) <= int(part["first"])
            and int(part["last"]) <= int(other["last"])
        ):
            return True
    return False
