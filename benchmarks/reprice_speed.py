"""How fast the store prices calls: those that came without a cost, and again those that have one.

    python benchmarks/reprice_speed.py [calls] [days]

Prints wall time, calls per second, and CPU time of the process per call, that of the engine's threads included. Needs
the embedded engine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vigilo_exporter.clickhouse.repricing import ALL_UNPRICED, Selection
from vigilo_exporter.clickhouse.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS, DAYS = 200_000, 10
_SPANS = """INSERT INTO otel_traces
    (Timestamp, TraceId, SpanId, ServiceName, SpanName, SpanAttributes, Duration, StatusCode)
SELECT
    toDateTime64('2026-11-01 00:00:00', 9) + number * {days} * 86400 / {calls} AS Timestamp,
    lower(hex(MD5(toString(number)))) AS TraceId, lower(hex(sipHash64(number))) AS SpanId, 'shop', 'chat',
    map('gen_ai.operation.name', 'chat', 'gen_ai.system', 'openai',
        'gen_ai.request.model', ['gpt-4o', 'gpt-4o-mini', 'gpt-5', 'house-model'][number % 4 + 1],
        'gen_ai.usage.prompt_tokens', toString(1000 + number % 977),
        'gen_ai.usage.completion_tokens', toString(number % 499)),
    1000000000, 'Unset'
FROM numbers({calls})
SETTINGS max_partitions_per_insert_block = 0"""
_EXACT = """SELECT
    (SELECT sum(CostUsd) FROM llm_calls) AS calls_usd, (SELECT sum(CostUsd) FROM llm_hourly) AS hourly_usd,
    (SELECT count() FROM llm_cost_changes) AS changes"""


def timed(name: str, calls: int, work: Callable[[], object]) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"  {name:45} {seconds:7.2f} s {calls / seconds:10,.0f} calls/s {cpu / calls * 1e6:8.1f} us CPU a call")


def main() -> None:
    calls, days = (int(text) for text in (*sys.argv[1:], CALLS, DAYS)[:2]) if len(sys.argv) > 2 else (CALLS, DAYS)
    everything = Selection(ALL_UNPRICED.since, ALL_UNPRICED.until)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.database.execute(_SPANS.format(calls=calls, days=days))  # as if an ingest had done it
        print(f"\n{calls:,} calls over {days} days, a quarter of them to a model without a price")
        timed("price what came without a cost, dry", calls, lambda: store.reprice(ALL_UNPRICED, dry_run=True))
        timed("price what came without a cost", calls, lambda: store.reprice(ALL_UNPRICED))
        timed("price everything again, nothing changes", calls, lambda: store.reprice(everything))
        print(f"  {store.query(_EXACT)[0]}")


if __name__ == "__main__":
    main()
