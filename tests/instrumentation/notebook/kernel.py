"""A real kernel, as a notebook starts it, and what comes of its cells."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client import KernelManager

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 60
GPUS = r"( · [^·]+)?"
"""In the first line, as a pattern: those of the machine that the tests run on."""


@dataclass
class Ran:
    """What a cell left: text on standard output and error, results, displays and changes of displays by id."""

    text: str = ""
    errors: str = ""
    result: str = ""
    error: str = ""
    displays: list[dict] = field(default_factory=list)
    updates: list[dict] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        """What went wrong in vigilo itself; warnings may be about the machine that the tests run on."""
        return [line for line in self.errors.splitlines() if "Traceback" in line or "failed with" in line]


class Kernel:
    """One kernel and its client."""

    def __init__(self, environ, folder):
        self.environ, self.folder = environ, folder
        self.manager = KernelManager(kernel_name="python3")
        self.manager.shutdown_wait_time = 60.0  # on a busy machine it would be killed while it saves
        self.manager.start_kernel(env=environ, cwd=str(folder))
        self._connect()

    def _connect(self):
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT_S)

    @property
    def pid(self):
        return self.manager.provisioner.pid

    def run(self, code, *, may_fail=False):
        """Runs a cell to its end; what it left."""
        ran = Ran()

        def see(message):
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                if content["name"] == "stdout":
                    ran.text += content["text"]
                else:
                    ran.errors += content["text"]
            elif kind == "execute_result":
                ran.result = content["data"]["text/plain"]
            elif kind == "display_data":
                ran.displays.append(content)
            elif kind == "update_display_data":
                ran.updates.append(content)
            elif kind == "error":
                ran.error = "\n".join(content["traceback"])

        self.client.execute_interactive(code, timeout=TIMEOUT_S, output_hook=see)
        assert may_fail or not ran.error, ran.error
        return ran

    def begin(self, code):
        """Has a cell begin, which may never end."""
        return self.client.execute(code)

    def later_messages(self, seconds):
        """What comes from the kernel by itself in some time."""
        until, found = time.monotonic() + seconds, []
        while (left := until - time.monotonic()) > 0:
            try:
                found.append(self.client.get_iopub_msg(timeout=left))
            except Exception as error:
                if type(error).__name__ != "Empty":
                    raise
        return found

    def restart(self, *, now=False):
        self.client.stop_channels()
        self.manager.restart_kernel(now=now)
        self._connect()

    def shut_down(self, *, now=False):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=now)

    def close(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@contextmanager
def kernel(folder, **variables):
    """A kernel whose settings, history and connection files are below ``folder``."""
    started = Kernel(kernel_environment(folder, **variables), folder)
    try:
        yield started
    finally:
        started.close()


def kernel_environment(folder, **variables):
    """The environment of a kernel that sees nothing of the developer's machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "KAGGLE_", "COLAB_"))}
    own = {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "instrumentation"), str(ROOT / "exporter")]),
        "VIGILO_HOME": str(folder / "home"),
        "VIGILO_RAISE_INTERNAL": "1",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    return {**kept, **own, **{name: str(value) for name, value in variables.items()}}


def wait_until(is_so, seconds=30):
    """Waits for a condition; says whether it came."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.05)
    return bool(is_so())
