"""GPUs that are not there: a library in the place of NVIDIA's, and processes that find it.

Each scenario runs in a process of its own, since the module ``pynvml`` loads a library once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from shutil import which
from typing import Any

SOURCE = Path(__file__).parent / "nvml" / "scripted_nvml.c"
TWO_T4 = (Path(__file__).parent / "nvml" / "two_t4.txt").read_text("utf-8")
"""What Kaggle has as ``GPU T4 x2``."""
_PREAMBLE = """
import ctypes, json, os, sys
from pathlib import Path
_library = ctypes.CDLL("libnvidia-ml.so.1")
_library.scripted_nvml_calls.restype = ctypes.c_ulonglong

def calls(function=None):
    return _library.scripted_nvml_calls(function and function.encode())

def script(text):
    new = Path(os.environ["SCRIPTED_NVML"] + ".new")
    new.write_text(text)
    new.replace(os.environ["SCRIPTED_NVML"])

def change(*lines):
    '''Replaces lines of the script by their names, and adds those that are new; `-name` takes one out.'''
    names = {line.split()[0].removeprefix("-") for line in lines}
    old = [line for line in Path(os.environ["SCRIPTED_NVML"]).read_text().splitlines() if line]
    kept = [line for line in old if line.split()[0] not in names]
    script("\\n".join([*kept, *(line for line in lines if not line.startswith("-")), ""]))

def tell(value):
    print("TOLD " + json.dumps(value))
"""


def compiler() -> str | None:
    """The system's C compiler, where there is one, and where what it makes can be loaded."""
    return (which("cc") or which("gcc") or which("clang")) if sys.platform == "linux" else None


def build(folder: Path, *defined: str) -> Path:
    """Compiles the library into a folder, with macros such as ``OLD_DRIVER``; gives the folder."""
    found = compiler()
    if found is None:
        raise FileNotFoundError("no C compiler")
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1"]
    target = folder / "libnvidia-ml.so.1"
    subprocess.run([found, *options, *(f"-D{one}" for one in defined), "-o", target, SOURCE, "-lpthread"], check=True)
    return folder


class ScriptedGpu:
    """Runs code that finds the GPUs of a script."""

    def __init__(self, library: Path, script: Path) -> None:
        self.library, self.script = library, script
        self.script.write_text(TWO_T4, "utf-8")

    def environment(self) -> dict[str, str]:
        """Variables with which any process finds them, from its start on."""
        return {**os.environ, "LD_LIBRARY_PATH": str(self.library), "SCRIPTED_NVML": str(self.script)}

    def run(self, *code: str, timeout_s: float = 60.0, **environment: str) -> Any:
        """What ``tell(value)`` was last called with in it; ``calls``, ``script`` and ``change`` are there as well."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", "\n".join([_PREAMBLE, *map(textwrap.dedent, code)])],
            env={**self.environment(), **environment},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        told = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
        assert done.returncode == 0, done.stderr[-3000:]
        assert "Traceback" not in done.stderr, done.stderr[-3000:]
        return json.loads(told[-1].removeprefix("TOLD "))
