"""Segments appear whole or not at all, under names that nobody else writes."""

import os
import re
import stat
import threading
import time

import pytest
import zstandard

from vigilo_exporter.spool import Spool

NAME = re.compile(r"\d{20}-(\d+)-([0-9a-f]{8})-\d+-1\.otel_traces\.native\.zst")


def content(path):
    return zstandard.decompress(path.read_bytes())


def test_a_segment_lies_under_its_name_when_write_returns(home):
    spool = Spool(home)
    before_ns = time.time_ns()
    name = spool.write("otel_traces", b"rows", 1)
    assert NAME.fullmatch(name)[1] == str(os.getpid())
    assert before_ns <= int(name[:20]) <= time.time_ns()
    assert os.listdir(home / "spool") == [name]
    assert content(home / "spool" / name) == b"rows"


def test_folders_and_segments_are_for_their_owner_only(home):
    home = home / "below" / "it"
    name = Spool(home).write("otel_traces", b"rows", 1)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "spool", home / "spool" / name)]
    assert modes == [0o700, 0o700, 0o600]


def test_segments_are_listed_in_the_order_of_writing_and_nothing_else_is(home):
    spool = Spool(home)
    assert (spool.segments(), spool.size_bytes) == ([], 0)
    names = [spool.write("otel_traces", b"%d" % number, 1) for number in range(12)]
    for other in ("1-2-3.otel_logs.native.zst.tmp", "1.otel_traces.manifest"):
        (home / "spool" / other).write_bytes(b"other")
    assert [path.name for path in spool.segments()] == names
    assert spool.size_bytes == sum(path.stat().st_size for path in spool.segments())


def test_a_home_that_was_cleared_is_made_again(home):
    spool = Spool(home)
    first = spool.write("otel_traces", b"1", 1)
    (home / "spool" / first).unlink()
    (home / "spool").rmdir()
    home.rmdir()
    assert [path.name for path in spool.segments()] == []
    second = spool.write("otel_traces", b"2", 1)
    assert [path.name for path in spool.segments()] == [second]


def test_what_dead_writers_left_is_swept_and_what_is_being_written_is_not(home):
    spool = Spool(home)
    kept = spool.write("otel_traces", b"rows", 1)
    left, young = (home / "spool" / f"{number}.otel_logs.native.zst.tmp" for number in (1, 2))
    left.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(left, (time.time() - 120,) * 2)
    os.utime(home / "spool" / kept, (time.time() - 120,) * 2)
    assert spool.sweep_temporary(older_than_s=60) == 1
    assert sorted(os.listdir(home / "spool")) == sorted([kept, young.name])


def test_sweeping_a_spool_that_is_not_there_does_nothing(home):
    assert Spool(home).sweep_temporary() == 0


def test_a_disk_that_refuses_raises_and_leaves_nothing(home):
    home.mkdir()
    (home / "spool").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="spool"):
        Spool(home).write("otel_traces", b"rows", 1)
    assert os.listdir(home) == ["spool"]


FULL_DISK = """
import os, resource, sys
from pathlib import Path
from vigilo_exporter.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.write("otel_traces", b"fits", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    spool.write("otel_traces", os.urandom(5000), 1)
except OSError as error:
    print(type(error).__name__)
"""


def test_a_segment_that_does_not_fit_leaves_nothing(home, python):
    done = python("-c", FULL_DISK, home)
    assert done.stdout == "OSError\n", done.stderr
    [segment] = Spool(home).segments()
    assert os.listdir(home / "spool") == [segment.name]
    assert content(segment) == b"fits"


def test_threads_share_a_spool(home):
    spool = Spool(home)
    written = []

    def write(thread):
        for number in range(25):
            block = f"{thread}:{number}".encode()
            written.append((spool.write("otel_traces", block, 1), block))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(dict(written)) == 200
    assert {path.name: content(path) for path in spool.segments()} == dict(written)


FORK = """
import os, sys
from pathlib import Path
from vigilo_exporter.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.write("otel_traces", b"before", 1)
child = os.fork()
for number in range(5):
    spool.write("otel_traces", b"child" if child == 0 else b"parent", 1)
if child == 0:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(os.getpid(), child)
"""


def test_a_forked_child_writes_names_of_its_own(home, python):
    done = python("-c", FORK, home)
    assert done.returncode == 0, done.stderr
    parent, child = done.stdout.split()
    by_writer = {}
    for path in Spool(home).segments():
        pid, instance = NAME.fullmatch(path.name).groups()
        by_writer.setdefault((pid, instance), []).append(content(path))
    assert {pid: blocks for (pid, _), blocks in by_writer.items()} == {
        parent: [b"before", *[b"parent"] * 5],
        child: [b"child"] * 5,
    }
    assert len({instance for _, instance in by_writer}) == 2


def test_two_spools_of_one_process_never_write_the_same_name(home):
    first, second = Spool(home), Spool(home)
    names = [spool.write("otel_traces", b"rows", 1) for _ in range(20) for spool in (first, second)]
    assert len(set(names)) == 40
    assert len({NAME.fullmatch(name)[2] for name in names}) == 2


WRITER = """
import sys
from pathlib import Path
from vigilo_exporter.spool import Spool
spool = Spool(Path(sys.argv[1]))
for number in range(100):
    spool.write("otel_traces", f"{sys.argv[2]}:{number};".encode() * 2000, 1)
"""


def test_a_reader_beside_three_writing_processes_sees_whole_segments_only(home, python):
    writers = [threading.Thread(target=python, args=("-c", WRITER, home, writer)) for writer in "abc"]
    for writer in writers:
        writer.start()
    spool = Spool(home)
    seen = {}
    running = True
    while running:
        running = any(writer.is_alive() for writer in writers)
        for path in spool.segments():
            if path.name not in seen:
                seen[path.name] = content(path)  # a cut-off one would raise
        time.sleep(0.005)
    expected = {f"{writer}:{number};".encode() * 2000 for writer in "abc" for number in range(100)}
    assert len(seen) == 300
    assert set(seen.values()) == expected
