"""Whole sessions on simulated machines: twelve hours take milliseconds."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time

import pytest
from tests.instrumentation.notebook.world import COLAB, GB, KAGGLE, KERNEL_ARGV, SUNDAY, World, kinds

from vigilo import checkpoint
from vigilo.notebook import session as module
from vigilo.notebook.session import current_session, shared_session

HOUR_S = 3600.0


@pytest.fixture(autouse=True)
def _checkpoints_of_its_own():
    """What warnings ask for here is not what the next test is about."""
    yield
    checkpoint.clear()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "root", tmp_path / "home")
    world.boot()
    world.folder("/content")
    return world


@pytest.fixture
def colab(world):
    world.environ.update(COLAB, JPY_SESSION_NAME="/content/training.ipynb")
    return world


@pytest.fixture
def kaggle(world):
    world.environ.update(KAGGLE)
    world.folder("/kaggle/working")
    return world


def busy(world, session, seconds, every_s=60):
    """A long cell: nobody is idle."""
    session.cell_began("train()")
    world.advance(seconds, session, every_s)
    session.cell_ended()


def test_twelve_hours_of_colab_are_warned_of_in_time(colab, monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoint, "request", asked.append)
    colab.gpus = ["Tesla T4"]
    session = colab.session()
    session.tick()
    told = []
    session.on_warning(lambda warning: told.append((warning["level"], round(colab.uptime_s))))
    busy(colab, session, 12 * HOUR_S)
    assert told == [("watch", 11.5 * HOUR_S), ("warn", 12 * HOUR_S - 600), ("critical", 12 * HOUR_S - 180)]
    assert asked == ["session"] * 3
    status = session.status()
    assert status["session"] == {
        "uptime_s": 12 * HOUR_S,
        "limit_s": 12 * HOUR_S,
        "remaining_s": 0.0,
        "source": "documented",
        "since": "vm",
    }
    assert "at most 12 h" in status["warnings"][0]["message"]


def test_kaggle_ends_sooner_with_a_gpu(kaggle):
    session = kaggle.session()
    session.tick()
    kaggle.advance(30, session)
    assert session.status()["session"]["limit_s"] == 12 * HOUR_S
    kaggle.gpus = ["Tesla T4", "Tesla T4"]
    kaggle.advance(60, session)
    assert session.status()["session"]["limit_s"] == 9 * HOUR_S
    assert session.status()["session"]["source"] == "reported"
    assert session.status()["accelerator"]["devices"] == ["Tesla T4", "Tesla T4"]


def test_settings_win_and_short_limits_are_not_warned_of_from_the_start(colab):
    session = colab.session(session_limit_s=600, idle_limit_s=100)
    session.tick()
    assert kinds(session) == []
    busy(colab, session, 300)
    assert kinds(session) == [("session", "watch")]
    assert session.status()["idle"]["limit_s"] == 100


def test_a_machine_that_is_older_than_its_limit(colab):
    colab.advance(13 * HOUR_S)
    session = colab.session()
    session.tick()
    assert session.status()["session"]["remaining_s"] == 0.0
    assert kinds(session) == [("session", "critical")]


def test_an_hour_without_a_cell(colab, monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoint, "request", asked.append)
    session = colab.session()
    session.cell_began()
    session.cell_ended(failed=True)
    colab.advance(29 * 60, session)
    assert kinds(session) == []
    colab.advance(60, session)
    assert kinds(session) == [("idle", "watch")]
    assert asked == []
    colab.advance(30 * 60, session)
    assert kinds(session)[1:] == [("idle", "warn")]
    assert asked == ["idle"]
    colab.advance(20 * 60, session)
    assert kinds(session)[2:] == [("idle", "critical")]
    # A cell ends it, and the next hour is told again.
    busy(colab, session, 3 * HOUR_S)
    assert len(kinds(session)) == 3
    status = session.status()["idle"]
    assert (status["cells"], status["failed_cells"], status["busy"], status["idle_s"]) == (2, 1, False, 0.0)
    colab.advance(30 * 60, session)
    assert kinds(session)[3:] == [("idle", "watch")]


def test_nothing_is_logged_while_no_cell_runs(colab, caplog):
    session = colab.session()
    session.cell_began()
    session.cell_ended()
    colab.advance(61 * 60, session)
    assert kinds(session) == [("idle", "watch"), ("idle", "warn")]
    assert not caplog.records, "it would be output, and count as activity"
    session.cell_began()
    assert ["no cell has run for 1 h;" in record.message for record in caplog.records] == [True]
    # Outside of kernels the log is no output.
    script = colab.session(argv=("train.py",))
    colab.advance(61 * 60, script)
    assert len(caplog.records) == 2


def test_local_has_no_limits(world):
    world.advance(HOUR_S)
    session = world.session()
    world.advance(30 * HOUR_S, session, every_s=600)
    status = session.status()
    assert kinds(session) == []
    assert status["session"]["limit_s"] is status["idle"]["limit_s"] is status["internet"]["up"] is None
    assert status["quota"] == []
    assert status["session"]["since"] == "process"
    assert status["session"]["uptime_s"] == pytest.approx(30 * HOUR_S, abs=1)


def test_a_place_that_tells_nothing(world, tmp_path):
    world.root = tmp_path / "empty"
    world.environ.update(COLAB)
    session = world.session()
    (world.root / "proc" / "uptime").unlink()
    session = type(session)(session.place, session.settings, list)
    session.tick()
    assert session.status()["session"]["since"] == "first_seen"


def test_the_begin_is_carried_over_a_restart_where_nothing_tells_it(colab):
    (colab.root / "proc" / "1" / "stat").unlink()
    session = colab.session()
    (colab.root / "proc" / "uptime").unlink()
    session = type(session)(session.place, session.settings, list)
    colab.advance(HOUR_S, session)
    colab.put("/proc/self/stat", "x (python) S " + "0 " * 18 + "777 0")
    after = type(session)(session.place, session.settings, list)
    after.tick()
    assert after.status()["session"]["uptime_s"] == pytest.approx(HOUR_S, abs=1)


def test_a_clock_that_is_set_moves_nothing(colab):
    session = colab.session()
    colab.advance(600, session)
    colab.wall_s += 5 * HOUR_S
    colab.advance(30, session)
    assert session.status()["session"]["uptime_s"] == pytest.approx(630)


def test_a_kernel_that_was_killed_and_one_that_was_restarted(colab):
    session = colab.session()
    colab.advance(300, session)
    colab.advance(40)
    second = colab.session()
    second.tick()
    assert second.status()["restarts"] == {
        "count": 1,
        "last": {"kind": "kernel", "lost_s": 40.0, "memory_ran_out": False, "expected": False},
    }
    assert kinds(second) == [("restart", "warn")]
    second.start()
    second.stop()  # as the shutdown of a kernel runs it
    third = colab.session()
    third.tick()
    assert third.status()["restarts"]["count"] == 2
    assert third.status()["restarts"]["last"]["expected"]
    assert kinds(third) == [("restart", "watch")]
    # Its own heartbeat is no restart.
    colab.advance(120, third)
    assert third.status()["restarts"]["count"] == 2


def test_a_kernel_that_was_killed_for_want_of_memory(colab):
    colab.environ["CGROUP_MEMORY_EVENTS"] = (
        "/sys/fs/cgroup/memory.events /var/colab/cgroup/jupyter-children/memory.events"
    )
    colab.put("/sys/fs/cgroup/memory.events", "low 0\noom 0\noom_kill 0\n")
    colab.advance(60, colab.session())
    colab.put("/var/colab/cgroup/jupyter-children/memory.events", "oom 2\noom_kill 1\n")
    session = colab.session()
    session.tick()
    assert session.status()["restarts"]["last"]["memory_ran_out"]
    assert "memory ran out" in session.status()["warnings"][0]["message"]


def test_another_kernel_on_the_same_machine_is_no_restart(world):
    world.advance(60, world.session())
    other = world.session(argv=(*KERNEL_ARGV[:2], "/tmp/kernel-other.json"))
    other.tick()
    script = world.session(argv=("train.py",))
    script.tick()
    assert other.status()["restarts"]["count"] == script.status()["restarts"]["count"] == 0


def test_a_new_machine_and_another_gpu_are_told_from_drive(colab):
    colab.mount_drive()
    colab.gpus = ["Tesla T4"]
    session = colab.session()
    colab.advance(HOUR_S, session)
    # The next day: nothing of the old machine is there but Drive.
    colab.advance(20 * HOUR_S)
    colab.home = colab.home.with_name("home-2")
    colab.boot()
    colab.gpus = ["NVIDIA L4"]
    after = colab.session()
    colab.advance(60, after)
    status = after.status()
    assert status["restarts"]["count"] == 0
    assert status["restarts"]["last"]["kind"] == "machine"
    assert status["restarts"]["last"]["lost_s"] == pytest.approx(20 * HOUR_S, abs=400)
    assert status["accelerator"] == {
        "type": "gpu",
        "devices": ["NVIDIA L4"],
        "changes": 1,
        "previous": ["Tesla T4"],
    }
    assert sorted(kinds(after)) == [("accelerator", "warn"), ("restart", "watch")]


def test_the_same_gpu_on_a_new_machine_is_no_change(colab):
    colab.mount_drive()
    colab.gpus = ["Tesla T4"]
    colab.advance(60, colab.session())
    colab.boot()
    after = colab.session()
    colab.advance(60, after)
    assert after.status()["accelerator"]["changes"] == 0


def test_notebooks_that_share_a_drive_are_not_taken_for_each_other(colab):
    colab.mount_drive()
    colab.gpus = ["Tesla T4"]
    colab.advance(60, colab.session())
    colab.boot()
    colab.gpus = []
    colab.environ["JPY_SESSION_NAME"] = "/content/reading.ipynb"
    other = colab.session()
    colab.advance(120, other)
    assert kinds(other) == []
    assert other.status()["restarts"]["last"] is None


def test_without_names_notebooks_that_share_a_drive_are_told_nothing(colab, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/opt/ipykernel_launcher.py", raising=False)
    del colab.environ["JPY_SESSION_NAME"]
    drive = colab.mount_drive()
    colab.gpus = ["Tesla T4"]
    colab.advance(HOUR_S, colab.session())
    colab.boot()
    colab.home = colab.home.with_name("home-2")
    colab.gpus = ["NVIDIA L4"]
    other = colab.session()
    colab.advance(120, other)
    assert kinds(other) == []
    assert other.status()["quota"][0]["used_s"] == pytest.approx(HOUR_S + 120, abs=400), "hours are the user's"
    assert [file.name for file in (drive / ".vigilo").iterdir()] == ["accelerators.jsonl"]


def test_drive_that_is_mounted_later_still_tells(colab):
    drive = colab.mount_drive()
    colab.gpus = ["Tesla T4"]
    colab.advance(60, colab.session())
    colab.boot()
    colab.unmount_drive()
    colab.gpus = []
    after = colab.session()
    colab.advance(120, after)
    assert after.status()["accelerator"]["changes"] == 0
    colab.mount_drive()
    colab.advance(600, after)
    assert after.status()["accelerator"]["previous"] == ["Tesla T4"]
    assert (drive / ".vigilo" / "machine-training.json").is_file()
    assert after.status()["restarts"]["last"]["kind"] == "machine"


def test_a_driver_that_is_slow_to_open_is_no_change(colab):
    session = colab.session()
    session.tick()
    colab.gpus = ["Tesla T4"]
    colab.advance(60, session)
    # One look at which the driver did not answer.
    colab.gpus = []
    colab.advance(30, session)
    colab.gpus = ["Tesla T4"]
    colab.advance(60, session)
    status = session.status()["accelerator"]
    assert (status["devices"], status["changes"]) == (["Tesla T4"], 0)


def test_a_gpu_that_is_gone(colab):
    colab.gpus = ["Tesla T4"]
    session = colab.session()
    colab.advance(60, session)
    colab.gpus = []
    colab.advance(90, session)
    assert session.status()["accelerator"]["changes"] == 1
    assert kinds(session) == [("accelerator", "warn")]


def test_the_weeks_hours_are_counted_over_sessions_of_kaggle(kaggle, monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoint, "request", asked.append)
    kaggle.gpus = ["Tesla P100"]
    for _ in range(3):
        session = kaggle.session()
        busy(kaggle, session, 8 * HOUR_S, every_s=600)
        kaggle.boot()
    quota = session.status()["quota"]
    assert [(one["accelerator"], one["source"], one["limit_source"]) for one in quota] == [
        ("gpu", "ledger", "reported")
    ]
    assert quota[0]["used_s"] == pytest.approx(24 * HOUR_S, rel=0.03)
    assert quota[0]["resets_at_s"] == 1_795_219_200.0 + 7 * 86400
    last = kaggle.session()
    busy(kaggle, last, 5.8 * HOUR_S, every_s=600)
    assert [level for kind, level in kinds(last) if kind == "quota"] == ["watch", "warn"]
    assert "quota" in asked
    # The week after it begins anew.
    kaggle.advance(5 * 86400)
    kaggle.boot()
    after = kaggle.session()
    kaggle.advance(600, after)
    assert after.status()["quota"][0]["used_s"] == pytest.approx(600, abs=60)


def test_the_weeks_hours_are_known_when_drive_is_gone(colab):
    colab.mount_drive()
    colab.gpus = ["Tesla T4"]
    colab.advance(2 * HOUR_S, colab.session(), every_s=300)
    colab.boot()
    colab.home = colab.home.with_name("home-2")
    after = colab.session()
    colab.advance(600, after)
    colab.drive_error = errno.ENOTCONN
    colab.advance(1200, after)
    assert after.status()["quota"][0]["used_s"] == pytest.approx(2 * HOUR_S + 1800, abs=400)
    colab.unmount_drive()
    colab.advance(600, after)
    quota = after.status()["quota"][0]
    assert quota["used_s"] == pytest.approx(2 * HOUR_S + 2400, abs=400)
    assert quota["limit_s"] is None


def test_hours_before_the_accelerator_was_away_count_once(kaggle):
    kaggle.gpus = ["Tesla P100"]
    session = kaggle.session()
    busy(kaggle, session, 5 * HOUR_S, every_s=600)
    kaggle.gpus = []
    busy(kaggle, session, 1200, every_s=300)
    assert session.status()["accelerator"]["type"] == "none"
    assert [one["used_s"] for one in session.status()["quota"]] == [pytest.approx(5 * HOUR_S, abs=600)]
    kaggle.gpus = ["Tesla P100"]
    busy(kaggle, session, 1200, every_s=300)
    assert [one["used_s"] for one in session.status()["quota"]] == [pytest.approx(5 * HOUR_S + 2400, abs=60)]


def test_processes_on_a_machine_of_ones_own_are_sessions(world):
    world.gpus = ["Tesla T4"]
    limits = {"accelerator_quota_s": 30 * HOUR_S}
    world.advance(5 * HOUR_S, world.session(**limits), every_s=600)
    world.advance(600)
    second = world.session(**limits)
    world.advance(600, second, every_s=60)
    assert second.status()["quota"][0]["used_s"] == pytest.approx(5 * HOUR_S + 600, abs=400)
    # While it is off nothing is used.
    world.advance(24 * HOUR_S)
    world.boot()
    third = world.session(**limits)
    world.advance(600, third, every_s=60)
    assert third.status()["quota"][0]["used_s"] == pytest.approx(5 * HOUR_S + 1200, abs=800)


KAGGLE_CLIENT = """
import os, pathlib
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace as Value

