from __future__ import annotations

import errno
import os

import pytest

from vigilo.notebook.drive import Drive, is_mounted, look_at_drive
from vigilo.notebook.place import Place

MOUNTS = "proc /proc proc rw 0 0\ndrive /content/drive fuse.drive rw,nosuid 0 0\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "mounts").write_text(MOUNTS)
    return tmp_path


def test_absent(tmp_path):
    assert look_at_drive(Place(tmp_path)) == Drive()


def test_mounted(root):
    (root / "content/drive/MyDrive").mkdir(parents=True)
    drive = look_at_drive(Place(root))
    assert (drive.state, drive.mounted, drive.path) == ("mounted", True, root / "content/drive/MyDrive")


def test_the_older_name_of_the_folder(root):
    (root / "content/drive/My Drive").mkdir(parents=True)
    assert look_at_drive(Place(root)).path == root / "content/drive/My Drive"


def test_a_folder_that_is_no_mount(root):
    (root / "content/drive/MyDrive").mkdir(parents=True)
    for other in ("", "overlay /content/drive overlay rw 0 0\n", "drive /content/drive2 fuse.drive rw 0 0\n", "x\n"):
        (root / "proc/self/mounts").write_text(other)
        assert not is_mounted(Place(root))
        assert look_at_drive(Place(root)).state == "stale"


@pytest.mark.parametrize(
    ("number", "state"),
    [(errno.ENOTCONN, "dead"), (errno.EIO, "dead"), (errno.ENOENT, "stale")],
)
def test_a_mount_that_fails(root, number, state):
    def stat(path):
        raise OSError(number, os.strerror(number), str(path))

    drive = look_at_drive(Place(root, stat=stat))
    assert (drive.state, drive.mounted, drive.path) == (state, False, None)


def test_the_last_time_out(root):
    logs = root / "root/.config/Google/DriveFS/Logs"
    logs.mkdir(parents=True)
    (logs / "timeouts.txt").write_text("one\ntwo\n")
    assert look_at_drive(Place(root)).last_timeout == "two"
    (logs / "timeouts.txt").write_text("")
    assert look_at_drive(Place(root)).last_timeout is None
