"""Builds the environments of the neighbours: ``python tests/neighbours/make_environments.py [NAME ...]``.

Each is a virtual environment that sees the packages of the interpreter that runs this, and has its own on top: those
that ``requirements/NAME.txt`` pins, without their dependencies, which are pinned there as well or are there already.
They lie in ``VIGILO_TEST_ENVS``, by default ``.venv-neighbours`` beside the sources. One that is up to date is kept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("VIGILO_TEST_ENVS") or HERE.parents[1] / ".venv-neighbours")
NAMES = ("official", "openllmetry", "openinference", "openlit", "logfire")


def python_of(name: str) -> Path:
    """The interpreter of an environment, which may not be there."""
    return ENVIRONMENTS / name / "bin" / "python"


def is_made(name: str) -> bool:
    """Whether an environment is there and up to date."""
    stamp = ENVIRONMENTS / name / "made-of"
    return stamp.is_file() and stamp.read_text() == _made_of(name)


def make(name: str) -> None:
    """Builds an environment anew."""
    folder = ENVIRONMENTS / name
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder)
    site_packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    base = sysconfig.get_path("purelib")
    Path(site_packages, "packages-of-the-tests.pth").write_text(f"{base}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python_of(name))]
    requirements = HERE / "requirements" / f"{name}.txt"
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--requirement", str(requirements)], check=True)
    (folder / "made-of").write_text(_made_of(name))


def _made_of(name: str) -> str:
    pinned = [(HERE / "requirements" / f"{file}.txt").read_text() for file in (name, "langchain")]
    return "\n".join([sys.version, sysconfig.get_path("purelib"), *pinned])


if __name__ == "__main__":
    for chosen in sys.argv[1:] or NAMES:
        if not is_made(chosen):
            make(chosen)