class KaggleApi:
    def authenticate(self):
        pass
    def quota_view(self):
        used_s = float(pathlib.Path(os.environ["USED_S"]).read_text())  # fails where it is not there
        gpu = Value(time_used=timedelta(seconds=used_s), total_time_allowed=timedelta(hours=30))
        tpu = Value(time_used=timedelta(hours=1), total_time_allowed=timedelta(hours=20))
        resets = datetime.fromtimestamp(float(os.environ["RESETS_AT_S"]), timezone.utc)
        return Value(quota_refresh_time=resets, gpu_quota=gpu, tpu_quota=tpu)
"""


@pytest.fixture
def kaggle_api(kaggle, tmp_path, monkeypatch):
    """A package in the place of Kaggle's client; gives the file that says what is used."""
    package = tmp_path / "packages" / "kaggle" / "api"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "kaggle_api_extended.py").write_text(KAGGLE_CLIENT)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    used = tmp_path / "used_s"
    kaggle.environ.update(
        os.environ,
        PYTHONPATH=str(tmp_path / "packages"),
        KAGGLE_API_TOKEN="t",
        USED_S=str(used),
        RESETS_AT_S=str(kaggle.wall_s + 3 * HOUR_S),
    )
    return used


def used_by(session):
    return {one["accelerator"]: (one["used_s"], one["source"]) for one in session.status()["quota"]}


