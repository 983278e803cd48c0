from __future__ import annotations

import pytest

from vigilo.notebook.platform_resource import PlatformResourceDetector


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("VIGILO_PLATFORM_ROOT", str(tmp_path))
    for name in (
        "KAGGLE_KERNEL_RUN_TYPE",
        "KAGGLE_URL_BASE",
        "TBE_RUNTIME_ADDR",
        "COLAB_RELEASE_TAG",
        "VERTEX_PRODUCT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("JUPYTERHUB_API_URL", raising=False)


def attributes():
    return dict(PlatformResourceDetector().detect().attributes)


def test_local(nowhere):
    assert attributes() == {"notebook.platform": "local"}


def test_kaggle(nowhere, monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    assert attributes() == {"notebook.platform": "kaggle", "notebook.platform.variant": "batch"}


def test_the_setting(nowhere, monkeypatch):
    monkeypatch.setenv("VIGILO_PLATFORM", "colab")
    assert attributes() == {"notebook.platform": "colab"}
