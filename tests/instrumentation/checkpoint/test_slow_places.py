"""Places and uploads that take long, or for ever: what lies here is whole meanwhile, and the next one is written."""

import threading
import time
from pathlib import Path

import pytest
from tests.instrumentation.checkpoint.conftest import mount_drive

from vigilo.checkpoint import keeping, saving
from vigilo.checkpoint.keeping import list_checkpoints


@pytest.fixture
def release():
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def copying(release, monkeypatch):
    """Set when a copy has begun, which goes on when it is released."""
    begun, copy = threading.Event(), saving.copy_checkpoint

    def slow(*arguments):
        begun.set()
        release.wait(20)
        return copy(*arguments)

    monkeypatch.setattr(saving, "copy_checkpoint", slow)
    return begun


def steps_of(folder):
    return [one.manifest.step for one in list_checkpoints(folder)]


def test_what_is_not_done_within_the_budget_is_never_published(make_engine, folder, release, wait_until):
    """The app may go on after it, and what is written then is half of one step and half of the next."""
    engine = make_engine()
    state = {"a": 1, "b": 1}
    writing = threading.Event()

    def save(path: Path):
        writing.set()
        release.wait(20)
        path.write_text(str(state["a"]))

    engine.register("a", save=save)
    engine.register("b", get=lambda: state["b"])
    engine.install_handlers()  # which start the helper
    engine.step()
    engine.save_last("sigterm", 0.2)
    assert writing.wait(20)
    state.update(a=2, b=2)
    release.set()
    wait_until(lambda: not engine.status()["writing"])
    assert steps_of(folder) == []
    engine.step()
    assert engine.save().step == 2
    assert steps_of(folder) == [2]


def test_an_upload_that_takes_long_keeps_no_other_from_being_written(make_engine, folder, release):
    engine = make_engine()
    engine.register("state", {"i": 1})
    uploading = threading.Event()

    def upload(path: Path):
        uploading.set()
        return release.wait(20)

    engine.uploads(upload)
    engine.step()
    engine.request("manual")
    engine.serve()
    assert uploading.wait(10)
    engine.step()
    engine.save_last("sigterm", 6.0)  # all of it goes by, as the upload hangs
    assert steps_of(folder) == [2, 1]
    assert engine.status()["last"]["step"] == 2


def test_the_last_checkpoint_waits_a_while_for_the_copy_before_it(make_engine, place, release, copying):
    drive = mount_drive(place)
    engine = make_engine(checkpoint_dir=None)
    engine.register("state", {"i": 1})
    engine.step()
    engine.request("manual")
    engine.serve()
    assert copying.wait(10)
    threading.Timer(0.3, release.set).start()
    engine.step()
    engine.save_last("sigterm", 10.0)
    (on_drive,) = (drive / "vigilo" / "checkpoints").iterdir()
    assert steps_of(on_drive) == [2, 1]


def test_what_is_being_copied_is_waited_for_at_the_end(make_engine, place, release, copying):
    drive = mount_drive(place)
    engine = make_engine(checkpoint_dir=None)
    engine.register("state", {"i": 1})
    engine.step()
    engine.request("manual")
    assert engine.serve().step == 1
    assert copying.wait(10)
    threading.Timer(0.3, release.set).start()
    engine.save_last("exit", 10.0)  # there is nothing new
    (on_drive,) = (drive / "vigilo" / "checkpoints").iterdir()
    assert steps_of(on_drive) == [1]


def test_nothing_is_cleaned_before_the_last_checkpoint_is_here(make_engine, place, monkeypatch):
    mount_drive(place)
    monkeypatch.setattr(keeping, "clean", lambda folder: time.sleep(20))
    engine = make_engine(checkpoint_dir=None)
    engine.register("state", {"i": 1})
    engine.step()
    began_s = time.monotonic()
    engine.save_last("sigterm", 10.0)
    assert time.monotonic() - began_s < 10
    assert engine.status()["last"]["step"] == 1
