"""The look at this very machine: what psutil says of it, with clocks and control groups of our own."""

from __future__ import annotations

import os
import threading
import time
from typing import NamedTuple

import psutil
import pytest

from vigilo.gauges import host, process
from vigilo.gauges.host import HostSnapshot
from vigilo.gauges.host_devices import Devices
from vigilo.gauges.process import ThisProcess, usable_cpus
from vigilo.notebook.place import Place


class Mount(NamedTuple):
    """What psutil tells of a mount."""

    device: str
    mountpoint: str
    fstype: str
    opts: str


class Moved(NamedTuple):
    """What psutil tells of an interface."""

    bytes_recv: int
    bytes_sent: int


class Clock:
    """A monotonic clock that goes on when it is told."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def burn(cpu_s):
    """Uses CPU time of this process until the system has counted it."""
    until_s = time.process_time() + cpu_s
    while time.process_time() < until_s:
        sum(range(1000))


def test_a_look_tells_the_machine_and_the_process(clock):
    look = HostSnapshot(monotonic_s=clock).now()
    assert look.cpus == psutil.cpu_count()
    assert look.cpu_s["user"] > 0
    assert look.memory.limit_bytes <= psutil.virtual_memory().total
    assert look.process.memory_bytes > 1 << 20
    assert look.process.threads >= 1
    assert 0 < look.process.uptime_s < look.uptime_s
    assert look.process.file_descriptors >= 3


def test_the_first_look_has_no_utilization_rather_than_zero(clock):
    look = HostSnapshot(monotonic_s=clock).now()
    assert look.process_utilization == {}
    assert not look.cpu_utilization or sum(look.cpu_utilization.values()) == pytest.approx(1)


def test_readers_of_one_cycle_share_a_look(clock):
    snapshot = HostSnapshot(monotonic_s=clock)
    first = snapshot.now()
    clock.now_s += host.TTL_S / 2
    assert snapshot.now() is first
    clock.now_s += host.TTL_S
    assert snapshot.now() is not first


def test_utilization_is_of_the_cpus_that_the_process_may_use(clock, tmp_path):
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("50000 100000\n")
    limited = HostSnapshot(Place(tmp_path), clock)
    free = HostSnapshot(Place(tmp_path / "none"), clock)
    burn(0.2)
    clock.now_s += 10.0
    of_limited, of_free = (sum(one.now().process_utilization.values()) for one in (limited, free))
    assert of_limited >= 0.2 / (10 * 0.5) * 0.9  # the system counts in hundredths of a second
    assert of_limited / of_free == pytest.approx(usable_cpus(None) / 0.5, rel=0.3)


def test_utilization_of_the_machine_is_a_share_of_all_its_time(clock):
    snapshot = HostSnapshot(monotonic_s=clock)
    burn(0.1)
    clock.now_s += 10.0
    shares = snapshot.now().cpu_utilization
    assert sum(shares.values()) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in shares.values())
    assert set(shares) >= {"user", "system", "idle"}


def test_nobody_who_asks_psutil_for_percents_takes_ours_away(clock):
    snapshot = HostSnapshot(monotonic_s=clock)
    burn(0.1)
    psutil.cpu_percent()
    psutil.Process().cpu_percent()
    clock.now_s += 10.0
    assert sum(snapshot.now().process_utilization.values()) > 0


def test_two_readers_have_whole_windows(clock):
    """The second of two readers, a second and a half behind the first, is not told what happened in that time only."""
    snapshot = HostSnapshot(monotonic_s=clock)
    for _ in range(3):
        clock.now_s += 58.5
        snapshot.now()
        clock.now_s += 1.5
        snapshot.now()
    burn(0.2)
    clock.now_s += 58.5
    first = sum(snapshot.now().process_utilization.values())
    clock.now_s += 1.5
    second = sum(snapshot.now().process_utilization.values())
    assert first > 0
    assert second == pytest.approx(first, rel=0.5)  # of the last 1.5 s alone it would be nearly 0
    assert len(snapshot._times) <= 4


def test_a_reader_that_asks_often_gets_a_rolling_window(clock):
    snapshot = HostSnapshot(monotonic_s=clock)
    for _ in range(40):
        clock.now_s += 2.0
        snapshot.now()
    assert snapshot._times[-1].monotonic_s - snapshot._times[0].monotonic_s == host.WINDOW_S


def test_times_that_go_back_are_no_negative_share(clock):
    snapshot = HostSnapshot(monotonic_s=clock)
    times = snapshot._times[0]
    later = {mode: s + (1.0 if mode == "user" else -1.0) for mode, s in times.machine.items()}
    clock.now_s += 10.0
    machine, _ = snapshot._utilization(times._replace(monotonic_s=clock.now_s, machine=later), 1)
    assert machine["user"] == 1.0
    assert set(machine.values()) == {0.0, 1.0}


def test_many_threads_make_one_look(clock):
    snapshot = HostSnapshot(monotonic_s=clock)
    looks, together = [], threading.Barrier(8)

    def ask():
        together.wait(10)
        looks.append(snapshot.now())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(looks) == 8
    assert len({id(look) for look in looks}) == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_tells_nothing_and_does_not_hang(clock):
    snapshot = HostSnapshot(monotonic_s=clock)
    with snapshot._lock:  # as if another thread was looking just then
        child = os.fork()
        if child == 0:
            os._exit(0 if snapshot.now() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert snapshot.now() is not None


@pytest.mark.parametrize("error", [psutil.AccessDenied(), FileNotFoundError(), NotImplementedError(), RuntimeError()])
def test_what_the_system_does_not_tell_is_absent(clock, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    for name in ("cpu_times", "disk_io_counters", "net_io_counters", "disk_partitions", "cpu_count"):
        monkeypatch.setattr(psutil, name, refuse)
    monkeypatch.setattr(psutil.Process, "num_threads", refuse)
    look = HostSnapshot(monotonic_s=clock).now()
    clock.now_s += 10.0
    assert (look.cpus, look.process, look.volumes, look.disks, look.networks) == (None, None, (), (), ())
    assert (look.cpu_s, look.cpu_utilization, look.process_utilization) == ({}, {}, {})
    assert look.memory is not None


def test_without_the_call_of_unix_psutil_tells_the_same(monkeypatch):
    fast = ThisProcess().look()
    monkeypatch.setattr(process, "getrusage", None)
    slow = ThisProcess().look()
    assert slow.cpu_s == pytest.approx(fast.cpu_s, abs=0.5)
    for kind, switches in slow.switches.items():  # Linux tells psutil those of the main thread only
        assert 0 < switches <= fast.switches[kind] + 1000


def test_a_sandbox_without_context_switches_tells_the_rest_of_the_process(clock, monkeypatch):
    def refuse(*_):
        raise NotImplementedError

    monkeypatch.setattr(process, "getrusage", None)
    monkeypatch.setattr(psutil.Process, "num_ctx_switches", refuse)
    look = HostSnapshot(monotonic_s=clock).now().process
    assert look.switches is None
    assert look.memory_bytes > 0


def test_the_parts_of_a_volume_are_its_size(monkeypatch):
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [Mount("/dev/sda1", "/", "ext4", "rw")])
    (root,) = Devices().volumes(0.0)
    assert root.limit_bytes == pytest.approx(os.statvfs("/").f_blocks * os.statvfs("/").f_frsize)
    assert root.free_bytes == pytest.approx(psutil.disk_usage("/").free, rel=0.05)


def test_file_systems_that_may_hang_are_not_looked_at(monkeypatch, tmp_path):
    """Neither those of the network nor Google Drive's, nor the files of a disk that containers have mounted."""
    mounted_file = tmp_path / "hosts"
    mounted_file.write_text("")
    mounts = [
        Mount("drive", "/content/drive", "fuse.drive", "rw"),
        Mount("server:/home", "/home", "nfs4", "rw"),
        Mount("/dev/sda1", str(mounted_file), "ext4", "rw"),
        Mount("/dev/sda1", str(tmp_path), "ext4", "rw,relatime"),
        Mount("overlay", "/var/lib/docker/overlay2/1/merged", "overlay", "rw"),
        Mount("overlay", "/", "overlay", "ro,relatime"),
        Mount("proc", "/proc", "proc", "rw"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    looked = []
    inner = os.statvfs
    monkeypatch.setattr(os, "statvfs", lambda path: looked.append(path) or inner(path))
    found = Devices().volumes(0.0)
    assert [(volume.device, volume.mountpoint, volume.mode) for volume in found] == [
        ("overlay", "/", "ro"),
        ("/dev/sda1", str(tmp_path), "rw"),
    ]
    assert looked == ["/", str(tmp_path)]


def test_the_list_of_file_systems_is_kept_for_a_minute(monkeypatch):
    asked = []
    inner = psutil.disk_partitions
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: asked.append(1) or inner(all=all))
    devices = Devices()
    for now_s in (0.0, 30.0, 59.0, 60.0, 119.0):
        devices.volumes(now_s)
    assert len(asked) == 2


def test_disks_and_interfaces_that_are_counted_elsewhere_are_left_out(monkeypatch):
    net = {name: Moved(2, 1) for name in ("lo", "eth0", "veth12", "docker0", "br-1f", "wlan0")}
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: net)
    assert [(one.name, one.in_bytes, one.out_bytes) for one in Devices().networks()] == [
        ("eth0", 2, 1),
        ("wlan0", 2, 1),
    ]
    for one in Devices().disks(0.0):
        assert os.path.isdir(f"/sys/block/{one.name}") or not os.path.isdir("/sys/block")


def test_the_process_is_no_older_when_the_wall_clock_is_set(monkeypatch):
    ours = ThisProcess()
    before_s = ours.look().uptime_s
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + 86_400)
    assert ours.look().uptime_s - before_s < 3600
