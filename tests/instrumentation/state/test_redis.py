"""Redis as the shared state: its scripts, its connections, and what happens where it does not answer."""

from __future__ import annotations

import gc
import logging
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vigilo.errors import ConfigError, MissingExtraError
from vigilo.state.redis import RedisStore
from vigilo.state.store import Count, Need, Refused, Reserved, Slot, StateError

from .redis_server import free_port, place_in, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .redis_server import RedisServer

pytestmark = pytest.mark.needs_redis
redis = pytest.importorskip("redis")

SECOND_NS = 1_000_000_000
MINUTE_S = 60.0
LARGEST = 2**53 - 1
BUDGET = 100


@pytest.fixture
def namespace(redis_place: str) -> str:
    return redis_place.removeprefix("redis:").partition("@")[0]


@pytest.fixture
def store(redis_server: RedisServer, namespace: str) -> Iterator[RedisStore]:
    store = RedisStore(redis_server.url, namespace, 5_000)
    yield store
    store.close()


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """One that a test may stop."""
    with running(tmp_path / "redis") as server:
        yield server


def needs(amount: int = 1, limit: int | None = None) -> list[Need]:
    return [Need("requests", amount, limit)]


# Scripts


def test_numbers_are_exact_up_to_the_largest(store: RedisStore) -> None:
    large = [Need("usd", LARGEST - 1, LARGEST, LARGEST - 2, (LARGEST - 1,))]
    answer = store.reserve("h1", large, hold_s=MINUTE_S)
    assert answer == Reserved((Count(0, LARGEST - 1),), ((0, 0),))
    assert store.reserve("h2", [Need("usd", 2, LARGEST)], hold_s=MINUTE_S) == Refused(0, Count(0, LARGEST - 1))
    assert isinstance(store.reserve("h3", [Need("usd", 1, LARGEST)], hold_s=MINUTE_S), Reserved)
    assert store.settle("h1", large, [LARGEST - 1]).counts == (Count(LARGEST - 1, 1),)


def test_a_lost_hold_of_a_large_amount_is_charged_exactly(store: RedisStore) -> None:
    large = [Need("usd", LARGEST, None, LARGEST)]
    store.reserve("h1", large, hold_s=0.001)
    time.sleep(0.01)
    store.sweep()
    assert store.read(["usd"]) == [Count(LARGEST, 0)]


def test_a_wait_is_exact_to_the_nanosecond_of_the_rate(store: RedisStore) -> None:
    interval_ns = 86_400 * SECOND_NS + 1
    slot = Slot("rate", interval_ns, 1, 10 * interval_ns)
    places = []
    for _ in range(3):
        answer = store.reserve("", (), [slot])
        assert isinstance(answer, Reserved)
        places.append(store.now_unix_s() + answer.wait_ns / SECOND_NS)
    assert places[2] - places[1] == pytest.approx(86_400, abs=1)


