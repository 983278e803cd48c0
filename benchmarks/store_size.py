"""Bytes a call takes in each table of the embedded store, and how long a store takes to open, empty and full.

The calls are those of ``export_cost.py``, exported in batches of 512 now. Parts are merged before they are
measured, as they are some minutes after the last insert.

Run: ``python benchmarks/store_size.py [calls, 1000000 by default]``
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import export_cost

OPEN = """
import sys, time
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
began_s = time.perf_counter()
with open_store(Path(sys.argv[1]), wait_s=600) as store:
    print(time.perf_counter() - began_s)
"""
MEASURE = """
import json, sys
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1]), wait_s=600) as store:
    tables = store.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    for table in tables:
        store.database.execute(f"OPTIMIZE TABLE {table['name']} FINAL")
    print(json.dumps({
        "calls": store.query("SELECT count() AS n FROM llm_calls")[0]["n"],
        "bytes": store.query(
            "SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts "
            "WHERE active AND database = currentDatabase() GROUP BY table ORDER BY bytes DESC"
        ),
    }))
"""


class Unseeded(random.Random):
    """Has each batch differ from the one before, as no two calls of an app are the same."""

    def seed(self, *_: object) -> None:
        pass


def run(code: str, home: Path) -> str:
    return subprocess.run([sys.executable, "-c", code, home], capture_output=True, text=True, check=True).stdout


def main() -> None:
    from vigilo_exporter.exporters import ClickHouseSpanExporter

    export_cost.random = Unseeded()
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run(OPEN, home)
        print(f"open, empty: {float(run(OPEN, home)) * 1e3:.0f} ms")
        exporter = ClickHouseSpanExporter(home)
        ingest_s, waiting = 0.0, 0
        for _ in range(0, wanted, 512):
            exporter.export(export_cost.calls(512))
            waiting += 512
            if waiting >= 100_000:
                ingest_s, waiting = ingest_s + float(run(OPEN, home)), 0
        began_s = time.perf_counter()
        measured = json.loads(run(MEASURE, home))
        print(f"the rest and merges: {time.perf_counter() - began_s:.1f} s")
        print(f"open, {measured['calls']} calls: {min(float(run(OPEN, home)) for _ in range(3)) * 1e3:.0f} ms")
    total = 0
    for table in measured["bytes"]:
        total += table["bytes"]
        print(f"{table['table']:26s} {table['bytes'] / measured['calls']:7.1f} B a call")
    print(f"{'all':26s} {total / measured['calls']:7.1f} B a call")


if __name__ == "__main__":
    main()
