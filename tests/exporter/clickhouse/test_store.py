"""Where commands find the store: in a home of their own, or at a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

OPEN = """
import json, sys
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    print(json.dumps({
        "own": store.is_own, "served": store.is_served, "where": store.where, "segments": store.ingested.segments,
        "answers": [store.query(sql) for sql in sys.argv[2:]], "chdb": "chdb" in sys.modules,
    }))
"""


@pytest.fixture
def opened(home, python):
    """What a command sees of the store of ``home``."""

    def open_it(*queries, environ=None):
        done = python("-c", OPEN, home, *queries, environ=environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return open_it


def test_without_a_server_the_command_owns_it(opened, write_segments, llm_span, home):
    write_segments([llm_span()])
    seen = opened("SELECT count() AS calls FROM llm_calls")
    assert (seen["own"], seen["served"], seen["where"], seen["segments"]) == (True, False, str(home), 1)
    assert seen["answers"] == [[{"calls": 1}]]
    assert (home / "owner.lock").read_text().isdecimal()


def test_at_a_server_the_spool_is_shipped_before_it_is_asked(opened, write_segments, llm_span, clickhouse_server, home):
    write_segments([llm_span()], [llm_span()])
    seen = opened("SELECT count() AS calls FROM llm_calls", environ=clickhouse_server.environ)
    assert (seen["own"], seen["served"], seen["where"]) == (False, False, clickhouse_server.url)
    assert (seen["segments"], seen["answers"]) == (2, [[{"calls": 2}]])
    assert not seen["chdb"]
    assert not (home / "db").exists()
    assert clickhouse_server.count("llm_calls") == 2


def test_a_server_that_is_away_is_told_and_keeps_the_spool(write_segments, llm_span, python, home):
    (path,) = write_segments([llm_span()])
    done = python("-c", OPEN, home, environ={"VIGILO_CLICKHOUSE_URL": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert "cannot reach http://127.0.0.1:9" in done.stderr
    assert path.exists()


def test_calls_at_a_server_are_priced_by_the_command(write_segments, llm_span, clickhouse_server, vigilo_command):
    write_segments([llm_span({"gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": "10"})])
    arguments = ("--since", "2026-11-01", "--only-unpriced", "--format", "json")
    done = vigilo_command("reprice", *arguments, environ=clickhouse_server.environ)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["priced"] == 1
    assert clickhouse_server.count("llm_calls", "Priced") == 1


def test_serve_at_a_server_ships_the_spool(home, write_segments, llm_span, clickhouse_server):
    write_segments([llm_span()])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **clickhouse_server.environ}
    command = [sys.executable, "-m", "vigilo_exporter.cli", "serve", "--home", str(home)]
    serving = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout.readline().startswith(f"Shipping {home} to {clickhouse_server.url}")
        deadline = time.monotonic() + 60
        while list((home / "spool").glob("*.zst")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert clickhouse_server.count("llm_calls") == 1
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=60)
        assert serving.returncode == 0
    finally:
        serving.kill()
        serving.communicate()
