"""What the app sees: register, step, save, request, serve, resume."""

import logging
import random
import sys
import threading

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sklearn.linear_model import SGDClassifier

from vigilo import checkpoint, semconv
from vigilo.checkpoint import CheckpointError
from vigilo.checkpoint.keeping import list_checkpoints
from vigilo.checkpoint.manifest import MANIFEST


def steps_of(folder):
    return [one.manifest.step for one in list_checkpoints(folder)]


def reasons_of(folder):
    return [one.manifest.reason for one in list_checkpoints(folder)]


@pytest.fixture
def settle(wait_until):
    """Waits until nothing is being written."""
    return lambda engine: wait_until(lambda: not engine.status()["writing"])


def test_another_process_goes_on_where_the_first_was(make_engine):
    state, weights = {"losses": [1.0]}, np.zeros(4)
    first = make_engine()
    first.register("state", state)
    first.register("weights", weights)
    for _ in range(3):
        weights += 1
        state["losses"].append(0.5)
        first.step()
    saved = first.save()
    assert (saved.step, saved.reason, saved.local_ok, saved.mount_ok, saved.remote_ok) == (
        3,
        "manual",
        True,
        None,
        None,
    )

    state, weights = {}, np.ones(4)
    second = make_engine()
    second.register("state", state)
    second.register("weights", weights)
    resumed = second.resume()
    assert (resumed.step, resumed.reason, resumed.path) == (3, "manual", saved.path)
    assert set(resumed.restored) == {"state", "weights"}
    assert state == {"losses": [1.0, 0.5, 0.5, 0.5]}
    assert weights.tolist() == [3, 3, 3, 3]
    assert second.step() == 4


def test_nothing_to_resume_from(make_engine):
    engine = make_engine()
    engine.register("state", {})
    assert engine.resume() is None


def test_a_number_is_given_back_as_a_value(make_engine):
    best = 0.75
    first = make_engine()
    first.register("best", get=lambda: best)
    first.save()
    second, got = make_engine(), []
    second.register("best", get=lambda: 0.0)
    resumed = second.resume()
    assert (resumed.values, resumed.restored) == ({"best": 0.75}, ())
    second.register("best", get=lambda: 0.0, load=got.append)
    assert second.resume().restored == ("best",)
    assert got == [0.75]


def test_files_and_folders_that_the_app_writes_itself(make_engine):
    def save(path):
        (path / "shards").mkdir(parents=True)
        (path / "config.json").write_text("{}")
        (path / "shards" / "1.bin").write_bytes(b"\0" * 1000)

    first = make_engine()
    first.register("folder", save=save, load=print)
    first.register("file", save=lambda path: path.write_text("text"), load=print)
    first.step()
    first.request("session")
    first.step()  # such items are written at once, also at a step
    read = {}
    second = make_engine()
    second.register("folder", save=save, load=lambda path: read.update(shard=(path / "shards/1.bin").read_bytes()))
    second.register("file", save=save, load=lambda path: read.update(file=path.read_text()))
    assert second.resume().step == 2
    assert read == {"shard": b"\0" * 1000, "file": "text"}


def test_a_model_of_scikit_learn_needs_trust(make_engine):
    x, y = np.random.default_rng(1).random((30, 3)), np.arange(30) % 2
    model = SGDClassifier(random_state=3).fit(x, y)
    first = make_engine()
    first.register("model", model)
    first.save()
    second, other = make_engine(), SGDClassifier(random_state=3)
    second.register("model", other)
    with pytest.raises(CheckpointError, match=r"resume\(trust=True\)"):
        second.resume()
    second.resume(trust=True)
    assert (other.predict(x) == model.predict(x)).all()


def test_random_numbers_go_on_as_they_would_have(make_engine):
    random.seed(5)
    np.random.seed(5)
    own = np.random.default_rng(5)
    first = make_engine()
    first.register("own", own)
    first.save()
    expected = random.random(), np.random.random(), own.random()
    other = np.random.default_rng(9)
    second = make_engine()
    second.register("own", other)
    second.resume()
    assert (random.random(), np.random.random(), other.random()) == expected


def test_a_request_from_another_thread_is_served_at_the_next_step_in_the_background(make_engine, folder, settle):
    engine = make_engine()
    state = {"i": 0}
    engine.register("state", state)
    thread = threading.Thread(target=engine.request, args=("memory",))
    thread.start()
    thread.join()
    assert steps_of(folder) == []
    engine.step()
    settle(engine)
    assert (steps_of(folder), reasons_of(folder)) == ([1], ["memory"])
    assert engine.status()["asked"] == []