def test_what_kaggle_tells_of_the_quota_is_counted_on(kaggle, kaggle_api):
    kaggle_api.write_text(str(29 * HOUR_S))
    kaggle.gpus = ["Tesla P100"]
    session = kaggle.session(wait_s=30)
    session.tick(30)
    assert used_by(session) == {"gpu": (29 * HOUR_S, "api"), "tpu": (HOUR_S, "api")}
    session.cell_began()
    kaggle.advance(840, session, every_s=60)
    assert used_by(session) == {"gpu": (29 * HOUR_S + 840, "api"), "tpu": (HOUR_S, "api")}
    # Nobody answers any more: what was told holds until the week is over.
    kaggle_api.unlink()
    asked_s = kaggle.monotonic_s
    kaggle.advance(1200, session, every_s=60)
    assert session.observed._quota._asked_s > asked_s
    assert session.observed._quota._done.wait(30)
    assert used_by(session)["gpu"] == (29 * HOUR_S + 2040, "api")
    kaggle.advance(HOUR_S, session, every_s=60)
    told = [entry for entry in session.status()["warnings"] if entry["kind"] == "quota"]
    assert [(one["level"], one["at_s"] - SUNDAY) for one in told] == [("watch", 0), ("warn", 1800), ("critical", 3000)]
    kaggle.advance(3 * HOUR_S, session, every_s=600)
    assert {source for _, source in used_by(session).values()} == {"ledger"}


