"""Erases a user: rows and text in every table, and in what waits in the spool's quarantine; recounted afterwards.

Rollups stay the sums of the calls that are left, whenever the process dies and whatever arrives meanwhile:

1. A mutation of ``llm_calls`` marks the calls. From then on it is settled which these are.
2. Their sums, negated, are written to files, one a rollup, which appear together.
3. The files go in, with their names as deduplication tokens.
4. All that is the user's is deleted, the marked calls last, then the files.

Statements name ids by their hashes: ClickHouse keeps the text of a mutation for long.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vigilo.policy.export.rules import PERSONS
from vigilo_exporter.clickhouse.engine import quoted, storable_path
from vigilo_exporter.clickhouse.old_parts import remove_old_parts
from vigilo_exporter.clickhouse.rollup_sums import MARK, ROLLUPS, USER_ROLLUPS, Rollup, write_negated
from vigilo_exporter.convert.columns import COLUMNS, LOGS, SUMMARY, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vigilo_exporter.clickhouse.database import Database, Layout

FOLDER: Final = "erase"
CALLS: Final = "llm_calls"
OLD_PARTS_WITHIN_S: Final = 20.0
ROUNDS: Final = 3
"""How often to go over it where the user's calls still arrive."""
_TEMPORARY: Final = ".tmp"
_METRICS = tuple(table for table in COLUMNS if table not in (TRACES, LOGS))
_SETTINGS = "SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"
_MARKED = f"startsWith(UserId, {quoted(MARK)})"


@dataclass(frozen=True, slots=True)
class Erased:
    """Rows of the user in one table."""

    table: str
    rows_before: int
    rows_after: int
    old_parts: int = 0
    """Parts on disk that may still hold them, until ClickHouse takes them away."""


