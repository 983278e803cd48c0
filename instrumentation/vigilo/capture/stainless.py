"""The transport hook of every SDK made by Stainless: openai, anthropic and their siblings.

All resources, helpers, raw responses and copies of a client pass ``_base_client.{Sync,Async}APIClient.request``
(since openai 1.0.1 and anthropic 0.7), each attempt passes ``_build_request`` and each response ``_process_response``.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Mapping
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vigilo.capture.call import Response
from vigilo.capture.hook import Hook, count_attempt, in_flight, note_headers, sending
from vigilo.capture.providers import stainless_origin
from vigilo.capture.streams import StreamEnd, watch_stream
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from vigilo.capture.parse.endpoint import Endpoint
    from vigilo.capture.patches import Patches
    from vigilo.capture.recorder import Recording


class StainlessHook(Hook):
    """Sees every request of one Stainless SDK.

    Args:
        sdk: the SDK's package, which is also the provider where the host does not tell another.
        endpoints: how the paths are read; a path that is not here (listing, polling) is no call to a model.
    """

    def __init__(self, sdk: str, endpoints: Mapping[str, Endpoint]) -> None:
        super().__init__()
        self.sdk = sdk
        self.module_name = f"{sdk}._base_client"
        self._endpoints = endpoints
        self._streams: tuple[type, ...] = ()

    def patch(self, module: ModuleType, patches: Patches) -> None:
        streaming = import_module(f"{self.sdk}._streaming")
        self._streams = (streaming.Stream, streaming.AsyncStream)
        patches.put(module.SyncAPIClient, "request", self._sync_request)
        patches.put(module.AsyncAPIClient, "request", self._async_request)
        patches.put(module.BaseClient, "_build_request", _counted)
        for client in (module.SyncAPIClient, module.AsyncAPIClient):
            patches.put(client, "_process_response", _with_headers)
        if "_tracer" in module.BaseClient.__dict__:
            patches.put(module.BaseClient, "_tracer", _unless_recorded)

    def owns(self, client: object) -> bool:
        """Whether ``client`` is a client of this SDK."""
        module = self._module
        return module is not None and isinstance(client, (module.SyncAPIClient, module.AsyncAPIClient))

    def _sync_request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, args, kwargs)
            if call is None:
                return inner(client, *args, **kwargs)
            with sending(call.recording):
                result = inner(client, *args, **kwargs)
            call.answered(result)
            return result

        return request

    def _async_request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, args, kwargs)
            if call is None:
                return await inner(client, *args, **kwargs)
            with sending(call.recording):
                result = await inner(client, *args, **kwargs)
            call.answered(result)
            return result

        return request

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call | None:
        """Starts recording a request; None when nobody watches the client or it is no call to a model."""
        with internal_errors("reading a request"):
            recorder = self.subscriptions.recorder(client._client)
            if recorder is None:
                return None
            options = args[1] if len(args) > 1 else kwargs["options"]
            endpoint = self._endpoints.get(options.url.partition("?")[0])
            body = options.json_data
            if endpoint is None or options.method.lower() != "post" or not isinstance(body, Mapping):
                return None
            origin = stainless_origin(client, self.sdk)
            content = recorder.wants_content
            recording = recorder.begin(endpoint.request(origin, body, content))
            return _Call(recording, endpoint, content, self._streams)
        return None


class _Call:
    """A request of an endpoint and what becomes of its answer."""

    __slots__ = ("content", "endpoint", "recording", "streams")

    def __init__(self, recording: Recording, endpoint: Endpoint, content: bool, streams: tuple[type, ...]) -> None:
        self.recording = recording
        self.endpoint = endpoint
        self.content = content
        self.streams = streams

    def answered(self, result: Any) -> None:
        """Ends the recording, or leaves that to the stream or the raw response that was returned."""
        with internal_errors("reading a response"):
            if isinstance(result, self.streams):
                self._watch(result)
            elif hasattr(result, "http_response") and hasattr(result, "parse"):
                self._raw(result)
            else:
                self.recording.finish(self.endpoint.response(result, self.content))
            return
        self.recording.finish(Response())

    def _watch(self, stream: Any) -> None:
        if self.endpoint.fold is None:
            self.recording.finish(Response())
        else:
            watch_stream(stream, StreamEnd(self.recording, self.endpoint.fold(self.content)))

    def _raw(self, raw: Any) -> None:
        """A raw response: read now when its body is here, else when the app parses it, or drops it."""
        body = getattr(raw.http_response, "_content", None)
        if body is not None:
            self.recording.finish(self.endpoint.response(json.loads(body), self.content))
            return
        # Held weakly: a cycle would keep a dropped response, and its span, until the next garbage collection.
        held, parse = weakref.ref(raw), type(raw).parse
        watched: list[Any] = []

        def parsed(result: Any) -> Any:
            with internal_errors("reading a raw response"):
                if isinstance(result, self.streams):
                    if not watched:
                        watched.append(True)
                        self._watch(result)
                elif not self.recording.ended:
                    self.recording.finish(self.endpoint.response(result, self.content))
            return result

        if hasattr(parse, "__code__") and parse.__code__.co_flags & 0x80:  # a coroutine function

            async def parse_async(*args: Any, **kwargs: Any) -> Any:
                return parsed(await parse(held(), *args, **kwargs))

            raw.parse = parse_async
        else:
            raw.parse = lambda *args, **kwargs: parsed(parse(held(), *args, **kwargs))
        weakref.finalize(raw, _dropped, self.recording, watched)


def _dropped(recording: Recording, watched: list[Any]) -> None:
    """A raw response is gone: unless it was parsed to a stream that still lives, its call is over."""
    if not watched:
        recording.finish(Response())


def _counted(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    def build_request(client: Any, *args: Any, **kwargs: Any) -> Any:
        count_attempt()
        return inner(client, *args, **kwargs)

    return build_request


def _with_headers(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Works for sync and async: the coroutine of the async one is handed on."""

    @wraps(inner)
    def process_response(client: Any, *args: Any, **kwargs: Any) -> Any:
        note_headers(getattr(kwargs.get("response"), "headers", None))
        return inner(client, *args, **kwargs)

    return process_response


def _unless_recorded(native: property) -> property:
    """Anthropic's SDK (1.17 and later) makes spans of its own: none for a call that is recorded here."""

    def tracer(client: Any) -> Any:
        if in_flight.get() is not None:
            return None
        return native.__get__(client, type(client))

    return property(tracer)
