"""Apps that run beside a neighbour, each in the neighbour's own environment and once for all tests."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from .make_environments import is_made, python_of

ROOT = Path(__file__).parents[2]
APP = Path(__file__).parent / "app.py"
AUTO = ("-c", "from opentelemetry.instrumentation.auto_instrumentation import run; run()")
"""The command ``opentelemetry-instrument``, of the environment whose interpreter runs it."""


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Runs the app in an environment: ``run("official", "vigilo", "official", calls)`` gives its report."""

    @cache
    def outcome(environment, first, neighbour, calls, variables):
        folder = tmp_path_factory.mktemp(f"{neighbour}-{first}")
        python = str(python_of(environment))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIGILO_", "OTEL_"))}
        # What an instrumentor has not wrapped by itself must not come from our own environment.
        environ = {
            **kept,
            "PYTHONPATH": f"{ROOT / 'instrumentation'}{os.pathsep}{ROOT / 'exporter'}",
            "VIGILO_HOME": str(folder / "home"),
            "VIGILO_RAISE_INTERNAL": "1",
            **dict(variables),
        }
        app = [python, str(APP), str(folder / "report.json"), first, neighbour, *calls]
        command = [python, *AUTO, *app] if first == "auto" else app
        done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=180)
        if done.returncode:
            return None, done.stderr[-4000:]
        return {**json.loads((folder / "report.json").read_text()), "stderr": done.stderr}, ""

    def run(environment, first, neighbour, calls, **variables):
        if not is_made(environment):
            pytest.skip(f"no environment {environment}: run tests/neighbours/make_environments.py")
        report, failure = outcome(environment, first, neighbour, calls, tuple(variables.items()))
        assert report is not None, failure
        return report

    return run
