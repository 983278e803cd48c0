"""Apps and the owner of the database are killed again and again: every call is counted once, everywhere."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time

import pytest
from tests.exporter.clickhouse.chaos import Writers, assert_stored_exactly_once

OWN = """
import sys, time
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    while True:
        store.ingest()
        time.sleep(0.005)
"""
FORGETFUL = """
import os
from vigilo_exporter.clickhouse.engine import Engine
insert = Engine.insert
Engine.insert = lambda self, table, columns, files, token: insert(self, table, columns, files, os.urandom(8).hex())
"""

NAMES = ("shop", "desk", "batch")
OWNER_KILLS = 16
WRITER_KILLS = 7


def start(*arguments):
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


PART_OF_AN_INSERT = re.compile(r"\d+_(\d+)_\1_\d+")  # partition, first and last block, how often merged
AIMS = (None, "otel_traces", "llm_calls", "llm_hourly", "llm_sessions")


def parts(home, table):
    """The parts of a table that inserts made, in the folder of the database."""
    return {name for name in os.listdir(home / "db/data/otel" / table) if PART_OF_AN_INSERT.fullmatch(name)}


def own_and_kill(home, code, aim):
    """Lets an owner take in the spool, and kills it: at random, or in the middle of an insert.

    Args:
        home: the folder of the store.
        code: the owner.
        aim: kill right after it inserted into this table; its views and the acknowledgement come later.
    """
    before = parts(home, aim) if aim else set()
    owner = start("-c", code, home)
    if aim:
        deadline = time.monotonic() + 10
        while not parts(home, aim) - before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(random.choice([0, 0.01, 0.03]))
    else:
        time.sleep(random.uniform(0.2, 1.5))
    assert owner.poll() is None
    owner.kill()
    owner.communicate()


@pytest.fixture
def store(home, ask):
    """A home with the schema in it, so that kills fall on inserts."""
    ask("SELECT 1")
    (home / "spool").mkdir(exist_ok=True)
    return home


@pytest.fixture
def writers(store, tmp_path):
    with Writers(store, tmp_path / "journals", pause_s=0.05) as writers:
        for name in NAMES:
            writers.start(name)
        yield writers


@pytest.fixture
def answers(ask):
    return lambda *queries: ask(*queries)["answers"]


def test_killing_apps_and_owner_at_random_loses_and_doubles_nothing(store, writers, answers):
    for kill in range(OWNER_KILLS):
        own_and_kill(store, OWN, AIMS[kill % len(AIMS)])
        if kill < WRITER_KILLS:
            writers.kill(random.choice(NAMES))
    writers.finish()

    assert_stored_exactly_once(writers, answers, priced_by_store=True)
    left = {path.suffix for path in (store / "spool").iterdir()}
    assert left <= {"", ".tmp"}  # a lock; and what killed apps had begun to write is swept when it is an hour old


def test_the_same_kills_are_seen_where_an_insert_is_not_known_by_its_token(store, writers, answers):
    """The control: an owner that forgets under which token it began counts calls twice, and the account finds it."""
    for kill in range(OWNER_KILLS // 2):
        own_and_kill(store, FORGETFUL + OWN, AIMS[1 + kill % 4])
    writers.finish()
    with pytest.raises(AssertionError, match="more than once"):
        assert_stored_exactly_once(writers, answers, priced_by_store=True)


def test_reports_at_the_same_time_take_turns(write_segments, vigilo_command, llm_span, home):
    write_segments(*[[llm_span()]] * 10)
    command = ("-m", "vigilo_exporter.cli", "report", "--since", "2026-01-01", "--format", "json", "--home", home)
    running = [start(*command) for _ in range(3)]
    for process in running:
        output = process.communicate()[0]
        assert process.returncode == 0
        assert json.loads(output)["totals"]["calls"] == 10
