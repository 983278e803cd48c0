"""Which client of google-genai an HTTP client belongs to: all that some of its transports know of it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vigilo.capture.subscriptions import Subscriptions

if TYPE_CHECKING:
    from vigilo.capture.recorder import Recorder


class GoogleSubscriptions(Subscriptions):
    """The recorders of transports that know a client by its HTTP clients, the sync and the async one."""

    def __init__(self) -> None:
        super().__init__()
        self._owners: WeakKeyDictionary[Any, weakref.ref[Any]] = WeakKeyDictionary()

    def key_of(self, client: object) -> object | None:
        """What a ``google.genai.Client`` is known by, with its HTTP clients; None for anything else."""
        inner: Any = getattr(client, "_api_client", None)
        if inner is None or not type(inner).__module__.startswith("google.genai."):
            return None
        for name in ("_httpx_client", "_async_httpx_client"):
            if (http_client := getattr(inner, name, None)) is not None:
                self._owners[http_client] = weakref.ref(inner)
        known: object = inner
        return known

    def recorder(self, http_client: object) -> Recorder | None:
        owner = self._owners.get(http_client) if self._owners else None
        return super().recorder(http_client if owner is None else owner() or http_client)
