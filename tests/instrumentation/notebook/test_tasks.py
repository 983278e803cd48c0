"""Tasks: counting, states, estimates, metrics, forks."""

from __future__ import annotations

import gc
import os
import threading

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from vigilo import semconv
from vigilo.notebook import tasks as module
from vigilo.notebook.tasks import MAX_TASKS, Task, end_tasks_of_cell, task, tasks


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def _no_tasks_before():
    module._known.clear()
    yield
    module._known.clear()


def states():
    return {one.name: (one.state, one.done, one.total) for one in tasks()}


def test_a_loop_over_numbers_counts_and_finishes():
    seen = [step for step in task("train", total=4) if states()["train"] == ("running", step, 4)]
    assert seen == [0, 1, 2, 3]
    assert states() == {"train": ("finished", 4, 4)}


def test_a_loop_goes_on_where_an_earlier_session_stopped():
    assert list(task("train", total=5, done=3)) == [3, 4]
    assert states() == {"train": ("finished", 5, 5)}


def test_a_loop_over_things_has_their_number():
    assert list(task("files", ["a", "b"])) == ["a", "b"]
    assert list(task("stream", iter("xyz"))) == ["x", "y", "z"]
    assert states() == {"files": ("finished", 2, 2), "stream": ("finished", 3, None)}


def test_a_loader_whose_length_is_not_known_is_gone_through_all_the_same():
    class Loader:
        def __len__(self):
            raise TypeError("a stream has no length")

        def __iter__(self):
            return iter((1, 2))

    assert list(task("loader", Loader())) == [1, 2]
    assert states() == {"loader": ("finished", 2, None)}


def test_numbers_of_other_libraries_are_numbers():
    numpy = pytest.importorskip("numpy")
    assert list(task("n", numpy.int64(2))) == [0, 1]


def test_without_a_total_it_counts_for_ever():
    for step in task("watch"):
        if step == 3:
            break
    gc.collect()
    assert states() == {"watch": ("stopped", 3, None)}


def test_a_loop_whose_things_fail_has_failed():
    def broken():
        yield 1
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        list(task("read", broken()))
    assert states() == {"read": ("failed", 1, None)}


def test_a_block_counts_by_hand():
    with task("download", total=3) as download:
        download.advance()
        download.advance(2)
    with pytest.raises(KeyError), task("upload", total=3):
        raise KeyError
    assert states() == {"download": ("finished", 3, 3), "upload": ("failed", 0, 3)}


def test_the_end_of_a_cell_ends_the_loops_that_a_traceback_keeps():
    kept = iter(task("train", total=5))
    next(kept)
    by_hand = task("by hand", total=5)
    by_hand.advance()
    elsewhere = iter(task("thread", total=5))
    thread = threading.Thread(target=next, args=(elsewhere,))
    thread.start()
    thread.join()
    end_tasks_of_cell()
    assert {name: state for name, (state, _, _) in states().items()} == {
        "train": "stopped",
        "by hand": "running",
        "thread": "running",
    }
    next(kept)  # it was not over after all
    assert states()["train"] == ("running", 1, 5)


@pytest.mark.parametrize("total", [-1, 3.5, object()])
def test_what_is_no_total_is_refused(total):
    with pytest.raises((TypeError, ValueError)):
        task("train", total)
    assert tasks() == []


def test_what_is_left_follows_the_last_steps(clock):
    made = Task("train", range(200), 200, monotonic_s=clock)
    assert made.status().remaining_s is None
    for _ in range(50):
        clock.now_s += 1.0
        made.advance()
    assert made.status().remaining_s == pytest.approx(150)
    for _ in range(100):
        clock.now_s += 2.0
        made.advance()
    assert made.status().remaining_s == pytest.approx(100, rel=0.15)
    assert made.status().progress == 0.75
    assert made.status().elapsed_s == 250


def test_a_step_under_way_counts_as_one_at_the_most(clock):
    made = Task("train", range(3), 3, monotonic_s=clock)
    clock.now_s += 10
    made.advance()
    clock.now_s += 4
    assert made.status().remaining_s == pytest.approx(16)
    clock.now_s += 400
    assert made.status().remaining_s == pytest.approx(10)


def test_steps_of_an_earlier_session_took_no_time_of_this_one(clock):
    made = Task("train", range(90, 100), 100, done=90, monotonic_s=clock)
    clock.now_s += 10
    made.advance()
    assert made.status().remaining_s == pytest.approx(90)


def test_one_that_ended_stands_still(clock):
    made = Task("train", range(2), 2, monotonic_s=clock)
    clock.now_s += 5
    made.advance(2)
    made.end()
    clock.now_s += 1000
    assert (made.status().elapsed_s, made.status().remaining_s) == (5, 0)
    made.end("failed")
    assert made.status().state == "finished"


def test_only_so_many_are_remembered():
    kept = task("long", total=2)
    for number in range(MAX_TASKS + 10):
        list(task(f"short {number}", total=1))
    assert len(tasks()) == MAX_TASKS
    assert tasks()[0].name == "long"
    kept.end()


def test_the_metrics_tell_what_runs(monkeypatch):
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(module, "_told", False)
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", provider)
    running = task("train", total=4)
    running.advance()
    task("no total")
    list(task("over", total=1))
    data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    points = {
        metric.name: {point.attributes[semconv.TASK_NAME]: point.value for point in metric.data.data_points}
        for metric in data
    }
    assert points[semconv.TASK_PROGRESS] == {"train": 0.25}
    assert list(points[semconv.TASK_REMAINING]) == ["train"]
    provider.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_tells_of_none():
    task("train", total=4)
    child = os.fork()
    if child == 0:
        os._exit(len(tasks()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(tasks()) == 1
