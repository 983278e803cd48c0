"""Which recorder, if any, sees the calls of a client."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from vigilo.capture import context

if TYPE_CHECKING:
    from vigilo.capture.recorder import Recorder


class Subscriptions:
    """The recorders of one SDK's calls.

    A wrapped client's own recorder comes first; then the instrumentor's, which sees every client; then, inside a
    ``track`` block, the default one. Wrapped clients are known by their inner HTTP client, which copies of a client
    (``with_options()``) share, and are held weakly.
    """

    def __init__(self) -> None:
        self._everyone: Recorder | None = None
        self._clients: WeakKeyDictionary[object, Recorder] = WeakKeyDictionary()

    def subscribe(self, recorder: Recorder | None) -> None:
        """Makes ``recorder`` see every client; None ends that."""
        self._everyone = recorder

    def subscribe_client(self, http_client: object, recorder: Recorder) -> None:
        """Makes ``recorder`` see the calls that go through ``http_client``."""
        self._clients.setdefault(http_client, recorder)

    def unsubscribe_client(self, http_client: object) -> None:
        """Ends that."""
        self._clients.pop(http_client, None)

    @property
    def has_clients(self) -> bool:
        """Whether a client has a recorder of its own."""
        return bool(self._clients)

    def recorder(self, http_client: object) -> Recorder | None:
        """The recorder for a call through ``http_client``; None: nobody watches."""
        if self._clients and (own := self._clients.get(http_client)) is not None:
            return own
        if self._everyone is not None:
            return self._everyone
        if (tracked := context.current()) is not None and tracked.captures:
            from vigilo.capture.recorder import default_recorder

            return default_recorder()
        return None