def test_what_is_written_in_the_background_is_what_was_so_at_the_step(make_engine, settle):
    engine, state, array = make_engine(), {"i": 1}, np.zeros(300_000)
    engine.register("state", state)
    engine.register("array", array)
    engine.save()
    engine.request("session")
    engine.step()
    for value in range(50):
        state["i"] = value
        array += 1
    settle(engine)
    engine.resume()
    assert state == {"i": 1}
    assert not array.any()


def test_a_request_is_served_between_cells(make_engine, folder):
    engine = make_engine()
    engine.register("state", {"a": 1})
    assert engine.serve() is None
    engine.request("idle")
    assert engine.serve().consistency == "cell"
    assert reasons_of(folder) == ["idle"]


def test_what_a_failed_cell_left_is_told_apart(make_engine):
    engine = make_engine()
    state = {"a": 1}
    engine.register("state", state)
    engine.request("exception")
    assert engine.serve(interrupted=True).consistency == "interrupted"
    state["a"] = 2
    engine.save_last("sigterm", 5.0)
    assert engine.resume().consistency == "interrupted"
    engine.serve()  # the next cell went well
    engine.save_last("sigterm", 5.0)
    assert engine.resume().consistency == "cell"


def test_a_request_while_no_cell_runs_is_served_at_once(make_engine, folder, wait_until):
    engine = make_engine()
    engine.register("state", {"a": 1})
    engine.busy()
    engine.serve()
    thread = threading.Thread(target=engine.request, args=("idle",))
    thread.start()
    wait_until(lambda: reasons_of(folder) == ["idle"])
    engine.busy()


def test_the_period_is_served_at_a_step(make_engine, folder, clock, settle):
    engine = make_engine(checkpoint_every_s=600.0)
    engine.register("state", {"a": 1})
    for _ in range(25):
        engine.step()
        settle(engine)
        clock.now_s += 100
    assert steps_of(folder)[:3] == [25, 19, 13]


def test_nothing_new_is_not_written_again(make_engine, folder):
    engine = make_engine()
    engine.register("state", {"a": 1})
    engine.step()
    engine.save()
    engine.request("session")
    engine._serve("cell", "first place")
    assert len(steps_of(folder)) == 1


def test_rotation_keeps_the_newest(make_engine, folder, clock):
    engine = make_engine(checkpoint_keep=2)
    engine.register("state", {"a": 1})
    for _ in range(5):
        engine.step()
        engine.save()
    assert steps_of(folder) == [5, 4]
    engine.step()
    engine.save("disk")
    assert steps_of(folder) == [6], "where the disk is full only the newest stays"


def test_the_newest_is_the_newest_after_the_clock_was_set_back(make_engine, folder, clock):
    engine = make_engine()
    engine.register("state", {"a": 1})
    engine.step()
    engine.save()
    clock.now_s -= 500
    other = make_engine()
    other.register("state", {"a": 1})
    other.resume()
    other.step()
    other.save()
    assert steps_of(folder) == [2, 1]


def test_an_object_that_is_gone_is_told_and_nothing_is_written(make_engine, folder, caplog):
    class Model:
        def state_dict(self):
            return {"w": 1}

        def load_state_dict(self, state):
            pass

    engine = make_engine()
    engine.register("model", Model())
    with pytest.raises(CheckpointError, match="register it again"):
        engine.save()
    engine.request("session")
    engine.step()
    assert engine.status()["failures"] >= 1
    assert "register it again" in engine.status()["last_error"]
    assert steps_of(folder) == []


def test_what_cannot_be_pickled_is_told_by_its_name(make_engine, folder):
    engine = make_engine()
    engine.register("hook", get=lambda: [lambda: 0])
    with pytest.raises(CheckpointError, match="hook"):
        engine.save()
    assert list(folder.glob("*")) == []


def test_strict_wants_the_same_names(make_engine):
    first = make_engine()
    first.register("a", {"v": 1})
    first.register("b", {"v": 2})
    first.save()
    a, c = {}, {}
    second = make_engine()
    second.register("a", a)
    second.register("c", c)
    with pytest.raises(CheckpointError, match=r"it has no c; b is not registered.*strict=False"):
        second.resume()
    resumed = second.resume(strict=False)
    assert (resumed.restored, resumed.missing, resumed.unknown) == (("a",), ("c",), ("b",))
    assert (a, c) == ({"v": 1}, {})


