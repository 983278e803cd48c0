"""One owner of a home folder at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.lock import owner_lock

HOLD = """
import sys, time
from pathlib import Path
from vigilo_exporter.clickhouse.lock import owner_lock
with owner_lock(Path(sys.argv[1]), 5):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(home):
    """Another process that holds the lock until its input ends."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_held_lock_names_its_holder(home, holder):
    with pytest.raises(StoreError, match=f"process {holder.pid} holds the store"), owner_lock(home, 0.1):
        pass


def test_who_waits_gets_it_when_the_holder_ends(home, holder):
    holder.stdin.close()
    with owner_lock(home, 30):
        assert (home / "owner.lock").read_text() == str(os.getpid())


def test_a_killed_holder_leaves_no_stale_lock(home, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with owner_lock(home, 0):
        pass


def test_it_can_be_taken_again(home):
    for _ in range(2):
        with owner_lock(home, 0):
            pass


def test_a_home_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(StoreError, match="set `VIGILO_HOME`"), owner_lock(path, 0):
        pass
