"""What happens while the shared state is away, and when it is back."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from vigilo.errors import ConfigError
from vigilo.settings import Settings, load_settings, shown_setting
from vigilo.state import close_all, exists, open_store, outage
from vigilo.state.failover import Failover
from vigilo.state.memory import MemoryStore
from vigilo.state.outage import StateAway
from vigilo.state.store import Count, Need, Refused, Reserved, Slot, StateError
from vigilo.tallies import STATE_ERRORS

from .redis_server import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .redis_server import RedisServer

SECOND_NS = 1_000_000_000
MINUTE_S = 60.0


class Switched(MemoryStore):
    """A store of its own with a switch: what a network does to a shared one.

    ``is_up``: whether it answers; ``hears``: whether it does what it is asked although nobody hears the answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_up, self.hears, self.asked = True, False, 0

    def _answer(self, answer):
        self.asked += 1
        if not self.is_up:
            if self.hears:
                answer()
            raise StateError("no answer")
        return answer()

    def reserve(self, *args, **options):
        return self._answer(lambda: super(Switched, self).reserve(*args, **options))

    def settle(self, *args):
        return self._answer(lambda: super(Switched, self).settle(*args))

    def read(self, *args):
        return self._answer(lambda: super(Switched, self).read(*args))

    def rules(self):
        return self._answer(super().rules)

    def put_rule(self, *args):
        return self._answer(lambda: super(Switched, self).put_rule(*args))

    def reset(self, *args):
        return self._answer(lambda: super(Switched, self).reset(*args))

    def push_back(self, *args):
        return self._answer(lambda: super(Switched, self).push_back(*args))


@pytest.fixture
def shared() -> Switched:
    return Switched()


