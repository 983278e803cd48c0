from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from vigilo.notebook.heartbeat import (
    Beat,
    Restart,
    kernel_key,
    machine_id,
    oom_kills,
    process_id,
    read_beat,
    restart_between,
    write_beat,
)
from vigilo.notebook.place import Place

BEAT = Beat("m", "1-7", 1000.0, 900.0, (("GPU-1", "Tesla T4"),), restarts=2, changes=1, oom_kills=3)


def test_written_and_read(tmp_path):
    path = tmp_path / "kernels" / "k.json"
    write_beat(path, BEAT)
    write_beat(path, BEAT)
    assert read_beat(path) == BEAT
    assert [file.name for file in path.parent.iterdir()] == ["k.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '{"machine": "m"}', '{"machine": "m", "process": "1", "devices": 3}', "\x00"]
)
def test_what_cannot_be_read_is_none(tmp_path, text):
    path = tmp_path / "k.json"
    path.write_text(text)
    assert read_beat(path) is None
    assert read_beat(tmp_path / "absent") is None


def test_of_a_later_version(tmp_path):
    path = tmp_path / "k.json"
    write_beat(path, BEAT)
    path.write_text(json.dumps({**json.loads(path.read_text()), "more": 1}))
    assert read_beat(path) == BEAT
    path.write_text(json.dumps({**json.loads(path.read_text()), "wall_s": "soon"}))
    assert read_beat(path) is None


def test_what_happened_between_two():
    now = replace(BEAT, process="2-9", wall_s=1030.0)
    assert restart_between(None, now) is None
    assert restart_between(BEAT, replace(BEAT, wall_s=2000.0)) is None
    assert restart_between(BEAT, now) == Restart("kernel", 30.0)
    assert restart_between(BEAT, replace(now, oom_kills=4)) == Restart("kernel", 30.0, memory_ran_out=True)
    assert restart_between(replace(BEAT, ended=True), now) == Restart("kernel", 30.0, expected=True)
    assert restart_between(BEAT, replace(now, machine="n", oom_kills=9)) == Restart("machine", 30.0)
    assert restart_between(BEAT, replace(now, wall_s=10.0)) == Restart("kernel", 0.0)


@pytest.mark.parametrize(
    ("argv", "key"),
    [
        (("ipykernel_launcher.py", "-f", "/run/kernel-5f2a.json"), "kernel-5f2a"),
        (("colab_kernel_launcher.py", "-f", "/root/.local/kernel-1 2.json", "--x"), "kernel-1_2"),
        (("ipykernel_launcher.py", "--f=/run/kernel-5f2a.json"), "kernel-5f2a"),
        (("ipykernel_launcher.py", "-f=/tmp/tmpq1.json"), "tmpq1"),
        (("train.py", "-f", "notes.txt"), ""),
        (("train.py", "-f"), ""),
        ((), ""),
    ],
)
def test_which_kernel(tmp_path, argv, key):
    assert kernel_key(Place(tmp_path, argv=argv)) == key


def test_which_machine(tmp_path):
    place = Place(tmp_path, {})
    ids = {machine_id(place)}
    boot = tmp_path / "proc/sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text("boot-1")
    ids.add(machine_id(place))
    assert machine_id(place) == machine_id(Place(tmp_path, {"HOME": "/x"}))
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hostname").write_text("container")
    ids.add(machine_id(place))
    # A container that was made anew on the same machine.
    (tmp_path / "proc/1").mkdir()
    (tmp_path / "proc/1/stat").write_text("1 (tini) S " + "0 " * 18 + "4711 0")
    ids.add(machine_id(place))
    ids.add(machine_id(Place(tmp_path, {"KAGGLE_CONTAINER_NAME": "kaggle_2"})))
    assert len(ids) == 5


def test_which_process(tmp_path):
    assert process_id(Place(tmp_path)) == f"{os.getpid()}-"
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/stat").write_text("1 (a) b) S " + "0 " * 18 + "4711 0")
    assert process_id(Place(tmp_path)) == f"{os.getpid()}-4711"


def test_processes_killed_for_want_of_memory(tmp_path):
    place = Place(tmp_path, {"CGROUP_MEMORY_EVENTS": "/absent /a/memory.events"})
    assert oom_kills(place) == 0
    (tmp_path / "a").mkdir()
    (tmp_path / "a/memory.events").write_text("low 0\noom 4\noom_kill 2\noom_group_kill 9\nbad\n")
    assert oom_kills(place) == 2
    assert oom_kills(Place(tmp_path, {})) == 0
