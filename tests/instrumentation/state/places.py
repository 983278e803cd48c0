"""Where state is kept in tests, written so that another process can open it as well.

A place is ``memory:``, ``sqlite:<path>`` or ``redis:<namespace>@<url>``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigilo.state.store import Store


def open_place(place: str) -> Store:
    """Opens a store of it, as any process would."""
    kind, _, where = place.partition(":")
    if kind == "memory":
        from vigilo.state.memory import MemoryStore

        return MemoryStore()
    if kind == "sqlite":
        from vigilo.state.sqlite import SqliteStore

        # Tests that contend on purpose run on busy machines.
        return SqliteStore(Path(where), contention_s=20.0)
    from vigilo.state.redis import RedisStore

    namespace, _, url = where.partition("@")
    return RedisStore(url, namespace, 5_000)
