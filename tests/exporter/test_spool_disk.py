"""A disk that is full, read-only or gone costs the segment that was to be written, which is counted: nothing else."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time

import pytest
import zstandard

from vigilo_exporter.spool import Spool, SpoolLimits

SCRIPT = """
import errno, os, sys
from pathlib import Path
from vigilo_exporter.spool import Segment, Spool, SpoolLimits
home = Path(sys.argv[1])
"""

FULL = """
spool = Spool(home, SpoolLimits(max_bytes=10**9))
written, failed = [], 0
while failed < 3:
    try:
        written.append(spool.write("otel_traces", os.urandom(20_000), 5))
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        failed += 1
assert len(written) > 5
assert sorted(os.listdir(spool.folder)) == written, os.listdir(spool.folder)
[lost] = spool.drops()
assert (lost.table, lost.segments, lost.rows, lost.reason) == ("otel_traces", 3, 15, os.strerror(errno.ENOSPC)), lost
for name in written[:2]:
    (spool.folder / name).unlink()  # delivered
written.append(spool.write("otel_traces", b"fits again", 1))
assert Spool(home).drops() == [lost], Spool(home).drops()
assert [path.name for path in spool.segments()] == written[2:]
print("survived")
"""


def has_namespaces():
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


def on_a_small_disk(home, code, size):
    """Runs code whose home is on a disk of its own, which is gone when it ends."""
    home.mkdir()
    mounted = f'mount -t tmpfs -o size={size} none "$1" && exec "$2" -c "$3" "$1"'
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, "sh", str(home), sys.executable, SCRIPT + code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=60,
    )


@pytest.mark.skipif(not has_namespaces(), reason="no small disk can be mounted here without `unshare -rm`")
def test_a_full_disk_is_survived_and_counted(home):
    done = on_a_small_disk(home, FULL, "256k")
    assert (done.stdout, done.stderr) == ("survived\n", "")


FULL_OF_OLD = """
spool = Spool(home, SpoolLimits(max_bytes=100_000))
(home / "ballast").write_bytes(bytes(100_000))
for number in range(60):
    try:
        spool.write("otel_traces", os.urandom(20_000), 1)
    except OSError as error:
        assert error.errno == errno.ENOSPC
lost = sum(drop.segments for drop in spool.drops())
assert lost + len(spool.segments()) == 60, (lost, len(spool.segments()))
assert spool.size_bytes <= 100_000
print("survived")
"""


@pytest.mark.skipif(not has_namespaces(), reason="no small disk can be mounted here without `unshare -rm`")
@pytest.mark.parametrize("size", ["128k", "196k", "200k", "204k", "256k"])
def test_each_segment_is_counted_where_limits_and_a_full_disk_meet(home, size):
    done = on_a_small_disk(home, FULL_OF_OLD, size)
    assert done.stdout == "survived\n", done.stderr


READ_ONLY = """
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)  # root may write everywhere
spool = Spool(home, SpoolLimits(max_bytes=10**9, max_age_days=1))
for _ in range(2):
    try:
        spool.write("otel_traces", b"rows", 4)
    except PermissionError as error:
        print(type(error).__name__, error.strerror)
print([(drop.segments, drop.rows, drop.reason) for drop in spool.drops()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no modes there")
def test_a_read_only_folder_is_survived_and_counted(home, tmp_path, python):
    spool = home / "spool"
    spool.mkdir(parents=True)
    for folder, mode in ((spool, 0o555), *((folder, 0o755) for folder in (home, *home.parents[:3]))):
        folder.chmod(mode)
    done = python("-c", SCRIPT + READ_ONLY, home)
    assert done.stdout == "PermissionError Permission denied\n" * 2 + "[(2, 8, 'Permission denied')]\n", done.stderr
    assert os.listdir(spool) == []


def test_a_folder_that_is_deleted_again_and_again_costs_no_writer_anything(home):
    spool = Spool(home, SpoolLimits(max_bytes=10**6, max_age_days=30, fsync=True))
    stop = threading.Event()

    def clear():
        while not stop.is_set():
            shutil.rmtree(home, ignore_errors=True)
            time.sleep(random.uniform(0, 0.01))  # some writes come through, others meet with it

    thread = threading.Thread(target=clear)
    thread.start()
    written = failed = 0
    try:
        for _ in range(300):
            try:
                spool.write("otel_traces", b"rows", 1)
                written += 1
            except (FileNotFoundError, FileExistsError):  # the folder went away in the middle
                failed += 1
    finally:
        stop.set()
        thread.join()
    assert written > 0
    shutil.rmtree(home, ignore_errors=True)  # what came after the last time
    last = spool.write("otel_traces", b"the last", 1)
    assert [path.name for path in spool.segments()] == [last]
    assert sum(drop.segments for drop in spool.drops()) <= failed + written


def test_a_cleared_home_takes_the_next_segment_at_once(home):
    spool = Spool(home, SpoolLimits(max_bytes=10**6))
    for number in range(3):
        name = spool.write("otel_traces", b"%d" % number, 1)
        assert os.listdir(home / "spool") == [name]
        shutil.rmtree(home)


def test_where_no_folder_can_be_the_loss_is_told(home):
    home.mkdir()
    (home / "spool").write_text("a file where the folder should be")
    spool = Spool(home, SpoolLimits(max_bytes=1, max_age_days=1))
    with pytest.raises(OSError):
        spool.write("otel_traces", b"rows", 6)
    assert [(drop.segments, drop.rows) for drop in spool.drops()] == [(1, 6)]
    assert os.listdir(home) == ["spool"]


def test_with_fsync_segments_are_as_without(home):
    spool = Spool(home, SpoolLimits(fsync=True))
    name = spool.write("otel_traces", b"rows", 1)
    assert os.listdir(home / "spool") == [name]
    assert zstandard.decompress((home / "spool" / name).read_bytes()) == b"rows"


FORCES = """
forced = []
fsync = os.fsync

def force(descriptor):
    forced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
    fsync(descriptor)

os.fsync = force
name = Spool(home, SpoolLimits(fsync=True)).write("otel_traces", b"rows", 1)
assert forced == [home.name, name + ".tmp", "spool"], forced
forced.clear()
Spool(home).write("otel_traces", b"rows", 1)
assert forced == []
"""


@pytest.mark.skipif(sys.platform != "linux", reason="says by /proc what was forced")
def test_fsync_forces_the_file_and_then_its_folder_and_only_on_the_setting(home, python):
    done = python("-c", SCRIPT + FORCES, home)
    assert done.returncode == 0, done.stderr
