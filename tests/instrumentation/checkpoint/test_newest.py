"""What was reached stays the newest: nothing that is only begun, older or another's takes its place."""

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from tests.instrumentation.checkpoint.conftest import mount_drive

from vigilo.checkpoint import CheckpointError
from vigilo.checkpoint.keeping import list_checkpoints, make_room


def steps_of(folder):
    return [one.manifest.step for one in list_checkpoints(folder)]


def test_what_could_not_be_resumed_is_not_followed_by_what_was_there_before(make_engine, folder, clock):
    fitted, fresh = SGDClassifier().fit([[0.0], [1.0]], [0, 1]), SGDClassifier()
    first = make_engine()
    first.register("model", fitted)
    first.step(1000)
    first.save()
    clock.now_s += 400
    second = make_engine()
    second.register("model", fresh)
    with pytest.raises(CheckpointError, match="trust=True"):
        second.resume()
    second.request("exception")  # as the cell failed
    assert second.serve(interrupted=True) is None
    second.save_last("exit", 5.0)
    assert steps_of(folder) == [1000]
    assert second.resume(trust=True).step == 1000
    second.step()
    second.save_last("exit", 5.0)
    assert steps_of(folder) == [1001, 1000]


def test_on_a_new_machine_what_lies_on_drive_is_looked_at_first(make_engine, place, tmp_path):
    drive = mount_drive(place)
    first = make_engine(home=tmp_path / "first", checkpoint_dir=None)
    first.register("state", {"i": 1000})
    first.step(1000)
    assert first.save().mount_ok
    state = {"i": 0}
    second = make_engine(home=tmp_path / "second", checkpoint_dir=None)
    second.register("state", state)
    second.request("session")
    assert second.serve() is None
    second.save_last("sigterm", 5.0)
    assert second.resume().step == state["i"] == 1000
    (on_drive,) = (drive / "vigilo" / "checkpoints").iterdir()
    assert steps_of(on_drive) == [1000]


def test_a_clock_that_was_set_back_makes_no_older_one(make_engine, folder, clock):
    first = make_engine()
    first.register("state", {"i": 1})
    first.step()
    first.save()
    clock.now_s -= 3600
    second = make_engine()
    second.register("state", {"i": 50})
    second.step(50)
    second.save()
    assert steps_of(folder) == [50, 1]


RUN = """
import sys
from vigilo import checkpoint
checkpoint.register("state", {"i": 1})
for step in (int(sys.argv[1]) - 1, int(sys.argv[1])):
    checkpoint.step(step)
    checkpoint.save()
"""


def test_the_ends_of_other_runs_stay(start_python, folder):
    for steps in (1000, 20, 30):
        process = start_python(RUN, steps)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
    assert steps_of(folder) == [30, 29, 20, 1000]
    assert make_room(folder, 1 << 60) > 0
    assert steps_of(folder) == [30, 20, 1000]


def test_the_number_of_a_step_may_be_numpys(make_engine, folder, caplog):
    engine = make_engine()
    engine.register("state", {"i": 1})
    for number in np.arange(1, 4):
        assert engine.step(number) == number
    assert engine.save().step == 3
    assert engine.step("x") == 4
    assert engine.save().step == 4
    assert "no number" in caplog.text


def test_a_variable_may_have_nothing_yet(make_engine):
    engine = make_engine()
    best = None
    engine.register("best", get=lambda: best)
    engine.step()
    assert engine.save().local_ok
    assert engine.resume().values == {"best": None}
