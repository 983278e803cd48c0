"""Apps write while the owner of the database is killed again and again: every call is counted once, everywhere."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

WRITE = """
import os, sys, time
spool, template, name_end, seconds = sys.argv[1:]
content = open(template, "rb").read()
end, written = time.monotonic() + float(seconds), 0
while time.monotonic() < end:
    path = f"{spool}/{time.time_ns():020d}-{os.getpid()}-0123abcd-{written}.{name_end}"
    with open(path + ".tmp", "wb") as file:
        file.write(content)
    os.rename(path + ".tmp", path)
    written += 1
    time.sleep(0.01)
print(written)
"""

OWN = """
import sys, time
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    while True:
        store.ingest()
        time.sleep(0.005)
"""

COUNTS = """
SELECT (SELECT count() FROM otel_traces) AS spans, (SELECT count() FROM llm_calls) AS calls,
    (SELECT sum(Calls) FROM llm_hourly) AS hourly, (SELECT toString(sum(CostUsd)) FROM llm_hourly) AS cost_usd
"""

SECONDS = 8
KILLS = 6


def start(*arguments):
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_killing_the_owner_at_random_loses_and_doubles_nothing(home, tmp_path, write_segments, ask, llm_span):
    # Two days a segment, so that each insert makes several parts in every table.
    spans = [llm_span({"gen_ai.usage.cost": "0.000001"}, Timestamp=f"2026-11-{19 + i % 2} 10:00:00") for i in range(50)]
    (segment,) = write_segments(spans)
    template = segment.rename(tmp_path / "template")
    ask("SELECT 1")  # the schema is there: kills fall on inserts

    name_end = "otel_traces.native.zst"
    writers = [start("-c", WRITE, home / "spool", template, name_end, SECONDS) for _ in range(3)]
    for _ in range(KILLS):
        owner = start("-c", OWN, home)
        time.sleep(random.uniform(0.5, 1.5))
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
    written = sum(int(writer.communicate()[0]) for writer in writers) * len(spans)

    counts = ask(COUNTS)["answers"][0][0]
    cost = counts.pop("cost_usd")
    assert counts == {"spans": written, "calls": written, "hourly": written}
    assert float(cost) == written / 1_000_000
    assert [path.name for path in (home / "spool").iterdir()] == []


def test_reports_at_the_same_time_take_turns(write_segments, vigilo_command, llm_span, home):
    write_segments(*[[llm_span()]] * 10)
    command = ("-m", "vigilo_exporter.cli", "report", "--since", "2026-01-01", "--format", "json", "--home", home)
    running = [start(*command) for _ in range(3)]
    for process in running:
        output = process.communicate()[0]
        assert process.returncode == 0
        assert json.loads(output)["totals"]["calls"] == 10
