"""Sessions in processes of their own, on this machine as it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, sys
from vigilo.notebook.session import shared_session
session = shared_session()
session.tick()  # a round, as the thread does it, so that nobody has to wait for it
session.start()
print(json.dumps(session.status()), flush=True)
for line in sys.stdin:
    if line == "end\\n":
        break
    if line == "light\\n":
        print(json.dumps(sorted({"torch", "numpy", "psutil", "IPython"} & set(sys.modules))), flush=True)
"""


@contextmanager
def kernel(home, name="kernel-real"):
    """A process that looks like a kernel, with what it says of its session."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "-f", f"/run/{name}.json"],
        env={
            **os.environ,
            "VIGILO_HOME": str(home),
            "VIGILO_PLATFORM": "local",
            "PYTHONPATH": str(ROOT / "instrumentation"),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def end(process):
    process.stdin.write("end\n")
    process.stdin.flush()
    assert process.wait(30) == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")
def test_kill_9_and_a_good_bye(tmp_path):
    with kernel(tmp_path) as (process, status):
        assert status["restarts"] == {"count": 0, "last": None}
        assert status["session"]["since"] == "process"
        assert 0 <= status["session"]["uptime_s"] < 120
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with kernel(tmp_path) as (process, status):
        assert status["restarts"]["count"] == 1
        assert status["restarts"]["last"]["kind"] == "kernel"
        assert not status["restarts"]["last"]["expected"]
        assert 0 <= status["restarts"]["last"]["lost_s"] < 120
        end(process)
    with kernel(tmp_path) as (process, status):
        assert status["restarts"]["count"] == 2
        assert status["restarts"]["last"]["expected"]
    with kernel(tmp_path, "kernel-other") as (process, status):
        assert status["restarts"]["count"] == 0


def test_it_is_light_and_ends_with_the_process(tmp_path):
    with kernel(tmp_path) as (process, _):
        process.stdin.write("light\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == []
        end(process)
