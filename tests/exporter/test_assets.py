"""Shipped files are found in a wheel and in a checkout, and the error of an absent one says where it looked."""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING

import pytest

from vigilo.errors import VigiloError
from vigilo_exporter import assets

if TYPE_CHECKING:
    from pathlib import Path


def _installed_copy(site: Path):
    """The module as it lies in an installed wheel: alone, far from any checkout."""
    package = site / "vigilo_exporter"
    package.mkdir(parents=True)
    shutil.copy(assets.__file__, package)
    spec = importlib.util.spec_from_file_location("installed_assets", package / "assets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_checkout_serves_its_own_folders():
    assert assets.asset("dashboards", "overview.json").is_file()
    assert assets.asset("collector-config", "otelcol.yaml").is_file()


def test_a_wheel_serves_what_was_packed_with_it(tmp_path):
    installed = _installed_copy(tmp_path)
    packed = tmp_path / "vigilo_exporter" / "_assets" / "examples"
    packed.mkdir(parents=True)
    (packed / "chat.py").write_text("", "utf-8")

    assert installed.asset("examples", "chat.py") == packed / "chat.py"


def test_an_absent_file_is_named_with_the_places_searched(tmp_path):
    installed = _installed_copy(tmp_path)

    with pytest.raises(VigiloError, match=r"examples/none\.py is not part of this installation") as raised:
        installed.asset("examples", "none.py")

    assert str(tmp_path / "vigilo_exporter" / "_assets") in str(raised.value)