def test_the_same_question_gets_the_same_answer_where_the_first_was_lost(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after Redis has done what it was asked, and before the answer is read."""
    store.read(["warm"])
    link = store._link
    ask, broken = link._ask, []

    def lose_the_first_answer(connection, *args, **options):
        answer = ask(connection, *args, **options)
        if not broken:
            broken.append(answer)
            raise redis.ConnectionError("the answer is lost")
        return answer

    monkeypatch.setattr(link, "_ask", lose_the_first_answer)
    answer = store.reserve("h1", [Need("tokens", 90, 100, levels=(80,))], hold_s=MINUTE_S)
    assert broken
    assert answer == Reserved((Count(0, 90),), ((0, 0),))


def test_half_a_character_is_a_key_like_any_other(store: RedisStore) -> None:
    """Text of users: it must not look as if the state were away."""
    half = [Need("conversation=\ud83d", 5, None, 2)]
    store.reserve("h\ud83d", half, [Slot("\udc00", SECOND_NS, 1, 0)], hold_s=0.001)
    time.sleep(0.01)
    store.sweep()
    assert store.read([half[0].key]) == [Count(2, 0)]
    store.put_rule("\ud83d", "\ud83d")
    assert dict(store.rules()) == {"\ud83d": "\ud83d"}


def test_two_hundred_counters_in_one_call(store: RedisStore) -> None:
    many = [Need(f"counter {number}", number, None) for number in range(200)]
    store.reserve("h1", many, hold_s=MINUTE_S)
    counts = store.settle("h1", many, list(range(200))).counts
    assert counts == tuple(Count(number, 0) for number in range(200))


def test_thousands_of_counters_are_read(store: RedisStore) -> None:
    store.settle("h1", [Need("5432", 0)], [7])
    counts = store.read([str(number) for number in range(10_000)])
    assert counts[5432] == Count(7, 0)
    assert sum(count.used for count in counts) == 7


def test_hundreds_of_expired_holds_are_swept(store: RedisStore) -> None:
    for number in range(250):
        store.reserve(f"h{number}", [Need("tokens", 10, None, 3)], hold_s=0.001)
    time.sleep(0.05)
    assert isinstance(store.reserve("last", [Need("tokens", 2000, 2750)], hold_s=MINUTE_S), Reserved | Refused)
    store.sweep()
    assert store.read(["tokens"])[0].used == 750
    assert store.read(["tokens"])[0].held in (0, 2000)


def test_a_refusal_sweeps_before_it_is_told(store: RedisStore) -> None:
    store.reserve("h1", needs(1, 1), hold_s=0.001)
    time.sleep(0.01)
    assert isinstance(store.reserve("h2", needs(1, 1), hold_s=MINUTE_S), Reserved)


def test_nothing_but_rules_and_totals_stays_for_good(store: RedisStore, client: redis.Redis, namespace: str) -> None:
    ends = int(store.now_unix_s()) + 60
    windowed = [Need("minute", 1, None, expires_unix_s=ends)]
    store.reserve("h1", [*windowed, Need("total", 1)], [Slot("rate", SECOND_NS, 1, 0)], hold_s=MINUTE_S)
    store.reserve("h2", windowed, hold_s=MINUTE_S)
    store.settle("h2", windowed, [1])
    store.push_back("rate", int((store.now_unix_s() + 5) * SECOND_NS))
    tag = f"{{{namespace}}}"
    left_s = {key.decode(): client.ttl(key) for key in client.scan_iter(f"{tag}:*")}
    assert {key for key, left in left_s.items() if left < 0} == {f"{tag}:counter:total", f"{tag}:holds"}
    assert 60 <= left_s[f"{tag}:counter:minute"] <= 2 * 3600
    assert all(key.startswith(tag) for key in left_s)
    assert client.zrange(f"{tag}:holds", 0, -1) == [f"{tag}:hold:h1".encode()]


def test_scripts_are_loaded_again_where_redis_has_forgotten_them(store: RedisStore, client: redis.Redis) -> None:
    store.reserve("h1", needs(), hold_s=MINUTE_S)
    client.script_flush()
    assert store.settle("h1", needs(), [1]).counts == (Count(1, 0),)


def test_rules_have_another_version_after_redis_was_emptied(own_server: RedisServer) -> None:
    store = RedisStore(own_server.url, timeout_ms=5_000)
    with redis.Redis.from_url(own_server.url) as client:
        versions = []
        for _ in range(2):
            store.put_rule("a", "{}")
            versions.append(store.rules_version)
            client.flushall()
            store.rules()
            versions.append(store.rules_version)
    store.close()
    assert versions[1] == versions[3] == 0
    assert len(set(versions)) == 3


def test_namespaces_share_nothing(redis_server: RedisServer, store: RedisStore, namespace: str) -> None:
    other = RedisStore(redis_server.url, namespace + "-other", 5_000)
    store.settle("h1", needs(), [5])
    assert other.read(["requests"]) == [Count(0, 0)]
    other.close()


@pytest.mark.parametrize("namespace_given", ["", "{a}", "a}b"])
def test_a_namespace_has_no_braces(namespace_given: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        RedisStore("redis://localhost", namespace_given)


def test_every_key_of_a_script_is_named(
    store: RedisStore, client: redis.Redis, redis_server: RedisServer, namespace: str
) -> None:
    """Only then it runs on every kind of cluster; Redis tells what a script does."""
    with redis.Redis.from_url(redis_server.url) as watching, watching.monitor() as monitor:
        store.put_rule("a", "{}")
        store.rules()
        store.reserve("h1", [Need("a", 1, 5, 1, (1,)), Need("b", 1)], [Slot("rate", 1, 1, 0)], hold_s=0.001)
        time.sleep(0.01)
        store.sweep()
        store.settle("h1", [Need("a", 1), Need("b", 1)], [1, 1])
        store.reset(["a"])
        store.push_back("rate", 1)
        store.drop_rule("a")
        client.echo(namespace)
        named, used = [], []
        for told in monitor.listen():
            words = told["command"].split()
            if words == ["ECHO", namespace]:
                break
            if told["client_type"] == "lua" and words[0] != "TIME":
                used.append(words[1])
                assert words[0] == "MGET" or words[1] in named[-1], words
            elif words[0] in ("EVAL", "EVALSHA") and namespace in told["command"]:
                named.append(told["command"])
    assert len(named) > 8
    assert len(used) > 20


def test_the_clock_is_the_one_of_redis(store: RedisStore, client: redis.Redis) -> None:
    store.read(["any"])
    seconds, microseconds = client.time()
    assert abs(store.now_unix_s() - (seconds + microseconds / 1e6)) < 5


def test_a_clock_that_is_set_back_does_not_make_a_rate_longer(
    store: RedisStore, client: redis.Redis, namespace: str
) -> None:
    slot = Slot("rate", 10 * SECOND_NS, 1, 0)
    store.reserve("", (), [slot])
    # The same rate as it would be had the clock been an hour ahead.
    key = f"{{{namespace}}}:rate:rate"
    ahead = [number + 3600 * (at % 2 == 0) for at, number in enumerate(struct.unpack("<6d", client.get(key)))]
    client.set(key, struct.pack("<6d", *ahead))
    waits_s = []
    for _ in range(2):
        answer = store.reserve("", (), [slot])
        assert isinstance(answer, Refused)
        waits_s.append(answer.wait_ns / SECOND_NS)
        time.sleep(0.2)
    assert waits_s[0] <= 10
    assert waits_s[1] <= waits_s[0] - 0.2


def test_a_hold_is_charged_as_lost_once_and_not_before_it_expires(
    store: RedisStore, client: redis.Redis, namespace: str
) -> None:
    store.reserve("lost", [Need("tokens", 9, None, 3)], hold_s=0.001)
    store.reserve("under way", [Need("tokens", 9, None, 3)], hold_s=MINUTE_S)
    time.sleep(0.01)
    holds = client.zrange(f"{{{namespace}}}:holds", 0, -1)
    assert len(holds) == 2
    # As two processes would at once.
    assert [store._expire(holds)[0] for _ in range(2)] == [1, 0]
    assert store.read(["tokens"]) == [Count(3, 9)]


# Connections


def test_a_server_that_is_not_there_is_a_state_error() -> None:
    with pytest.raises(StateError, match="ConnectionError"):
        RedisStore(f"redis://127.0.0.1:{free_port()}", timeout_ms=5_000).read(["any"])


def test_a_name_that_nobody_knows_is_a_state_error() -> None:
    with pytest.raises(StateError):
        RedisStore("redis://nobody.invalid", timeout_ms=200).read(["any"])


def test_a_server_that_stops_answering_costs_the_bound_and_its_answer_is_never_mixed_up(
    own_server: RedisServer,
) -> None:
    store = RedisStore(own_server.url, timeout_ms=100)
    deadline = time.monotonic() + 30
    while True:  # connecting may take a busy machine longer than the bound
        try:
            store.settle("h0", needs(), [5])
            break
        except StateError:
            assert time.monotonic() < deadline
    own_server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(StateError, match="Timeout"):
            store.settle("h1", needs(), [7])
    finally:
        own_server.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 30
    while True:
        try:
            # Redis did it when it went on: what it answers now is about this question.
            assert store.read(["requests", "other"]) in ([Count(12, 0), Count(0, 0)], [Count(5, 0), Count(0, 0)])
            settled = store.settle("h1", needs(), [7])
            break
        except StateError:
            assert time.monotonic() < deadline
    assert settled.counts == (Count(12, 0),)
    store.close()


def test_a_connection_that_the_server_closed_is_opened_again(store: RedisStore, client: redis.Redis) -> None:
    store.settle("h1", needs(), [5])
    client.client_kill_filter(_type="normal", skipme=True)
    assert store.read(["requests"]) == [Count(5, 0)]
    client.client_kill_filter(_type="normal", skipme=True)
    assert isinstance(store.reserve("", (), [Slot("rate", SECOND_NS, 1, 0)]), Reserved)


def test_a_server_that_began_anew_is_found_again(tmp_path: Path) -> None:
    with running(tmp_path / "first") as server:
        store = RedisStore(server.url, timeout_ms=5_000)
        store.settle("h1", needs(), [5])
    with pytest.raises(StateError):
        store.read(["requests"])
    with running(tmp_path / "second", port=server.port):
        assert store.read(["requests"]) == [Count(0, 0)]
        store.close()


def test_an_error_of_redis_is_a_state_error_and_the_connection_stays(
    store: RedisStore, client: redis.Redis, namespace: str
) -> None:
    client.rpush(f"{{{namespace}}}:rules", "no hash")
    with pytest.raises(StateError, match="WRONGTYPE"):
        store.rules()
    store.settle("h1", needs(), [5])
    assert store.read(["requests"]) == [Count(5, 0)]
    assert len(store._link._idle.connections) == 1


def test_threads_have_connections_of_their_own(store: RedisStore) -> None:
    def call(number: int) -> bool:
        if isinstance(store.reserve(f"h{number}", needs(1, BUDGET), hold_s=MINUTE_S), Refused):
            return False
        store.settle(f"h{number}", needs(), [1])
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(call, range(400))) == BUDGET
    assert store.read(["requests"]) == [Count(BUDGET, 0)]


def test_a_finalizer_settles_in_the_middle_of_another_question(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dropped:
        def __del__(self) -> None:
            store.settle("dropped", needs(), [3])

    store.reserve("dropped", needs(), hold_s=MINUTE_S)
    link = store._link
    ask = link._ask

    def collect_garbage_meanwhile(connection, *args, **options):
        monkeypatch.setattr(link, "_ask", ask)
        dropped = Dropped()
        dropped.itself = dropped
        del dropped
        gc.collect()
        return ask(connection, *args, **options)

    monkeypatch.setattr(link, "_ask", collect_garbage_meanwhile)
    assert store.read(["requests"]) == [Count(3, 0)]


def connection_id(store: RedisStore) -> int:
    """What Redis calls the connection that is used next."""
    idle = store._link._own_idle()
    connection = store._link._take(idle)
    connection.send_command("CLIENT", "ID")
    told = int(connection.read_response())
    store._link._give(idle, connection)
    return told


def test_a_forked_process_opens_connections_of_its_own(store: RedisStore) -> None:
    store.reserve("parent", needs(), hold_s=MINUTE_S)
    parents = connection_id(store)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if connection_id(store) != parents else 2
            store.settle("child", needs(), [1])
            store.close()
            gc.collect()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert connection_id(store) == parents
    assert store.settle("parent", needs(), [1]).counts == (Count(2, 0),)


def test_a_socket_file(tmp_path: Path) -> None:
    path = Path(tempfile.mkdtemp(prefix="vg")) / "s"  # the paths of tests are too long for a socket
    with running(tmp_path / "redis", "--unixsocket", str(path)):
        store = RedisStore(f"unix://{path}?db=3", timeout_ms=5_000)
        assert store.settle("h1", needs(), [5]).counts == (Count(5, 0),)
        store.close()
    shutil.rmtree(path.parent)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls(tmp_path: Path) -> None:
    key, certificate, port = tmp_path / "key.pem", tmp_path / "certificate.pem", free_port()
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    with running(tmp_path / "redis", *options, "--tls-auth-clients", "no"):
        trusting = RedisStore(f"rediss://localhost:{port}?ssl_ca_certs={certificate}", timeout_ms=5_000)
        assert trusting.settle("h1", needs(), [5]).counts == (Count(5, 0),)
        trusting.close()
        with pytest.raises(StateError, match="certificate"):
            RedisStore(f"rediss://localhost:{port}", timeout_ms=5_000).read(["requests"])


# Passwords


def test_a_password_is_used_and_never_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running(tmp_path / "redis", "--requirepass", "hunter2!secret") as server:
        right = RedisStore(f"redis://:hunter2%21secret@127.0.0.1:{server.port}", timeout_ms=5_000)
        right.settle("h1", needs(), [5])
        assert right.read(["requests"]) == [Count(5, 0)]
        right.close()
        wrong = RedisStore(f"redis://user:wr0ng-word@127.0.0.1:{server.port}", timeout_ms=5_000)
        with pytest.raises(StateError, match="AuthenticationError") as caught:
            wrong.read(["requests"])
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(right) + repr(wrong)
    assert "hunter2" not in shown
    assert "wr0ng" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@localhost",
        "localhost:6379",
        "redis://:hunter2@localhost:none",
        "redis://:hunter2@localhost?surprise=1",
        "redis://:hunter2@localhost?db=none",
        "rediss://:hunter2@localhost?ssl_surprise=hunter2",
    ],
)
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="redis_url") as caught:
        RedisStore(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_without_redis_py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "redis" or name.startswith("redis.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtraError, match=re.escape("vigilo-otel[redis]")):
        RedisStore("redis://localhost")


def test_redis_py_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, vigilo.state.redis; assert 'redis' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_many_threads_at_once_do_not_start_over_each_other(redis_server: RedisServer) -> None:
    """All open a connection in the same moment."""
    place = place_in(redis_server.url).removeprefix("redis:").partition("@")
    store = RedisStore(place[2], place[0], 5_000)
    barrier = threading.Barrier(12)

    def call(number: int) -> None:
        barrier.wait()
        store.settle(f"h{number}", needs(), [1])

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(call, range(12)))
    assert store.read(["requests"]) == [Count(12, 0)]
    store.close()
