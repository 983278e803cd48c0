"""Panels run by the real engine on what vigilo itself captured and exported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import vigilo
import vigilo_exporter

HERE = Path(__file__).parent


@dataclass(frozen=True)
class CapturedCalls:
    """A home folder with exported calls, what they were by service, and the time in which they were made."""

    home: Path
    services: dict[str, dict[str, Any]]
    from_s: int
    to_s: int

    def run(self, queries: list[str]) -> list[dict[str, Any]]:
        """``error``, ``columns`` as (name, type) and ``rows`` of each query."""
        path = self.home / "queries.json"
        path.write_text(json.dumps(queries), "utf-8")
        return json.loads(_run_script("run_queries.py", self.home, str(path)))


def _run_script(name: str, home: Path, *arguments: str) -> str:
    paths = [str(Path(package.__file__).parents[1]) for package in (vigilo, vigilo_exporter)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("VIGILO_", "OTEL_"))}
    environment |= {"VIGILO_HOME": str(home), "VIGILO_RAISE_INTERNAL": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, str(HERE / name), *arguments],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def captured_calls(tmp_path_factory) -> CapturedCalls:
    home = tmp_path_factory.mktemp("home")
    from_s = int(time.time())
    services = json.loads(_run_script("emit_calls.py", home))
    return CapturedCalls(home, services, from_s - 3600, int(time.time()) + 3600)
