"""New costs of calls on their way into the store: a journal file for each batch, applied exactly once.

1. A journal file has the batch, with the old cost of each call, and is on disk before anything is changed.
2. It goes into ``llm_cost_changes``, with its name as deduplication token; views add the differences to the rollups.
3. A mutation of ``llm_calls`` gives each call its new cost if it still has the old one.
4. The journal is unlinked.

Whoever comes after a crash does all steps again for each journal that is left; what was done does nothing then.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from vigilo_exporter.clickhouse.database import JSON_LINES_SUFFIX, Database, Layout
from vigilo_exporter.clickhouse.engine import quoted, storable_path
from vigilo_exporter.queries import query_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from vigilo_exporter.convert.columns import Columns

FOLDER: Final = "reprice"
TABLE: Final = "llm_cost_changes"
CHANGED_COLUMNS: Final[Columns] = (
    ("Timestamp", "DateTime64(9)"),
    ("TraceId", "String"),
    ("SpanId", "String"),
    ("ServiceName", "String"),
    ("Operation", "String"),
    ("AppOperation", "String"),
    ("Provider", "String"),
    ("RequestModel", "String"),
    ("Model", "String"),
    ("Status", "String"),
    ("ErrorType", "String"),
    ("UserId", "String"),
    ("SessionId", "String"),
    ("ConversationId", "String"),
    ("Tokens", "UInt64"),
    ("OldPriced", "Bool"),
    ("OldCostUsd", "Decimal(18, 9)"),
    ("OldSource", "String"),
    ("OldSnapshot", "String"),
    ("NewCostUsd", "Decimal(18, 9)"),
    ("NewSource", "String"),
    ("NewSnapshot", "String"),
    ("CallKey", "UInt64"),
)
"""What a change of a call's cost is given as; a journal adds ``RUN_COLUMNS``."""
RUN_COLUMNS: Final[Columns] = (
    ("Cause", "String"),
    ("Run", "String"),
    ("Batch", "String"),
    ("ChangedAt", "DateTime64(3)"),
)
COLUMNS: Final[Columns] = CHANGED_COLUMNS + RUN_COLUMNS
CLUSTER_BATCH: Final = 2000
"""Changes in a batch for a cluster: a mutation is written out there, and the parser takes 256 KiB."""
CALL_KEY: Final = """sipHash64(
        Timestamp, TraceId, SpanId, ServiceName, Operation, Status, Provider, RequestModel, ResponseModel, BilledAs,
        ServiceTier, InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, CacheWrite1hTokens, ReasoningTokens,
        InputAudioTokens, OutputAudioTokens, InputImageTokens, OutputImageTokens, OtherUsage,
        CostUsd, Priced, CostSource, CostSnapshot
    )"""
"""A call in one state of its cost. Two calls that are alike in all of this have the same new cost as well."""

# Journals of vigilo before its rollups by user: no columns of the run, and fewer of the call.
_OLDER_SUFFIX = ".json"
_LATER = frozenset({"AppOperation", "Model", "ErrorType", "UserId", "SessionId", "ConversationId", "Tokens"})
_OLDER_COLUMNS: Columns = tuple(column for column in COLUMNS if column[0] not in _LATER)
_TEMPORARY = ".tmp"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_WORD = re.compile(r"\b(CALLS|CALL_KEY|BATCH|CHANGES|DAY|KEYS|COSTS|SOURCE|SNAPSHOT)\b")


class CostJournals:
    """The journals of one home folder. Only who owns the database, or the only pricer of a server, may use it."""

    def __init__(self, database: Database, home: Path, layout: Layout, server: str = "") -> None:
        """``server`` names the one that the calls are in; without it they are in the home's own database."""
        self._database = database
        self._layout = layout
        self.folder = home / FOLDER
        if server:
            self.folder /= hashlib.sha256(server.encode()).hexdigest()[:16]

    def apply(self, run: str, batch: int, cause: str, changes: Sequence[Sequence[Any]]) -> int:
        """Gives calls of one day their new costs, all of one source and snapshot; values as in ``CHANGED_COLUMNS``.

        Args:
            run: begins with the nanoseconds since 1970 at which the run began.
            batch: the number of the first batch that is free in this run.
            cause: why they change.
            changes: one of each call.

        Returns:
            The number of the next batch.

        Raises:
            ClickHouseError: ClickHouse refuses; the journal stays, for :meth:`finish_begun`.
            OSError: the disk does.
        """
        size = CLUSTER_BATCH if self._layout.cluster else len(changes)
        for start in range(0, len(changes), size):
            name = f"{run}.{batch:06d}.{cause}"
            self._apply(self._write(name, _with_run(name, changes[start : start + size])))
            batch += 1
        return batch

    def finish_begun(self) -> None:
        """Applies the batches that an earlier owner began.

        Raises:
            ClickHouseError, OSError: as :meth:`apply`.
        """
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if path.name.endswith(_TEMPORARY):
                path.unlink()
            elif path.name.endswith(JSON_LINES_SUFFIX):
                self._apply(path)
            elif path.name.endswith(_OLDER_SUFFIX):
                newer = self._write(path.stem, _with_run(path.stem, _lines(path)))
                path.unlink()
                self._apply(newer)

    def make_folder(self) -> None:
        """Makes the folder of the journals, if it is one that ClickHouse can read files in."""
        storable_path(self.folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _write(self, name: str, rows: Iterable[Sequence[Any]]) -> Path:
        self.make_folder()
        path = self.folder / f"{name}{JSON_LINES_SUFFIX}"
        temporary = path.with_name(f"{path.name}{_TEMPORARY}")
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        return path

    def _apply(self, path: Path) -> None:
        """Steps 2 to 4, as often as need be."""
        first = next(_lines(path))
        columns = COLUMNS if len(first) == len(COLUMNS) else _OLDER_COLUMNS
        self._database.insert(self._layout.stored(TABLE), columns, [path], path.stem)
        self._database.execute(self._mutation(path, columns))
        path.unlink()

    def _mutation(self, path: Path, columns: Columns) -> str:
        place = {name: number for number, (name, _) in enumerate(columns)}
        first = next(_lines(path))
        words = {
            "CALLS": f"{self._layout.stored('llm_calls')}{self._layout.on_cluster}",
            "CALL_KEY": CALL_KEY,
            "BATCH": quoted(path.stem),
            "CHANGES": self._layout.stored(TABLE),
            "DAY": quoted(first[place["Timestamp"]][:10]),
        }
        if not self._layout.cluster:
            return _filled("apply_cost_changes", words)
        # In a cluster the changes may lie on another shard than their calls: each is told all of them.
        costs = {row[place["CallKey"]]: row[place["NewCostUsd"]] for row in _lines(path)}
        words["KEYS"] = f"CAST([{', '.join(map(str, costs))}], 'Array(UInt64)')"
        words["COSTS"] = f"CAST([{', '.join(map(quoted, costs.values()))}], 'Array(Decimal(18, 9))')"
        words["SOURCE"] = quoted(first[place["NewSource"]])
        words["SNAPSHOT"] = quoted(first[place["NewSnapshot"]])
        return _filled("apply_cost_changes_written_out", words)


def _with_run(name: str, changes: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    run, _, cause = name.split(".")
    changed_at = _EPOCH + timedelta(microseconds=int(run.partition("-")[0]) // 1000)
    ending = [cause, run, name, changed_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]]
    return ([*change, *ending] for change in changes)


def _lines(path: Path) -> Iterator[list[Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _filled(name: str, words: dict[str, str]) -> str:
    return _WORD.sub(lambda found: words[found[0]], query_text(name))
