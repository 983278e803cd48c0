"""Shared by all tests: vigilo's own failures are raised, and nothing of the user's settings or data is touched."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long an example takes says something about the machine, nothing about the code.
settings.register_profile("vigilo", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("vigilo")

# Swallowing is for apps: here a failure inside vigilo fails the test.
os.environ["VIGILO_RAISE_INTERNAL"] = "1"

SHARED = Path(__file__).parents[1].parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips, with the reason, what needs recorded provider traffic that is not part of the repository."""
    if SHARED.is_dir():
        return
    absent = pytest.mark.skip(reason="recorded provider traffic and labelled data are not beside the repository")
    for item in items:
        if "needs_shared" in item.keywords:
            item.add_marker(absent)


def pytest_collection_finish() -> None:
    """Takes what the SDKs' modules hold out of garbage collection: tests of dropped streams collect after each call."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)  # after the fixtures of the module
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The same for what a module of tests leaves: after thousands of tests each collection took a fifth of a second."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _few_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Providers here are on loopback without TLS, and reading all authorities takes each client a tenth of a second."""
    certifi = pytest.importorskip("certifi")
    authorities = Path(certifi.where()).read_text("utf-8")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    one = tmp_path_factory.mktemp("authorities") / "one.pem"
    one.write_text(f"{begin}{authorities.partition(begin)[2].partition(end)[0]}{end}\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(one))
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test keeps its data in a folder of its own, and sees none of the developer's settings."""
    for name in [name for name in os.environ if name.startswith(("VIGILO_", "OTEL_"))]:
        if name != "VIGILO_RAISE_INTERNAL":
            monkeypatch.delenv(name)
    monkeypatch.setenv("VIGILO_HOME", str(tmp_path / "vigilo-home"))
    monkeypatch.setenv("VIGILO_PRICE_AGE_DAYS", "0")  # the tests shall pass next year too
    monkeypatch.setenv("VIGILO_RETENTION_DAYS", "-1")
    monkeypatch.setenv("VIGILO_CONTENT_RETENTION_DAYS", "-1")
    from vigilo.policy.mask.user_rules import user_rules
    from vigilo.settings import app_settings

    # Read once a process, and so perhaps from the settings of the test before.
    for remembered in (app_settings, user_rules):
        remembered.cache_clear()


@pytest.fixture(autouse=True)
def _policy_of_its_own() -> Iterator[None]:
    """What one test masked, held or counted does not reach into the next: quotas are looked for in its own home."""
    yield
    from vigilo import tallies
    from vigilo.policy import guard
    from vigilo.policy.export import install

    tallies.forget()
    guard.forget()

    for holder in list(install._holders):
        install.release(holder)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded traffic and labelled data; use it in tests marked ``needs_shared``."""
    return SHARED
