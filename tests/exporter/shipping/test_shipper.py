"""Apps with a server: what they export gets there once, whatever the server and the processes do, and no app waits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import zstandard
from tests.exporter.clickhouse.faulty_proxy import BUSY, DROP_AFTER, SLOW, faulty_proxy
from tests.exporter.clickhouse.server import clickhouse_server, free_port, running_server  # noqa: F401 - a fixture

from vigilo_exporter.clickhouse.http import HttpDatabase
from vigilo_exporter.clickhouse.migrate import migrate
from vigilo_exporter.shipping.lock import ShipLock, holder
from vigilo_exporter.spool import Spool

HEAD = """
import logging, os, signal, sys, threading, time
logging.basicConfig(format="%(message)s")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from vigilo_exporter.exporters import ClickHouseLogExporter, ClickHouseMetricExporter, ClickHouseSpanExporter
exporter = ClickHouseSpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("t")
def spans(name, count):
    for number in range(count):
        tracer.start_span(f"{name} {number}").end()
def note(word):
    print(word, flush=True)
def left():
    names = os.listdir(os.path.join(os.environ["VIGILO_HOME"], "spool"))
    return [name for name in names if name.endswith((".zst", ".manifest"))]
"""


@pytest.fixture(scope="module")
def made_server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("server")) as running:
        migrate(HttpDatabase(running.url_with_user, database=running.database))
        yield running


@pytest.fixture
def server(made_server):
    """A server with vigilo's tables, of which that of spans is empty."""
    made_server.execute("TRUNCATE TABLE otel_traces")
    return made_server