def test_a_session_over_the_end_of_the_week(kaggle):
    kaggle.wall_s = 1_795_219_200.0 + 7 * 86400 - 2 * HOUR_S
    kaggle.gpus = ["Tesla P100"]
    session = kaggle.session()
    busy(kaggle, session, 3 * HOUR_S, every_s=300)
    assert session.status()["quota"][0]["used_s"] == pytest.approx(HOUR_S, abs=60)


def test_output_and_disk_of_kaggle(kaggle, monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoint, "request", asked.append)
    session = kaggle.session(output_limit_bytes=10_000)
    session.tick()
    kaggle.put("/kaggle/working/models/big.bin", "x" * 9_000)
    kaggle.advance(60, session)
    areas = {area["area"]: area for area in session.status()["storage"]}
    assert areas["output"]["used_bytes"] >= 9_000
    assert (areas["output"]["limit_bytes"], areas["output"]["source"]) == (10_000, "setting")
    assert areas["ephemeral"]["limit_bytes"] == 100 * GB
    assert ("output", "warn") in kinds(session)
    assert asked == ["output"]
    kaggle.disk = (100 * GB, 98 * GB, 2 * GB)
    kaggle.advance(60, session)
    assert ("disk", "critical") in kinds(session)
    assert asked == ["output", "disk"]


