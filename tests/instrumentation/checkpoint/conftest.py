"""Engines of their own, on a machine whose files, variables and clocks are the test's."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vigilo.checkpoint.engine import Engine
from vigilo.notebook.place import Place
from vigilo.settings import Settings

TREE = Path(__file__).parents[3]


class Clock:
    """Both clocks; they stand still until a test moves them."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return 1_800_000_000.0 + self.now_s


def mount_drive(place):
    """Google Drive, as Colab mounts it; the user's folder in it."""
    place.path("/proc/self").mkdir(parents=True)
    place.path("/proc/self/mounts").write_text("overlay / overlay rw 0 0\ndrive /content/drive fuse.drive rw 0 0\n")
    home = place.path("/content/drive/MyDrive")
    home.mkdir(parents=True)
    return home


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def place(tmp_path, clock):
    (tmp_path / "root").mkdir()
    return Place(tmp_path / "root", {}, clock.wall_s, clock.monotonic_s)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@pytest.fixture
def settings(tmp_path, folder):
    return Settings(home=tmp_path / "home", checkpoint_dir=folder, checkpoint_every_s=0.0)


@pytest.fixture
def make_engine(place, settings):
    made = []

    def make(meter_provider=None, place=place, **changed):
        engine = Engine(place, dataclasses.replace(settings, **changed), meter_provider)
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def wait_until():
    def wait(condition, limit_s=20.0):
        ends_s = time.monotonic() + limit_s
        while not (found := condition()):
            assert time.monotonic() < ends_s, "it did not come to pass"
            time.sleep(0.005)
        return found

    return wait


@pytest.fixture
def start_python(tmp_path, folder):
    """Starts a script of its own with the settings of the test; ends it with the test."""
    started = []

    def start(code, *args, **variables):
        script = tmp_path / f"script_{len(started)}.py"
        script.write_text(code)
        environment = {
            **os.environ,
            "VIGILO_HOME": str(tmp_path / "home"),
            "VIGILO_CHECKPOINT_DIR": str(folder),
            "VIGILO_CHECKPOINT_EVERY_S": "0",
            "PYTHONPATH": str(TREE / "instrumentation"),
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(script), *map(str, args)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
