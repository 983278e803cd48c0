"""Any order of operations, by several processes' stores, against a model that is plain arithmetic."""

from __future__ import annotations

import time
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from vigilo.state.memory import MemoryStore
from vigilo.state.sqlite import SqliteStore
from vigilo.state.store import Count, Need, Refused, Reserved

from .places import open_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vigilo.state.store import Store

KEYS = ["a", "b", "c"]
LIMIT = 100
HOLD_S = 60
SECOND_NS = 1_000_000_000
EXAMPLES = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

amounts = st.integers(0, 60)
needs_of_calls = st.lists(
    st.builds(
        lambda key, amount, limited, lost: Need(key, amount, LIMIT if limited else None, min(lost, amount), (80, 95)),
        st.sampled_from(KEYS),
        amounts,
        st.booleans(),
        amounts,
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda need: need.key,
)


class Interleavings(RuleBasedStateMachine):
    """Two stores of one place take turns."""

    holds = Bundle("holds")
    stores: tuple[Store, Store]
    unix_ns: int
    can_expire = True

    if TYPE_CHECKING:

        def open(self) -> tuple[Store, Store]: ...

    @initialize()
    def begin(self) -> None:
        self.unix_ns = time.time_ns()
        self.stores = self.open()
        self.used = dict.fromkeys(KEYS, 0)
        self.told: dict[str, set[int]] = {key: set() for key in KEYS}
        self.open_holds: dict[str, tuple[list[Need], int]] = {}
        self.lost_holds: dict[str, list[Need]] = {}
        self.settled: set[str] = set()
        self.count = 0

    def teardown(self) -> None:
        for store in self.stores:
            store.close()

    def held(self, key: str) -> int:
        return sum(need.amount for needs, _ in self.open_holds.values() for need in needs if need.key == key)

    def notice(self, needs: list[Need]) -> tuple[tuple[int, int], ...]:
        """The levels that are to be told now."""
        fired = []
        for index, need in enumerate(needs):
            for level, mark in enumerate(need.levels):
                if self.used[need.key] + self.held(need.key) >= mark and mark not in self.told[need.key]:
                    self.told[need.key].add(mark)
                    fired.append((index, level))
        return tuple(fired)

    @rule(target=holds, needs=needs_of_calls, which=st.integers(0, 1))
    def reserve(self, needs: list[Need], which: int) -> object:
        hold_id = f"h{self.count}"
        self.count += 1
        self.sweep(which)
        answer = self.stores[which].reserve(hold_id, needs, hold_s=HOLD_S)
        fits = [
            need.limit is None or self.used[need.key] + self.held(need.key) + need.amount <= need.limit
            for need in needs
        ]
        if not all(fits):
            assert isinstance(answer, Refused)
            assert answer.need == fits.index(False)
            return multiple()
        assert isinstance(answer, Reserved)
        self.open_holds[hold_id] = (needs, self.unix_ns + HOLD_S * SECOND_NS)
        assert answer.fired == self.notice(needs)
        assert answer.counts == tuple(Count(self.used[need.key], self.held(need.key)) for need in needs)
        return hold_id, needs

    @rule(hold=holds, which=st.integers(0, 1))
    def reserve_again(self, hold: tuple[str, list[Need]], which: int) -> None:
        self.sweep(which)
        answer = self.stores[which].reserve(*hold, hold_s=HOLD_S)
        assert isinstance(answer, Reserved)
        assert answer.fired == ()

    @rule(hold=holds, which=st.integers(0, 1), used=st.lists(amounts, min_size=3, max_size=3))
    def settle(self, hold: tuple[str, list[Need]], which: int, used: list[int]) -> None:
        hold_id, needs = hold
        settled = self.stores[which].settle(hold_id, needs, used[: len(needs)])
        if hold_id in self.settled:
            assert settled.fired == ()
            return
        self.settled.add(hold_id)
        if self.open_holds.pop(hold_id, None) is None:
            for need in self.lost_holds.pop(hold_id):
                self.used[need.key] = max(0, self.used[need.key] - need.charge_if_lost)
        for need, amount in zip(needs, used, strict=False):
            self.used[need.key] += amount
        assert settled.fired == self.notice(needs)

    @rule(hold=holds, which=st.integers(0, 1))
    def release(self, hold: tuple[str, list[Need]], which: int) -> None:
        self.settle(hold, which, [0, 0, 0])

    @rule(needs=needs_of_calls, which=st.integers(0, 1), used=st.lists(amounts, min_size=3, max_size=3))
    def settle_what_was_never_held(self, needs: list[Need], which: int, used: list[int]) -> None:
        hold_id = f"h{self.count}"
        self.count += 1
        self.lost_holds[hold_id] = []
        self.settle((hold_id, needs), which, used)

    @rule(seconds=st.integers(1, 2 * HOLD_S))
    def let_time_pass(self, seconds: int) -> None:
        if self.can_expire:
            self.unix_ns += seconds * SECOND_NS

    @rule(which=st.integers(0, 1))
    def sweep(self, which: int) -> None:
        expired = [hold_id for hold_id, (_, at_ns) in self.open_holds.items() if at_ns <= self.unix_ns]
        for hold_id in expired:
            needs = self.lost_holds[hold_id] = self.open_holds.pop(hold_id)[0]
            for need in needs:
                self.used[need.key] += need.charge_if_lost
        assert self.stores[which].sweep() == len(expired)

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=2), which=st.integers(0, 1))
    def reset(self, keys: list[str], which: int) -> None:
        self.stores[which].reset(keys)
        for key in keys:
            self.used[key] = 0
            self.told[key].clear()

    @invariant()
    def counts_are_those_of_the_model(self) -> None:
        expected = [Count(self.used[key], self.held(key)) for key in KEYS]
        for store in self.stores:
            assert store.read(KEYS) == expected


def run(machine: type[Interleavings]) -> None:
    run_state_machine_as_test(machine, settings=EXAMPLES)


def test_in_memory() -> None:
    class InMemory(Interleavings):
        def open(self) -> tuple[Store, Store]:
            store = MemoryStore(lambda: self.unix_ns)
            return store, store

    run(InMemory)


def test_in_a_file(tmp_path: Path) -> None:
    class InAFile(Interleavings):
        def open(self) -> tuple[Store, Store]:
            self.folder = TemporaryDirectory(dir=tmp_path)
            path = tmp_path / self.folder.name / "state.db"
            first, second = (SqliteStore(path, 20.0, now_unix_ns=lambda: self.unix_ns) for _ in range(2))
            return first, second

        def teardown(self) -> None:
            super().teardown()
            self.folder.cleanup()

    run(InAFile)


def test_shared(shared_place: str) -> None:
    """By the clock of the place itself; no hold is old enough to expire."""
    opened: list[Callable[[], None]] = []

    class Shared(Interleavings):
        can_expire = False

        def open(self) -> tuple[Store, Store]:
            # A place of its own for each example, beside the test's.
            kind, _, where = shared_place.partition(":")
            place = f"{kind}:e{len(opened)}{where}" if kind == "redis" else f"{shared_place}.{len(opened)}"
            first, second = open_place(place), open_place(place)
            opened.append(first.close)
            return first, second

    run(Shared)
