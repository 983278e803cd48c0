"""Limits of control groups, from files as the kernel writes them, in every place where they may lie."""

from __future__ import annotations

import pytest

from vigilo.gauges.cgroup import ControlGroup, Limits, limits
from vigilo.gauges.host_memory import host_memory
from vigilo.notebook.place import Place

GIB = 1 << 30
V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct ro shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 {root} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    "34 31 0:31 {root} /sys/fs/cgroup/systemd ro - cgroup systemd rw,xattr,name=systemd"
)
MEMINFO = """MemTotal:       16777216 kB
MemFree:         4194304 kB
MemAvailable:   10485760 kB
Buffers:          262144 kB
Cached:          6291456 kB
SwapCached:            0 kB
Shmem:           1048576 kB
SReclaimable:     524288 kB
SwapTotal:       2097152 kB
SwapFree:        1048576 kB
HugePages_Total:       0
"""


@pytest.fixture
def write(tmp_path):
    def write(files):
        for name, text in files.items():
            path = tmp_path / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return Place(tmp_path, {})

    return write


def v2(level="", *, limit="max", current=0, stat="", cpu="max 100000", kills=0):
    folder = f"/sys/fs/cgroup{level}"
    return {
        f"{folder}/memory.max": limit,
        f"{folder}/memory.current": current,
        f"{folder}/memory.stat": stat,
        f"{folder}/cpu.max": cpu,
        f"{folder}/memory.events": f"low 0\nhigh 0\nmax 9\noom 3\noom_kill {kills}\noom_group_kill 0",
    }


def test_a_container_of_version_2_in_a_namespace_of_its_own(write):
    place = write(
        {
            "/proc/self/mountinfo": V2_MOUNT,
            "/proc/self/cgroup": "0::/",
            **v2(
                limit=4 * GIB,
                current=3 * GIB,
                stat=f"anon {GIB}\nfile {GIB}\nactive_file {GIB // 2}\ninactive_file {GIB // 4}\nslab_reclaimable 0",
                cpu="150000 100000",
                kills=2,
            ),
        }
    )
    cached = GIB * 3 // 4
    assert limits(place) == Limits(4 * GIB, 3 * GIB - cached, 1.5, 2, cached)


def test_without_limits_there_are_none(write):
    place = write({"/proc/self/mountinfo": V2_MOUNT, "/proc/self/cgroup": "0::/", **v2(current=GIB)})
    assert limits(place) == Limits(None, None, None, 0, None)


def test_the_lowest_limit_of_all_levels_holds(write):
    place = write(
        {
            "/proc/self/mountinfo": V2_MOUNT,
            "/proc/self/cgroup": "0::/user.slice/app.scope",
            **v2("/user.slice/app.scope", current=GIB, cpu="max 100000", kills=1),
            **v2("/user.slice", limit=2 * GIB, current=GIB + 7, cpu="50000 100000", kills=5),
            "/sys/fs/cgroup/cgroup.controllers": "cpu memory",
        }
    )
    found = limits(place)
    assert (found.memory_bytes, found.memory_used_bytes, found.cpus) == (2 * GIB, GIB + 7, 0.5)
    assert found.oom_kills == 1  # of the group itself, not of its neighbours


