"""What quotas cost a call: reserving and settling three counters, on SQLite and on Redis, by one and by four processes.

    python benchmarks/quota_cost.py [calls of each process]

Prints microseconds of wall time as calls see it. Every call is timed next to its floor, in the same process: on SQLite
two transactions of one UPDATE in a file of their own, on Redis two PINGs; and the ratio of the two medians. Processes
go flat out, which is the worst that contention gets, or make fifty calls a second each. Redis is left out where no
redis-server is installed.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import timeit
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vigilo.capture import gate
from vigilo.capture.call import Request
from vigilo.state.memory import MemoryStore
from vigilo.state.sqlite import SqliteStore
from vigilo.state.store import Need, Reserved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS = 3000
USERS = 200
PACED_CALLS_PER_S = 50
CALL = "reserve + settle"
COLUMNS = ("floor", "reserve", "settle", CALL)


def needs_of(user: int, now_s: int) -> list[Need]:
    """Two quotas of a user and a budget of all, as their rules would have them."""
    return [
        Need(f"requests|day|user=u_{user:08x}|2026-11-21", 1, 10**6, 1, (800_000, 950_000), now_s + 40_000),
        Need(f"tokens|day|user=u_{user:08x}|2026-11-21", 900, 10**9, 400, (800_000_000,), now_s + 40_000),
        Need("usd|month|global|2026-11-01", 12_000_000, 10**15, 2_000_000, (8 * 10**14,), now_s + 700_000),
    ]


def sqlite_floor(path: Path) -> Callable[[], None]:
    """A transaction that changes one number, tried again as the store does."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = NORMAL")

    def transact() -> None:
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError:
                time.sleep(random.uniform(0.0002, 0.002))
        cursor.execute("UPDATE floor SET used = used + 1 WHERE key = 1")
        cursor.execute("COMMIT")

    return transact


def measure(place: str, calls: int, paced: bool, barrier: Any, results: Any) -> None:
    """One process; puts the microseconds of each call and of its floor."""
    kind, _, where = place.partition(":")
    store: Any
    if kind == "sqlite":
        store = SqliteStore(Path(where) / "state.db", 10.0)
        floor = sqlite_floor(Path(where) / "floor.db")
    elif kind == "memory":
        store, floor = MemoryStore(), lambda: None
    else:
        import redis

        from vigilo.state.redis import RedisStore

        store = RedisStore(where, "bench", 10_000)
        floor = redis.Redis.from_url(where).ping
    clock, rows = time.perf_counter, []
    now_s = int(time.time())
    barrier.wait()
    due_s = clock()
    for _ in range(calls):
        if paced:
            due_s += random.uniform(0, 2) / PACED_CALLS_PER_S
            time.sleep(max(0.0, due_s - clock()))
        hold_id, needs = uuid.uuid4().hex, needs_of(random.randrange(USERS), now_s)
        begun_s = clock()
        floor()
        floor()
        floored_s = clock()
        reserved = store.reserve(hold_id, needs, hold_s=60.0)
        reserved_s = clock()
        store.settle(hold_id, needs, (1, 412, 3_100_000))
        settled_s = clock()
        assert isinstance(reserved, Reserved)
        rows.append((floored_s - begun_s, reserved_s - floored_s, settled_s - reserved_s, settled_s - floored_s))
    results.put(rows)


def run(place: str, processes: int, calls: int, paced: bool) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=measure, args=(place, calls, paced, barrier, results), daemon=True)
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    rows = [row for _ in workers for row in results.get(timeout=600)]
    for worker in workers:
        worker.join()
    columns = [sorted(column) for column in zip(*rows, strict=True)]
    shown = [f"{part(column, 0.5):7.0f} {part(column, 0.99):8.0f}" for column in columns]
    ratio = part(columns[3], 0.5) / part(columns[0], 0.5)
    how = f"{processes} x {PACED_CALLS_PER_S}/s" if paced else f"{processes} flat out"
    print(f"  {place.partition(':')[0]:7} {how:11} {' | '.join(shown)} | {ratio:6.1f}", flush=True)


def part(sorted_s: list[float], share: float) -> float:
    """A quantile in microseconds."""
    return sorted_s[int(len(sorted_s) * share)] * 1e6


@contextmanager
def redis_server(folder: str) -> Iterator[str | None]:
    """A server of our own without persistence; None where there is none to start."""
    binary = shutil.which("redis-server")
    if binary is None:
        yield None
        return
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"redis:redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def without_rules() -> None:
    request = Request(operation="chat", provider="openai", model="gpt-4o")
    number = 100_000
    took = min(timeit.repeat(lambda: gate.admit(request), number=number, repeat=7)) / number
    call = min(timeit.repeat(lambda: None, number=number, repeat=7)) / number
    print(f"\nthe gate without a rule: {took * 1e6:.2f} us a call (a function that does nothing: {call * 1e6:.2f})\n")


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    with tempfile.TemporaryDirectory() as home:
        os.environ["VIGILO_HOME"] = home
        without_rules()
        names = [f"{name:>16}" for name in COLUMNS]
        print(f"  {'us':19} {' | '.join(names)} | of floor")
        print(f"  {'':19} {' | '.join(['    p50      p99'] * 4)} |    p50")
        for processes, paced in ((1, False), (4, False), (4, True)):
            folder = Path(home) / f"{processes}-{paced}"
            folder.mkdir()
            floor = sqlite3.connect(folder / "floor.db")
            floor.execute("PRAGMA journal_mode = WAL")
            floor.execute("CREATE TABLE floor(key INTEGER PRIMARY KEY, used INTEGER)")
            floor.execute("INSERT INTO floor VALUES (1, 0)")
            floor.commit()
            floor.close()
            run(f"sqlite:{folder}", processes, calls // 5 if paced else calls, paced)
        with redis_server(home) as url:
            if url is None:
                print("  redis: no redis-server is installed")
            else:
                for processes, paced in ((1, False), (4, False), (4, True)):
                    run(url, processes, calls // 5 if paced else calls, paced)
    print("\n  The bars: 150 us on SQLite and 300 us on Redis with four processes, p50 of reserve and settle together.")


if __name__ == "__main__":
    main()
