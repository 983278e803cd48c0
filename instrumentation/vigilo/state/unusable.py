"""A store that is always away: of shared state that cannot be opened, whatever is tried."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from vigilo.state.store import StateError


class UnusableStore:
    """A :class:`vigilo.state.store.Store` that fails at everything, with the reason."""

    rules_version: int = 0

    def __init__(self, why: str) -> None:
        self._why = why

    def _fail(self, *_: Any, **__: Any) -> NoReturn:
        raise StateError(self._why)

    reserve = settle = sweep = read = reset = push_back = rules = put_rule = drop_rule = _fail

    def now_unix_s(self) -> float:
        """The time here: there is nobody to share a clock with."""
        return time.time()

    def close(self) -> None:
        """There is nothing to let go of."""
