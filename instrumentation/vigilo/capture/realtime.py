"""The hook of OpenAI's websockets, for realtime sessions and for responses: one call for each response on them.

All events that come in pass ``recv_bytes`` of the connection (``recv``, iteration and event handlers end there), and
all that go out ``send`` or ``send_raw``; managers of newer SDKs take events before the connection stands.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vigilo.capture.hook import Hook
from vigilo.capture.parse.openai_realtime import RealtimeSession
from vigilo.capture.parse.openai_socket import ResponsesSession
from vigilo.capture.providers import stainless_origin
from vigilo.capture.realtime_calls import Calls
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from vigilo.capture.patches import Patches
    from vigilo.capture.realtime_calls import Session

_in_send: ContextVar[bool] = ContextVar("vigilo-in-websocket-send", default=False)
"""Within ``send``, which passes ``send_raw`` in some versions."""


class RealtimeHook(Hook):
    """Sees the responses of ``client.realtime.connect()``, or of another resource that connects in the same way.

    Args:
        http: the hook of the SDK's HTTP calls: who watches a client watches its connections.
        module_name: the module of the resource; the beta has one of its own.
        resource: the class of the resource.
        session: reads the events of one connection; takes the model that its address names.
    """

    def __init__(self, http: Hook, module_name: str, resource: str, session: Callable[[str | None], Session]) -> None:
        super().__init__()
        self.module_name = module_name
        self._resource = resource
        self._session = session
        self.subscriptions = http.subscriptions
        self._http = http
        self._calls: WeakKeyDictionary[Any, Calls] = WeakKeyDictionary()
        """By the manager of a connection, and by the connection once it stands."""

    def key_of(self, client: object) -> object | None:
        return self._http.key_of(client)

    def patch(self, module: ModuleType, patches: Patches) -> None:
        if not hasattr(module, f"{self._resource}Connection"):
            return  # an older SDK, where this resource does not connect
        for prefix in ("", "Async"):
            is_async = bool(prefix)
            resource, manager, connection = (
                getattr(module, f"{prefix}{self._resource}{what}") for what in ("", "ConnectionManager", "Connection")
            )
            patches.put(resource, "connect", self._connect)
            for name in ("__aenter__" if is_async else "__enter__", "enter"):
                patches.put(manager, name, self._async_enter if is_async else self._enter)
            if "send" in manager.__dict__:
                patches.put(manager, "send", self._send)
            patches.override(connection, "recv_bytes", self._async_receive if is_async else self._receive)
            patches.override(connection, "close", self._async_close if is_async else self._close)
            for name in ("send", "send_raw"):
                if hasattr(connection, name):
                    patches.override(connection, name, self._async_send if is_async else self._send)

    def _connect(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def connect(resource: Any, *args: Any, **kwargs: Any) -> Any:
            manager = inner(resource, *args, **kwargs)
            with internal_errors("following a connection"):
                client, model = resource._client, kwargs.get("model")
                key = client._client
                calls = Calls(
                    lambda: self.subscriptions.recorder(key),
                    stainless_origin(client, "openai"),
                    self._session(model if isinstance(model, str) else None),
                )
                calls.await_connection(manager)
                self._calls[manager] = calls
            return manager

        return connect

    def _enter(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def enter(manager: Any) -> Any:
            connection = inner(manager)
            self._connected(manager, connection)
            return connection

        return enter

    def _async_enter(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def enter(manager: Any) -> Any:
            connection = await inner(manager)
            self._connected(manager, connection)
            return connection

        return enter

    def _connected(self, manager: Any, connection: Any) -> None:
        with internal_errors("following a connection"):
            if (calls := self._calls.get(manager)) is not None:
                calls.follow(connection)
                self._calls[connection] = calls

    def _receive(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def recv_bytes(connection: Any) -> Any:
            try:
                message = inner(connection)
            except BaseException as error:
                self._broken(connection, error)
                raise
            if (calls := self._calls.get(connection)) is not None:
                calls.received(message)
            return message

        return recv_bytes

    def _async_receive(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def recv_bytes(connection: Any) -> Any:
            try:
                message = await inner(connection)
            except BaseException as error:
                self._broken(connection, error)
                raise
            if (calls := self._calls.get(connection)) is not None:
                calls.received(message)
            return message

        return recv_bytes

    def _broken(self, connection: Any, error: BaseException) -> None:
        """Ends the responses of a connection that is gone; a wait that was given up or cancelled loses nothing."""
        with internal_errors("ending the responses of a connection"):
            kinds = {kind.__name__ for kind in type(error).__mro__}  # `websockets` is not imported for its classes
            if "ConnectionClosed" not in kinds or (calls := self._calls.get(connection)) is None:
                return
            if "ConnectionClosedOK" in kinds:
                calls.end("close")
            else:
                calls.fail(error)

    def _close(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def close(connection: Any, *args: Any, **kwargs: Any) -> Any:
            self._closing(connection)
            return inner(connection, *args, **kwargs)

        return close

    def _async_close(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def close(connection: Any, *args: Any, **kwargs: Any) -> Any:
            self._closing(connection)
            return await inner(connection, *args, **kwargs)

        return close

    def _closing(self, connection: Any) -> None:
        with internal_errors("ending the responses of a connection"):
            if (calls := self._calls.get(connection)) is not None:
                calls.end("close")

    def _send(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def send(connection: Any, *args: Any, **kwargs: Any) -> Any:
            calls = None if _in_send.get() else self._calls.get(connection)
            if calls is None:
                return inner(connection, *args, **kwargs)
            token = _in_send.set(True)
            try:
                with calls.send(_only(args, kwargs)):
                    return inner(connection, *args, **kwargs)
            finally:
                _in_send.reset(token)

        return send

    def _async_send(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def send(connection: Any, *args: Any, **kwargs: Any) -> Any:
            calls = None if _in_send.get() else self._calls.get(connection)
            if calls is None:
                return await inner(connection, *args, **kwargs)
            token = _in_send.set(True)
            try:
                async with calls.send(_only(args, kwargs)):
                    return await inner(connection, *args, **kwargs)
            finally:
                _in_send.reset(token)

        return send


def realtime_hooks(http: Hook) -> tuple[Hook, ...]:
    """The hooks of all websockets of the SDK whose HTTP calls ``http`` sees."""
    return (
        RealtimeHook(http, "openai.resources.realtime.realtime", "Realtime", RealtimeSession),
        RealtimeHook(http, "openai.resources.beta.realtime.realtime", "Realtime", RealtimeSession),
        RealtimeHook(http, "openai.resources.responses.responses", "Responses", ResponsesSession),
    )


def _only(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The one argument of a method, by position or by name."""
    return args[0] if args else next(iter(kwargs.values()), None)
