"""The spool keeps to its limits: the oldest goes, is counted, and nothing that is being delivered goes."""

import json
import logging
import os
import threading
import time
from collections import Counter

import pytest
import zstandard

from vigilo_exporter import native
from vigilo_exporter.spool import Drop, Segment, Spool, SpoolLimits

DAY_NS = 86_400 * 10**9
BLOCK = os.urandom(1000)  # zstd makes nothing smaller of it
SIZE = len(zstandard.compress(BLOCK, 1))


def names(home):
    return sorted(name for name in os.listdir(home / "spool") if Segment.parse(name))


def aged(home, days, table="otel_traces", rows=7, content=BLOCK, folder="spool"):
    """A segment that was written days ago."""
    (home / folder).mkdir(parents=True, exist_ok=True)
    segment = Segment(time.time_ns() - int(days * DAY_NS), 1, "0123abcd", len(os.listdir(home / folder)), rows, table)
    (home / folder / segment.name).write_bytes(zstandard.compress(content, 1))
    return segment.name


def manifest(home, *segments):
    path = home / "spool" / "00000000000000000001-1.otel_traces.manifest"
    path.write_text(json.dumps({"table": "otel_traces", "segments": segments}))


def told(drops):
    return [(one.table, one.segments, one.rows, one.bytes, one.reason) for one in drops]


def test_the_oldest_go_until_there_is_some_room(home):
    spool = Spool(home, SpoolLimits(max_bytes=20 * SIZE))
    written = [spool.write("otel_traces", BLOCK, 3) for _ in range(21)]
    assert names(home) == written[2:]  # 21 are too many, and 19 leave the room of one
    assert told(spool.drops()) == [("otel_traces", 2, 6, 2 * SIZE, f"more than spool_max_bytes ({20 * SIZE})")]
    written.append(spool.write("otel_traces", BLOCK, 3))
    assert names(home) == written[2:]


def test_what_is_too_old_goes_and_is_counted_by_table(home):
    for days in (40, 35):
        aged(home, days)
    aged(home, 31, table="otel_logs", rows=2)
    young = aged(home, 29)
    spool = Spool(home, SpoolLimits(max_age_days=30))
    new = spool.write("otel_logs", BLOCK, 1)
    assert names(home) == [young, new]
    reason = "older than spool_max_age_days (30)"
    assert told(spool.drops()) == [("otel_traces", 2, 14, 2 * SIZE, reason), ("otel_logs", 1, 2, SIZE, reason)]
    assert told(Spool(home).drops()) == told(spool.drops())  # on disk


def test_without_limits_nothing_goes(home):
    old = aged(home, 4000)
    spool = Spool(home)
    written = [spool.write("otel_traces", BLOCK, 1) for _ in range(50)]
    assert (names(home), spool.drops()) == ([old, *written], [])


def test_what_a_manifest_names_never_goes(home):
    begun = [aged(home, 40), aged(home, 39)]
    waiting = aged(home, 38)
    manifest(home, *begun)
    spool = Spool(home, SpoolLimits(max_bytes=SIZE, max_age_days=30))
    spool.write("otel_traces", BLOCK, 1)
    assert names(home) == begun
    assert set(spool.begun()) == set(begun)
    assert sum(one.segments for one in spool.drops()) == 2
    assert waiting not in spool.begun()
    for _ in range(3):  # too much, and nothing that may go
        spool.write("otel_traces", BLOCK, 1)
    assert set(begun) <= set(names(home))


def test_a_broken_manifest_holds_nothing(home):
    (home / "spool").mkdir(parents=True)
    for number, content in enumerate((b"", b"[]", b'{"segments": 7}', b"\xff")):
        (home / "spool" / f"{number}.otel_traces.manifest").write_bytes(content)
    aged(home, 40)
    spool = Spool(home, SpoolLimits(max_age_days=30))
    new = spool.write("otel_traces", BLOCK, 1)
    assert (names(home), spool.begun()) == ([new], {})


def test_nothing_goes_while_somebody_names_segments_in_a_manifest(home):
    old = aged(home, 40)
    spool = Spool(home, SpoolLimits(max_age_days=30))
    with Spool(home).locked():
        new = spool.write("otel_traces", BLOCK, 1)
        assert names(home) == [old, new]
        manifest(home, old)
    later = Spool(home, SpoolLimits(max_age_days=30)).write("otel_traces", BLOCK, 1)
    assert names(home) == [old, new, later]


def test_the_lock_is_waited_for_so_long_and_no_longer(home):
    spool = Spool(home)
    spool.write("otel_traces", BLOCK, 1)
    with spool.locked(), pytest.raises(TimeoutError, match="lock"), Spool(home).locked(0.05):
        pass
    with spool.locked(0):
        pass


def test_an_older_name_has_its_rows_counted(home):
    columns = [("n", "UInt64")]
    rows = list(range(300))
    for content, table in ((native.block(columns, [rows]), "otel_traces"), (b"", "otel_logs"), (b"\x01", "otel_logs")):
        aged(home, 40, table=table, rows=None, content=content)
    (home / "spool" / Segment(5, 1, "0123abcd", 9, None, "otel_logs").name).write_bytes(b"no zstd")
    spool = Spool(home, SpoolLimits(max_age_days=30))
    spool.write("otel_traces", BLOCK, 1)
    assert {one.table: (one.segments, one.rows) for one in spool.drops()} == {
        "otel_traces": (1, 300),
        "otel_logs": (3, 0),
    }


