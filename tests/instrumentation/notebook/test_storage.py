from __future__ import annotations

import os

import pytest

from vigilo.notebook import storage
from vigilo.notebook.limits import Limit
from vigilo.notebook.place import Place
from vigilo.notebook.platform import Platform

LIMIT = Limit(1000, "documented")


def test_output_counts_files_in_all_folders_and_no_links(tmp_path):
    working = tmp_path / "kaggle/working"
    (working / "a/b").mkdir(parents=True)
    (working / "one").write_bytes(b"x" * 100)
    (working / "a/b/two").write_bytes(b"x" * 50)
    (tmp_path / "big").write_bytes(b"x" * 10_000)
    os.symlink(tmp_path / "big", working / "link")
    os.symlink(tmp_path, working / "loop")
    area = storage.output(Place(tmp_path), LIMIT)
    assert 150 <= area.used_bytes < 1000
    assert (area.limit, area.path, area.complete) == (LIMIT, working, True)


def test_output_of_very_many_files_is_not_counted_to_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "MOST_FILES", 3)
    (tmp_path / "kaggle/working").mkdir(parents=True)
    for at in range(5):
        (tmp_path / f"kaggle/working/{at}").write_bytes(b"x")
    area = storage.output(Place(tmp_path), LIMIT)
    assert (area.used_bytes, area.complete) == (3, False)


def test_no_output(tmp_path):
    assert storage.output(Place(tmp_path), LIMIT) is None


@pytest.mark.parametrize(("name", "path"), [("colab", "content"), ("kaggle", "kaggle/working")])
def test_the_disk_of_the_session(tmp_path, name, path):
    asked = []

    def disk(folder):
        asked.append(folder)
        return 100, 60, 30

    place = Place(tmp_path, disk=disk)
    assert storage.ephemeral(place, Platform(name)).path == tmp_path
    (tmp_path / path).mkdir(parents=True)
    area = storage.ephemeral(place, Platform(name))
    assert asked == [tmp_path, tmp_path / path]
    assert (area.used_bytes, area.free_bytes, area.limit) == (60, 30, Limit(100, "measured"))


def test_a_disk_that_does_not_answer(tmp_path):
    def disk(_):
        raise OSError(5, "broken")

    assert storage.ephemeral(Place(tmp_path, disk=disk), Platform("local")) is None


def test_a_real_disk(tmp_path):
    area = storage.disk(Place(), "ephemeral", tmp_path)
    assert 0 < area.free_bytes <= area.limit.value