def test_a_warning_is_told_once_and_again_after_calm(colab, caplog):
    colab.disk = (100 * GB, 92 * GB, 8 * GB)
    session = colab.session()
    session.cell_began()
    with caplog.at_level(logging.WARNING, "vigilo"):
        colab.advance(300, session)
        assert len(caplog.records) == 1
        for free in (11, 8, 11, 8):  # to and fro
            colab.disk = (100 * GB, (100 - free) * GB, free * GB)
            colab.advance(120, session)
        assert len(caplog.records) == 1
        colab.disk = (100 * GB, 10 * GB, 90 * GB)
        colab.advance(900, session)
        colab.disk = (100 * GB, 92 * GB, 8 * GB)
        colab.advance(60, session)
        assert len(caplog.records) == 2


def test_drive_comes_dies_and_comes_back(colab):
    session = colab.session()
    session.tick()
    assert session.status()["drive"]["state"] == "absent"
    drive = colab.mount_drive()
    colab.advance(60, session)
    assert session.status()["drive"] == {"state": "mounted", "mounted": True, "path": str(drive), "last_timeout": None}
    assert {area["area"] for area in session.status()["storage"]} == {"ephemeral", "drive"}
    colab.drive_error = errno.ENOTCONN
    colab.put("/root/.config/Google/DriveFS/Logs/timeouts.txt", "first\n2026-11-22 read timed out\n")
    colab.advance(60, session)
    assert session.status()["drive"]["state"] == "dead"
    assert session.status()["drive"]["last_timeout"] == "2026-11-22 read timed out"
    assert kinds(session) == [("drive", "critical")]
    assert "force_remount" in session.status()["warnings"][-1]["message"]
    colab.drive_error = 0
    colab.advance(60, session)
    assert session.status()["drive"]["mounted"]


