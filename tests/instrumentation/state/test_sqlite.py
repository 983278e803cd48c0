"""What only the store in a file has to get right: the file, its lock, this process, and a clock that is set back."""

from __future__ import annotations

import gc
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vigilo.state import sqlite_file
from vigilo.state.ledger import COUNTER_KEPT_S, SETTLED_KEPT_S
from vigilo.state.memory import MemoryStore
from vigilo.state.owner import is_dead, owner
from vigilo.state.sqlite import SqliteStore
from vigilo.state.sqlite_sweep import MAX_HOLDS
from vigilo.state.store import Count, Need, Refused, Reserved, Slot, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vigilo.state.store import Store

SECOND_NS = 1_000_000_000
NEEDS = [Need("requests", 1, 100, 1)]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.unix_ns = time.time_ns()

    def __call__(self) -> int:
        return self.unix_ns

    def step(self, seconds: float) -> None:
        self.unix_ns += int(seconds * SECOND_NS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "state.db"


@pytest.fixture
def store(path: Path, clock: Clock) -> Iterator[SqliteStore]:
    store = SqliteStore(path, 5.0, now_unix_ns=clock)
    yield store
    store.close()


@pytest.fixture(params=["memory", "sqlite"])
def timed(request: pytest.FixtureRequest, clock: Clock) -> Store:
    return MemoryStore(clock) if request.param == "memory" else request.getfixturevalue("store")


# The file


def test_the_file_is_its_owners_only(store: SqliteStore, path: Path) -> None:
    store.reserve("h1", NEEDS, hold_s=60)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_looking_makes_no_file(store: SqliteStore, path: Path) -> None:
    assert store.read(["requests"]) == [Count(0, 0)]
    assert dict(store.rules()) == {}
    assert store.sweep() == 0
    assert not store.drop_rule("a")
    store.reset(["requests"])
    store.close()
    assert not path.parent.exists()


@pytest.mark.parametrize("content", [b"This is no database, and longer than its header.\n" * 50, b"\xff" * 5000])
def test_a_file_of_something_else_is_left_alone(
    store: SqliteStore, path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for _ in range(3):
        with pytest.raises(StateError, match="move it away"):
            store.reserve("h1", NEEDS, hold_s=60)
    assert path.read_bytes() == content
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    path.unlink()
    assert isinstance(store.reserve("h1", NEEDS, hold_s=60), Reserved)


def test_another_programs_database_is_left_alone(store: SqliteStore, path: Path) -> None:
    path.parent.mkdir()
    theirs = sqlite3.connect(path)
    theirs.execute("CREATE TABLE counters(theirs)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match="another program"):
        store.reserve("h1", NEEDS, hold_s=60)
    assert path.read_bytes() == before


def test_a_newer_file_is_left_alone(store: SqliteStore, path: Path) -> None:
    store.reserve("h1", NEEDS, hold_s=60)
    store.close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {sqlite_file.SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(StateError, match="newer version of vigilo"):
        store.settle("h1", NEEDS, [1])


def test_many_may_make_the_file_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for made in range(10):
            path = tmp_path / str(made) / "state.db"
            stores = [SqliteStore(path, 30.0) for _ in range(8)]
            begin = threading.Barrier(8)

            def reserve(number: int, stores: list[SqliteStore] = stores, begin: threading.Barrier = begin) -> None:
                begin.wait()
                stores[number].reserve(f"h{number}", NEEDS, hold_s=60)

            list(threads.map(reserve, range(8)))
            assert stores[0].read(["requests"]) == [Count(0, 8)]
            for store in stores:
                store.close()


def test_a_file_that_gets_damaged_is_told_and_kept(
    store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.reserve("h1", NEEDS, hold_s=60)
    store.close()
    with path.open("r+b") as file:
        file.seek(1024)
        file.write(b"\xa5" * 20_000)
    damaged = path.read_bytes()
    with caplog.at_level(logging.ERROR, "vigilo"), pytest.raises(StateError, match="move it away"):
        store.reserve("h2", NEEDS, hold_s=60)
    assert path.read_bytes()[1024:] == damaged[1024:]


def test_a_file_that_was_moved_away_is_made_anew(store: SqliteStore, path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("vigilo.state.sqlite_link.LOOK_EVERY_S", 0.0)
    store.reserve("h1", NEEDS, hold_s=60)
    store.reserve("h2", NEEDS, hold_s=60)
    path.rename(path.with_suffix(".away"))
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    assert store.reserve("h3", NEEDS, hold_s=60) == Reserved((Count(0, 1),))
    assert path.exists()


def test_a_folder_that_cannot_be_written_is_a_state_error() -> None:
    store = SqliteStore(Path("/proc/vigilo-cannot-be-made/state.db"))  # not even root may
    with pytest.raises(StateError):
        store.reserve("h1", NEEDS, hold_s=60)


def test_a_home_that_is_a_file_is_a_state_error(store: SqliteStore, path: Path) -> None:
    path.parent.write_text("not a folder")
    with pytest.raises(StateError):
        store.reserve("h1", NEEDS, hold_s=60)


def test_what_sqlite_cannot_keep_is_a_state_error_and_takes_nothing(store: SqliteStore) -> None:
    with pytest.raises(StateError):
        store.reserve("h1", [*NEEDS, Need("tokens", 2**70)], hold_s=60)
    assert store.read(["requests"]) == [Count(0, 0)]
    assert isinstance(store.reserve("h1", NEEDS, hold_s=60), Reserved)


# Its lock


def test_a_lock_is_waited_for(path: Path) -> None:
    store = SqliteStore(path, 30.0)
    store.reserve("h1", NEEDS, hold_s=60)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.1, other.execute, ["COMMIT"]).start()
    assert store.settle("h1", NEEDS, [1]).counts == (Count(1, 0),)
    other.close()
    store.close()


def test_a_lock_that_stays_is_a_state_error(path: Path) -> None:
    store = SqliteStore(path, 0.05)
    store.reserve("h1", NEEDS, hold_s=60)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match="locked"):
        store.settle("h1", NEEDS, [1])
    assert store.read(["requests"]) == [Count(0, 1)]  # reading needs no lock
    other.execute("COMMIT")
    other.close()
    assert store.settle("h1", NEEDS, [1]).counts == (Count(1, 0),)
    store.close()


def test_threads_wait_for_each_other_no_longer_than_for_the_file(path: Path) -> None:
    store = SqliteStore(path, 0.05)
    store.reserve("h1", NEEDS, hold_s=60)
    taken, done = threading.Event(), threading.Event()

    def keep() -> None:
        with store._lock:
            taken.set()
            done.wait(30)

    thread = threading.Thread(target=keep)
    thread.start()
    taken.wait(30)
    with pytest.raises(StateError, match="other threads"):
        store.settle("h1", NEEDS, [1])
    done.set()
    thread.join()
    store.close()


# A settlement in the middle of an operation


class Asking:
    """A clock that settles calls whenever it is read, as a finalizer may in the middle of anything."""

    def __init__(self) -> None:
        self.settles: list[Callable[[], object]] = []

    def __call__(self) -> int:
        while self.settles:
            self.settles.pop()()
        return time.time_ns()


@pytest.fixture(params=["memory", "sqlite"])
def interrupted(request: pytest.FixtureRequest, path: Path) -> Iterator[tuple[Store, Asking]]:
    asking = Asking()
    store: Store = MemoryStore(asking) if request.param == "memory" else SqliteStore(path, 5.0, now_unix_ns=asking)
    yield store, asking
    store.close()


def test_a_settlement_in_the_middle_of_an_operation_is_done_after_it(interrupted: tuple[Store, Asking]) -> None:
    store, asking = interrupted
    counts: list[object] = []
    for number in range(3):
        store.reserve(f"h{number}", NEEDS, hold_s=60)
    for number in range(3):
        asking.settles.append(lambda number=number: counts.append(store.settle(f"h{number}", NEEDS, [1]).counts))
    assert isinstance(store.reserve("h3", NEEDS, hold_s=60), Reserved)
    assert store.read(["requests"]) == [Count(3, 1)]
    assert len(counts) == 3
    # In the middle of a settlement as well.
    asking.settles.append(lambda: store.settle("h4", NEEDS, [1]))
    store.settle("h3", NEEDS, [1])
    assert store.read(["requests"]) == [Count(5, 0)]


def test_a_finalizer_settles_while_the_collector_runs_anywhere(path: Path) -> None:
    store = SqliteStore(path, 5.0)

    class Call:
        def __init__(self, number: int) -> None:
            self.number, self.itself = number, self

        def __del__(self) -> None:
            store.settle(f"h{self.number}", NEEDS, [1])

    thresholds = gc.get_threshold()
    gc.set_threshold(7, 2, 2)
    try:
        for number in range(60):
            store.reserve(f"h{number}", NEEDS, hold_s=60)
            Call(number)
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert store.read(["requests"]) == [Count(60, 0)]
    store.close()


def test_nothing_but_a_settlement_is_put_off(interrupted: tuple[Store, Asking]) -> None:
    store, asking = interrupted
    refused: list[bool] = []

    def reserve() -> None:
        try:
            store.reserve("inner", NEEDS, hold_s=60)
        except StateError:
            refused.append(True)

    asking.settles.append(reserve)
    store.reserve("outer", NEEDS, hold_s=60)
    assert refused == [True]
    assert store.read(["requests"]) == [Count(0, 1)]


def test_a_settlement_that_was_put_off_and_failed_is_tried_again(path: Path) -> None:
    asking = Asking()
    store = SqliteStore(path, 0.05, now_unix_ns=asking)
    store.reserve("h1", NEEDS, hold_s=60)
    other = sqlite3.connect(path, isolation_level=None)

    def settle_while_locked() -> None:
        store.settle("h1", NEEDS, [1])
        store._put_off.appendleft(lambda: other.execute("BEGIN IMMEDIATE"))

    asking.settles.append(settle_while_locked)
    store.reserve("h2", NEEDS, hold_s=60)
    assert store.read(["requests"]) == [Count(0, 2)]
    other.execute("COMMIT")
    other.close()
    store.reserve("h3", NEEDS, hold_s=60)
    assert store.read(["requests"]) == [Count(1, 2)]
    store.close()


# Dead processes


def test_holds_of_the_dead_are_charged_at_once(store: SqliteStore, path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from vigilo.state.sqlite import SqliteStore\n"
        "from vigilo.state.store import Need\n"
        "store = SqliteStore(Path(sys.argv[1]))\n"
        "store.reserve('lost', [Need('requests', 50, 100, 2)], hold_s=3600)\n"
        "os._exit(9)"
    )
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code, str(path)], env=environ, check=False).returncode == 9
    store.reserve("mine", NEEDS, hold_s=3600)
    store.sweep()
    assert store.read(["requests"]) == [Count(2, 1)]


def test_only_what_is_surely_dead_is_dead() -> None:
    machine, pid, start = owner().split(":")
    assert not is_dead(owner())
    assert not is_dead("")
    assert not is_dead("garbage")
    if not machine:
        pytest.skip("this system does not tell processes apart")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert is_dead(f"{machine}:{gone.pid}:{start}")
    # The number was given to another process since.
    assert is_dead(f"{machine}:{pid}:{int(start) - 1}")
    assert not is_dead(f"elsewhere:{gone.pid}:{start}")
    assert not is_dead(f"{machine}:{gone.pid}:")


def test_a_killed_child_that_nobody_has_waited_for_is_dead() -> None:
    if not owner().split(":")[0]:
        pytest.skip("this system does not tell processes apart")
    code = "import sys; from vigilo.state.owner import owner; print(owner(), flush=True); sys.stdin.read()"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert not is_dead(name)
        child.kill()
        deadline = time.monotonic() + 30
        while not is_dead(name):
            assert time.monotonic() < deadline
            time.sleep(0.01)


# Sweeping


def test_many_expired_holds_are_swept_in_pieces(store: SqliteStore, clock: Clock) -> None:
    for number in range(MAX_HOLDS + 20):
        store.reserve(f"h{number}", [Need(f"c{number % 300}", 1, None, 1)], hold_s=1)
    clock.step(0.5)
    assert store.sweep() == 0
    clock.step(1)
    assert store.sweep() == MAX_HOLDS + 20
    assert sum(count.used for count in store.read([f"c{number}" for number in range(300)])) == MAX_HOLDS + 20
    assert {count.held for count in store.read([f"c{number}" for number in range(300)])} == {0}


def test_what_is_long_over_leaves_the_file(timed: Store, clock: Clock, path: Path) -> None:
    now_s = clock.unix_ns // SECOND_NS
    for number in range(30):
        need = Need(f"tokens|minute|{number}", 1, None, expires_unix_s=now_s + 60)
        timed.reserve(f"h{number}", [need], [Slot(f"r{number}", SECOND_NS, 5, 0)], hold_s=60)
        timed.settle(f"h{number}", [need], [1])
    timed.settle("kept", [Need("total", 1)], [1])
    clock.step(SETTLED_KEPT_S + COUNTER_KEPT_S + 120)
    timed.sweep()
    assert timed.read(["tokens|minute|1", "total"]) == [Count(0, 0), Count(1, 0)]
    if isinstance(timed, SqliteStore):
        looking = sqlite3.connect(path)
        for table, left in (("counters", 1), ("holds", 0), ("ended", 0), ("rates", 0)):
            assert looking.execute(f"SELECT count(*) FROM {table}").fetchall() == [(left,)], table
        looking.close()


def test_a_counter_is_kept_for_a_while_after_its_window(timed: Store, clock: Clock) -> None:
    now_s = clock.unix_ns // SECOND_NS
    minute = Need("minute", 1, None, expires_unix_s=now_s + 60)
    day = Need("day", 1, None, expires_unix_s=now_s + 86_400)
    timed.settle("h1", [minute, day], [1, 1])
    clock.step(60 + 1800)
    timed.sweep()
    assert timed.read(["minute", "day"]) == [Count(1, 0), Count(1, 0)]
    clock.step(86_400)
    timed.sweep()
    assert timed.read(["minute", "day"]) == [Count(0, 0), Count(1, 0)]


# A clock that is set


def test_a_clock_that_is_set_back_blocks_nobody(timed: Store, clock: Clock) -> None:
    slot = Slot("rate", SECOND_NS, 2, 3 * SECOND_NS)
    while isinstance(timed.reserve("", (), [slot]), Reserved):
        pass
    clock.step(-3600)
    refused = timed.reserve("", (), [slot])
    assert isinstance(refused, Refused)
    assert refused.wait_ns <= 4 * SECOND_NS  # as before
    clock.step(1)
    assert isinstance(timed.reserve("", (), [slot]), Reserved)
    clock.step(10)
    assert timed.reserve("", (), [slot]) == Reserved(())


def test_a_clock_that_is_set_back_gives_nothing_away(timed: Store, clock: Clock) -> None:
    slot = Slot("rate", SECOND_NS, 2, 0)
    timed.reserve("", (), [slot])
    timed.reserve("", (), [slot])
    for _ in range(5):
        clock.step(-3600)
        assert isinstance(timed.reserve("", (), [slot]), Refused)


def test_a_push_back_lasts_as_long_when_the_clock_is_set_back(timed: Store, clock: Clock) -> None:
    slot = Slot("rate", SECOND_NS, 1, 100 * SECOND_NS)
    timed.push_back("rate", clock.unix_ns + 60 * SECOND_NS)
    clock.step(-3600)
    answer = timed.reserve("", (), [slot])
    assert isinstance(answer, Reserved)
    assert answer.wait_ns == 60 * SECOND_NS


def test_callers_of_different_patience_share_a_rate(timed: Store) -> None:
    patient, hasty = Slot("rate", SECOND_NS, 1, 60 * SECOND_NS), Slot("rate", SECOND_NS, 1, 0)
    waits = [timed.reserve("", (), [patient]) for _ in range(30)]
    assert [answer.wait_ns for answer in waits] == [number * SECOND_NS for number in range(30)]
    assert timed.reserve("", (), [hasty]) == Refused(None, Count(0, 0), 0, 30 * SECOND_NS)


def test_a_hold_that_is_asked_for_again_waits_for_the_same_place(timed: Store, clock: Clock) -> None:
    slot = Slot("rate", 10 * SECOND_NS, 1, 60 * SECOND_NS)
    timed.reserve("", (), [slot])
    assert timed.reserve("h1", NEEDS, [slot], hold_s=60) == Reserved((Count(0, 1),), (), 10 * SECOND_NS)
    clock.step(4)
    assert timed.reserve("h1", NEEDS, [slot], hold_s=60) == Reserved((Count(0, 1),), (), 6 * SECOND_NS)


def test_sweeping_goes_on_after_the_clock_was_set_back(timed: Store, clock: Clock) -> None:
    timed.reserve("h1", NEEDS, hold_s=1)
    clock.step(-3600)
    timed.reserve("h2", NEEDS, hold_s=1)
    clock.step(2)
    timed.reserve("h3", NEEDS, hold_s=60)
    # The second hold has expired; the first one does when the clock says so.
    assert timed.read(["requests"]) == [Count(1, 2)]


def test_a_settlement_is_remembered_for_a_while(timed: Store, clock: Clock) -> None:
    timed.settle("h1", NEEDS, [1])
    clock.step(SETTLED_KEPT_S - 1)
    timed.sweep()
    timed.settle("h1", NEEDS, [1])
    assert timed.read(["requests"]) == [Count(1, 0)]
