"""How calls fare at a provider's rate limit: goodput, refusals, failures and waits, beside the SDK's own retries.

A local provider enforces a limit, of which a noisy neighbour takes a share for the middle third of the time. Workers
call it in a closed loop, in real time, with OpenAI's SDK: as it is, with 8 retries, and paced by vigilo. Ideal is all
that the limit lets pass.

    python benchmarks/pacing.py [--seconds 24] [--workers 40] [--sync] [--no-headers]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import openai

import vigilo
from vigilo.testing import Neighbour, ProviderServer
from vigilo.testing.openai import OPENAI

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLS, PER_S = 40, 2.0  # 20 a second, two seconds' worth at once
SHARE = 0.6
TAKES_S = 0.5  # the median of a call's time at the provider
PAUSE_S = 0.05  # of a worker whose call failed
MAX_WAIT_S = 60.0
POLICIES = ("SDK default", "SDK, 8 retries", "vigilo")
ASKED: Mapping[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


class Outcome(NamedTuple):
    """What came of one policy; ``waits_s``: how long the calls took that succeeded, with all attempts."""

    goodput: int
    ideal: float
    refusals: int
    failed: int
    waits_s: list[float]

    def row(self, policy: str) -> str:
        waits = sorted(self.waits_s) or [0.0]
        p50, p95 = waits[len(waits) // 2], waits[int(len(waits) * 0.95)]
        share = self.goodput / self.ideal
        return f"{policy:<16} {self.goodput:6d} {share:8.3f} {self.refusals:7d} {self.failed:7d} {p50:8.2f} {p95:8.2f}"


class Bench:
    """One policy: the workers begin all at once, when each has made a call and so has its connection."""

    def __init__(self, server: ProviderServer, policy: str, workers: int, seconds: float) -> None:
        self.server, self.workers, self.seconds = server, workers, seconds
        self.options: dict[str, Any] = {"base_url": server.openai_url, "api_key": "any"}
        if policy == "SDK, 8 retries":
            self.options["max_retries"] = 8
        self.until_s = 0.0
        self.waits_s: list[float] = []
        self.failed = 0
        self.passed: list[int] = []

    def begin(self) -> None:
        """Sets the limit; called once, when all workers are ready."""
        third_s = self.seconds / 3
        self.limit = self.server.limit(CALLS, PER_S, neighbour=Neighbour(SHARE, third_s, 2 * third_s))
        delays = random.Random(1)
        for _ in range(int(self.limit.ideal(self.seconds)) + 10 * self.workers):
            self.server.slow(min(3 * TAKES_S, TAKES_S * delays.lognormvariate(0, 0.5)))
        self.until_s = time.monotonic() + self.seconds
        self._timer = threading.Timer(self.seconds, lambda: self.passed.append(self.limit.passed))
        self._timer.start()

    def outcome(self) -> Outcome:
        self._timer.join()
        return Outcome(self.passed[0], self.limit.ideal(self.seconds), self.limit.refusals, self.failed, self.waits_s)

    def in_threads(self) -> None:
        ready = threading.Barrier(self.workers, self.begin)

        def work() -> None:
            client.chat.completions.create(**ASKED)
            ready.wait()
            while (began_s := time.monotonic()) < self.until_s:
                try:
                    client.chat.completions.create(**ASKED)
                    self.waits_s.append(time.monotonic() - began_s)
                except Exception:  # noqa: BLE001 - counted, whatever it is
                    self.failed += 1
                    time.sleep(PAUSE_S)

        with openai.OpenAI(**self.options) as client:
            threads = [threading.Thread(target=work) for _ in range(self.workers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    async def in_tasks(self) -> None:
        async def work() -> None:
            while (began_s := time.monotonic()) < self.until_s:
                try:
                    await client.chat.completions.create(**ASKED)
                    self.waits_s.append(time.monotonic() - began_s)
                except Exception:  # noqa: BLE001 - counted, whatever it is
                    self.failed += 1
                    await asyncio.sleep(PAUSE_S)

        async with openai.AsyncOpenAI(**self.options) as client:
            await asyncio.gather(*(client.chat.completions.create(**ASKED) for _ in range(self.workers)))
            self.begin()
            await asyncio.gather(*(work() for _ in range(self.workers)))


def measure(policy: str, workers: int, seconds: float, sync: bool, headers: bool) -> Outcome:
    """One policy; in a process of its own, so that none finds what another has learnt."""
    if policy == "vigilo":
        os.environ["VIGILO_HOME"] = tempfile.mkdtemp()
        os.environ["VIGILO_PACING"] = "true"
        os.environ["VIGILO_PACE_MAX_WAIT_S"] = str(MAX_WAIT_S)
        vigilo.instrument()
    if not headers:
        for told in ("limits", "headers"):
            object.__setattr__(OPENAI, told, lambda _: {})
    with ProviderServer() as server:
        bench = Bench(server, policy, workers, seconds)
        if sync:
            bench.in_threads()
        else:
            asyncio.run(bench.in_tasks())
        return bench.outcome()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--workers", type=int, default=40)
    parser.add_argument("--sync", action="store_true", help="threads in place of tasks")
    parser.add_argument("--no-headers", action="store_true", help="the provider tells no limits but Retry-After")
    parser.add_argument("--policy", choices=POLICIES, help="only this one")
    given = parser.parse_args()
    if given.policy is not None:
        outcome = measure(given.policy, given.workers, given.seconds, given.sync, not given.no_headers)
        print(outcome.row(given.policy), flush=True)
        return
    kind = "threads" if given.sync else "tasks"
    print(
        f"{given.workers} {kind}, {given.seconds:g} s, {CALLS / PER_S:g} calls/s, a neighbour takes {SHARE:.0%} of it"
    )
    print(
        f"{'policy':<16} {'calls':>6} {'of ideal':>8} {'429s':>7} {'failed':>7} {'p50 s':>8} {'p95 s':>8}", flush=True
    )
    for policy in POLICIES:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--policy", policy], check=True)


if __name__ == "__main__":
    main()
