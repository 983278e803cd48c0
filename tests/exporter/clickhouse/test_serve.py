"""``vigilo serve``, and other commands beside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
from tests.exporter.clickhouse.server import free_port, request

import vigilo
from vigilo.errors import ConfigError, MissingExtraError, StoreError
from vigilo.settings import Settings
from vigilo_exporter.cli.serve import how_to_connect
from vigilo_exporter.clickhouse import serving
from vigilo_exporter.clickhouse.schema_files import schema_files
from vigilo_exporter.clickhouse.served import Served
from vigilo_exporter.clickhouse.serving import Address

HOLD = """
import sys
from pathlib import Path
from vigilo_exporter.clickhouse.store import open_store
with open_store(Path(sys.argv[1])) as store:
    print("open", flush=True)
    sys.stdin.read()
"""


class Serving:
    """``vigilo serve`` in a process of its own."""

    def __init__(self, home, *arguments, **environ):
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options = ["--home", home, "--port", self.port, *arguments]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vigilo_exporter.cli", "serve", *map(str, options)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_it_serves(self):
        self.said = self.process.stdout.readline()
        assert self.said.startswith("Serving "), self.process.communicate()
        self.said += "".join(self.process.stdout.readline() for _ in range(4))
        return self

    def wait_until_it_listens(self):
        """It has the port then, and waits for the lock."""
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=60).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.process.communicate()
                time.sleep(0.05)
            else:
                return

    def ask(self, sql):
        status, body = request(self.url, "/?database=otel", sql.encode())
        assert status == 200, body
        return body.decode().strip()

    def wait_for(self, sql, answer):
        deadline = time.monotonic() + 60
        while self.ask(sql) != answer:
            assert time.monotonic() < deadline, self.ask(sql)
            time.sleep(0.05)

    def end(self, number=signal.SIGTERM):
        """What it said, after it has ended by the signal."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)


