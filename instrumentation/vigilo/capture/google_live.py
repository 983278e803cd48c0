"""The hook of google-genai's live API (``client.aio.live.connect``): one call for each turn of the model.

What the client sends passes ``send`` of the websocket, with the setup first; what comes back passes
``AsyncSession._receive``, through which ``receive`` and ``start_stream`` read.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vigilo.capture import gate
from vigilo.capture.call import Request
from vigilo.capture.google_live_session import LiveSession
from vigilo.capture.hook import Hook
from vigilo.capture.providers import google_origin
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from vigilo.capture.patches import Patches

_opening: ContextVar[LiveSession | None] = ContextVar("vigilo-google-live", default=None)
"""The session that is being opened, for the websocket that is opened for it."""


class GoogleLiveHook(Hook):
    """Sees the turns of live sessions.

    Args:
        http: the hook of the SDK's HTTP calls: who watches a client watches its sessions.
    """

    module_name = "google.genai.live"

    def __init__(self, http: Hook) -> None:
        super().__init__()
        self.subscriptions = http.subscriptions
        self._http = http
        self._sessions: WeakKeyDictionary[Any, LiveSession] = WeakKeyDictionary()

    def key_of(self, client: object) -> object | None:
        return self._http.key_of(client)

    def patch(self, module: ModuleType, patches: Patches) -> None:
        patches.put(module.AsyncLive, "connect", self._connect)
        patches.put(module.AsyncSession, "_receive", self._receive)
        patches.put(module, "ws_connect", _opened)

    def _connect(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def connect(live: Any, *args: Any, **kwargs: Any) -> Any:
            manager = inner(live, *args, **kwargs)
            with internal_errors("following a live session"):
                recorder = self.subscriptions.recorder(live._api_client)
                if recorder is not None:
                    origin = google_origin(live._api_client)
                    model = kwargs.get("model")
                    asked = Request(
                        operation="generate_content",
                        provider=origin.provider,
                        model=model.rpartition("/")[2] if isinstance(model, str) else None,
                        stream=True,
                        server_address=origin.server_address,
                        server_port=origin.server_port,
                        account=origin.account,
                    )
                    return _Connection(manager, LiveSession(recorder, origin, asked), self._sessions)
            return manager

        return connect

    def _receive(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def receive(session: Any) -> Any:
            followed = self._sessions.get(session)
            if followed is None:
                return await inner(session)
            try:
                message = await inner(session)
            except asyncio.CancelledError:
                raise  # who waits no longer may wait again: the turn goes on
            except BaseException as error:
                followed.broken(error)
                raise
            followed.received(message)
            return message

        return receive


class _Connection:
    """The context manager of a session, which is followed from opening to closing."""

    def __init__(self, manager: Any, session: LiveSession, sessions: WeakKeyDictionary[Any, LiveSession]) -> None:
        self._manager = manager
        self._session = session
        self._sessions = sessions

    async def __aenter__(self) -> Any:
        started_s = time.perf_counter()
        token = _opening.set(self._session)
        try:
            await gate.ask(self._session.request)
            opened = await self._manager.__aenter__()
        except BaseException as error:
            self._session.failed_to_open(error, started_s)
            raise
        finally:
            _opening.reset(token)
        with internal_errors("following a live session"):
            self._session.opened(getattr(opened, "session_id", None))
            self._sessions[opened] = self._session
        return opened

    async def __aexit__(self, *error: Any) -> Any:
        self._session.closed()
        return await self._manager.__aexit__(*error)


def _opened(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner, updated=())  # a class, of the package `websockets`
    def ws_connect(*args: Any, **kwargs: Any) -> Any:
        connecting = inner(*args, **kwargs)
        session = _opening.get()
        return connecting if session is None else _Opening(connecting, session)

    return ws_connect


class _Opening:
    """The context manager of a websocket, whose sending is followed."""

    def __init__(self, connecting: Any, session: LiveSession) -> None:
        self._connecting = connecting
        self._session = session

    async def __aenter__(self) -> Any:
        websocket = await self._connecting.__aenter__()
        with internal_errors("following a live session"):
            session, inner = self._session, websocket.send

            async def send(message: Any, *args: Any, **kwargs: Any) -> Any:
                async with session.sends(message):
                    return await inner(message, *args, **kwargs)

            websocket.send = send
        return websocket

    async def __aexit__(self, *error: Any) -> Any:
        return await self._connecting.__aexit__(*error)
