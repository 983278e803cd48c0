from __future__ import annotations

import threading

import pytest

from vigilo.notebook.looks import Look


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def test_asks_when_it_is_time_and_gives_the_last_answer_meanwhile():
    clock, answers = Clock(), iter("abc")
    look = Look("looking", lambda: next(answers), every_s=30, patience_s=10, monotonic_s=clock)
    assert look.last is None
    assert look.answer(10) == "a"
    assert look.answer(10) == "a"
    clock.now_s += 30
    assert look.answer(10) == "b"
    look.soon()
    assert look.answer(10) == "c"
    assert not look.late


def test_a_question_that_hangs_is_late_asked_once_and_taken_when_it_comes():
    clock, go, asked = Clock(), threading.Event(), []

    def ask():
        asked.append(1)
        go.wait(60)
        return len(asked)

    look = Look("looking", ask, every_s=30, patience_s=0.02, monotonic_s=clock)
    assert look.answer() is None
    assert not look.late
    clock.now_s += 1
    assert look.late
    clock.now_s += 100
    assert look.answer(0.01) is None
    assert len(asked) == 1
    go.set()
    thread = next(thread for thread in threading.enumerate() if thread.name == "vigilo: looking")
    thread.join(20)
    assert look.last == 1
    assert not look.late


def test_one_that_was_waited_for_in_vain_is_late():
    go = threading.Event()
    look = Look("looking", lambda: go.wait(60), every_s=30, patience_s=0.01, monotonic_s=Clock())
    assert look.answer(1) is None
    assert look.late
    go.set()


def test_one_that_fails_keeps_the_last_answer(monkeypatch):
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    clock = Clock()
    answers = iter([lambda: 1, lambda: 1 / 0, lambda: 3])
    look = Look("looking", lambda: next(answers)(), every_s=1, patience_s=10, monotonic_s=clock)
    for expected in (1, 1, 3):
        assert look.answer(10) == expected
        clock.now_s += 1


def test_no_more_threads(monkeypatch):
    def fail(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    look = Look("looking", lambda: pytest.fail("asked"), every_s=1, patience_s=10, monotonic_s=Clock())
    assert look.answer(10) is None
    assert not look.late
