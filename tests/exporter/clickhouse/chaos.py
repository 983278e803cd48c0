"""What the tests of exactly-once share: apps that are killed while they export, and the account of what is stored."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from itertools import groupby
from pathlib import Path

from tests.exporter.clickhouse.chaos_writer import BATCH, CALLS, DAY_S, LOGS_IN_BATCH, SPANS_IN_BATCH

WRITER = Path(__file__).with_name("chaos_writer.py")
NEWEST_S = int(time.time()) // DAY_S * DAY_S - DAY_S // 2  # noon of yesterday: no retention reaches it
TABLES = {  # of each signal: the table, where its rows name the batch, and how many rows of a batch it holds
    "traces": {"otel_traces": (f"SpanAttributes['{BATCH}']", SPANS_IN_BATCH)},
    "logs": {"otel_logs": (f"LogAttributes['{BATCH}']", LOGS_IN_BATCH)},
    "metrics": {
        "otel_metrics_sum": (f"Attributes['{BATCH}']", 1),
        "otel_metrics_histogram": (f"Attributes['{BATCH}']", 1),
    },
}
ROLLUPS = {  # of each rollup: its columns for the day and for the key, and what a call has there
    "llm_hourly": ("toDate(Hour)", "ServiceName", lambda call, name: name),
    "llm_user_daily": ("Day", "UserId", lambda call, name: call.user),
    "llm_conversations": ("Day", "ConversationId", lambda call, name: call.conversation),
    "llm_sessions": ("Day", "SessionId", lambda call, name: call.session),
}
SUMS = """
    sum(Calls) AS calls, sum(Errors) AS errors, sum(InputTokens) AS input, sum(OutputTokens) AS output,
    toString(sum(CostUsd)) AS cost, sum(PricedCalls) AS priced, sum(UnpricedCalls) AS unpriced,
    sum(arraySum(mapValues(DurationBuckets))) AS durations