@pytest.fixture(autouse=True)
def _long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test says itself when the store is asked again."""
    monkeypatch.setattr(outage, "FIRST_PAUSE_S", 1000.0)
    monkeypatch.setattr(outage, "LONGEST_PAUSE_S", 1000.0)


@pytest.fixture(autouse=True)
def _closed_stores() -> Iterator[None]:
    yield
    close_all()


def errors() -> int:
    return sum(count for count, _ in STATE_ERRORS.read())


def need(amount: int = 1, limit: int | None = 100, **others) -> list[Need]:
    return [Need("tokens", amount, limit, **others)]


def time_passes(failover: Failover) -> None:
    """The pause is over."""
    assert failover._outage is not None
    failover._outage.ask_at_s = time.monotonic()


def comes_back(failover: Failover, shared: Switched) -> None:
    shared.is_up = True
    time_passes(failover)
    failover.rules()
    assert failover.degraded == ""


def admitted(failover: Failover, amount: int, name: str = "here", limit: int = 100) -> int:
    """How many calls are admitted one after the other; all stay under way."""
    number = 0
    while isinstance(failover.reserve(f"{name}{number}", need(amount, limit), hold_s=MINUTE_S), Reserved):
        number += 1
        assert number < 1000
    return number


# While it is there


def test_a_store_that_answers_is_asked(shared: Switched) -> None:
    failover = Failover(shared, "local")
    assert failover.reserve("h1", need(60), hold_s=MINUTE_S) == Reserved((Count(0, 60),))
    assert failover.reserve("h2", need(60), hold_s=MINUTE_S) == Refused(0, Count(0, 60))
    assert failover.settle("h1", need(60), [50]).counts == (Count(50, 0),)
    failover.put_rule("a", "{}")
    assert failover.rules_version == shared.rules_version == 1
    assert dict(failover.rules()) == {"a": "{}"}
    assert failover.degraded == ""


def test_modes_are_three(shared: Switched) -> None:
    with pytest.raises(ValueError, match="ajar"):
        Failover(shared, "ajar")


# While it is away


def test_local_grants_a_tenth_of_what_was_left_when_last_seen(shared: Switched) -> None:
    failover = Failover(shared, "local")
    failover.reserve("before", need(40), hold_s=MINUTE_S)
    shared.is_up = False
    assert admitted(failover, 1) == 6
    assert failover.degraded == "local"
    assert failover.reserve("more", need(1), hold_s=MINUTE_S) == Refused(0, Count(40, 6))


def test_local_grants_a_tenth_of_a_limit_that_was_never_seen(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.is_up = False
    assert admitted(failover, 1, limit=95) == 10


def test_local_grants_nothing_where_nothing_was_left(shared: Switched) -> None:
    failover = Failover(shared, "local")
    failover.reserve("before", need(100), hold_s=MINUTE_S)
    shared.is_up = False
    assert admitted(failover, 1) == 0


def test_a_share_is_used_and_not_only_held(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.is_up = False
    for number in range(10):
        assert isinstance(failover.reserve(f"h{number}", need(1), hold_s=MINUTE_S), Reserved)
        failover.settle(f"h{number}", need(1), [1])
    assert failover.reserve("more", need(1), hold_s=MINUTE_S) == Refused(0, Count(10, 0))


def test_open_lets_everything_pass(shared: Switched) -> None:
    failover = Failover(shared, "open")
    failover.reserve("before", need(100), hold_s=MINUTE_S)
    shared.is_up = False
    for number in range(50):
        assert isinstance(failover.reserve(f"h{number}", need(90), hold_s=MINUTE_S), Reserved)
        failover.settle(f"h{number}", need(90), [80])
    assert failover.degraded == "open"
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(4000, 100)]


def test_closed_refuses_and_says_for_how_long(shared: Switched) -> None:
    failover = Failover(shared, "closed")
    shared.is_up = False
    for number in range(3):
        with pytest.raises(StateAway) as caught:
            failover.reserve(f"h{number}", need(), hold_s=MINUTE_S)
        assert 0 < caught.value.retry_after_s < 2000
        failover.settle(f"h{number}", need(), [0])  # who asked lets go of it all the same
    assert shared.asked == 1
    assert len(failover._owed._tellings) == 1
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(0, 0)]
    assert isinstance(failover.reserve("h9", need(), hold_s=MINUTE_S), Reserved)


@pytest.mark.parametrize("mode", ["open", "closed", "local"])
def test_rates_are_counted_in_the_process(shared: Switched, mode: str) -> None:
    failover = Failover(shared, mode)
    shared.is_up = False
    slot = Slot("rate", 60 * SECOND_NS, 2, 0)
    answers = [failover.reserve("", (), [slot]) for _ in range(3)]
    assert [type(answer) for answer in answers] == [Reserved, Reserved, Refused]
    failover.push_back("other", int((time.time() + 100) * SECOND_NS))
    assert isinstance(failover.reserve("", (), [slot._replace(key="other")]), Refused)


def test_an_outage_costs_one_time_out_and_not_one_a_call(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.is_up = False
    before = errors()
    for number in range(20):
        failover.reserve(f"h{number}", need(), hold_s=MINUTE_S)
        failover.settle(f"h{number}", need(), [1])
    assert shared.asked == 1
    assert errors() == before + 1
    time_passes(failover)
    for number in range(20, 40):
        failover.reserve(f"h{number}", need(), hold_s=MINUTE_S)
    assert shared.asked == 2


def test_pauses_grow_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_PAUSE_S", 0.5)
    monkeypatch.setattr(outage, "LONGEST_PAUSE_S", 5.0)
    away = outage.Outage(100.0)
    pauses = [away.ask_at_s - 100.0]
    for _ in range(8):
        away.fail(100.0)
        pauses.append(away.ask_at_s - 100.0)
    assert 0.5 <= pauses[0] <= 0.75
    assert 1.0 <= pauses[1] <= 1.5
    assert pauses[-1] == 5.0
    assert not away.may_ask(104.9)
    assert away.may_ask(105.1)
    assert not away.may_ask(105.2)  # while the other one does


def test_threads_that_fail_together_are_one_failure(shared: Switched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_PAUSE_S", 100.0)
    failover = Failover(shared, "local")
    barrier = threading.Barrier(8)

    def wait_and_fail(*_):
        barrier.wait(30)
        raise StateError("no answer")

    monkeypatch.setattr(shared, "read", wait_and_fail)

    def call(_: int) -> None:
        with suppress(StateError):
            failover.read(["tokens"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))
    assert failover._away().retry_after_s < 200


@pytest.mark.parametrize("in_doubt", [True, False])
def test_levels_are_told_once_and_from_what_was_last_seen(shared: Switched, in_doubt: bool) -> None:
    failover = Failover(shared, "open")
    levels = (50, 80, 90, 95)
    failover.reserve("h1", need(60, levels=levels), hold_s=MINUTE_S)
    shared.is_up = False
    if not in_doubt:
        failover.push_back("rate", 0)
    answer = failover.reserve("h2", need(25, levels=levels), hold_s=MINUTE_S)
    assert isinstance(answer, Reserved)
    assert (answer.counts, answer.fired) == ((Count(60, 25),), ((0, 1),))
    assert failover.settle("h2", need(25, levels=levels), [31]).fired == ()
    failover.settle("h1", need(60, levels=levels), [60])
    comes_back(failover, shared)
    # What was told here is not told again; what was reached since is told to the first who asks.
    answer = failover.reserve("h3", need(1, levels=levels), hold_s=MINUTE_S)
    assert isinstance(answer, Reserved)
    assert (answer.counts, answer.fired) == ((Count(91, 1),), ((0, 2),))


def test_what_was_seen_is_read_and_the_rules_stay(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.put_rule("a", "{}")
    failover.rules()
    failover.reserve("before", need(40), hold_s=MINUTE_S)
    shared.is_up = False
    assert dict(failover.rules()) == {"a": "{}"}
    failover.reserve("h1", need(2), hold_s=MINUTE_S)
    assert failover.read(["tokens", "others"]) == [Count(40, 2), Count(0, 0)]
    for ask in (
        lambda: failover.read(["others"]),
        lambda: failover.put_rule("b", "{}"),
        lambda: failover.reset(["tokens"]),
    ):
        with pytest.raises(StateError):
            ask()


def test_without_rules_ever_read_there_is_an_error(shared: Switched) -> None:
    shared.is_up = False
    with pytest.raises(StateError):
        Failover(shared, "local").rules()


def test_an_outage_is_logged_once(shared: Switched, caplog: pytest.LogCaptureFixture) -> None:
    failover = Failover(shared, "local")
    with caplog.at_level(logging.WARNING, "vigilo"):
        for _ in range(3):
            shared.is_up = False
            failover.reserve("", (), [Slot("rate", 1, 1, SECOND_NS)])
            comes_back(failover, shared)
    assert [record.getMessage() for record in caplog.records if "on_store_error" in record.getMessage()] == [
        "vigilo: the shared state of quotas cannot be reached (no answer); until it is back `on_store_error` is in "
        "force, which is `local`"
    ]


# When it is back


def test_what_was_used_meanwhile_is_brought_once(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.is_up = False
    for number in range(5):
        failover.reserve(f"h{number}", need(2), hold_s=MINUTE_S)
        failover.settle(f"h{number}", need(2), [1])
    comes_back(failover, shared)
    for _ in range(3):
        assert failover.read(["tokens"]) == [Count(5, 0)]


def test_holds_of_before_are_settled_when_it_is_back(shared: Switched) -> None:
    failover = Failover(shared, "local")
    failover.reserve("h1", need(60), hold_s=MINUTE_S)
    failover.reserve("h2", need(30), hold_s=MINUTE_S)
    shared.is_up = False
    assert failover.settle("h1", need(60), [50]).counts == (Count(50, 30),)
    assert failover.settle("h2", need(30), [0]).counts == (Count(50, 0),)
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(50, 0)]


def test_holds_of_an_outage_that_end_after_it(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.is_up = False
    failover.reserve("h1", need(8), hold_s=MINUTE_S)
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(0, 0)]
    assert failover.settle("h1", need(8), [7]).counts == (Count(7, 0),)
    assert shared.read(["tokens"]) == [Count(7, 0)]


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("settled_when_back", [True, False])
@pytest.mark.parametrize("mode", ["open", "local"])
def test_a_reservation_whose_answer_was_lost(shared: Switched, mode: str, heard: bool, settled_when_back: bool) -> None:
    failover = Failover(shared, mode)
    shared.is_up, shared.hears = False, heard
    assert isinstance(failover.reserve("h1", need(8), hold_s=MINUTE_S), Reserved)
    if settled_when_back:
        comes_back(failover, shared)
    failover.settle("h1", need(8), [5])
    if not settled_when_back:
        comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(5, 0)]


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("mode", ["closed", "local"])
def test_a_reservation_whose_answer_was_lost_and_that_is_refused_here(shared: Switched, mode: str, heard: bool) -> None:
    failover = Failover(shared, mode)
    shared.is_up, shared.hears = False, heard
    if mode == "closed":
        with pytest.raises(StateAway):
            failover.reserve("h1", need(50), hold_s=MINUTE_S)
    else:
        assert isinstance(failover.reserve("h1", need(50), hold_s=MINUTE_S), Refused)
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(0, 0)]


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("held", ["there", "here"])
def test_a_settlement_whose_answer_was_lost_is_told_again(shared: Switched, held: str, heard: bool) -> None:
    failover = Failover(shared, "local")
    if held == "here":
        shared.is_up = False
    failover.reserve("other", need(1), hold_s=MINUTE_S)  # the one in doubt
    failover.reserve("h1", need(8), hold_s=MINUTE_S)
    failover.settle("other", need(1), [0])
    if held == "here":
        comes_back(failover, shared)
    shared.is_up, shared.hears = False, heard
    failover.settle("h1", need(8), [5])
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(5, 0)]


@pytest.mark.parametrize("heard", [True, False])
def test_bringing_it_is_interrupted(shared: Switched, heard: bool) -> None:
    """The store is back for one question and away again for what is brought to it."""
    failover = Failover(shared, "local")
    shared.is_up = False
    failover.reserve("h0", need(1), hold_s=MINUTE_S)
    failover.settle("h0", need(1), [1])
    failover.reserve("h1", need(5), hold_s=MINUTE_S)
    failover.settle("h1", need(5), [5])
    shared.is_up = True
    time_passes(failover)
    settle = shared.settle

    def fail_once(*args):
        shared.is_up, shared.hears = False, heard
        shared.settle = settle
        return settle(*args)

    shared.settle = fail_once
    failover.rules()
    assert failover.degraded == "local"
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(6, 0)]


@pytest.mark.parametrize("hold", ["seen", "unseen"])
def test_what_may_have_been_told_too_long_ago_is_not_told_again(
    shared: Switched, monkeypatch: pytest.MonkeyPatch, hold: str
) -> None:
    """The store may have forgotten that it was told: rather too little is charged than twice."""
    from vigilo.state import owed

    failover = Failover(shared, "local")
    failover.reserve("h1", need(5), hold_s=MINUTE_S)
    shared.is_up = False
    failover.push_back("rate", 0)
    if hold == "seen":
        failover.settle("h1", need(5), [5])
    else:
        failover.reserve("h2", need(5), hold_s=MINUTE_S)
        failover.settle("h2", need(5), [5])
    settle = shared.settle

    def fail(*args):
        shared.is_up, shared.hears = False, True
        return settle(*args)

    shared.is_up, shared.settle = True, fail
    time_passes(failover)
    failover.rules()
    assert failover.degraded
    shared.settle = settle
    monkeypatch.setattr(owed, "TELL_AGAIN_S", 0.0)
    shared._settled.clear()
    shared.is_up = True
    comes_back(failover, shared)
    assert shared.read(["tokens"])[0].used == 5
    assert failover._owed.lost == 1


def test_holds_that_nobody_settles_are_charged_as_lost(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.is_up = False
    failover.reserve("in doubt", need(1), hold_s=MINUTE_S)
    failover.settle("in doubt", need(1), [0])
    failover.reserve("lost", need(6, charge_if_lost=4), hold_s=0.001)
    time.sleep(0.01)
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(4, 0)]
    failover.settle("lost", need(6, charge_if_lost=4), [6])
    assert shared.read(["tokens"]) == [Count(4, 0)]


def test_many_counters_are_brought_over_several_calls(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.is_up = False
    for number in range(1500):
        one = [Need(f"user {number}", 1, 100)]
        failover.reserve(f"h{number}", one, hold_s=MINUTE_S)
        failover.settle(f"h{number}", one, [1])
    comes_back(failover, shared)
    failover.close()
    assert sum(count.used for count in shared.read([f"user {number}" for number in range(1500)])) == 1500


def test_memory_is_bounded_and_what_is_dropped_is_logged_once(
    shared: Switched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from vigilo.state import failover as module
    from vigilo.state import owed

    for where, name in ((owed, "MAX_KEYS"), (owed, "MAX_HOLDS"), (module, "MAX_SEEN")):
        monkeypatch.setattr(where, name, 20)
    monkeypatch.setattr(owed, "_ADD_UP_AT", 10)
    failover = Failover(shared, "open")
    before = [[Need(f"before {number}", 1)] for number in range(50)]
    for number, one in enumerate(before):
        failover.reserve(f"b{number}", one, hold_s=MINUTE_S)
    assert len(failover._seen) == 20
    shared.is_up = False
    for number, one in enumerate(before):
        failover.settle(f"b{number}", one, [1])
    for number in range(50):
        one = [Need(f"user {number}", 1)]
        failover.reserve(f"h{number}", one, hold_s=MINUTE_S)
        failover.settle(f"h{number}", one, [1])
    with caplog.at_level(logging.WARNING, "vigilo"):
        for _ in range(3):
            comes_back(failover, shared)
            shared.is_up = False
            failover.push_back("rate", 0)
    told = [record for record in caplog.records if "not all" in record.getMessage()]
    assert len(told) == 1
    shared.is_up = True
    assert sum(count.used for count in shared.read([f"user {number}" for number in range(50)])) == 20


def test_threads_use_no_more_than_the_share_and_bring_it_all(shared: Switched) -> None:
    failover = Failover(shared, "local")
    failover.read(["tokens"])
    shared.is_up = False
    failover.rules_version = 0
    with pytest.raises(StateError):
        failover.rules()

    def call(number: int) -> bool:
        if isinstance(failover.reserve(f"h{number}", need(1, 1000), hold_s=MINUTE_S), Refused):
            return False
        failover.settle(f"h{number}", need(1, 1000), [1])
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(300))) == 100
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(100, 0)]


def test_a_forked_process_leaves_to_its_parent_what_is_its_parents(shared: Switched) -> None:
    failover = Failover(shared, "local")
    shared.is_up = False
    failover.reserve("doubt", need(1), hold_s=MINUTE_S)
    failover.settle("doubt", need(1), [0])
    failover.reserve("settled", need(3), hold_s=MINUTE_S)
    failover.settle("settled", need(3), [3])
    failover.reserve("under way", need(4), hold_s=MINUTE_S)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            failover.settle("under way", need(4), [4])
            comes_back(failover, shared)
            failover.settle("under way", need(4), [4])
            failover.settle("own", need(2), [2])
            code = 0 if shared.read(["tokens"]) == [Count(2, 0)] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    failover.settle("under way", need(4), [4])
    comes_back(failover, shared)
    assert shared.read(["tokens"]) == [Count(7, 0)]


# With a real Redis


@pytest.mark.needs_redis
def test_redis_is_killed_and_started_again_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(outage, "LONGEST_PAUSE_S", 0.1)
    pytest.importorskip("redis")
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    settings = Settings(home=tmp_path, redis_url=url, state_timeout_ms=5_000)
    with running(tmp_path / "first", port=port):
        failover = open_store(settings)
        failover.reserve("before", need(50), hold_s=MINUTE_S)
    here = admitted(failover, 1)
    assert 1 <= here <= 6
    assert failover.degraded == "local"
    for number in range(here):
        failover.settle(f"here{number}", need(1), [1])
    failover.settle("before", need(50), [20])
    with running(tmp_path / "second", port=port):
        wait_until_back(failover)
        assert failover.read(["tokens"]) == [Count(here + 20, 0)]
        close_all()


@pytest.mark.needs_redis
def test_redis_stops_answering_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(outage, "LONGEST_PAUSE_S", 0.1)
    pytest.importorskip("redis")
    with running(tmp_path / "redis") as server:
        failover = open_store(Settings(home=tmp_path, redis_url=server.url, state_timeout_ms=200))
        wait_until_read(failover)
        server.process.send_signal(signal.SIGSTOP)
        used = 0
        for number in range(100):
            if isinstance(failover.reserve(f"h{number}", need(1, 1000), hold_s=MINUTE_S), Reserved):
                failover.settle(f"h{number}", need(1, 1000), [1])
                used += 1
        server.process.send_signal(signal.SIGCONT)
        assert used == 100
        wait_until_back(failover)
        assert failover.read(["tokens"]) == [Count(100, 0)]
        close_all()


def wait_until_read(failover: Failover) -> None:
    """Connecting may take a busy machine longer than the bound."""
    deadline = time.monotonic() + 30
    while True:
        try:
            failover.read(["tokens"])
        except StateError:
            assert time.monotonic() < deadline
        else:
            return


def wait_until_back(failover: Failover) -> None:
    deadline = time.monotonic() + 30
    while failover.degraded or failover._owed:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        with suppress(StateError):
            failover.read(["tokens"])


AT_EXIT = """
import sys
from pathlib import Path
from vigilo.settings import Settings
from vigilo.state import open_store
from vigilo.state.store import Need

