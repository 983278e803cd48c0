"""What cannot be delivered is set aside with the reason, and comes back when somebody says so."""

import json
import os
import stat
import threading

import pytest

from vigilo.errors import StoreError
from vigilo_exporter.spool import Spool


def test_a_segment_set_aside_does_not_wait_any_more_and_its_reason_is_kept(home):
    spool = Spool(home)
    name, other = (spool.write("otel_traces", b"rows", 1) for _ in range(2))
    size = (home / "spool" / name).stat().st_size
    assert spool.set_aside(name, "no such column: 'x'")
    assert [path.name for path in spool.segments()] == [other]
    [piece] = Spool(home).quarantined()
    assert (piece.name, piece.reason, piece.bytes) == (name, "no such column: 'x'", size)
    assert piece.at.startswith("20")
    folder = home / "spool" / "quarantine"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    [line] = (folder / "reasons.jsonl").read_text().splitlines()
    assert json.loads(line).keys() == {"at", "name", "reason"}


def test_what_is_gone_already_is_no_failure(home):
    spool = Spool(home)
    spool.write("otel_traces", b"rows", 1)
    assert not spool.set_aside("gone", "why")
    assert spool.quarantined() == []


def test_a_segment_put_back_waits_again(home):
    spool = Spool(home)
    name = spool.write("otel_traces", b"rows", 1)
    spool.set_aside(name, "first")
    spool.put_back(name)
    assert ([path.name for path in spool.segments()], spool.quarantined()) == ([name], [])
    spool.set_aside(name, "second")
    assert [piece.reason for piece in spool.quarantined()] == ["second"]


@pytest.mark.parametrize("name", ["holiday.jpg", "reasons.jsonl", "../../key", ""])
def test_what_is_no_segment_cannot_be_put_back(home, name):
    with pytest.raises(StoreError, match="is no segment"):
        Spool(home).put_back(name)


def test_what_is_not_there_cannot_be_put_back(home):
    spool = Spool(home)
    name = spool.write("otel_traces", b"rows", 1)
    with pytest.raises(StoreError, match="vigilo spool ls"):
        spool.put_back(name)


def test_foreign_files_are_set_aside_and_ours_are_not(home):
    spool = Spool(home)
    waiting, parked = (spool.write("otel_traces", b"rows", 1) for _ in range(2))
    spool.set_aside(parked, "why")
    folder = home / "spool"
    ours = [
        "1.otel_logs.native.zst.tmp",
        "1-2.otel_traces.manifest",
        "1-2.otel_traces.manifest.tmp",
        "dropped.jsonl",
        ".lock",
        ".nfs0001",
    ]
    for name in ours:
        (folder / name).touch()
    (folder / "holiday.jpg").write_bytes(b"beach")
    (folder / "1.otel_traces.native.zst").write_bytes(b"not named as we name them")
    (folder / "photos").mkdir()
    (folder / "photos" / "one.jpg").write_bytes(b"sea")
    foreign = ["1.otel_traces.native.zst", "holiday.jpg", "photos"]
    assert sorted(spool.set_foreign_aside()) == foreign
    assert sorted(os.listdir(folder)) == sorted([waiting, "quarantine", *ours])
    assert {piece.name for piece in spool.quarantined()} == {parked, *foreign}
    assert {piece.reason for piece in spool.quarantined() if piece.name != parked} == {
        "no segment: vigilo writes no file of such a name"
    }
    assert (folder / "quarantine" / "photos" / "one.jpg").read_bytes() == b"sea"
    assert spool.set_foreign_aside() == []


def test_a_second_file_of_a_name_does_not_replace_the_first(home):
    spool = Spool(home)
    spool.write("otel_traces", b"rows", 1)
    for content in (b"1", b"2", b"3"):
        (home / "spool" / "a").write_bytes(content)
        spool.set_foreign_aside()
    assert [piece.name for piece in spool.quarantined()] == ["a", "a.1", "a.2"]
    assert [(home / "spool" / "quarantine" / name).read_bytes() for name in ("a", "a.1", "a.2")] == [b"1", b"2", b"3"]


def test_files_without_a_written_reason_are_listed(home):
    folder = home / "spool" / "quarantine"
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"12345")
    (folder / "reasons.jsonl").write_text('7\n{"name": 3}\n{"na')
    [piece] = Spool(home).quarantined()
    assert (piece.name, piece.reason, piece.at, piece.bytes) == ("a", "unknown", "", 5)


def test_a_line_that_was_cut_off_costs_no_other(home):
    spool = Spool(home)
    names = [spool.write("otel_traces", b"rows", 1) for _ in range(2)]
    reasons = home / "spool" / "quarantine" / "reasons.jsonl"
    for name in names:
        spool.set_aside(name, "why")
        with reasons.open("a") as file:
            file.write('{"at": "the disk was fu')
    assert [(piece.name, piece.reason) for piece in spool.quarantined()] == [(name, "why") for name in names]


def test_threads_set_aside_at_once(home):
    spool = Spool(home)
    names = [spool.write("otel_traces", b"rows", 1) for _ in range(40)]
    moved = []

    def set_all_aside(reason):
        moved.extend((name, reason) for name in names if spool.set_aside(name, reason))

    threads = [threading.Thread(target=set_all_aside, args=(str(thread),)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name, _ in moved) == names
    assert [piece.name for piece in spool.quarantined()] == names


def test_whoever_takes_in_the_spool_sets_foreign_files_aside(home, ask):
    (home / "spool").mkdir(parents=True)
    (home / "spool" / "holiday.jpg").write_bytes(b"beach")
    assert ask("SELECT 1 AS one") == {"answers": [[{"one": 1}]], "quarantined": ["holiday.jpg"]}
    assert [piece.name for piece in Spool(home).quarantined()] == ["holiday.jpg"]
