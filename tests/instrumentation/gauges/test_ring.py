"""The ring: peaks for each reader, looks for all who listen, one thread."""

from __future__ import annotations

import os
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from vigilo.gauges import ring as rings
from vigilo.gauges.ring import MAX_READERS, Peaks, Ring
from vigilo.gauges.samples import DeviceSample
from vigilo.gauges.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUND_S = 20.0
INTERVAL_S = 0.002


class Script:
    """A device that goes through what was written for it, and stays at the last of it."""

    def __init__(self) -> None:
        self.looks: list[tuple[int | None, float | None]] = [(100, 0.5)]
        self.count = 0

    def open(self) -> bool:
        return True

    def sample(self, *, memory_only: bool = False) -> list[DeviceSample]:
        self.count += 1
        used, utilization = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [DeviceSample("GPU-1", {}, memory_used_bytes=used, utilization=utilization)]

    def close(self) -> None:
        pass

    def go_through(self, *looks: tuple[int | None, float | None]) -> None:
        """Waits until it has gone through these; then it is as before."""
        last = self.looks[-1]
        self.looks = [last, *looks, last]
        end_s = monotonic() + BOUND_S
        while len(self.looks) > 1:
            assert monotonic() < end_s, "nobody looks"
            sleep(INTERVAL_S)
        count = self.count
        while self.count < count + 2:  # what was looked at is also counted
            assert monotonic() < end_s, "nobody looks"
            sleep(INTERVAL_S)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def ring(script: Script) -> Iterator[Ring]:
    snapshot = Snapshot(lambda: [script], budget_s=BOUND_S)
    made = Ring(snapshot, INTERVAL_S)
    yield made
    made.stop()
    snapshot.close()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vigilo-peaks"]


def test_nothing_runs_until_somebody_reads_or_listens(ring: Ring) -> None:
    assert threads() == []
    assert ring.peaks("otlp") == {}
    ring.listen(lambda *_: None)
    assert len(threads()) == 1


def test_each_reader_has_the_peaks_since_it_last_asked(ring: Ring, script: Script) -> None:
    ring.peaks("otlp"), ring.peaks("prometheus")
    script.go_through((900, 1.0), (50, 0.0))
    peaks = ring.peaks("otlp")["GPU-1"]
    assert (peaks.max_bytes, peaks.max_utilization) == (900, 1.0)
    assert peaks.mean_utilization is not None
    assert 0.0 < peaks.mean_utilization < 1.0
    script.go_through((300, 0.7))
    assert ring.peaks("otlp")["GPU-1"][:2] == (300, 0.7)
    assert ring.peaks("prometheus")["GPU-1"][:2] == (900, 1.0)


def test_what_a_device_does_not_tell_has_no_peak(ring: Ring, script: Script) -> None:
    script.looks = [(None, None)]
    ring.peaks("otlp")
    script.go_through((None, None))
    assert ring.peaks("otlp")["GPU-1"] == Peaks(None, None, None)


def test_who_listens_is_told_of_each_look_until_it_does_not(ring: Ring, script: Script) -> None:
    told: list[tuple[float, int | None]] = []

    def listener(monotonic_s: float, samples: list[DeviceSample]) -> None:
        told.append((monotonic_s, samples[0].memory_used_bytes))

    ring.listen(listener)
    ring.listen(listener)
    script.go_through((1, None), (2, None), (3, None))
    times, used = zip(*told, strict=True)
    assert list(times) == sorted(set(times))
    assert [one for one in used if one != 100] == [1, 2, 3]
    ring.unlisten(listener)
    ring.peaks("otlp")
    script.go_through((4, None))
    assert 4 not in [one for _, one in told]


def test_readers_that_do_not_come_back_are_forgotten(ring: Ring) -> None:
    for number in range(3 * MAX_READERS):
        ring.peaks(number)
    assert len(ring._readers) == MAX_READERS


def test_an_interval_of_0_looks_never(script: Script) -> None:
    snapshot = Snapshot(lambda: [script])
    still = Ring(snapshot, 0.0)
    still.listen(lambda *_: None)
    assert still.peaks("otlp") == {}
    assert threads() == []


def test_it_stops(ring: Ring, script: Script) -> None:
    ring.listen(lambda *_: None)
    script.go_through()
    ring.stop()
    assert threads() == []


def test_nobody_is_looked_for_when_nobody_asks(ring: Ring, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings, "NOBODY_S", 0.0)
    ring.peaks("otlp")
    end_s = monotonic() + BOUND_S
    while not script.count:
        assert monotonic() < end_s
        sleep(INTERVAL_S)
    sleep(20 * INTERVAL_S)
    assert script.count == 1  # the next comes in a minute,
    ring.listen(lambda *_: None)  # or now
    script.go_through((1, None))


def test_where_no_thread_can_begin_the_next_who_asks_tries_again(
    ring: Ring, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert ring.peaks("otlp") == {}
    ring.peaks("otlp")
    script.go_through((900, 1.0))
    assert ring.peaks("otlp")["GPU-1"].max_bytes == 900


def test_a_look_that_fails_does_not_end_it(ring: Ring, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    inner, failed = ring._snapshot.memory, threading.Event()

    def memory() -> list[DeviceSample]:
        if failed.is_set():
            return inner()
        failed.set()
        raise ArithmeticError

    monkeypatch.setattr(ring._snapshot, "memory", memory)
    told: list[int] = []
    ring.listen(lambda _, samples: told.append(len(samples)))
    script.go_through((900, 1.0))
    assert told[:2] == [0, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_no_thread_and_no_peaks(ring: Ring, script: Script) -> None:
    ring.peaks("otlp")
    script.go_through()
    with ring._lock:
        child = os.fork()
        if child == 0:
            ring.listen(lambda *_: None)
            os._exit(0 if ring.peaks("otlp") == {} and threads() == [] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
