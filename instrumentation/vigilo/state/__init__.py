"""What processes share: counters, holds, rates and rules. SQLite by default, Redis where it is set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vigilo.settings import Settings
    from vigilo.state.failover import Failover
    from vigilo.state.store import Store

STATE_FILE: Final = "state.db"
_opened: Final[dict[tuple[str, ...], Failover]] = {}


def open_store(settings: Settings) -> Failover:
    """The store of this process for these settings; it is opened at its first use.

    Raises:
        ConfigError: ``redis_url`` is wrong.
        MissingExtraError: redis-py is not installed.
    """
    path = os.path.join(settings.home, STATE_FILE)
    where = (
        (settings.redis_url, settings.state_namespace, str(settings.state_timeout_ms))
        if settings.redis_url
        else (path,)
    )
    key = (settings.on_store_error, *where)
    opened = _opened.get(key)
    if opened is None:
        opened = _opened.setdefault(key, _open(settings))
    return opened


def exists(settings: Settings) -> bool:
    """Whether there may be shared state; costs a ``stat`` at the most, and makes no file."""
    return bool(settings.redis_url) or os.path.exists(os.path.join(settings.home, STATE_FILE))


def _open(settings: Settings) -> Failover:
    import atexit

    from vigilo.state.failover import Failover

    store: Store
    if settings.redis_url:
        from vigilo.state.redis import RedisStore

        store = RedisStore(settings.redis_url, settings.state_namespace, settings.state_timeout_ms)
    else:
        from vigilo.state.sqlite import SqliteStore

        store = SqliteStore(settings.home / STATE_FILE)
    if not _opened:
        atexit.register(close_all)
    return Failover(store, settings.on_store_error)


def close_all() -> None:
    """Tells the stores of this process what they have missed, and lets go of them."""
    while _opened:
        _opened.popitem()[1].close()