class Erasure:
    """The erasure of one user, by all ids that the store may have of them."""

    def __init__(self, database: Database, layout: Layout, home: Path, ids: Iterable[str]) -> None:
        self._database = database
        self._layout = layout
        self._folder = home / FOLDER
        hashes = [database.query("SELECT sipHash64({id:String}) AS hash", {"id": each})[0]["hash"] for each in ids]
        self._hashes = f"({', '.join(f'toUInt64({each})' for each in hashes)})"

    def count(self) -> dict[str, int]:
        """How many rows of each table are the user's.

        Raises:
            ClickHouseError: ClickHouse refuses.
        """
        found = {}
        for table, condition in self._conditions(counting=True).items():
            sql = f"SELECT count() AS found FROM {table} WHERE {condition}"  # noqa: S608 - names and hashes of ours
            found[table] = int(self._database.query(sql)[0]["found"])
        return found

    def run(self) -> tuple[Erased, ...]:
        """Erases, and counts again; what is left in the result arrived meanwhile, or could not be erased.

        Raises:
            ClickHouseError: ClickHouse refuses; run it again.
            OSError: the disk does.
        """
        before = self.count()
        for _ in range(ROUNDS):
            self._finish_begun()
            self._mark()
            self._apply(self._write())
            after = self.count()
            if not any(after.values()):
                break
        left = {table: self._remove_old_parts(table) for table in (*before, "llm_hourly")}
        return tuple(Erased(table, rows, after[table], left[table]) for table, rows in before.items())

    def _mark(self) -> None:
        mine = self._mine(counting=False)
        self._alter(CALLS, f"UPDATE UserId = concat({quoted(MARK)}, UserId) WHERE NOT {_MARKED} AND ({mine})")

    def _write(self) -> Path:
        """Step 2: the files of one run, in a folder that is there as a whole or not at all."""
        storable_path(self._folder)
        final = self._folder / f"{time.time_ns():020d}-{os.getpid()}"
        draft = final.with_name(f"{final.name}{_TEMPORARY}")
        draft.mkdir(mode=0o700, parents=True)
        for rollup in ROLLUPS:
            # Rows that belong to the user alone are deleted as they are.
            others = f"sipHash64(UserId) NOT IN {self._hashes}" if rollup.table in USER_ROLLUPS else "true"
            write_negated(self._database, rollup, others, draft / f"{rollup.table}.jsonl")
        draft.rename(final)
        return final

    def _finish_begun(self) -> None:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            if path.name.endswith(_TEMPORARY):
                shutil.rmtree(path)
            else:
                self._apply(path)

    def _apply(self, folder: Path) -> None:
        """Steps 3 and 4, as often as need be."""
        for rollup in ROLLUPS:
            path = folder / f"{rollup.table}.jsonl"
            if path.stat().st_size:
                token = f"{folder.name}.{rollup.table}"
                self._database.insert(self._layout.stored(rollup.table), rollup.columns, [path], token)
        conditions = self._conditions(counting=False)
        for table, condition in conditions.items():
            if table != CALLS:
                self._alter(table, f"DELETE WHERE {condition}")
        if not self._layout.cluster:  # there, the negated sums may lie on another shard than what they negate
            for rollup in ROLLUPS:
                self._alter(rollup.table, f"DELETE WHERE {self._is_empty(rollup)}")
        self._alter(CALLS, f"DELETE WHERE {_MARKED}")
        shutil.rmtree(folder.rename(folder.with_name(f"{folder.name}{_TEMPORARY}")))  # at once, as it came

    def _is_empty(self, rollup: Rollup) -> str:
        """Of a row of a rollup: whether its calls are all marked. Not that their sum is 0: it is read part by part."""
        calls = self._layout.stored(CALLS)
        user = f"substring(UserId, length({quoted(MARK)}) + 1)"
        days = f"toDate(Timestamp) IN (SELECT toDate(Timestamp) FROM {calls} WHERE {_MARKED})"  # noqa: S608
        times = "toStartOfHour(Timestamp) AS Hour, toDate(Timestamp) AS Day"
        marked, others = (
            f"SELECT {rollup.key} FROM (SELECT * EXCEPT UserId, Model, {told} AS UserId, {times} "  # noqa: S608
            f"FROM {calls} WHERE {where})"
            for told, where in (
                (user, f"startsWith({calls}.UserId, {quoted(MARK)})"),
                (f"{calls}.UserId", f"NOT startsWith({calls}.UserId, {quoted(MARK)}) AND {days}"),
            )
        )
        return f"({rollup.key}) IN ({marked}) AND ({rollup.key}) NOT IN ({others})"

    def _alter(self, table: str, change: str) -> None:
        self._database.execute(
            f"ALTER TABLE {self._layout.stored(table)}{self._layout.on_cluster} {change} {_SETTINGS}"
        )

    def _remove_old_parts(self, table: str) -> int:
        return remove_old_parts(self._database, self._layout, table, within_s=OLD_PARTS_WITHIN_S)

    def _conditions(self, *, counting: bool) -> dict[str, str]:
        """What is the user's, by table; those that others are found through come last.

        Of a trace these are the spans with the user's id, and all of it where every call in it is theirs.
        """
        calls, spans, within = self._names(counting=counting)
        mine, by_id = self._mine(counting=counting), f"sipHash64(UserId) IN {self._hashes}"
        span = self._person("SpanAttributes")
        whole = (
            f"SELECT TraceId FROM {calls} WHERE TraceId != '' AND TraceId {within} "  # noqa: S608 - names of ours
            f"(SELECT TraceId FROM {calls} WHERE {mine}) GROUP BY TraceId HAVING countIf(NOT ({mine})) = 0"
        )
        # A trace without calls goes where every span of it is theirs.
        whole_spans = (
            f"SELECT TraceId FROM {spans} WHERE TraceId {within} "  # noqa: S608 - names of ours
            f"(SELECT TraceId FROM {spans} WHERE {span}) GROUP BY TraceId HAVING countIf(NOT ({span})) = 0"
        )
        of_trace = f"TraceId {within} ({whole})"
        of_call = f"(TraceId, SpanId) {within} (SELECT TraceId, SpanId FROM {calls} WHERE SpanId != '' AND ({mine}))"  # noqa: S608
        of_span = f"(TraceId, SpanId) {within} (SELECT TraceId, SpanId FROM {spans} WHERE SpanId != '' AND {span})"  # noqa: S608
        conditions = {
            LOGS: f"{self._person('LogAttributes')} OR {of_trace} OR {of_call} OR {of_span}",
            "llm_messages": f"{by_id} OR {of_trace} OR {of_call} OR {of_span}",
            "llm_cost_changes": f"{by_id} OR {of_call}",
            **dict.fromkeys(sorted(USER_ROLLUPS), by_id),
        }
        for table in _METRICS:
            exemplars = self._person("told")
            conditions[table] = self._person("Attributes") + (
                f" OR arrayExists(told -> {exemplars}, `Exemplars.FilteredAttributes`)" if table != SUMMARY else ""
            )
        conditions["otel_traces_trace_id_ts"] = f"{of_trace} OR TraceId {within} ({whole_spans})"
        conditions[TRACES] = f"{span} OR {of_trace} OR {of_call}"
        conditions[CALLS] = mine
        return conditions

    def _names(self, *, counting: bool) -> tuple[str, str, str]:
        """The tables of calls and spans, and the IN, for a question to all shards or a mutation on each."""
        if counting:
            return CALLS, TRACES, "GLOBAL IN"
        return self._layout.stored(CALLS), self._layout.stored(TRACES), "IN"

    def _mine(self, *, counting: bool) -> str:
        """Of a row of ``llm_calls``: whether it is the user's, marked or not."""
        _, spans, within = self._names(counting=counting)
        span = self._person("SpanAttributes")
        told = f"SELECT TraceId, SpanId FROM {spans} WHERE {span}"  # noqa: S608 - names of ours
        return (
            f"{_MARKED} OR sipHash64(UserId) IN {self._hashes} OR SpanId != '' AND (TraceId, SpanId) {within} ({told})"
        )

    def _person(self, attributes: str) -> str:
        """Of a map of attributes: whether it says that the user is the person."""
        names = f"[{', '.join(map(quoted, sorted(PERSONS)))}]"
        return (
            f"(hasAny(mapKeys({attributes}), {names}) AND arrayExists((name, value) -> has({names}, name) "
            f"AND sipHash64(value) IN {self._hashes}, mapKeys({attributes}), mapValues({attributes})))"
        )
