"""Runs the store and the command line, each in a process of its own: the one that runs tests must never load chDB."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.exporter.clickhouse.faulty_proxy import faulty_proxy
from tests.exporter.clickhouse.server import clickhouse_server

import vigilo
import vigilo_exporter

__all__ = ["clickhouse_server"]  # a fixture

IMPORT_PATH = os.pathsep.join(str(Path(package.__file__).parents[1]) for package in (vigilo, vigilo_exporter))

WRITE_SEGMENTS = """
import json, sys
from chdb import connect
engine = connect(":memory:")
for path, rows in json.load(sys.stdin):
    names = list(dict.fromkeys(name for row in rows for name in row))
    types = {"Timestamp": "DateTime64(9)", "SpanAttributes": "Map(String, String)", "Duration": "UInt64"}
    structure = ", ".join(f"`{name}` {types.get(name, 'String')}" for name in names)
    engine.query(
        f"INSERT INTO FUNCTION file('{path}', 'Native', '{structure}', 'zstd') SELECT * "
        f"FROM format(JSONEachRow, '{structure}', {{rows:String}}) SETTINGS session_timezone = 'UTC'",
        params={"rows": " ".join(map(json.dumps, rows)).replace(chr(92), chr(92) * 2)},
    )
"""

ASK = """
import json, sys
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    answers = [store.query(sql) for sql in sys.argv[2:]]
    print(json.dumps({"answers": answers, "quarantined": store.ingested.quarantined}))
"""


def python(*arguments, stdin=None, environ=None):
    """Runs this interpreter with vigilo on its path."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": IMPORT_PATH, **(environ or {})},
        check=False,
        timeout=120,
    )


@pytest.fixture(name="python")
def _python():
    return python


@pytest.fixture
def proxied_server(clickhouse_server):
    """A server, and a proxy in front of it that makes INSERTs fail."""
    with faulty_proxy(clickhouse_server.url) as proxy:
        yield clickhouse_server, proxy


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture(scope="session")
def _empty_store(tmp_path_factory):
    """A store that has its tables: making them takes longer than most tests."""
    home = tmp_path_factory.mktemp("store")
    for_ever = dict.fromkeys(("VIGILO_RETENTION_DAYS", "VIGILO_CONTENT_RETENTION_DAYS"), "-1")  # as in every test
    done = python("-c", ASK, home, environ=for_ever)
    assert done.returncode == 0, done.stderr
    return home / "db"


@pytest.fixture
def with_tables(home, _empty_store):
    """Gives the store of ``home`` its tables, where something waits to be taken in and there is no store yet."""

    one_at_a_time = threading.Lock()

    def make():
        with one_at_a_time:
            if (home / "spool").exists() and not (home / "db").exists():
                shutil.copytree(_empty_store, home / "db", symlinks=True)

    return make


@pytest.fixture
def write_segments(home):
    """Writes segments into the spool of ``home``: each argument is the list of rows of one."""
    count = 0

    def write(*segments, table="otel_traces"):
        nonlocal count
        spool = home / "spool"
        spool.mkdir(parents=True, exist_ok=True)
        paths = []
        for _ in segments:
            count += 1
            paths.append(spool / f"{time.time_ns():020d}-{os.getpid()}-0123abcd-{count}.{table}.native.zst")
        done = python(
            "-c", WRITE_SEGMENTS, stdin=json.dumps([[str(p), s] for p, s in zip(paths, segments, strict=True)])
        )
        assert done.returncode == 0, done.stderr
        return paths

    return write


@pytest.fixture
def ask(home, with_tables):
    """Opens the store of ``home``, which takes in the spool, and gives the rows of each query."""

    def ask_store(*queries):
        with_tables()
        done = python("-c", ASK, home, *queries)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask_store


@pytest.fixture
def vigilo_command(home, with_tables):
    """Runs ``vigilo`` with ``home`` as its folder."""

    def run(*arguments, environ=None):
        with_tables()
        return python("-m", "vigilo_exporter.cli", *arguments, environ={"VIGILO_HOME": str(home), **(environ or {})})

    return run