def test_one_that_is_broken_is_left_out_for_the_one_before(make_engine, folder, caplog):
    engine, state = make_engine(), {"i": 0}
    engine.register("state", state)
    for i in (1, 2, 3):
        state["i"] = i
        engine.step()
        engine.save()
    newest, second, _ = (one.path for one in list_checkpoints(folder))
    data = bytearray((newest / "state.json").read_bytes())
    data[-2] ^= 1
    (newest / "state.json").write_bytes(data)
    (second / MANIFEST).write_bytes((second / MANIFEST).read_bytes()[:-40])
    with caplog.at_level(logging.WARNING, "vigilo"):
        resumed = engine.resume()
    assert (resumed.step, state) == (1, {"i": 1})
    assert "other bytes than were written" in caplog.text


def test_a_run_that_forgot_to_resume_hides_nothing_until_it_makes_a_step(make_engine, folder, clock, caplog):
    first = make_engine()
    first.register("state", {"i": 1})
    first.step(1000)
    first.save()
    second = make_engine(checkpoint_every_s=60.0)
    second.register("state", {"i": 0})
    clock.now_s += 100
    assert second.serve() is None
    second.save_last("exit", 5.0)
    assert steps_of(folder) == [1000]
    assert "resume() goes on from there" in caplog.text
    second.step()
    second.save()
    assert steps_of(folder) == [1, 1000]


def test_what_another_run_left_is_not_rotated_away(make_engine, folder, clock):
    first = make_engine(checkpoint_keep=1)
    first.register("state", {"i": 1})
    first.step(1000)
    first.save()
    second = make_engine(checkpoint_keep=1)
    second.register("state", {"i": 0})
    for _ in range(4):
        clock.now_s += 1
        second.step()
        second.save()
    assert steps_of(folder) == [4, 1000]


def test_names_and_ways_to_register(make_engine):
    engine = make_engine()
    for name in ("", "../x", "_random", "manifest", "a/b", "a b", "x" * 101):
        with pytest.raises(ValueError, match="no name"):
            engine.register(name, {})
    with pytest.raises(ValueError, match="exactly one"):
        engine.register("a")
    with pytest.raises(ValueError, match="exactly one"):
        engine.register("a", {}, get=dict)
    with pytest.raises(ValueError, match="is none of"):
        engine.register("a", {}, format="yaml")
    with pytest.raises(CheckpointError, match="nothing is registered"):
        engine.save()


def test_its_status_is_plain_and_its_metrics_are_told(make_engine, clock):
    import json

    reader = InMemoryMetricReader()
    engine = make_engine(MeterProvider([reader]))
    engine.register("state", {"i": 1})
    engine.step()
    engine.save()
    engine.register("gone", get=lambda: 1 // 0)
    clock.now_s += 400
    engine.step()
    engine.request("my own reason")
    engine.step()
    status = json.loads(json.dumps(engine.status()))
    assert status["last"]["step"] == 1
    assert status["registered"] == ["gone", "state"]
    assert status["age_s"] == 400
    metrics = {
        metric.name: [(dict(point.attributes), getattr(point, "value", None)) for point in metric.data.data_points]
        for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics
        for metric in scope.metrics
    }
    assert metrics[semconv.CHECKPOINT_COUNT] == [({semconv.CHECKPOINT_REASON: "manual"}, 1)]
    assert metrics[semconv.CHECKPOINT_FAILURES] == [
        ({semconv.CHECKPOINT_REASON: "other", semconv.ERROR_TYPE: "ZeroDivisionError"}, 1)
    ]
    assert metrics[semconv.CHECKPOINT_AGE] == [({}, 400)]
    assert metrics[semconv.CHECKPOINT_SIZE] == [({}, status["last"]["size_bytes"])]
    assert len(metrics[semconv.CHECKPOINT_DURATION]) == 1


def test_an_upload_is_told_apart_from_what_lies_here(make_engine):
    engine = make_engine()
    engine.register("state", {"i": 1})
    engine.uploads(lambda folder: (folder / MANIFEST).exists())
    assert engine.save().remote_ok is True

    def broken(folder):
        raise ConnectionError

    engine.uploads(broken)
    saved = engine.save()
    assert (saved.local_ok, saved.remote_ok) == (True, False)


def test_threads_that_ask_at_the_same_time_get_the_same_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("VIGILO_HOME", str(tmp_path))
    monkeypatch.setattr(checkpoint, "_shared", None)
    barrier, found = threading.Barrier(8), []

    def ask():
        barrier.wait()
        found.append(checkpoint.shared_engine())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
