"""A ClickHouse server that dies, hangs, refuses and hangs up under apps that die too: every call is there, once.

Runs unchanged on the server of ``VIGILO_TEST_CLICKHOUSE_URL``, which is not killed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest
from tests.exporter.clickhouse.chaos import Writers, assert_stored_exactly_once
from tests.exporter.clickhouse.faulty_proxy import BUSY, CUT_BODY, DROP_AFTER, DROP_BEFORE, SLOW, faulty_proxy

from vigilo_exporter.shipping.lock import holder

FLUSH = """
import sys
from pathlib import Path
from vigilo_exporter.exporters import ClickHouseSpanExporter
sys.exit(not ClickHouseSpanExporter(Path(sys.argv[1])).force_flush(60_000))
"""
FAULTS = (DROP_AFTER, BUSY, None, DROP_BEFORE, SLOW, CUT_BODY)
NAMES = ("shop", "desk", "batch")
SERVER_KILLS = 8
WRITER_KILLS = 14


@pytest.fixture
def proxy(clickhouse_server):
    with faulty_proxy(clickhouse_server.url) as proxy:
        yield proxy


@pytest.fixture
def environ(clickhouse_server, proxy):
    return {**clickhouse_server.environ, "VIGILO_CLICKHOUSE_URL": proxy.url, "VIGILO_FLUSH_TIMEOUT_S": "1"}


@pytest.fixture
def writers(home, tmp_path, environ):
    with Writers(home, tmp_path / "journals", pause_s=0.05, environ=environ) as writers:
        for name in NAMES:
            writers.start(name)
        yield writers


@pytest.fixture
def flush(home, environ):
    """Has everything sent that waits, as the next app with this home does."""

    def run():
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ}
        subprocess.run([sys.executable, "-c", FLUSH, home], env=environment, check=True, timeout=120)

    return run


@pytest.fixture
def answers(clickhouse_server):
    return lambda *queries: [clickhouse_server.rows(query) for query in queries]


def kill_sender(home, writers):
    """Kills the app that sends for all, as far as one does just now."""
    sender = holder(home)
    names = [name for name, process in writers.running.items() if sender is not None and process.pid == sender.pid]
    writers.kill(random.choice(names or NAMES))


def wait_until(condition, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def deliveries(proxy):
    """The inserts of segments, without those with which tables are made."""
    return [request for request in proxy.inserts if "insert_deduplication_token" in request.parameters]


def segments(home):
    return [path for path in (home / "spool").iterdir() if path.name.endswith(".native.zst")]


def test_a_server_that_dies_and_faults_loses_and_doubles_nothing(
    clickhouse_server, proxy, home, writers, flush, answers
):
    wait_until(lambda: deliveries(proxy))
    proxy.slow_s = 0.5
    for kill in range(WRITER_KILLS):
        if kill == SERVER_KILLS:
            proxy.refuse()
            time.sleep(0.5)
            proxy.accept()
        proxy.faults.extend((FAULTS[kill % len(FAULTS)], None))
        wait_until(lambda: not proxy.faults)  # an insert met with it, and one after it did not
        time.sleep(random.uniform(0, 0.3))
        if clickhouse_server.can_be_killed and kill < SERVER_KILLS:
            clickhouse_server.kill()
            kill_sender(home, writers)
            clickhouse_server.start()
        else:
            kill_sender(home, writers)
    proxy.faults.clear()
    writers.finish()

    flush()
    assert segments(home) == []
    assert not (home / "spool" / "quarantine").exists()
    assert_stored_exactly_once(writers, answers, priced_by_store=False)
    assert {request.fault for request in deliveries(proxy)} == {fault or "" for fault in FAULTS}


def test_what_is_written_while_the_server_is_away_is_sent_in_order_when_it_is_back(
    clickhouse_server, proxy, home, writers, flush, answers
):
    wait_until(lambda: deliveries(proxy))
    proxy.refuse()
    wait_until(lambda: len(segments(home)) > 150)
    writers.finish()  # the apps end as ever, though nobody takes what they have
    waiting = sorted(path.name for path in segments(home))
    assert len(waiting) > 150
    before = len(deliveries(proxy))

    proxy.accept()
    flush()
    assert segments(home) == []
    sent = [request.parameters["insert_deduplication_token"] for request in deliveries(proxy)[before:]]
    traces = [token for token in sent if ".otel_traces." in token]
    assert traces == sorted(traces)
    assert_stored_exactly_once(writers, answers, priced_by_store=False)


def test_a_server_that_does_not_answer_holds_up_no_app(proxy, home, writers, flush, answers):
    wait_until(lambda: deliveries(proxy))
    proxy.slow_s, proxy.always = 5, SLOW
    seen = len(deliveries(proxy))
    wait_until(lambda: len(deliveries(proxy)) > seen)  # it hangs
    stored = len(writers.journal("stored", "traces"))
    wait_until(lambda: len(writers.journal("stored", "traces")) > stored + 20)
    writers.finish()

    proxy.always = None
    flush()
    assert segments(home) == []
    assert_stored_exactly_once(writers, answers, priced_by_store=False)
