"""Disks that are full, fail, and lie: what was there before stays, and it is told."""

import errno
import os
import shutil
import subprocess

import pytest

from vigilo.checkpoint import CheckpointError
from vigilo.checkpoint.keeping import list_checkpoints, make_room
from vigilo.checkpoint.manifest import MANIFEST, find_fault


@pytest.fixture
def engine(make_engine):
    engine = make_engine()
    engine.register("state", {"i": 1})
    engine.step()
    engine.save()
    engine.step()
    return engine


def left_in(folder):
    """Checkpoints that are whole, and anything else."""
    found = list_checkpoints(folder)
    assert not any(find_fault(one.path, one.manifest) for one in found)
    names = {path.name for path in folder.iterdir()} - {"LATEST"}
    return [one.manifest.step for one in found], names - {one.path.name for one in found}


def fail_with(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_the_disk_fails_as_it_is_forced(engine, folder, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", fail_with(number))
    with pytest.raises(CheckpointError, match=os.strerror(number)):
        engine.save()
    assert left_in(folder) == ([1], set())
    monkeypatch.undo()
    assert engine.save().step == 2


def test_a_file_system_that_cannot_force_is_not_an_error(engine, folder, monkeypatch):
    monkeypatch.setattr(os, "fsync", fail_with(errno.EINVAL))
    assert engine.save().local_ok


def test_the_folder_does_not_get_its_name(engine, folder, monkeypatch):
    monkeypatch.setattr(os, "rename", fail_with(errno.EPERM))
    with pytest.raises(CheckpointError, match="Operation not permitted"):
        engine.save()
    assert left_in(folder) == ([1], set())


def test_a_step_never_raises(engine, folder, monkeypatch, caplog, wait_until):
    monkeypatch.setattr(os, "fsync", fail_with(errno.EIO))
    for _ in range(3):
        engine.request("session")
        engine.step()
        wait_until(lambda: not engine.status()["writing"])
    assert engine.status()["failures"] == 1, "it is tried again after a while, and not at each step"
    assert engine.status()["unsaved"]
    assert sum("could not be written:" in record.getMessage() for record in caplog.records) == 1
    assert left_in(folder) == ([1], set())


def test_a_disk_that_writes_other_bytes_than_it_was_given(make_engine, folder):
    """The path is a link to another file that is changed as soon as it is written, as bad memory would."""
    engine = make_engine()

    class Lying:
        def state_dict(self):
            return {"w": 1}

        def load_state_dict(self, state):
            pass

    model = Lying()
    engine.register("model", model)

    def save(path):
        path.write_bytes(b"second")
        (first,) = path.parent.glob("model.json")
        first.write_bytes(first.read_bytes().replace(b"1", b"2"))

    engine.register("other", save=save, load=print)
    with pytest.raises(CheckpointError, match="other bytes than were written"):
        engine.save()
    assert left_in(folder) == ([], set())


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own of four megabytes."""
    point = tmp_path / "small"
    point.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only by root can a small disk be mounted here")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(point)], check=False)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


def test_the_disk_is_full_in_the_middle(make_engine, small_disk):
    engine = make_engine(checkpoint_dir=small_disk / "checkpoints")
    engine.register("blob", get=lambda: bytearray(6_000_000), format="pickle")
    with pytest.raises(CheckpointError, match="No space left"):
        engine.save()
    assert left_in(small_disk / "checkpoints") == ([], set())


def test_the_oldest_go_where_room_is_needed_and_the_last_whole_one_stays(make_engine, small_disk, caplog):
    folder = small_disk / "checkpoints"
    engine, blob = make_engine(checkpoint_dir=folder, checkpoint_keep=9), bytearray(1_200_000)
    engine.register("blob", blob, format="pickle")
    for _ in range(6):
        engine.step()
        engine.save()
    steps, rest = left_in(folder)
    assert (steps[0], rest) == (6, set())
    assert 1 <= len(steps) < 4
    engine.step()
    engine.save("disk")
    (small_disk / "other").write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 1_300_000))
    engine.step()
    with pytest.raises(CheckpointError, match="bytes are free and about"):
        engine.save()
    assert left_in(folder) == ([7], set())


def test_room_is_not_made_of_the_only_one_that_is_whole(make_engine, folder):
    engine = make_engine()
    engine.register("state", {"i": 1})
    for _ in range(3):
        engine.step()
        engine.save()
    newest = list_checkpoints(folder)[0].path
    (newest / "state.json").write_text("torn")
    make_room(folder, 10**18)
    assert [one.manifest.step for one in list_checkpoints(folder)] == [3, 2]


@pytest.mark.parametrize("path", ["../../secret", "/etc/passwd", "a\\b", "C:x", ""])
def test_a_manifest_that_leads_elsewhere_is_none(engine, folder, path):
    import json
    from dataclasses import replace

    found = list_checkpoints(folder)[0]
    item = replace(found.manifest.items[0], files=(replace(found.manifest.items[0].files[0], path=path),))
    (found.path / MANIFEST).write_bytes(replace(found.manifest, items=(item,)).dumps())
    assert json.loads((found.path / MANIFEST).read_bytes())
    assert list_checkpoints(folder) == []


def test_a_link_in_a_checkpoint_is_not_followed(engine, folder, tmp_path):
    found = list_checkpoints(folder)[0]
    shutil.copy(found.path / "state.json", tmp_path / "elsewhere")
    (found.path / "state.json").unlink()
    (found.path / "state.json").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in find_fault(found.path, found.manifest)


def test_a_pickle_is_not_loaded_by_another_name(make_engine, folder, tmp_path):
    """Whoever writes the manifest chooses the format; none that can run code is read without trust."""
    import pickle
    from dataclasses import replace

    from vigilo.checkpoint.manifest import StoredFile, StoredItem, file_sha256

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    engine = make_engine()
    engine.register("state", {"i": 1})
    engine.save()
    found = list_checkpoints(folder)[0]
    path = found.path / "state.json"
    path.write_bytes(pickle.dumps(Evil()))
    stored = StoredFile("state.json", path.stat().st_size, file_sha256(path))
    for kind in ("plain", "pickle", "joblib", "torch-pickle", "numpy", "yaml", "_random"):
        items = (StoredItem("state", kind, "state.json", (stored,)),)
        if kind == "_random":
            items = (StoredItem("_random", "pickle", "state.json", (stored,)),)
        (found.path / MANIFEST).write_bytes(replace(found.manifest, items=items).dumps())
        with pytest.raises(CheckpointError):
            engine.resume(strict=kind != "_random")
        assert not (tmp_path / "pwned").exists()