"""


class Writers:
    """Apps that export, each with a journal; those that are killed are started anew."""

    def __init__(self, home: Path, folder: Path, *, pause_s: float, environ=None) -> None:
        folder.mkdir()
        self._home, self._folder, self._pause_s = home, folder, pause_s
        self._stop = folder.with_name("stop")
        self._environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environ or {})}
        self.running = {}

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            process.kill()
            process.communicate()

    def start(self, name: str) -> None:
        arguments = (self._home, self._folder / name, name, NEWEST_S, self._pause_s, self._stop)
        command = [sys.executable, WRITER, *map(str, arguments)]
        self.running[name] = subprocess.Popen(command, env=self._environ, stderr=subprocess.PIPE, text=True)

    def kill(self, name: str) -> None:
        """Kills a writer with -9, and starts the next of its name."""
        self.running[name].kill()
        self.running[name].communicate()
        self.start(name)

    def finish(self) -> None:
        """Has all end as apps do, and waits until they have."""
        self._stop.touch()
        for name, process in self.running.items():
            errors = process.communicate(timeout=120)[1]
            assert process.returncode == 0, name
            assert "Traceback" not in errors, name  # that telemetry waits is told

    def journal(self, what: str, signal: str) -> set[str]:
        """The batches that were ``begun`` or ``stored``."""
        lines = [line.split() for path in self._folder.iterdir() for line in path.read_text().splitlines()]
        return {batch for kind, of, batch in lines if (kind, of) == (what, signal)}


def assert_stored_exactly_once(writers: Writers, ask, *, priced_by_store: bool) -> None:
    """Compares every table and rollup with the journals.

    A batch that was acknowledged is there. One whose writer was killed in the middle of its export is there as a whole
    or not at all: nobody was told that it is stored, and nobody that it is not.

    Args:
        writers: those that wrote it.
        ask: gives the rows of each SELECT.
        priced_by_store: calls without a price got one by now.
    """
    stored = _assert_batches_whole(writers, ask)
    cost_nano_usd = _price_of_the_unpriced(ask) if priced_by_store else 0
    names = Counter(batch.split("-")[0] for batch in stored)
    questions = [
        f"SELECT {day} AS day, {key} AS key, {SUMS} FROM {table} GROUP BY day, key ORDER BY day, key"
        for table, (day, key, _) in ROLLUPS.items()
    ]
    for (table, (_, _, key_of)), rows in zip(ROLLUPS.items(), ask(*questions), strict=True):
        expected = _expected(names, key_of, cost_nano_usd)
        for row in rows:
            row["cost"] = round(float(row["cost"]) * 1e9)
        if table in ("llm_conversations", "llm_sessions"):
            expected = [row for row in expected if row["key"]]
        assert rows == expected, table


def _assert_batches_whole(writers: Writers, ask) -> set[str]:
    """All that was acknowledged is there, once and whole; gives the batches of spans that are."""
    found = {}
    for signal, tables in TABLES.items():
        for table, (batch, rows) in tables.items():
            (counted,) = ask(f"SELECT {batch} AS batch, count() AS rows FROM {table} WHERE batch != '' GROUP BY batch")
            there = {row["batch"]: row["rows"] for row in counted}
            strange = {each: n for each, n in there.items() if n != rows}
            assert strange == {}, f"{table}: not whole, or more than once: {strange}"
            assert writers.journal("stored", signal) - set(there) == set(), f"{table}: acknowledged, and not there"
            assert set(there) <= writers.journal("begun", signal)
            found[table] = set(there)
    spans, calls, messages = ask(
        "SELECT count() AS n, uniqExact(SpanId) AS ids FROM otel_traces",
        "SELECT count() AS n, uniqExact(SpanId) AS ids FROM llm_calls",
        "SELECT count() AS n FROM system.tables WHERE database = currentDatabase() AND name = 'llm_messages'",
    )
    batches = len(found["otel_traces"])
    assert spans == [{"n": batches * SPANS_IN_BATCH, "ids": batches * SPANS_IN_BATCH}]
    assert calls == [{"n": batches * len(CALLS), "ids": batches * len(CALLS)}]
    if messages != [{"n": 0}]:
        (messages,) = ask("SELECT count() AS n, uniqExact(SpanId) AS ids FROM llm_messages")
        assert messages == calls
    return found["otel_traces"]


def _price_of_the_unpriced(ask) -> int:
    """What the store found a call without a price to cost, which is the same for each of them."""
    first = CALLS[0]
    (prices,) = ask(
        f"SELECT DISTINCT toString(CostUsd) AS cost FROM llm_calls WHERE InputTokens = {first.input_tokens}"
    )
    (price,) = prices
    cost_nano_usd = round(float(price["cost"]) * 1e9)
    assert cost_nano_usd > 0
    return cost_nano_usd


def _expected(names: Counter, key_of, unpriced_nano_usd: int) -> list[dict]:
    """The rows of a rollup by day and key, after as many batches of each writer as ``names`` says."""
    day_of = {day: time.strftime("%Y-%m-%d", time.gmtime(NEWEST_S - day * DAY_S)) for day in (0, 1)}
    called = sorted(
        ((day_of[call.day], key_of(call, name), call, batches) for name, batches in names.items() for call in CALLS),
        key=lambda each: each[:2],
    )
    rows = []
    for (day, key), group in groupby(called, key=lambda each: each[:2]):
        calls = [(call, batches) for _, _, call, batches in group]
        count = sum(batches for _, batches in calls)
        unpriced = 0 if unpriced_nano_usd else sum(n for call, n in calls if call.cost_nano_usd is None)
        rows.append(
            {
                "day": day,
                "key": key,
                "calls": count,
                "errors": sum(n for call, n in calls if call.error),
                "input": sum(call.input_tokens * n for call, n in calls),
                "output": sum(call.output_tokens * n for call, n in calls),
                "cost": sum((unpriced_nano_usd if (c := call.cost_nano_usd) is None else c) * n for call, n in calls),
                "priced": count - unpriced,
                "unpriced": unpriced,
                "durations": count,
            }
        )
    return rows
