from __future__ import annotations

import sys
from types import ModuleType

import pytest
from tests.instrumentation.notebook.world import COLAB, KAGGLE

from vigilo.notebook.place import Place
from vigilo.notebook.platform import Platform, platform_of
from vigilo.settings import Settings


def platform(tmp_path, environ, **settings):
    return platform_of(Place(tmp_path, environ), Settings(home=tmp_path, **settings))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (COLAB, Platform("colab", "", "TBE_RUNTIME_ADDR")),
        ({"COLAB_RELEASE_TAG": "x"}, Platform("colab", "local_runtime", "COLAB_RELEASE_TAG")),
        ({"COLAB_RELEASE_TAG": "x", "COLAB_GPU": "1"}, Platform("colab", "local_runtime", "COLAB_RELEASE_TAG")),
        (
            {"VERTEX_PRODUCT": "COLAB_ENTERPRISE", "COLAB_RELEASE_TAG": "x"},
            Platform("colab", "enterprise", "VERTEX_PRODUCT"),
        ),
        # Kaggle's images are made from Colab's.
        (KAGGLE, Platform("kaggle", "interactive", "KAGGLE_KERNEL_RUN_TYPE")),
        ({**KAGGLE, **COLAB}, Platform("kaggle", "interactive", "KAGGLE_KERNEL_RUN_TYPE")),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, Platform("kaggle", "batch", "KAGGLE_KERNEL_RUN_TYPE")),
        ({"KAGGLE_URL_BASE": "https://www.kaggle.com"}, Platform("kaggle", "interactive", "KAGGLE_URL_BASE")),
        ({}, Platform("local", "", "default")),
        # What somebody left in a shell start-up file.
        ({"COLAB_GPU": "0", "KAGGLE_USERNAME": "me"}, Platform("local", "", "default")),
        ({"KAGGLE_KERNEL_RUN_TYPE": ""}, Platform("local", "", "default")),
        ({"JUPYTERHUB_API_URL": "http://hub"}, Platform("local", "jupyterhub", "default")),
    ],
)
def test_variables(tmp_path, environ, expected):
    assert platform(tmp_path, environ) == expected


def test_colab_with_kagglehubs_folder_is_colab(tmp_path):
    (tmp_path / "kaggle" / "input").mkdir(parents=True)
    assert platform(tmp_path, COLAB).name == "colab"
    assert platform(tmp_path, {}).name == "local"


def test_colabs_own_file(tmp_path):
    (tmp_path / "var" / "colab").mkdir(parents=True)
    (tmp_path / "var" / "colab" / "hostname").write_text("x")
    assert platform(tmp_path, {}) == Platform("colab", "", "/var/colab/hostname")
    assert platform(tmp_path, KAGGLE).name == "kaggle"


@pytest.mark.parametrize(("name", "variant"), [("colab", ""), ("kaggle", "interactive"), ("local", "")])
def test_the_setting_wins(tmp_path, name, variant):
    assert platform(tmp_path, {}, platform=name) == Platform(name, variant, "setting")
    assert platform(tmp_path, KAGGLE, platform=name).name == name


def test_colabs_shell(tmp_path, monkeypatch):
    class Shell:
        pass

    Shell.__module__ = "google.colab._shell"
    interactive = ModuleType("IPython.core.interactiveshell")
    interactive.InteractiveShell = type("InteractiveShell", (), {"_instance": Shell()})
    monkeypatch.setitem(sys.modules, "IPython.core.interactiveshell", interactive)
    assert platform(tmp_path, {}) == Platform("colab", "", "shell")
    assert platform(tmp_path, KAGGLE).name == "kaggle"


@pytest.mark.parametrize(
    ("environ", "managed"), [(COLAB, True), (KAGGLE, True), ({"COLAB_RELEASE_TAG": "x"}, False), ({}, False)]
)
def test_who_gives_the_machine(tmp_path, environ, managed):
    assert platform(tmp_path, environ).managed is managed
