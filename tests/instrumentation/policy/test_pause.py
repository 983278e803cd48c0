"""Waits that may end early, in threads and in tasks."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from vigilo.policy.pause import Pause, Waker

FOR_EVER_S = 3600.0


def test_a_pause_waits():
    began_s = time.monotonic()
    Pause(0.02).block()
    Pause(0.02, Waker()).block()
    asyncio.run(Pause(0.02).suspend())
    asyncio.run(Pause(0.02, Waker()).suspend())
    assert time.monotonic() - began_s >= 0.07


def test_a_wake_up_before_the_wait_is_not_lost():
    waker = Waker()
    waker.wake()
    Pause(FOR_EVER_S, waker).block()
    asyncio.run(Pause(FOR_EVER_S, waker).suspend())
    waker.clear()
    Pause(0.001, waker).block()


def test_a_thread_is_woken_by_another():
    waker = Waker()
    waiting = threading.Thread(target=Pause(FOR_EVER_S, waker).block)
    waiting.start()
    waker.wake()
    waiting.join()


def test_a_task_is_woken_by_a_thread():
    waker = Waker()

    async def wait():
        thread = threading.Timer(0.01, waker.wake)
        thread.start()
        await Pause(FOR_EVER_S, waker).suspend()
        thread.join()

    asyncio.run(wait())


def test_a_task_that_is_cancelled_waits_no_more():
    waker = Waker()

    async def wait():
        task = asyncio.create_task(Pause(FOR_EVER_S, waker).suspend())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(wait())
    waker.wake()  # nobody is there, and the loop is closed


def test_waking_a_loop_that_was_closed_meanwhile_does_nothing():
    waker = Waker()

    async def wait():
        waiting = asyncio.ensure_future(Pause(FOR_EVER_S, waker).suspend())
        await asyncio.sleep(0)
        return waiting, waker._notify

    async def let_go(waiting):
        waiting.cancel()

    loop = asyncio.new_event_loop()
    waiting, notify = loop.run_until_complete(wait())
    loop.run_until_complete(let_go(waiting))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    notify()


def test_tasks_of_trio_wait_and_are_woken():
    trio = pytest.importorskip("trio")
    waker = Waker()

    async def wait():
        began_s = time.monotonic()
        await Pause(0.02).suspend()
        await Pause(0.02, waker).suspend()
        assert time.monotonic() - began_s >= 0.035
        thread = threading.Timer(0.01, waker.wake)
        thread.start()
        await Pause(FOR_EVER_S, waker).suspend()
        thread.join()

    trio.run(wait)
    waker.wake()
