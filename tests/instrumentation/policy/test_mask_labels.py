"""Labels are remembered once they are masked, and only then."""

from __future__ import annotations

import pytest

from vigilo.policy.mask.labels import mask_label
from vigilo.policy.mask.user_rules import user_rules


def test_a_label_that_could_not_be_masked_is_masked_the_next_time(tmp_path, monkeypatch):
    (tmp_path / "vigilo.toml").write_text("[mask]\nnonsense = 1\n", "utf-8")
    monkeypatch.setenv("VIGILO_CONFIG", str(tmp_path / "vigilo.toml"))
    user_rules.cache_clear()
    assert mask_label("a-model-of-this-test") == "[REDACTED]"
    monkeypatch.delenv("VIGILO_CONFIG")
    user_rules.cache_clear()
    assert mask_label("a-model-of-this-test") == "a-model-of-this-test"


@pytest.mark.parametrize("context", ["", "password"])
def test_the_same_label_is_masked_by_what_stands_before_it(context):
    assert mask_label("hunter2hunter2", context) == ("[SECRET]" if context else "hunter2hunter2")