def test_quarantine_has_the_same_limits_by_itself_and_foreign_files_stay(home):
    parked = [aged(home, days, folder="spool/quarantine") for days in (40, 2, 1)]
    (home / "spool" / "quarantine" / "holiday.jpg").write_bytes(BLOCK * 30)
    spool = Spool(home, SpoolLimits(max_bytes=int(1.2 * SIZE), max_age_days=30))
    new = spool.write("otel_traces", BLOCK, 1)
    assert names(home) == [new]
    assert [piece.name for piece in spool.quarantined()] == [parked[2], "holiday.jpg"]
    assert sum(one.segments for one in spool.drops()) == 2


def test_what_was_dropped_is_logged_once_in_a_while(home, caplog):
    spool = Spool(home, SpoolLimits(max_bytes=3 * SIZE))
    with caplog.at_level(logging.WARNING, "vigilo"):
        for _ in range(30):
            spool.write("otel_traces", BLOCK, 5)
    [record] = [one for one in caplog.records if one.name == "vigilo" and one.thread == threading.get_ident()]
    assert "10 rows of telemetry in 2 segments were dropped" in record.getMessage()
    assert "spool_max_bytes" in record.getMessage()
    assert sum(one.segments for one in spool.drops()) + len(names(home)) == 30


def test_a_long_list_of_drops_is_summed_up(home):
    spool = Spool(home, SpoolLimits(max_bytes=1))
    (home / "spool").mkdir(parents=True)
    lines = [
        {"at": f"2026-01-{day:02}", "table": "otel_logs", "segments": 1, "rows": 2, "bytes": 3, "reason": "old"}
        for day in range(1, 29)
    ]
    with (home / "spool" / "dropped.jsonl").open("w") as file:
        for _ in range(100):
            file.writelines(json.dumps(line) + "\n" for line in lines)
        file.write("cut off in the mid")
    spool.write("otel_traces", BLOCK, 9)
    drops = spool.drops()
    assert len(drops) < 300
    logs = [one for one in drops if one.table == "otel_logs"]
    assert [sum(getattr(one, name) for one in logs) for name in ("segments", "rows", "bytes")] == [2800, 5600, 8400]
    assert drops[0] == Drop("2026-01-28", "otel_logs", *[drops[0].segments * n for n in (1, 2, 3)], "old")
    assert told(drops)[-1][:3] == ("otel_traces", 1, 9)
    assert os.listdir(home / "spool") != []


def test_threads_drop_each_segment_once(home):
    spool = Spool(home, SpoolLimits(max_bytes=10 * SIZE))

    def write():
        for _ in range(50):
            spool.write("otel_traces", BLOCK, 1)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.write("otel_traces", BLOCK, 1)
    assert sum(one.segments for one in spool.drops()) + len(names(home)) == 401
    assert sum(one.rows for one in spool.drops()) + len(names(home)) == 401


WRITER = """
import os, sys
from pathlib import Path
from vigilo_exporter.spool import Spool, SpoolLimits
spool = Spool(Path(sys.argv[1]), SpoolLimits(max_bytes=20_000))
for _ in range(3):
    os.fork()  # eight processes
for number in range(40):
    spool.write("otel_traces", os.urandom(1000), 1)
try:
    while not os.wait()[1]:
        pass
    sys.exit("a child failed")
except ChildProcessError:
    pass
"""


def test_processes_drop_each_segment_once(home, python):
    done = [None] * 2
    threads = [
        threading.Thread(target=lambda place=place: done.__setitem__(place, python("-c", WRITER, home)))
        for place in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.returncode for one in done] == [0, 0], done
    assert all("were dropped" in line for one in done for line in one.stderr.splitlines())
    spool = Spool(home, SpoolLimits(max_bytes=20_000))
    spool.write("otel_traces", BLOCK, 1)  # whoever comes next brings it within the limits
    assert sum(one.rows for one in spool.drops()) + len(names(home)) == 641
    assert Counter(one.table for one in spool.drops()).keys() == {"otel_traces"}
    assert spool.size_bytes <= 20_000


FORK_UNDER_LOCK = """
import os, sys
from pathlib import Path
from vigilo_exporter.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.write("otel_traces", b"rows", 1)
begin, go_on = os.pipe(), os.pipe()
with spool.locked():
    child = os.fork()
    if child == 0:
        os.write(begin[1], b"1")
        os.read(go_on[0], 1)  # lives on while the parent lets go
    else:
        os.read(begin[0], 1)
if child == 0:
    with spool.locked(0):
        print("child", flush=True)
    os._exit(0)
with Spool(Path(sys.argv[1])).locked(0):
    print("parent", flush=True)
os.write(go_on[1], b"1")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_child_that_is_forked_under_the_lock_does_not_keep_it(home, python):
    done = python("-c", FORK_UNDER_LOCK, home)
    assert (done.stdout, done.stderr) == ("parent\nchild\n", "")


FORKS_AND_THREADS = """
import os, sys, threading
from pathlib import Path
from vigilo_exporter.spool import Spool, SpoolLimits
spool = Spool(Path(sys.argv[1]), SpoolLimits(max_bytes=30_000))

def write():
    for _ in range(40):
        spool.write("otel_traces", os.urandom(500), 1)

threads = [threading.Thread(target=write) for _ in range(4)]
for thread in threads:
    thread.start()
children = []
for _ in range(6):  # in the middle of it, with locks held by threads that the child has not
    child = os.fork()
    if child == 0:
        write()
        os._exit(0)
    children.append(child)
for thread in threads:
    thread.join()
assert all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children)
"""


def test_forks_in_the_middle_of_writing_threads_lose_and_count_nothing_twice(home, python):
    done = python("-W", "ignore::DeprecationWarning", "-c", FORKS_AND_THREADS, home)
    assert done.returncode == 0, done.stderr
    spool = Spool(home)
    assert sum(one.segments for one in spool.drops()) + len(names(home)) == 40 * (4 + 6)
    assert len({Segment.parse(name).instance for name in names(home)}) <= 7
