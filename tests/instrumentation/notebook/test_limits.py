from __future__ import annotations

import pytest

from vigilo.notebook.limits import Limit, idle_limit, output_limit, quota_limit, session_limit
from vigilo.notebook.platform import Platform
from vigilo.settings import Settings

COLAB, ENTERPRISE, OWN = Platform("colab"), Platform("colab", "enterprise"), Platform("colab", "local_runtime")
KAGGLE, BATCH, LOCAL = Platform("kaggle", "interactive"), Platform("kaggle", "batch"), Platform("local")
HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("platform", "accelerator", "expected"),
    [
        (COLAB, "gpu", Limit(12 * HOUR_S, "documented")),
        (ENTERPRISE, "gpu", Limit(18 * HOUR_S, "documented")),
        (OWN, "gpu", Limit()),
        (KAGGLE, "none", Limit(12 * HOUR_S, "documented")),
        (KAGGLE, "gpu", Limit(9 * HOUR_S, "reported")),
        (BATCH, "tpu", Limit(9 * HOUR_S, "documented")),
        (LOCAL, "gpu", Limit()),
    ],
)
def test_session(tmp_path, platform, accelerator, expected):
    assert session_limit(platform, accelerator, Settings(home=tmp_path)) == expected
    assert session_limit(platform, accelerator, Settings(home=tmp_path, session_limit_s=60)) == Limit(60, "setting")


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (COLAB, Limit(5400.0, "reported")),
        (ENTERPRISE, Limit(3 * HOUR_S, "documented")),
        (KAGGLE, Limit(2400.0, "reported")),
        (BATCH, Limit()),
        (OWN, Limit()),
        (LOCAL, Limit()),
    ],
)
def test_idle(tmp_path, platform, expected):
    assert idle_limit(platform, Settings(home=tmp_path)) == expected
    assert idle_limit(platform, Settings(home=tmp_path, idle_limit_s=60)) == Limit(60, "setting")


@pytest.mark.parametrize(
    ("platform", "accelerator", "expected"),
    [
        (KAGGLE, "gpu", Limit(30 * HOUR_S, "reported")),
        (KAGGLE, "tpu", Limit(20 * HOUR_S, "reported")),
        (COLAB, "gpu", Limit()),
        (LOCAL, "gpu", Limit()),
    ],
)
def test_quota(tmp_path, platform, accelerator, expected):
    assert quota_limit(platform, accelerator, Settings(home=tmp_path)) == expected
    assert quota_limit(platform, accelerator, Settings(home=tmp_path, accelerator_quota_s=1)) == Limit(1, "setting")


def test_output(tmp_path):
    assert output_limit(KAGGLE, Settings(home=tmp_path)) == Limit(20e9, "documented")
    assert output_limit(COLAB, Settings(home=tmp_path)) == Limit()
    assert output_limit(KAGGLE, Settings(home=tmp_path, output_limit_bytes=5)) == Limit(5, "setting")