@pytest.fixture
def start(home):
    """Starts an app: ``code`` after HEAD, at the server whose settings are given."""
    apps = []

    def start_app(code, server, **environ):
        settings = server.environ if hasattr(server, "environ") else {"VIGILO_CLICKHOUSE_URL": server}
        app = subprocess.Popen(
            [sys.executable, "-c", HEAD + code],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "VIGILO_HOME": str(home),
                **settings,
                **environ,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        apps.append(app)
        return app

    yield start_app
    for app in apps:
        app.kill()
        app.communicate()


def finish(app, timeout=120):
    output, errors = app.communicate(timeout=timeout)
    assert app.returncode == 0, errors
    return output.split(), errors


def eventually(condition, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def waiting(home):
    return [path.name for path in Spool(home).segments()] + [path.name for path in (home / "spool").glob("*.manifest")]


def through(proxy, server):
    return {**server.environ, "VIGILO_CLICKHOUSE_URL": proxy.url}


def test_what_is_exported_gets_there_without_a_word(server, start, home):
    app = start("spans('a', 30); note(exporter.force_flush(60000)); note(left()); exporter.shutdown()", server)
    output, errors = finish(app)
    assert output == ["True", "[]"]
    assert errors == ""
    assert server.rows("SELECT count() AS rows, uniqExact(SpanName) AS names FROM otel_traces") == [
        {"rows": 30, "names": 30}
    ]


def test_nobody_has_to_flush(server, start, home):
    start("spans('a', 3); sys.stdin.read()", server)
    eventually(lambda: server.count("otel_traces") == 3)
    eventually(lambda: waiting(home) == [])


def test_the_first_app_makes_the_tables(clickhouse_server, start):  # noqa: F811
    app = start("spans('a', 3); note(exporter.force_flush(120000))", clickhouse_server)
    assert finish(app)[0] == ["True"]
    assert clickhouse_server.count("otel_traces") == 3


def test_nothing_is_made_where_that_is_off(clickhouse_server, start, home):  # noqa: F811
    code = "spans('a', 3); note(exporter.force_flush(9000)); time.sleep(4); exporter.shutdown()"
    output, errors = finish(start(code, clickhouse_server, VIGILO_CREATE_SCHEMA="off"))
    assert output == ["False"]
    assert errors.count("\n") == 1
    assert "run `vigilo migrate`" in errors
    assert len(waiting(home)) == 3
    assert clickhouse_server.rows("SELECT name FROM system.tables WHERE database = currentDatabase()") == []


def test_an_older_schema_with_rows_is_left_to_people(clickhouse_server, start, home):  # noqa: F811
    clickhouse_server.execute(
        "CREATE TABLE schema_version (Version UInt32, Name String) ENGINE = MergeTree ORDER BY tuple()"
    )
    clickhouse_server.execute("INSERT INTO schema_version SELECT 5, '0005_llm_calls'")
    clickhouse_server.execute("CREATE TABLE otel_traces (SpanName String) ENGINE = MergeTree ORDER BY tuple()")
    clickhouse_server.execute("INSERT INTO otel_traces SELECT 'kept'")
    code = "spans('b', 1); note(exporter.force_flush(9000)); exporter.shutdown()"
    output, errors = finish(start(code, clickhouse_server))
    assert output == ["False"]
    assert "schema version 5" in errors
    assert len(waiting(home)) == 1
    assert clickhouse_server.rows("SELECT count() AS tables FROM system.tables WHERE database = currentDatabase()") == [
        {"tables": 2}
    ]


def test_while_the_server_is_away_everything_waits_and_the_log_has_two_lines(server, start, home):
    with faulty_proxy(server.url) as proxy:
        proxy.refuse()
        app = start("spans('a', 20); note('written'); sys.stdin.readline(); note(len(left()))\n"
                    "sys.stdin.readline(); exporter.force_flush(60000)\n", through_dict(proxy, server))  # fmt: skip
        assert app.stdout.readline() == "written\n"
        eventually(lambda: (holder(home) or (0, ""))[1])
        first = app.stderr.readline()
        time.sleep(2)  # in which nothing more is told
        app.stdin.write("\n")
        app.stdin.flush()
        assert int(app.stdout.readline()) >= 20
        assert server.count("otel_traces") == 0
        proxy.accept()
        eventually(lambda: server.count("otel_traces") == 20)
        eventually(lambda: holder(home) == (app.pid, ""))
        app.stdin.write("\n")
        _, errors = finish(app)
    (second,) = errors.splitlines()
    assert first.startswith(f"vigilo: telemetry waits in {home}/spool until it can be sent: cannot reach {proxy.url} (")
    assert second.startswith("vigilo: telemetry is sent again, after ")
    assert waiting(home) == []


def through_dict(proxy, server):
    return type("Through", (), {"environ": through(proxy, server)})


@pytest.mark.parametrize("fault", [BUSY, DROP_AFTER])
def test_what_the_server_did_not_answer_is_sent_again_and_counts_once(server, start, fault):
    with faulty_proxy(server.url) as proxy:
        proxy.faults.extend([fault] * 3)
        code = "spans('a', 10)\nwhile not exporter.force_flush(9000): time.sleep(.1)\n"
        finish(start(code, through_dict(proxy, server)))
        inserts = [each for each in proxy.inserts if "otel_traces" in each.parameters["query"]]
        tokens = [each.parameters["insert_deduplication_token"] for each in inserts]
    assert tokens[:4] == [tokens[0]] * 4
    assert server.rows("SELECT count() AS rows, uniqExact(SpanName) AS names FROM otel_traces") == [
        {"rows": 10, "names": 10}
    ]


def test_an_app_that_ends_waits_no_longer_than_it_may(server, start, home):
    code = (
        "exporters = [exporter, ClickHouseMetricExporter(), ClickHouseLogExporter()]\n"
        "spans('a', 2); began = time.monotonic()\n"
        "for each in exporters: each.shutdown()\n"
        "note(time.monotonic() - began)"
    )
    with faulty_proxy(server.url) as proxy:
        proxy.always, proxy.slow_s = SLOW, 30
        (took_s,), _ = finish(start(code, through_dict(proxy, server), VIGILO_FLUSH_TIMEOUT_S="5"))
        assert 5 <= float(took_s) < 12, "three signals, one wait"
    assert len(waiting(home)) > 0
    (took_s,), errors = finish(start(code, f"http://127.0.0.1:{free_port()}", VIGILO_FLUSH_TIMEOUT_S="60"))
    assert float(took_s) < 20, "a server that refuses is not waited for"
    assert errors.count("\n") == 1
    finish(start("assert exporter.force_flush(60000)", server))
    assert server.count("otel_traces") == 4


def test_one_process_sends_for_all_and_another_takes_over_when_it_is_killed(server, start, home):
    code = "spans(sys.argv[0], 1); note('up')\nfor line in sys.stdin: spans(line.strip(), 1); note('done')\n"
    first = start(code, server)
    assert first.stdout.readline() == "up\n"
    eventually(lambda: holder(home))
    second = start(code, server)
    assert second.stdout.readline() == "up\n"
    eventually(lambda: server.count("otel_traces") == 2)
    assert holder(home).pid == first.pid
    first.send_signal(signal.SIGKILL)
    second.stdin.write("after\n")
    second.stdin.flush()
    eventually(lambda: server.count("otel_traces", "SpanName = 'after 0'") == 1)
    assert holder(home).pid == second.pid


FORKS = """
spans('parent', 5)
exporter.force_flush(60000)
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        spans(f'child {number}', 5)
        done = exporter.force_flush(60000)
        os._exit(0 if done else 3)
    children.append(child)
spans('parent again', 5)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
note(codes)
note(exporter.force_flush(60000))
child = os.fork()
if child == 0:
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(1, 2)
    time.sleep(600)
note(child)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_forked_children_write_and_the_lock_does_not_stay_with_them(server, start, home):
    app = start(FORKS, server)
    output, errors = app.communicate(timeout=120)
    *codes, flushed, child = output.split()
    assert (" ".join(codes), flushed, errors) == ("[0, 0, 0]", "True", "")
    try:
        assert server.rows("SELECT count() AS rows, uniqExact(SpanName) AS names FROM otel_traces") == [
            {"rows": 25, "names": 25}
        ]
        # The orphan runs the fork hooks as well, so it may have taken the lock: by itself, not from its parent.
        eventually(lambda: (found := holder(home)) is None or found.pid == int(child))
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_what_ends_with_the_interpreter_is_sent(server, start):
    code = (
        "other = TracerProvider()\nother.add_span_processor(BatchSpanProcessor(ClickHouseSpanExporter()))\n"
        "other.get_tracer('t').start_span('last').end()"
    )
    finish(start(code, server))
    eventually(lambda: server.count("otel_traces") == 1)


def test_signals_are_left_alone(server, start):
    code = (
        "spans('a', 1); exporter.force_flush(60000)\n"  # else it comes in while the next test counts
        "note([signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]); time.sleep(120)"
    )
    app = start(code, server)
    interrupts = ("<built-in function default_int_handler>", "<Handlers.SIG_IGN: 1>")  # ignored below a shell's job
    assert app.stdout.readline().strip() in [f"[<Handlers.SIG_DFL: 0>, {handler}]" for handler in interrupts]
    app.send_signal(signal.SIGTERM)
    app.wait(60)
    assert app.returncode == -signal.SIGTERM


def test_pieces_that_no_server_takes_are_set_aside_and_the_rest_goes_in(server, start, home):
    finish(start("spans('a', 2)", f"http://127.0.0.1:{free_port()}"))
    _, second = Spool(home).segments()
    second.write_bytes(zstandard.compress(b"no block of columns" * 20))
    output, errors = finish(start("note(exporter.force_flush(60000)); exporter.shutdown()", server))
    assert output == ["True"]
    assert errors == (
        "vigilo: 1 pieces of telemetry cannot be stored and were set aside: `vigilo spool ls` says why (told once)\n"
    )
    (piece,) = Spool(home).quarantined()
    assert piece.name == second.name
    assert "ClickHouse: " in piece.reason
    assert server.count("otel_traces") == 1


def test_a_table_that_is_gone_sets_its_pieces_aside_and_others_go_in(server, start, home):
    finish(start("spans('a', 1)", f"http://127.0.0.1:{free_port()}"))
    server.execute("RENAME TABLE otel_metrics_summary TO away")
    (path,) = Spool(home).segments()
    path.with_name(path.name.replace("otel_traces", "otel_metrics_summary")).write_bytes(path.read_bytes())
    try:
        finish(start("exporter.force_flush(60000)", server))
    finally:
        server.execute("RENAME TABLE away TO otel_metrics_summary")
    (piece,) = Spool(home).quarantined()
    assert "UNKNOWN_TABLE" in piece.reason
    assert server.count("otel_traces") == 1


METRICS = """
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from vigilo.capture.export_gauges import tell_export
import json
spans('a', 3)
exporter.force_flush(60000)
reader = InMemoryMetricReader()
meters = MeterProvider([reader], shutdown_on_exit=False)
tell_export(meters.get_meter("t"), meters)
tell_export(meters.get_meter("t"), meters)
data = json.loads(reader.get_metrics_data().to_json())
(scope,) = data["resource_metrics"][0]["scope_metrics"]
points = {metric["name"]: metric["data"]["data_points"] for metric in scope["metrics"]}
print(json.dumps({name: [[point["attributes"], point["value"]] for point in each] for name, each in points.items()}))
"""


def test_the_export_tells_of_itself(server, start):
    app = start(METRICS, server)
    output, errors = app.communicate(timeout=120)
    assert app.returncode == 0, errors
    table = {"vigilo.export.table": "otel_traces"}
    assert json.loads(output) == {
        "vigilo.export.rows": [
            [{**table, "vigilo.export.outcome": "written"}, 3],
            [{**table, "vigilo.export.outcome": "delivered"}, 3],
        ],
        "vigilo.export.spool.size": [[{}, 0]],
    }


def test_the_app_loads_neither_an_engine_nor_a_client(server, start):
    code = (
        "spans('a', 1); exporter.force_flush(60000)\n"
        "heavy = ('chdb', 'clickhouse_connect', 'starlette', 'uvicorn', 'anyio', 'typer', 'rich', 'requests')\n"
        "note([name for name in heavy if name in sys.modules])"
    )
    assert finish(start(code, server))[0] == ["[]"]


def test_the_lock_is_one_processs_and_its_state_is_told(tmp_path):
    one, other = ShipLock(tmp_path), ShipLock(tmp_path)
    assert holder(tmp_path) is None
    assert one.acquire()
    assert not other.acquire()
    assert holder(tmp_path) == (os.getpid(), "")
    one.tell("no network")
    assert holder(tmp_path) == (os.getpid(), "no network")
    one.release()
    assert holder(tmp_path) is None
    assert other.acquire()
    other.release()


def test_who_takes_the_lock_is_not_told_by_what_failed_before(home):
    before, after = ShipLock(home), ShipLock(home)
    assert before.acquire()
    before.tell("cannot reach the server")
    assert holder(home) == (os.getpid(), "cannot reach the server")
    before.release()
    assert after._try()  # it has the lock, and has not said so yet
    assert holder(home).failing == ""
    after.release()
