"""Where checkpoints go on each platform, and what is told of each place."""

import dataclasses
import json
import os
import threading

import pytest
from tests.instrumentation.checkpoint.conftest import mount_drive

from vigilo.checkpoint import places
from vigilo.checkpoint.keeping import list_checkpoints
from vigilo.checkpoint.places import Names

NAMES = Names("", "train")


def with_variables(place, **environ):
    return dataclasses.replace(place, environ=environ)


@pytest.fixture
def own(settings):
    """The settings of who sets nothing."""
    return dataclasses.replace(settings, checkpoint_dir=None)


def test_on_a_machine_of_ones_own(place, own):
    assert places.destinations(place, own, NAMES) == [(own.home / "checkpoints" / "train", "local")]
    named = Names("mnist", "train")
    assert places.destinations(place, own, named) == [(own.home / "checkpoints" / "mnist", "local")]


def test_a_folder_that_was_chosen_is_taken_as_it_is(place, settings, folder, tmp_path):
    assert places.destinations(place, settings, NAMES) == [(folder, "local")]
    assert places.destinations(place, settings, Names("a", "b")) == [(folder / "a", "local")]
    assert places.destinations(place, settings, NAMES, tmp_path / "x") == [(tmp_path / "x", "local")]


@pytest.mark.parametrize("variable", ["KAGGLE_KERNEL_RUN_TYPE", "KAGGLE_URL_BASE"])
def test_on_kaggle_also_where_its_image_says_colab(place, own, variable):
    kaggle = with_variables(place, **{variable: "Batch", "COLAB_RELEASE_TAG": "release-colab"})
    mount_drive(kaggle)
    expected = place.path("/kaggle/working/checkpoints/notebook")
    names = Names("", places.project(kaggle, own))
    assert places.destinations(kaggle, own, names) == [(expected, "local")]


def test_on_kaggle_the_output_of_an_earlier_version_is_found(place, own, make_engine):
    kaggle = with_variables(place, KAGGLE_KERNEL_RUN_TYPE="Interactive")
    first = make_engine(place=kaggle, checkpoint_dir=None)
    first.register("state", {"i": 4})
    first.step(4)
    first.save()
    earlier = place.path("/kaggle/input/my-notebook/checkpoints")
    earlier.parent.mkdir(parents=True)
    place.path("/kaggle/working/checkpoints").rename(earlier)
    state = {}
    second = make_engine(place=kaggle, checkpoint_dir=None)
    second.register("state", state)
    assert (second.resume().step, state) == (4, {"i": 4})


def test_on_colab_it_lies_here_first_and_then_on_drive(place, make_engine, settings):
    colab = with_variables(place, TBE_RUNTIME_ADDR="172.28.0.1:8011")
    drive = mount_drive(colab)
    engine = make_engine(place=colab, checkpoint_dir=None)
    engine.use(name="mnist")
    engine.register("state", {"i": 4})
    engine.step(4)
    saved = engine.save()
    assert (saved.local_ok, saved.mount_ok, saved.remote_ok) == (True, True, None)
    here, there = (one.path for one in saved.places)
    assert here.parent == settings.home / "checkpoints" / "mnist"
    assert there.parent == drive / "vigilo" / "checkpoints" / "mnist"
    # Another machine has only what is on Drive.
    state = {}
    other = make_engine(place=colab, checkpoint_dir=None, home=settings.home / "another")
    other.use(name="mnist")
    other.register("state", state)
    assert (other.resume().path, state) == (there, {"i": 4})


def test_a_request_between_cells_does_not_wait_for_drive(place, make_engine, wait_until):
    colab = with_variables(place, TBE_RUNTIME_ADDR="172.28.0.1:8011")
    mount_drive(colab)
    engine = make_engine(place=colab, checkpoint_dir=None)
    engine.register("state", {"i": 4})
    engine.request("session")
    assert engine.serve().local_ok
    wait_until(lambda: engine.status()["last"]["mount_ok"])
    wait_until(lambda: not engine.status()["writing"])


def test_drive_is_full_and_the_copy_here_stays(place, make_engine):
    colab = with_variables(place, TBE_RUNTIME_ADDR="172.28.0.1:8011")
    drive = mount_drive(colab)
    (drive / "vigilo").write_text("a file where the folder should be")
    engine = make_engine(place=colab, checkpoint_dir=None)
    engine.register("state", {"i": 4})
    saved = engine.save()
    assert (saved.local_ok, saved.mount_ok) == (True, False)
    assert [(one.kind, one.why) for one in saved.missed] == [("mount", "Not a directory")]
    assert json.dumps(engine.status()["last"]["missed"])


def test_a_dead_drive_is_none_and_a_hanging_one_is_not_waited_for(place, own, monkeypatch):
    colab = with_variables(place, TBE_RUNTIME_ADDR="172.28.0.1:8011")
    mount_drive(colab)

    def dead(path):
        raise OSError(107, "Transport endpoint is not connected")

    assert places.drive_home(dataclasses.replace(colab, stat=dead)) is None
    never = threading.Event()
    monkeypatch.setattr(places, "LOOK_S", 0.05)
    assert places.drive_home(dataclasses.replace(colab, stat=lambda path: never.wait(30))) is None
    never.set()


def test_a_folder_where_drive_would_be_is_no_drive(place, own):
    place.path("/content/drive/MyDrive").mkdir(parents=True)
    assert [kind for _, kind in places.destinations(place, own, NAMES)] == ["local"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("nfs4", "mount"),
        ("cifs", "mount"),
        ("fuse.gcsfuse", "mount"),
        ("fuseblk", "local"),
        ("ext4", "local"),
        ("fuse.fuse-overlayfs", "local"),
    ],
)
def test_a_folder_on_a_file_system_over_the_network_is_written_here_first(place, settings, kind, expected, tmp_path):
    place.path("/proc/self").mkdir(parents=True)
    place.path("/proc/self/mounts").write_text(f"a / {kind} rw 0 0\nb /mnt/data\\040set {kind} rw 0 0\n")
    chosen = place.path("/mnt/data set/run")
    found = places.destinations(place, dataclasses.replace(settings, checkpoint_dir=chosen), NAMES)
    assert found[-1] == (chosen, expected)
    assert found[0].kind == "local"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/home/ada/My first.ipynb", "My-first"), ("fileId=1Ab_c", "fileId-1Ab_c"), ("..", "notebook")],
)
def test_the_name_of_the_notebook(place, own, path, expected):
    assert places.project(with_variables(place, JPY_SESSION_NAME=path), own) == expected


def test_copies_through_a_mount_that_were_cut_off_are_no_checkpoints(place, make_engine):
    from vigilo.checkpoint.keeping import clean
    from vigilo.checkpoint.writing import UNFINISHED, copy_checkpoint

    engine = make_engine()
    engine.register("state", {"i": 4})
    saved = engine.save()
    found = list_checkpoints(saved.path.parent)[0]
    drive = place.path("/drive")
    copied = copy_checkpoint(found.path, found.manifest, drive)
    assert list_checkpoints(drive)[0].manifest == found.manifest
    (copied / "manifest.json").unlink()
    (copied / f"{UNFINISHED}01234567-1-1").touch()
    assert list_checkpoints(drive) == []
    assert clean(drive) == [], "perhaps another machine is at it"
    os.utime(copied, (0, 0))
    assert clean(drive) == [copied]
