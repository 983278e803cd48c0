"""The shared snapshot: one look for all, and nobody waits long for a driver that hangs."""

from __future__ import annotations

import os
import sys
import threading
from textwrap import dedent
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from vigilo.gauges import snapshot as snapshots
from vigilo.gauges.samples import DeviceSample
from vigilo.gauges.snapshot import Snapshot, find_samplers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vigilo.gauges.samples import Sampler

BOUND_S = 20.0


class Sampler_:  # noqa: N801 - the protocol has the name
    """One device whose memory tells how often it was looked at."""

    def __init__(self, device_id: str = "GPU-1") -> None:
        self.attributes = {"hw.id": device_id}
        self.looks: list[bool] = []
        self.opened = 0
        self.is_there = True
        self.is_closed = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    def open(self) -> bool:
        self.opened += 1
        return self.is_there

    def sample(self, *, memory_only: bool = False) -> list[DeviceSample]:
        self.looks.append(memory_only)
        self.may_answer.wait(BOUND_S)
        if self.error is not None:
            raise self.error
        return [DeviceSample(self.attributes["hw.id"], self.attributes, memory_used_bytes=len(self.looks))]

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def sampler() -> Iterator[Sampler_]:
    made = Sampler_()
    yield made
    made.may_answer.set()


@pytest.fixture
def snapshot_of() -> Iterator[Callable[..., Snapshot]]:
    """Makes snapshots that end with the test."""
    made: list[Snapshot] = []

    def make(*samplers: Sampler, **options: float) -> Snapshot:
        made.append(Snapshot(lambda: samplers, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(condition: Callable[[], object]) -> None:
    end_s = monotonic() + BOUND_S
    while not condition():
        assert monotonic() < end_s, "it never came"
        sleep(0.005)


def test_all_who_ask_at_a_time_share_one_look(snapshot_of: Callable[..., Snapshot], sampler: Sampler_) -> None:
    snapshot = snapshot_of(sampler, ttl_s=BOUND_S, budget_s=BOUND_S)
    seen: list[list[DeviceSample]] = []
    threads = [threading.Thread(target=lambda: seen.append(snapshot.devices())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[one.memory_used_bytes for one in devices] for devices in seen] == [[1]] * 8
    assert sampler.looks == [False]


def test_a_look_is_made_anew_when_it_is_old(snapshot_of: Callable[..., Snapshot], sampler: Sampler_) -> None:
    snapshot = snapshot_of(sampler, ttl_s=0.0, budget_s=BOUND_S)
    assert [snapshot.devices()[0].memory_used_bytes for _ in range(3)] == [1, 2, 3]


def test_memory_is_looked_at_alone_and_each_time(snapshot_of: Callable[..., Snapshot], sampler: Sampler_) -> None:
    snapshot = snapshot_of(sampler, ttl_s=BOUND_S, budget_s=BOUND_S)
    assert [snapshot.memory()[0].memory_used_bytes for _ in range(2)] == [1, 2]
    assert snapshot.devices()[0].memory_used_bytes == 3
    assert sampler.looks == [True, True, False]


def test_while_a_driver_hangs_the_last_look_is_given_and_only_one_waits(
    snapshot_of: Callable[..., Snapshot], sampler: Sampler_
) -> None:
    snapshot = snapshot_of(sampler, ttl_s=0.0, budget_s=BOUND_S)
    assert snapshot.devices()
    snapshot._budget_s = 0.5
    sampler.may_answer.clear()
    asked_s = monotonic()
    seen = [snapshot.devices() for _ in range(200)]  # as many instruments: together they wait the budget, once
    assert {len(devices) for devices in seen} == {1}
    assert monotonic() - asked_s < BOUND_S  # each for itself would wait a hundred seconds
    assert len(sampler.looks) == 2
    sampler.may_answer.set()
    until(lambda: (snapshot.devices()[0].memory_used_bytes or 0) >= 2)


def test_after_a_minute_without_an_answer_devices_are_failed(
    snapshot_of: Callable[..., Snapshot], sampler: Sampler_, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = snapshot_of(sampler, ttl_s=0.0, budget_s=BOUND_S)
    assert snapshot.devices()
    snapshot._budget_s = 0.05
    sampler.may_answer.clear()
    assert [one.state for one in snapshot.devices()] == ["ok"]
    now_s = monotonic()
    monkeypatch.setattr(snapshots, "monotonic", lambda: now_s + snapshots.STALE_S + 1)
    (device,) = snapshot.devices()
    assert (device.state, device.memory_used_bytes, device.attributes) == ("failed", None, sampler.attributes)


def test_a_slow_look_a_minute_after_the_last_is_no_failure(
    snapshot_of: Callable[..., Snapshot], sampler: Sampler_, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = snapshot_of(sampler, ttl_s=0.0, budget_s=BOUND_S)
    assert snapshot.devices()
    snapshot._budget_s = 0.05
    sampler.may_answer.clear()
    now_s = monotonic()
    monkeypatch.setattr(snapshots, "monotonic", lambda: now_s + snapshots.STALE_S + 1)  # an export's interval later
    (device,) = snapshot.devices()
    assert (device.state, device.memory_used_bytes) == ("ok", 1)


@pytest.mark.parametrize("ask", [Snapshot.devices, Snapshot.memory])
def test_where_no_thread_can_begin_the_next_who_asks_tries_again(
    snapshot_of: Callable[..., Snapshot],
    sampler: Sampler_,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[Snapshot], list[DeviceSample]],
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    snapshot = snapshot_of(sampler, ttl_s=0.0, budget_s=BOUND_S)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert [ask(snapshot) for _ in range(2)] == [[], []]
    assert len(ask(snapshot)) == 1


def test_a_sampler_that_fails_is_told_of_and_the_others_are_seen(
    snapshot_of: Callable[..., Snapshot], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    broken, good = Sampler_("GPU-broken"), Sampler_()
    broken.error = ArithmeticError("somebody else's fault")
    snapshot = snapshot_of(broken, good, ttl_s=0.0, budget_s=BOUND_S)
    for _ in range(3):
        assert [one.id for one in snapshot.devices()] == ["GPU-1"]
    assert caplog.text.count("ArithmeticError") == 1
    assert "somebody" not in caplog.text


def test_where_no_device_is_found_it_is_looked_for_once_a_minute(
    snapshot_of: Callable[..., Snapshot], sampler: Sampler_, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler.is_there = False
    snapshot = snapshot_of(sampler, ttl_s=0.0, budget_s=BOUND_S)
    assert [snapshot.devices() for _ in range(5)] == [[]] * 5
    assert sampler.opened == 1
    sampler.is_there = True
    now_s = monotonic()
    monkeypatch.setattr(snapshots, "monotonic", lambda: now_s + 2 * snapshots.REOPEN_S)
    assert [one.id for one in snapshot.devices()] == ["GPU-1"]
    assert sampler.opened == 2


def test_closing_lets_go_of_the_driver_and_ends_the_thread(
    snapshot_of: Callable[..., Snapshot], sampler: Sampler_
) -> None:
    snapshot = snapshot_of(sampler, ttl_s=0.0, budget_s=BOUND_S)
    snapshot.devices()
    snapshot.close()
    until(lambda: sampler.is_closed)
    assert snapshot.devices()  # the last look: nothing is asked for it
    assert len(sampler.looks) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_sees_nothing_and_asks_nobody(snapshot_of: Callable[..., Snapshot], sampler: Sampler_) -> None:
    snapshot = snapshot_of(sampler, ttl_s=0.0, budget_s=BOUND_S)
    assert snapshot.devices()
    with snapshot._changed:  # as another thread of the parent may hold it
        child = os.fork()
        if child == 0:
            os._exit(0 if snapshot.devices() == snapshot.memory() == [] and len(sampler.looks) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_samplers_of_other_packages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "vigilo_test_tpu-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: vigilo-test-tpu\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[vigilo_gpu_sampler]\ntpu = vigilo_test_tpu:Tpu\nbroken = vigilo_test_tpu:NotThere\n"
    )
    (tmp_path / "vigilo_test_tpu.py").write_text(
        dedent("""
        from vigilo.gauges.samples import DeviceSample

        class Tpu:
            def open(self):
                return True
            def sample(self, *, memory_only=False):
                return [DeviceSample("tpu-0", {"hw.id": "tpu-0", "hw.vendor": "Google"})]
            def close(self):
                pass
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        found = find_samplers()
        assert [one.sample()[0].id for one in found if type(one).__name__ == "Tpu"] == ["tpu-0"]
    finally:
        sys.modules.pop("vigilo_test_tpu", None)
