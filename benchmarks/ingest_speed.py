"""Rows a second into the embedded store, beside what the engine alone can do with the same files, in one run.

The floor is the engine reading the same segments into a table with the same columns and key, but without indexes,
computed columns, views and exactly-once delivery. The promise is 0.6 of it with everything. Then what each view costs.

Run: ``python benchmarks/ingest_speed.py [spans]``
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SPANS = 200_000
BATCH = 512
ROUNDS = 3
ROLLUPS = ("llm_hourly_mv", "llm_user_daily_mv", "llm_conversations_mv", "llm_sessions_mv")
CALLS = "llm_calls_mv"
OTHERS = ("otel_traces_trace_id_ts_mv", CALLS, "llm_calls_foreign_mv", "llm_messages_mv")
VIEWS = (*OTHERS, *ROLLUPS)
BARE = "floor: Native into a bare table"
ALL = "store: everything"
SCENARIOS: dict[str, tuple[str, ...]] = {
    BARE: (),
    ALL: VIEWS,
    "otel_traces and its indexes, no view": (),
    **{f"  with {view}": (view,) for view in OTHERS},
    **{f"  with {CALLS} and {view}": (CALLS, view) for view in ROLLUPS},
}


def write_spool(home: Path, spans: int) -> None:
    """Segments of calls, each span with its own ids and time over one day."""
    from export_cost import calls

    from vigilo_exporter.convert.columns import COLUMNS, TRACES
    from vigilo_exporter.convert.rows import Dropped, block
    from vigilo_exporter.convert.spans import span_rows
    from vigilo_exporter.spool import Spool

    names = [name for name, _ in COLUMNS[TRACES]]
    at, trace, span = (names.index(name) for name in ("Timestamp", "TraceId", "SpanId"))
    dropped = Dropped()
    spool = Spool(home)
    begin_ns = time.time_ns() - 86_400 * 10**9
    number = 0
    templates = span_rows(calls(BATCH), dropped)
    for _ in range(spans // BATCH):
        rows: list[Any] = []
        for row in templates:
            number += 1
            fresh = list(row)
            fresh[at] = begin_ns + number * (86_000 * 10**9 // spans)
            fresh[trace], fresh[span] = f"{number:032x}", f"{number:016x}"
            rows.append(tuple(fresh))
        data = block(TRACES, rows, dropped)
        assert data is not None
        spool.write(TRACES, *data)


def scenario(name: str, source: Path) -> tuple[float, float]:
    """Seconds, and seconds of CPU, that a row takes."""
    from vigilo_exporter.clickhouse.engine import Engine, rows_of
    from vigilo_exporter.clickhouse.groups import groups_of
    from vigilo_exporter.clickhouse.ingest import Ingest
    from vigilo_exporter.clickhouse.migrate import migrate
    from vigilo_exporter.convert.columns import COLUMNS, TRACES
    from vigilo_exporter.spool import SUFFIX

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(source / "spool", home / "spool")
        engine = Engine(home / "db")
        migrate(engine)
        for view in VIEWS:
            if view not in SCENARIOS[name]:
                engine.execute(f"DROP TABLE {view}")
        columns = ", ".join(f"`{column}` {kind}" for column, kind in COLUMNS[TRACES])
        engine.execute(
            f"CREATE TABLE bare ({columns}) ENGINE = MergeTree PARTITION BY toDate(Timestamp) "
            "ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)"
        )
        segments = sorted(path.name for path in (home / "spool").iterdir() if path.name.endswith(SUFFIX))
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        if name == BARE:
            for group in groups_of(home / "spool", segments, lambda *_: None):
                files = [home / "spool" / segment for segment in group.segments]
                engine.execute(f"INSERT INTO bare SELECT * FROM {rows_of(files, COLUMNS[TRACES])}")
        else:
            Ingest(engine, home / "spool").run()
        took_s, took_cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
        table = "bare" if name == BARE else TRACES
        rows: int = engine.query(f"SELECT count() AS rows FROM {table}")[0]["rows"]
        engine.close()
    assert rows
    return took_s / rows, took_cpu_s / rows


def main() -> None:
    if len(sys.argv) == 4:
        print(json.dumps(scenario(sys.argv[2], Path(sys.argv[3]))))
        return
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else SPANS
    with tempfile.TemporaryDirectory() as folder:
        write_spool(Path(folder), spans)
        fastest: dict[str, tuple[float, float]] = {}
        for turn in range(ROUNDS):  # in turns, since the machine is not equally fast all the time
            for name in SCENARIOS:
                if turn and name not in (BARE, ALL):
                    continue
                command = [
                    sys.executable,
                    __file__,
                    "-",
                    name,
                    folder,
                ]  # each in a process of its own, as chDB wants it
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
                row_s, cpu_s = json.loads(done.stdout)
                before = fastest.get(name, (row_s, cpu_s))
                fastest[name] = min(before[0], row_s), min(before[1], cpu_s)
                print(f"{name:60s} {1 / row_s:10,.0f} rows/s {cpu_s * 1e6:8.2f} us of CPU a row", flush=True)
    floor, store = fastest[BARE], fastest[ALL]
    result = {
        "floor_rows_s": round(1 / floor[0]),
        "store_rows_s": round(1 / store[0]),
        "ratio": round(floor[0] / store[0], 3),
        "cpu_ratio": round(floor[1] / store[1], 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