@pytest.mark.parametrize(
    ("root", "path"),
    [
        pytest.param("/docker/1a2b", "/docker/1a2b", id="the mount shows the group alone"),
        pytest.param("/", "/", id="in a namespace of its own"),
        pytest.param("/../..", "/", id="the namespace of a process below"),
        pytest.param("/docker/1a2b", "/system.slice/ssh", id="moved elsewhere"),
    ],
)
def test_a_container_of_version_1(write, root, path):
    folder = "/sys/fs/cgroup/memory"
    place = write(
        {
            "/proc/self/mountinfo": V1_MOUNTS.format(root=root),
            "/proc/self/cgroup": f"12:cpu,cpuacct:{path}\n7:memory:{path}\n1:name=systemd:{path}\n0::/",
            f"{folder}/memory.limit_in_bytes": 2 * GIB,
            f"{folder}/memory.usage_in_bytes": GIB,
            f"{folder}/memory.stat": f"inactive_file 5\ntotal_inactive_file {GIB // 2}\ntotal_active_file 100",
            f"{folder}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": 200000,
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": 100000,
        }
    )
    assert limits(place) == Limits(2 * GIB, GIB // 2 - 100, 2.0, 3, GIB // 2 + 100)


def test_version_1_without_limits_and_with_files_that_are_gone(write):
    place = write(
        {
            "/proc/self/mountinfo": V1_MOUNTS.format(root="/"),
            "/proc/self/cgroup": "12:cpu,cpuacct:/gone\n7:memory:/gone",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
            "/sys/fs/cgroup/memory/memory.usage_in_bytes": GIB,
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": -1,
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": 100000,
        }
    )
    assert limits(place) == Limits()


def test_a_machine_that_tells_nothing(write):
    assert limits(write({})) == Limits()
    assert host_memory(write({}), Limits()) is None


def test_what_it_cannot_read_is_none(write):
    place = write(
        {
            "/proc/self/mountinfo": "nonsense\n - \n1 2 3",
            "/proc/self/cgroup": "nonsense\n::\n",
            **v2(limit="many", current="few", stat="anon\nfile x y", cpu="0 0"),
        }
    )
    assert limits(place) == Limits(oom_kills=0)


def test_files_that_vanish_while_it_is_used(write, tmp_path):
    place = write({"/proc/self/mountinfo": V2_MOUNT, "/proc/self/cgroup": "0::/", **v2(limit=GIB, current=5)})
    group = ControlGroup(place)
    assert group.limits().memory_bytes == GIB
    for name in ("memory.max", "cpu.max", "memory.events"):
        (tmp_path / "sys/fs/cgroup" / name).unlink()
    assert group.limits() == Limits()


def test_kills_of_the_group_that_colab_names_and_of_the_machine(write, tmp_path):
    children = "/var/colab/cgroup/jupyter-children/memory.events"
    place = write({children: "oom 4\noom_kill 4", "/proc/vmstat": "pgfault 7\noom_kill 11"})
    named = Place(tmp_path, {"CGROUP_MEMORY_EVENTS": f"/sys/fs/cgroup/memory.events {children}"})
    assert limits(named).oom_kills == 4
    assert limits(place).oom_kills == 11  # in no group that counts


def test_the_memory_of_a_machine(write):
    place = write({"/proc/meminfo": MEMINFO})
    memory = host_memory(place, limits(place))
    states = (memory.used_bytes, memory.cached_bytes, memory.buffers_bytes, memory.free_bytes)
    assert sum(states) == memory.limit_bytes == 16 * GIB
    assert memory.cached_bytes == 6 * GIB - GIB + GIB // 2  # shared memory is used, it cannot be given back
    assert memory.available_bytes == 10 * GIB
    assert (memory.swap_limit_bytes, memory.swap_used_bytes) == (2 * GIB, GIB)
    assert not memory.limited


def test_the_memory_of_a_limited_container(write):
    place = write({"/proc/meminfo": MEMINFO})
    memory = host_memory(place, Limits(4 * GIB, GIB, memory_cached_bytes=2 * GIB))
    assert (memory.used_bytes, memory.cached_bytes, memory.free_bytes) == (GIB, 2 * GIB, GIB)
    assert memory.used_bytes + memory.cached_bytes + memory.free_bytes == memory.limit_bytes == 4 * GIB
    assert memory.available_bytes == 3 * GIB
    assert memory.limited


def test_the_machine_may_run_out_before_the_container(write):
    place = write({"/proc/meminfo": MEMINFO})
    memory = host_memory(place, Limits(15 * GIB, GIB, memory_cached_bytes=0))
    assert memory.available_bytes == 10 * GIB


def test_a_limit_above_the_machine_is_none(write):
    place = write({"/proc/meminfo": MEMINFO})
    assert host_memory(place, Limits(64 * GIB, GIB)).limit_bytes == 16 * GIB


def test_this_machine():
    found = limits(Place())
    memory = host_memory(Place(), found)
    assert memory is not None
    assert 0 < memory.used_bytes < memory.limit_bytes
    assert 0 < memory.available_bytes <= memory.limit_bytes
