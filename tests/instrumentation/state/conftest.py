"""Every kind of store runs the same tests: each kind is a fixture that returns a place, of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .places import open_place
from .redis_server import redis_place, redis_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vigilo.state.store import Store

SHARED = ["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)]
"""Kinds of stores that processes share; the fixture is named ``<kind>_place``."""
ALL = ["memory", *SHARED]
__all__ = ["redis_place", "redis_server"]


@pytest.fixture
def memory_place() -> str:
    return "memory:"


@pytest.fixture
def sqlite_place(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'home' / 'state.db'}"


@pytest.fixture(params=ALL)
def place(request: pytest.FixtureRequest) -> str:
    """Each kind of store there is."""
    return str(request.getfixturevalue(f"{request.param}_place"))


@pytest.fixture(params=SHARED)
def shared_place(request: pytest.FixtureRequest) -> str:
    """Each kind of store that processes share."""
    return str(request.getfixturevalue(f"{request.param}_place"))


@pytest.fixture
def open_store() -> Iterator[Callable[[str], Store]]:
    """Opens stores of a place, which are closed after the test."""
    opened: list[Store] = []

    def open_it(place: str) -> Store:
        opened.append(open_place(place))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(place: str, open_store: Callable[[str], Store]) -> Store:
    return open_store(place)
