"""What every store does, whatever keeps the state."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from vigilo.state.store import Count, Need, Refused, Reserved, Slot
from vigilo.tallies import EXPIRED_HOLDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.state.store import Store

SECOND_NS = 1_000_000_000
MINUTE_S = 60.0


def expired_holds() -> int:
    return sum(count for count, _ in EXPIRED_HOLDS.read())


def tokens(amount: int, limit: int | None = 100, **others: object) -> Need:
    return Need("tokens", amount, limit, **others)  # type: ignore[arg-type]


# Reserving


def test_a_counter_that_nobody_used_is_zero(store: Store) -> None:
    assert store.read(["tokens", "requests"]) == [Count(0, 0), Count(0, 0)]
    assert store.read([]) == []


def test_what_is_reserved_is_held_and_what_is_settled_is_used(store: Store) -> None:
    needs = [Need("requests", 1, 10), tokens(60)]

    assert store.reserve("h1", needs, hold_s=MINUTE_S) == Reserved((Count(0, 1), Count(0, 60)))
    assert store.read(["requests", "tokens"]) == [Count(0, 1), Count(0, 60)]

    assert store.settle("h1", needs, [1, 45]).counts == (Count(1, 0), Count(45, 0))
    assert store.read(["tokens", "requests"]) == [Count(45, 0), Count(1, 0)]


def test_a_limit_may_be_reached_and_not_passed(store: Store) -> None:
    assert isinstance(store.reserve("h1", [tokens(100)], hold_s=MINUTE_S), Reserved)
    assert store.reserve("h2", [tokens(1)], hold_s=MINUTE_S) == Refused(0, Count(0, 100))
    store.settle("h1", [tokens(100)], [99])
    assert store.reserve("h2", [tokens(2)], hold_s=MINUTE_S) == Refused(0, Count(99, 0))
    assert isinstance(store.reserve("h2", [tokens(1)], hold_s=MINUTE_S), Reserved)


def test_a_refusal_takes_nothing_of_any_counter_or_rate(store: Store) -> None:
    store.reserve("h1", [Need("requests", 3, 5)], hold_s=MINUTE_S)
    slot = Slot("rate", 60 * SECOND_NS, 1, 0)

    refused = store.reserve("h2", [tokens(10), Need("requests", 3, 5), tokens(1000)], [slot], hold_s=MINUTE_S)

    assert refused == Refused(1, Count(0, 3))
    assert store.read(["tokens", "requests"]) == [Count(0, 0), Count(0, 3)]
    # The place in the rate is still there.
    assert store.reserve("", (), [slot]) == Reserved(())


def test_a_counter_without_a_limit_only_counts(store: Store) -> None:
    assert isinstance(store.reserve("h1", [tokens(10**12, None)], hold_s=MINUTE_S), Reserved)
    assert store.settle("h1", [tokens(10**12, None)], [2**53 - 1]).counts == (Count(2**53 - 1, 0),)


def test_two_needs_of_one_counter_are_held_together(store: Store) -> None:
    needs = [tokens(60), tokens(60)]
    refused = store.reserve("h1", needs, hold_s=MINUTE_S)
    assert isinstance(refused, Refused)
    assert refused.need == 1
    needs = [tokens(60), tokens(40)]
    assert isinstance(store.reserve("h1", needs, hold_s=MINUTE_S), Reserved)
    assert store.read(["tokens"]) == [Count(0, 100)]
    store.settle("h1", needs, [1, 2])
    assert store.read(["tokens"]) == [Count(3, 0)]


def test_asking_again_with_the_same_hold_changes_nothing(store: Store) -> None:
    slot = Slot("rate", 60 * SECOND_NS, 2, 0)
    for _ in range(3):
        answer = store.reserve("h1", [tokens(60)], [slot], hold_s=MINUTE_S)
        assert isinstance(answer, Reserved)
        assert answer.counts == (Count(0, 60),)
    assert isinstance(store.reserve("", (), [slot]), Reserved)
    assert isinstance(store.reserve("", (), [slot]), Refused)
    store.settle("h1", [tokens(60)], [50])
    answer = store.reserve("h1", [tokens(60)], hold_s=MINUTE_S)
    assert isinstance(answer, Reserved)
    assert store.read(["tokens"]) == [Count(50, 0)]


def test_keys_are_any_text(store: Store) -> None:
    keys = [
        "tokens|day|user=u 1|2026-11-21+05:30",
        "Ünï \N{PARTY POPPER} {x}",
        "a'b\"c;--",
        "x" * 500,
        "*",
        "half \ud800",
    ]
    needs = [Need(key, 1, 5) for key in keys]
    store.reserve("hold:1 '", needs, hold_s=MINUTE_S)
    assert store.read(keys) == [Count(0, 1)] * len(keys)
    store.settle("hold:1 '", needs, [2] * len(keys))
    assert store.read(keys) == [Count(2, 0)] * len(keys)


# Settling


def test_a_hold_is_settled_once(store: Store) -> None:
    store.reserve("h1", [tokens(60)], hold_s=MINUTE_S)
    store.settle("h1", [tokens(60)], [50])
    assert store.settle("h1", [tokens(60)], [50]).counts == (Count(50, 0),)
    assert store.settle("h1", [tokens(60)], [0]).fired == ()
    assert store.read(["tokens"]) == [Count(50, 0)]


def test_zeros_release_a_hold(store: Store) -> None:
    store.reserve("h1", [tokens(60), Need("requests", 1)], hold_s=MINUTE_S)
    assert store.settle("h1", [tokens(60), Need("requests", 1)], [0, 0]).counts == (Count(0, 0), Count(0, 0))


def test_truth_may_pass_the_limit(store: Store) -> None:
    store.reserve("h1", [tokens(100)], hold_s=MINUTE_S)
    assert store.settle("h1", [tokens(100)], [250]).counts == (Count(250, 0),)
    assert store.reserve("h2", [tokens(1)], hold_s=MINUTE_S) == Refused(0, Count(250, 0))


def test_a_hold_that_the_store_never_had_is_charged_once(store: Store) -> None:
    assert store.settle("unknown", [tokens(60)], [50]).counts == (Count(50, 0),)
    assert store.settle("unknown", [tokens(60)], [50]).counts == (Count(50, 0),)


def test_settling_frees_only_its_own_hold(store: Store) -> None:
    store.reserve("h1", [tokens(30)], hold_s=MINUTE_S)
    store.reserve("h2", [tokens(40)], hold_s=MINUTE_S)
    assert store.settle("h1", [tokens(30)], [10]).counts == (Count(10, 40),)


def test_without_needs_there_is_no_hold(store: Store) -> None:
    assert store.reserve("", ()) == Reserved(())
    assert store.settle("", (), ()).counts == ()


# Expiry


def test_an_expired_hold_is_charged_what_is_known_for_sure(store: Store) -> None:
    before = expired_holds()
    store.reserve("h1", [tokens(60, charge_if_lost=25), Need("requests", 1, 10, 1)], hold_s=0.01)
    store.reserve("h2", [tokens(30)], hold_s=MINUTE_S)
    time.sleep(0.05)
    assert store.sweep() == 1
    assert store.read(["tokens", "requests"]) == [Count(25, 30), Count(1, 0)]
    assert store.sweep() == 0
    assert expired_holds() == before + 1


def test_a_late_settlement_sets_right_what_was_charged(store: Store) -> None:
    needs = [tokens(60, charge_if_lost=25), Need("requests", 1, 10, 1)]
    store.reserve("h1", needs, hold_s=0.01)
    time.sleep(0.05)
    store.sweep()
    assert store.settle("h1", needs, [70, 1]).counts == (Count(70, 0), Count(1, 0))
    assert store.settle("h1", needs, [70, 1]).counts == (Count(70, 0), Count(1, 0))


def test_a_late_release_takes_the_charge_back(store: Store) -> None:
    needs = [tokens(60, charge_if_lost=25)]
    store.reserve("h1", needs, hold_s=0.01)
    time.sleep(0.05)
    store.sweep()
    assert store.settle("h1", needs, [0]).counts == (Count(0, 0),)


def test_after_a_reset_a_late_settlement_leaves_nothing_below_zero(store: Store) -> None:
    needs = [tokens(60, charge_if_lost=25)]
    store.reserve("h1", needs, hold_s=0.01)
    time.sleep(0.05)
    store.sweep()
    store.reset(["tokens"])
    assert store.settle("h1", needs, [0]).counts == (Count(0, 0),)


def test_expired_holds_make_room_by_themselves(store: Store) -> None:
    store.reserve("h1", [tokens(100)], hold_s=0.01)
    deadline = time.monotonic() + 30
    while isinstance(store.reserve("h2", [tokens(100)], hold_s=MINUTE_S), Refused):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert store.read(["tokens"]) == [Count(0, 100)]


def test_counters_of_windows_long_past_are_forgotten(store: Store) -> None:
    now_s = int(store.now_unix_s())
    past = Need("past", 5, None, expires_unix_s=now_s - 3 * 86_400)
    kept = [Need("lately", 5, None, expires_unix_s=now_s - 60), Need("never", 5, None)]
    for number, need in enumerate([past, *kept]):
        store.reserve(f"h{number}", [need], hold_s=MINUTE_S)
        store.settle(f"h{number}", [need], [5])
    store.sweep()
    assert store.read(["past", "lately", "never"]) == [Count(0, 0), Count(5, 0), Count(5, 0)]


# Levels


def test_a_level_is_told_once(store: Store) -> None:
    need = tokens(50, levels=(80, 95))
    assert isinstance(first := store.reserve("h1", [need], hold_s=MINUTE_S), Reserved)
    assert first.fired == ()
    assert isinstance(second := store.reserve("h2", [tokens(30, levels=(80, 95))], hold_s=MINUTE_S), Reserved)
    assert second.fired == ((0, 0),)
    # Down again by a release, and up.
    assert store.settle("h2", [tokens(30, levels=(80, 95))], [0]).fired == ()
    assert isinstance(third := store.reserve("h3", [tokens(30, levels=(80, 95))], hold_s=MINUTE_S), Reserved)
    assert third.fired == ()


def test_settling_tells_levels_too(store: Store) -> None:
    need = tokens(10, levels=(80, 95))
    store.reserve("h1", [need], hold_s=MINUTE_S)
    assert store.settle("h1", [need], [96]).fired == ((0, 0), (0, 1))


def test_levels_are_told_of_each_need(store: Store) -> None:
    needs = [Need("a", 9, 10, levels=(8,)), Need("b", 1, 10, levels=(8,)), Need("c", 10, 10, levels=(8, 10))]
    answer = store.reserve("h1", needs, hold_s=MINUTE_S)
    assert isinstance(answer, Reserved)
    assert answer.fired == ((0, 0), (2, 0), (2, 1))


def test_a_refusal_tells_no_level(store: Store) -> None:
    assert isinstance(store.reserve("h1", [tokens(101, levels=(80,))], hold_s=MINUTE_S), Refused)
    answer = store.reserve("h2", [tokens(90, levels=(80,))], hold_s=MINUTE_S)
    assert isinstance(answer, Reserved)
    assert answer.fired == ((0, 0),)


def test_a_changed_limit_has_its_levels_told(store: Store) -> None:
    store.reserve("h1", [tokens(90, levels=(80, 95))], hold_s=MINUTE_S)
    answer = store.reserve("h2", [tokens(80, 200, levels=(160, 190))], hold_s=MINUTE_S)
    assert isinstance(answer, Reserved)
    assert answer.fired == ((0, 0),)


# Resetting


def test_a_reset_leaves_what_is_held_and_tells_levels_again(store: Store) -> None:
    store.settle("h0", [tokens(85, levels=(80,))], [85])
    store.reserve("h1", [tokens(10, levels=(80,))], hold_s=MINUTE_S)
    store.reset(["tokens", "unknown"])
    assert store.read(["tokens"]) == [Count(0, 10)]
    answer = store.reserve("h2", [tokens(75, levels=(80,))], hold_s=MINUTE_S)
    assert isinstance(answer, Reserved)
    assert answer.fired == ((0, 0),)


# Rates


def test_a_burst_goes_at_once_and_the_rest_waits(store: Store) -> None:
    slot = Slot("rate", 60 * SECOND_NS, 3, 150 * SECOND_NS)
    waits_s = []
    for _ in range(5):
        answer = store.reserve("", (), [slot])
        assert isinstance(answer, Reserved)
        waits_s.append(answer.wait_ns / SECOND_NS)
    assert waits_s[:3] == [0, 0, 0]
    assert 50 < waits_s[3] <= 60
    assert 110 < waits_s[4] <= 120
    refused = store.reserve("", (), [slot])
    assert isinstance(refused, Refused)
    assert (refused.need, refused.slot) == (None, 0)
    assert 170 < refused.wait_ns / SECOND_NS <= 180


def test_a_refused_slot_takes_nothing(store: Store) -> None:
    free, full = Slot("free", 60 * SECOND_NS, 1, 0), Slot("full", 60 * SECOND_NS, 1, 0)
    assert isinstance(store.reserve("", (), [full]), Reserved)
    refused = store.reserve("h1", [tokens(60)], [free, full], hold_s=MINUTE_S)
    assert isinstance(refused, Refused)
    assert refused.slot == 1
    assert store.read(["tokens"]) == [Count(0, 0)]
    assert store.reserve("h1", [tokens(60)], [free], hold_s=MINUTE_S) == Reserved((Count(0, 60),))


def test_the_last_of_the_slots_is_waited_for(store: Store) -> None:
    near, far = (
        Slot("near", 10 * SECOND_NS, 1, 200 * SECOND_NS),
        Slot("far", 100 * SECOND_NS, 1, 200 * SECOND_NS),
    )
    store.reserve("", (), [near, far])
    answer = store.reserve("", (), [far, near])
    assert isinstance(answer, Reserved)
    assert 90 < answer.wait_ns / SECOND_NS <= 100


def test_places_come_back_with_time(store: Store) -> None:
    slot = Slot("rate", SECOND_NS // 50, 1, 0)
    store.reserve("", (), [slot])
    deadline = time.monotonic() + 30
    while isinstance(store.reserve("", (), [slot]), Refused):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nobody_is_sent_before_what_a_provider_asked_for(store: Store) -> None:
    slot = Slot("rate", SECOND_NS, 2, 200 * SECOND_NS)
    until_ns = int((store.now_unix_s() + 100) * SECOND_NS)
    store.push_back("rate", until_ns)
    store.push_back("rate", until_ns - 50 * SECOND_NS)  # an earlier one changes nothing
    waits_s = []
    for _ in range(4):
        answer = store.reserve("", (), [slot])
        assert isinstance(answer, Reserved)
        waits_s.append(answer.wait_ns / SECOND_NS)
    assert 80 < waits_s[0] <= 100
    # The burst, and then the rate: not everybody at once.
    assert waits_s[3] - waits_s[0] > 1
    assert isinstance(store.reserve("", (), [slot._replace(max_wait_ns=10 * SECOND_NS)]), Refused)


# Rules


def test_rules_are_put_replaced_and_dropped(store: Store) -> None:
    assert dict(store.rules()) == {}
    store.put_rule("b", '{"limit": 1}')
    store.put_rule("a", '{"limit": 2}')
    store.put_rule("b", '{"limit": 3}')
    assert dict(store.rules()) == {"a": '{"limit": 2}', "b": '{"limit": 3}'}
    assert store.drop_rule("b")
    assert not store.drop_rule("b")
    assert dict(store.rules()) == {"a": '{"limit": 2}'}


@pytest.mark.parametrize("ask", ["reserve", "rules"])
def test_others_see_that_rules_have_changed(shared_place: str, open_store: Callable[[str], Store], ask: str) -> None:
    here, there = open_store(shared_place), open_store(shared_place)

    def version() -> int:
        if ask == "reserve":
            here.reserve("h1", [tokens(1)], hold_s=MINUTE_S)
        else:
            here.rules()
        return here.rules_version

    versions = [version()]
    there.put_rule("a", "{}")
    versions.append(version())
    there.put_rule("a", '{"limit": 1}')
    versions.append(version())
    there.drop_rule("a")
    versions.append(version())
    assert len(set(versions)) == 4
    there.drop_rule("a")
    assert version() == versions[-1]


def test_stores_of_a_place_share_everything(shared_place: str, open_store: Callable[[str], Store]) -> None:
    here, there = open_store(shared_place), open_store(shared_place)
    here.reserve("h1", [tokens(60)], [Slot("rate", 60 * SECOND_NS, 1, 0)], hold_s=MINUTE_S)
    assert there.read(["tokens"]) == [Count(0, 60)]
    assert there.reserve("h2", [tokens(60)], hold_s=MINUTE_S) == Refused(0, Count(0, 60))
    assert isinstance(there.reserve("", (), [Slot("rate", 60 * SECOND_NS, 1, 0)]), Refused)
    there.settle("h1", [tokens(60)], [50])
    assert here.settle("h1", [tokens(60)], [50]).counts == (Count(50, 0),)
    here.put_rule("a", "{}")
    assert dict(there.rules()) == {"a": "{}"}


def test_a_closed_store_opens_again(store: Store, place: str) -> None:
    store.settle("h1", [tokens(60)], [50])
    store.close()
    store.close()
    assert store.read(["tokens"]) == [Count(50, 0)]


def test_the_clock_is_the_one_of_the_machine_or_close_to_it(store: Store) -> None:
    assert abs(store.now_unix_s() - time.time()) < 60
