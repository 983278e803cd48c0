"""Budgets hold over processes, threads, tasks and greenlets, and whatever a process dies of gives back what it held."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vigilo.state.store import Count, Need, Refused, Reserved

from .worker import BUDGET, CALL_S, spend_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vigilo.state.store import Store

WORKER = Path(__file__).with_name("worker.py")
INSTRUMENTATION = Path(__file__).parents[3] / "instrumentation"
PROCESSES = 8


@contextmanager
def workers(count: int, *what: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that all begin at once."""
    environ = os.environ | {"PYTHONPATH": str(INSTRUMENTATION)}
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", str(WORKER), *what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
        )
        for _ in range(count)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    """All that a process printed; it ended well and without a word on stderr."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out.strip()


def assert_all_spent(store: Store) -> None:
    assert store.read(["requests", "tokens"]) == [Count(BUDGET, 0), Count(7 * BUDGET, 0)]


def test_processes_admit_exactly_the_budget(shared_place: str, open_store: Callable[[str], Store]) -> None:
    with workers(PROCESSES, "spend", shared_place) as spending:
        admitted = [int(said(process)) for process in spending]
    assert sum(admitted) == BUDGET
    assert_all_spent(open_store(shared_place))


def test_looking_first_and_counting_later_would_not(shared_place: str) -> None:
    """The control: the same calls without a reservation."""
    with workers(PROCESSES, "unguarded", shared_place) as spending:
        assert sum(int(said(process)) for process in spending) > BUDGET


def test_threads_admit_exactly_the_budget(store: Store) -> None:
    with ThreadPoolExecutor(16) as threads:
        admitted = list(threads.map(lambda _: spend_from(store), range(16)))
    assert sum(admitted) == BUDGET
    assert_all_spent(store)


async def test_tasks_admit_exactly_the_budget(store: Store) -> None:
    needs = [Need("requests", 1, BUDGET, 1), Need("tokens", 50, None)]

    async def call(number: int) -> bool:
        if isinstance(store.reserve(f"call-{number}", needs, hold_s=60.0), Refused):
            return False
        await asyncio.sleep(CALL_S)
        store.settle(f"call-{number}", needs, [1, 7])
        return True

    assert sum(await asyncio.gather(*map(call, range(3 * BUDGET)))) == BUDGET
    assert_all_spent(store)


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")
def test_greenlets_admit_exactly_the_budget(shared_place: str, open_store: Callable[[str], Store]) -> None:
    with workers(2, "greenlets", shared_place) as spending:
        assert sum(int(said(process)) for process in spending) == BUDGET
    assert_all_spent(open_store(shared_place))


def test_what_a_killed_process_held_comes_back(shared_place: str, open_store: Callable[[str], Store]) -> None:
    store = open_store(shared_place)
    with workers(1, "hold", shared_place, "2") as (holding,):
        assert holding.stdout is not None
        assert holding.stdout.readline() == "held\n"
        assert isinstance(store.reserve("mine", [Need("requests", 1, BUDGET)], hold_s=60.0), Refused)
        holding.kill()
        holding.wait()
        deadline = time.monotonic() + 30
        while isinstance(store.reserve("mine", [Need("requests", 1, BUDGET)], hold_s=60.0), Refused):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert store.read(["requests"]) == [Count(3, 1)]


def test_a_fork_shares_the_state_and_not_the_way_to_it(shared_place: str, open_store: Callable[[str], Store]) -> None:
    with workers(1, "fork", shared_place) as (forking,):
        assert said(forking) == "0"
    assert open_store(shared_place).read(["requests"]) == [Count(4 * 5 + 4 + 1, 0)]


def test_a_call_may_end_with_the_interpreter(shared_place: str, open_store: Callable[[str], Store]) -> None:
    with workers(1, "exit", shared_place) as (exiting,):
        assert said(exiting) == ""
    used, held = open_store(shared_place).read(["requests"])[0]
    # What the very last collection finds may come too late, and expires.
    assert used >= 1
    assert used + held == 2


def test_a_living_process_keeps_its_hold(shared_place: str, open_store: Callable[[str], Store]) -> None:
    store = open_store(shared_place)
    with workers(1, "hold", shared_place, "60") as (holding,):
        assert holding.stdout is not None
        assert holding.stdout.readline() == "held\n"
        assert store.sweep() == 0
        assert store.read(["requests"]) == [Count(0, BUDGET)]
    assert isinstance(store.reserve("other", [Need("tokens", 1)], hold_s=60.0), Reserved)
