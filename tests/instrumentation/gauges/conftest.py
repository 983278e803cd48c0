"""GPUs by a script, and no snapshot, ring or watch that outlives its test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from .scripted_gpu import ScriptedGpu, build, compiler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the library that answers as a script says."""
    return _built(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of an old driver: without MIG, memory of the second version, newer fields, and lists of processes."""
    return _built(tmp_path_factory.mktemp("old-nvml"), "OLD_DRIVER")


def _built(folder: Path, *defined: str) -> Path:
    if compiler() is None:
        pytest.skip("there is no C compiler for the library in the place of NVIDIA's")
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    return build(folder, *defined)


@pytest.fixture
def gpu(nvml_library: Path, tmp_path: Path) -> ScriptedGpu:
    """Two T4, until the script says otherwise."""
    return ScriptedGpu(nvml_library, tmp_path / "gpus.txt")


@pytest.fixture
def old_gpu(old_nvml_library: Path, tmp_path: Path) -> ScriptedGpu:
    """The same with an old driver."""
    return ScriptedGpu(old_nvml_library, tmp_path / "gpus.txt")


@pytest.fixture(autouse=True)
def _own_snapshot() -> Iterator[None]:
    yield
    for name in ("vigilo.gauges.ring", "vigilo.gauges.snapshot"):
        if name in sys.modules:
            sys.modules[name].forget()
