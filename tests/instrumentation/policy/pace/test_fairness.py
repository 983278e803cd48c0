"""Whose turn it is, for threads and for tasks."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

from vigilo.policy.pace.fairness import Turns, Waiter
from vigilo.policy.pause import Pause

FOR_EVER_S = 3600.0


def order_of(turns, waiters):
    """Lets everybody through, one after the other."""
    order = []
    while not turns.idle:
        (holder,) = [waiter for waiter in waiters if waiter.has_turn and not waiter.left]
        order.append(holder)
        turns.leave(holder)
    return order


def joined(turns, users, **options):
    waiters = [Waiter(user, FOR_EVER_S) for user in users]
    for waiter in waiters:
        turns.join(waiter, **options)
    return waiters


def test_the_first_one_has_its_turn_at_once():
    turns = Turns()
    first, second = joined(turns, "ab")
    assert (first.has_turn, second.has_turn, turns.waiting) == (True, False, 1)
    turns.leave(first)
    assert second.has_turn
    turns.leave(second)
    assert turns.idle


def test_users_take_turns():
    turns = Turns()
    waiters = joined(turns, "aaaaabbc")
    assert "".join(waiter.user for waiter in order_of(turns, waiters)) == "aabcabaa"


def test_calls_of_one_user_keep_their_order():
    turns = Turns()
    waiters = joined(turns, "aaaa")
    assert order_of(turns, waiters) == waiters


def test_another_attempt_is_the_first_of_its_user():
    turns = Turns()
    waiters = joined(turns, "aaab")
    again = Waiter("a", FOR_EVER_S)
    turns.join(again, first=True)
    order = order_of(turns, [*waiters, again])
    assert order.index(again) < order.index(waiters[1])
    assert order.index(waiters[3]) < order.index(waiters[1])


def test_who_leaves_the_queue_is_not_waited_for():
    turns = Turns()
    first, second, third = joined(turns, "aab")
    turns.leave(second)
    turns.leave(second)
    assert turns.waiting == 1
    turns.leave(first)
    assert (second.has_turn, third.has_turn) == (False, True)
    turns.leave(third)
    assert turns.idle


def test_who_has_left_does_not_join_again():
    turns = Turns()
    waiter = Waiter("a", FOR_EVER_S)
    turns.leave(waiter)
    turns.join(waiter)
    assert turns.idle


def test_how_many_come_before_a_new_one():
    turns = Turns()
    joined(turns, "xaaaaab")  # x has its turn
    assert turns.ahead_of("a") == 6
    assert turns.ahead_of("b") == 3
    assert turns.ahead_of("new") == 2


def test_those_whose_time_is_up_are_woken():
    turns = Turns()
    holder, late, soon = Waiter("a", 5.0), Waiter("b", 100.0), Waiter("c", 10.0)
    for waiter in (holder, late, soon):
        turns.join(waiter)
        waiter.waker.clear()
    turns.rouse(50.0)
    assert [waiter.waker._woken for waiter in (holder, late, soon)] == [True, False, True]


def test_what_a_finalizer_asks_for_in_the_middle_of_the_queue_is_done():
    """The garbage collector may run it anywhere in the very thread that has the queue."""
    turns = Turns()
    first, second, third = joined(turns, "abc")

    class Dropped:
        pass

    dropped = Dropped()
    weakref.finalize(dropped, turns.leave, second)
    holder = [dropped]
    del dropped

    def drop():
        holder.clear()
        gc.collect()

    turns._do(drop)
    assert (second.left, turns.waiting) == (True, 1)
    turns.leave(first)
    assert third.has_turn


def test_threads_and_tasks_of_several_loops_share_the_queue():
    turns, at_once, seen, most = Turns(), [], [], []
    lock = threading.Lock()

    def has_turn(name):
        with lock:
            at_once.append(name)
            most.append(len(at_once))
            seen.append(name)

    def is_over(name):
        with lock:
            at_once.remove(name)

    def block(name):
        for _ in range(20):
            waiter = Waiter(name, FOR_EVER_S)
            turns.join(waiter)
            while not waiter.has_turn:
                Pause(FOR_EVER_S, waiter.waker).block()
            has_turn(name)
            is_over(name)
            turns.leave(waiter)

    async def suspend(name):
        for _ in range(20):
            waiter = Waiter(name, FOR_EVER_S)
            turns.join(waiter)
            while not waiter.has_turn:
                await Pause(FOR_EVER_S, waiter.waker).suspend()
            has_turn(name)
            await asyncio.sleep(0)
            is_over(name)
            turns.leave(waiter)

    async def suspend_all(loop):
        await asyncio.gather(*(suspend(f"{loop}-{number}") for number in range(5)))

    threads = [threading.Thread(target=block, args=(f"thread-{number}",)) for number in range(5)]
    threads += [threading.Thread(target=lambda loop=loop: asyncio.run(suspend_all(loop))) for loop in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert turns.idle
    assert len(seen) == 15 * 20
    assert max(most) == 1