def test_drive_that_hangs_holds_nobody_up(colab):
    colab.mount_drive()
    hang, asked = threading.Event(), threading.Semaphore(0)

    def stat(path):
        asked.release()
        hang.wait(60)
        return path.stat()

    session = colab.session(wait_s=0.05, stat=stat)
    try:
        session.tick()
        colab.advance(300, session)
        assert session.status()["drive"]["state"] == "slow"
        assert ("drive", "warn") in kinds(session)
        assert asked.acquire(timeout=10)
        assert not asked.acquire(blocking=False)  # one question that hangs, not one each round
        assert session.status()["session"]["uptime_s"] == pytest.approx(300)
    finally:
        hang.set()


def test_internet_on_and_off(kaggle):
    kaggle.online = False
    session = kaggle.session()
    session.tick()
    assert session.status()["internet"] == {"up": False}
    assert kinds(session) == [("internet", "watch")]
    kaggle.online = True
    kaggle.advance(1200, session)
    assert session.status()["internet"] == {"up": True}
    kaggle.online = False
    kaggle.advance(90, session)
    assert ("internet", "warn") in kinds(session)


def test_a_checkpoint_that_takes_long_is_asked_for_sooner(colab, monkeypatch):
    monkeypatch.setattr(checkpoint, "request", lambda reason: None)
    monkeypatch.setattr(checkpoint, "status", lambda: {"needed_s": 600.0})
    session = colab.session()
    session.tick()
    told = []
    session.on_warning(lambda warning: told.append(colab.uptime_s))
    busy(colab, session, 12 * HOUR_S)
    # Three times ten minutes before the end at the latest.
    assert told == [12 * HOUR_S - 5400, 12 * HOUR_S - 3600, 12 * HOUR_S - 1800]


def test_a_function_that_raises_is_only_logged(colab, caplog):
    session = colab.session(session_limit_s=10)
    session.cell_began()

    def fail(_):
        raise ValueError("theirs")

    session.on_warning(fail)
    colab.advance(60, session)
    assert any("raised ValueError" in record.message for record in caplog.records)


def test_what_cannot_be_written_hurts_nobody(colab):
    colab.home.parent.mkdir(parents=True, exist_ok=True)
    colab.home.write_text("a file where the folder would be")
    colab.gpus = ["Tesla T4"]
    session = colab.session()
    colab.advance(600, session)
    session.start()
    session.stop()
    assert session.status()["accelerator"]["devices"] == ["Tesla T4"]


def test_the_thread(world):
    session = world.session()
    session.start()
    session.start()
    try:
        deadline = time.monotonic() + 20
        while not session.status()["storage"] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert session.status()["storage"]
        assert [thread.name for thread in threading.enumerate()].count("vigilo: session") == 1
        assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("vigilo"))
    finally:
        session.stop()
        session.stop()
    assert "vigilo: session" not in [thread.name for thread in threading.enumerate()]


def test_the_first_round_can_be_waited_for(kaggle):
    kaggle.gpus, kaggle.driver_s = ["Tesla T4"], 0.3
    kaggle.advance(60, kaggle.session())
    session = kaggle.session()
    assert not session.looked(0)
    session.start()
    try:
        assert session.looked(20)
        assert session.status()["session"]["limit_s"] == 9 * HOUR_S
        assert session.status()["restarts"]["count"] == 1
    finally:
        session.stop()


def test_status_looks_when_asked_to_wait(colab):
    colab.gpus = ["Tesla T4"]
    session = colab.session()
    assert session.status()["storage"] == []
    status = session.status(wait_s=10)
    assert status["storage"]
    assert status["internet"]["up"] is True
    assert status["accelerator"]["devices"] == ["Tesla T4"]


def test_no_text_of_cells_and_no_variables_are_kept(colab):
    colab.environ["KAGGLE_KEY"] = secret = "8f3a" * 8
    session = colab.session()
    session.cell_began(f"api_key = '{secret}'")
    colab.advance(60, session)
    assert secret not in repr(session.status())
    assert not any(secret in file.read_text() for file in colab.home.rglob("*") if file.is_file())


def test_one_session_a_process(monkeypatch):
    monkeypatch.setattr(module, "_shared", None)
    assert current_session() is None
    session = shared_session()
    assert shared_session() is session
    assert current_session() is session


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_no_session(world, monkeypatch):
    monkeypatch.setattr(module, "_shared", None)
    session = world.session()
    monkeypatch.setattr(module, "_shared", session)
    session.start()
    try:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                session.start()
                session.stop()
                session.tick()
                code = 0 if current_session() is None and session._known() is None else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        session.stop()
