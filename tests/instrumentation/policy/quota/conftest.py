"""A home, settings and stores for tests of quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vigilo.policy import guard
from vigilo.settings import Settings, app_settings
from vigilo.state import STATE_FILE
from vigilo.state.memory import MemoryStore
from vigilo.state.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vigilo.state.store import Store


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    guard.forget()
    yield
    guard.forget()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / STATE_FILE, 20.0)
    yield opened
    opened.close()


@pytest.fixture
def home() -> Path:
    app_settings.cache_clear()
    return app_settings().home