failover = open_store(Settings(home=Path(sys.argv[1]), redis_url=sys.argv[2], state_timeout_ms=5000))
failover.read(["tokens"])
failover._owed.charge([Need("tokens", 0)], [3])
"""


@pytest.mark.needs_redis
def test_what_is_left_is_brought_when_the_process_ends(redis_server: RedisServer, tmp_path: Path) -> None:
    url = f"{redis_server.url[:-1]}7"  # a database of its own, for the namespace of everybody
    subprocess.run([sys.executable, "-c", AT_EXIT, str(tmp_path), url], check=True)
    assert open_store(Settings(home=tmp_path, redis_url=url, state_timeout_ms=5_000)).read(["tokens"]) == [Count(3, 0)]


# Which store it is


def test_without_redis_the_state_is_a_file_in_the_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    assert not exists(settings)
    store = open_store(settings)
    assert open_store(Settings(home=tmp_path / "home")) is store
    assert not exists(settings)
    store.settle("h1", need(), [5])
    assert (tmp_path / "home" / "state.db").is_file()
    assert exists(settings)
    assert store.read(["tokens"]) == [Count(5, 0)]


def test_each_home_has_a_store_and_each_mode_its_own(tmp_path: Path) -> None:
    here, there = Settings(home=tmp_path / "a"), Settings(home=tmp_path / "b")
    closed = Settings(home=tmp_path / "a", on_store_error="closed")
    assert len({id(open_store(settings)) for settings in (here, there, closed)}) == 3
    assert open_store(closed).mode == "closed"


def test_with_redis_there_may_always_be_state() -> None:
    assert exists(Settings(redis_url="redis://localhost"))


@pytest.mark.parametrize(
    "url",
    [
        "localhost",
        "http://:hunter2@localhost",
        "redis://:hunter2@localhost:port",
        "redis://:hunter2/x@localhost",
        "redis://:hunter2@localhost/database",
        "unix://",
    ],
)
def test_a_wrong_url_is_found_when_the_settings_are_read(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"VIGILO_REDIS_URL.*redis://") as caught:
        load_settings({"VIGILO_REDIS_URL": url}, tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://localhost", "rediss://user:hunter2@redis.example.com:6380/3", "unix:///run/redis.sock?db=2", ""]
)
def test_a_right_url_is_taken_and_shown_without_its_password(url: str, tmp_path: Path) -> None:
    settings = load_settings({"VIGILO_REDIS_URL": url}, tmp_path)
    assert settings.redis_url == url
    assert "hunter2" not in shown_setting(settings, "redis_url") + repr(settings)


def test_a_namespace_with_braces_is_found_when_the_settings_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="VIGILO_STATE_NAMESPACE"):
        load_settings({"VIGILO_STATE_NAMESPACE": "{a}"}, tmp_path)