@pytest.fixture
def serve(home):
    running = []

    def start(*arguments, **environ):
        running.append(Serving(home, *arguments, **environ))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def holding(home):
    """A command that has the store open until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == b"open\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_it_takes_in_what_apps_write_and_keeps_it(serve, write_segments, llm_span, ask):
    write_segments([llm_span()])
    served = serve().wait_until_it_serves()
    assert served.ask("SELECT count() FROM llm_calls") == "1"  # what lay there is in when it says that it serves
    write_segments([llm_span()], [llm_span()])
    served.wait_for("SELECT count() FROM llm_calls", "3")
    _, err = served.end()
    assert (served.process.returncode, err) == (0, "")
    assert "Grafana" in served.said
    assert not (served.home / "owner.json").exists()
    assert ask("SELECT count() AS calls FROM llm_calls")["answers"] == [[{"calls": 3}]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_by_a_signal(serve, number):
    served = serve().wait_until_it_serves()
    _, err = served.end(number)
    assert (served.process.returncode, err) == (0, "")


def test_it_ends_although_a_query_is_under_way(serve):
    served = serve().wait_until_it_serves()
    connection = HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("POST", "/", b"SELECT count() FROM numbers(1000000000000)")
    while served.ask("SELECT count() FROM system.processes WHERE query LIKE '%1000000000000%'") == "1":
        pass
    _, err = served.end()
    connection.close()
    assert (served.process.returncode, err) == (0, "")


def test_commands_work_through_it_and_see_what_was_just_written(serve, write_segments, llm_span, ask, vigilo_command):
    served = serve().wait_until_it_serves()
    for calls in range(1, 4):
        write_segments([llm_span({"gen_ai.usage.input_tokens": "10"})])
        assert ask("SELECT count() AS calls FROM llm_calls")["answers"] == [[{"calls": calls}]]
    done = vigilo_command("report", "--since", "3650d", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["calls"] == 3
    assert served.process.poll() is None


def test_the_schema_is_told_through_it(serve, vigilo_command):
    serve().wait_until_it_serves()
    for command in ("status", "plan", "apply"):
        done = vigilo_command("migrate", command)
        assert done.returncode == 0, done.stderr
        assert f"schema version {schema_files()[-1].version}" in done.stdout


def test_calls_are_priced_through_it(serve, write_segments, llm_span, vigilo_command, ask):
    serve().wait_until_it_serves()
    tokens = {"gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": "10"}
    write_segments([llm_span(tokens)])
    done = vigilo_command("reprice", "--since", "2026-11-01", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["calls"] == 1
    assert ask("SELECT countIf(Priced) AS priced FROM llm_calls")["answers"] == [[{"priced": 1}]]


def test_what_cannot_be_read_is_set_aside(serve, write_segments, llm_span):
    (sample,) = write_segments([llm_span()])
    serve().wait_until_it_serves()
    path = sample.with_name(sample.name.replace("-1.", "-2."))
    path.write_bytes(b"nothing that ClickHouse could read")
    deadline = time.monotonic() + 60
    while path.exists():
        assert time.monotonic() < deadline
    assert (path.parent / "quarantine" / path.name).exists()


def test_only_the_token_takes_in_the_spool(serve, home):
    served = serve().wait_until_it_serves()
    assert request(served.url, "/-/ingest", b"")[0] == 403
    of = Served.of(home)
    assert of.url == served.url
    assert (home / "owner.json").stat().st_mode & 0o777 == 0o600
    status, body = request(of.url, "/-/ingest", b"", {"X-ClickHouse-User": "vigilo", "X-ClickHouse-Key": of.token})
    assert (status, json.loads(body)) == (200, {"segments": 0, "quarantined": []})


def test_killed_it_leaves_nothing_in_the_way(serve, write_segments, llm_span, ask, home):
    write_segments([llm_span()])
    served = serve().wait_until_it_serves()
    served.end(signal.SIGKILL)
    assert (home / "owner.json").exists()
    write_segments([llm_span()])
    assert ask("SELECT count() AS calls FROM llm_calls")["answers"] == [[{"calls": 2}]]
    assert not (home / "owner.json").exists()
    again = serve().wait_until_it_serves()
    assert again.ask("SELECT count() FROM llm_calls") == "2"


def test_a_file_of_one_that_is_gone_is_not_trusted(home, holding):
    home.joinpath("owner.json").write_text(json.dumps({"pid": 1, "url": "http://127.0.0.1:9", "token": "x"}))
    assert Served.of(home) is None
    for broken in ("", "[]", "{}", '{"pid": 1}'):
        home.joinpath("owner.json").write_text(broken)
        assert Served.of(home) is None


def test_it_waits_for_a_command_that_has_the_store_open(serve, holding):
    served = serve()
    served.wait_until_it_listens()
    holding.stdin.close()
    served.wait_until_it_serves()


def test_it_can_be_stopped_while_it_waits(serve, holding):
    served = serve()
    served.wait_until_it_listens()
    _, err = served.end()
    assert served.process.returncode == 1
    assert f"process {holding.pid} holds the store" in err


def test_a_second_one_says_where_the_first_is(serve, home):
    first = serve().wait_until_it_serves()
    second = serve()
    _, err = second.process.communicate(timeout=60)
    assert second.process.returncode == 1
    assert f"runs already (process {first.process.pid}, {first.url})" in err


def test_a_taken_port_is_told_and_what_to_do(home):
    with socket.socket() as other, ExitStack() as stack:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(StoreError, match="choose one with `--port` or `VIGILO_SERVE_PORT`"):
            serving._listen(Address("127.0.0.1", other.getsockname()[1]), stack)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "vigilo.internal"])
def test_beyond_loopback_it_wants_a_token(host):
    with pytest.raises(ConfigError, match="VIGILO_SERVE_TOKEN"):
        serving.check(Settings(), Address(host, 8123))
    serving.check(Settings(serve_token="secret"), Address(host, 8123))


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "uvicorn" else object())
    with pytest.raises(MissingExtraError, match=r"vigilo-otel\[server\]"):
        serving.check(Settings(), Address("127.0.0.1", 8123))


def test_the_status_tells_version_and_platform(serve):
    served = serve(KAGGLE_KERNEL_RUN_TYPE="Batch").wait_until_it_serves()
    code, body = request(served.url, "/status")
    platform = {"name": "kaggle", "variant": "batch", "source": "KAGGLE_KERNEL_RUN_TYPE"}
    assert (code, json.loads(body)) == (200, {"version": vigilo.__version__, "platform": platform})
    assert request(served.url, "/status", None, {"Host": "a-page.example"})[0] == 403


def test_with_a_token_readers_need_it(serve):
    served = serve(VIGILO_SERVE_TOKEN="a secret").wait_until_it_serves()
    for target in ("/?query=SELECT+1", "/status"):
        assert request(served.url, target)[0] == 403
        assert request(served.url, target, None, {"Authorization": "Bearer a secret"})[0] == 200
    _, err = served.end()
    assert "a secret" not in served.said + err


def test_how_to_connect_names_no_secret(tmp_path):
    text = how_to_connect(tmp_path, Settings(serve_token="a secret"), Address("0.0.0.0", 8123))
    assert "a secret" not in text
    assert "jdbc:clickhouse://127.0.0.1:8123/otel" in text


def test_two_commands_at_once_take_turns(home, write_segments, llm_span, ask):
    write_segments([llm_span()])
    answers = []
    sql = "SELECT count() AS n FROM llm_calls"
    threads = [threading.Thread(target=lambda: answers.append(ask(sql))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer["answers"] for answer in answers] == [[[{"n": 1}]]] * 3


def test_a_command_takes_over_when_it_ends_meanwhile(serve, home, python):
    served = serve().wait_until_it_serves()
    code = """
import sys
from pathlib import Path
from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.store import open_store
home = Path(sys.argv[1])
with open_store(home) as store:
    assert store.is_served
    print("served", flush=True)
    sys.stdin.readline()
    try:
        store.query("SELECT 1 AS one")
    except StoreError as error:
        print(error, flush=True)
with open_store(home) as store:
    print(store.is_own, store.query("SELECT 1 AS one"), flush=True)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True
    )
    try:
        assert command.stdout.readline() == "served\n"
        served.end()
        out, _ = command.communicate("go on\n", timeout=60)
    finally:
        command.kill()
    assert f"cannot reach {served.url}" in out
    assert out.endswith("True [{'one': 1}]\n")
    assert command.returncode == 0
