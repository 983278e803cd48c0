"""The hook of google-genai's Interactions API, which has a transport of its own since 2.9 (``google.genai._gaos``).

Every way of asking passes the generated ``Interactions.{create,get}``, once for each request of an answer that is
continued; the request passes ``do_request`` as it is sent, and each attempt ``before_request``. For the client that it
had from 1.55 to 2.8 see ``google_interactions_stainless``.
"""

from __future__ import annotations

import json
import time
import weakref
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vigilo.capture import gate
from vigilo.capture.call import Response
from vigilo.capture.google_clients import GoogleSubscriptions
from vigilo.capture.google_unfinished import NotingFold, Unfinished
from vigilo.capture.hook import (
    Hook,
    admit_late,
    count_attempt,
    note_failed_attempt,
    note_headers,
    read_request,
    sending,
)
from vigilo.capture.parse.endpoint import Origin, fields, read
from vigilo.capture.parse.google_interactions import CREATE, FETCH, goes_on
from vigilo.capture.raw_responses import RawResponses, body_of, is_read
from vigilo.capture.streams import StreamEnd, read_async, read_sync
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from vigilo.capture.parse.endpoint import Endpoint
    from vigilo.capture.patches import Patches
    from vigilo.capture.recorder import Recorder, Recording

_PACKAGE = "google.genai._gaos"


class GoogleInteractionsHook(Hook):
    """Sees every interaction, and fetching one that ran in the background."""

    module_name = f"{_PACKAGE}.interactions"

    def __init__(self) -> None:
        super().__init__()
        self.subscriptions = self._clients = GoogleSubscriptions()
        self._raw = _RawInteractions(_PACKAGE)
        self._unfinished = Unfinished()

    def key_of(self, client: object) -> object | None:
        return self._clients.key_of(client)

    def patch(self, module: ModuleType, patches: Patches) -> None:
        for resource, wrapper in ((module.Interactions, self._sync), (module.AsyncInteractions, self._async)):
            patches.put(resource, "create", wrapper(CREATE))
            patches.put(resource, "get", wrapper(FETCH))
        transport = import_module(f"{_PACKAGE}.basesdk")
        patches.put(transport.BaseSDK, "do_request", _sending)
        patches.put(transport.AsyncBaseSDK, "do_request_async", _async_sending)
        patches.put(import_module(f"{_PACKAGE}._hooks.sdkhooks").SDKHooks, "before_request", _counted)
        patches.put(import_module(f"{_PACKAGE}._hooks.asyncsdkhooks").AsyncSDKHooks, "before_request", _counted)
        patches.put(import_module(f"{_PACKAGE}.utils.retries"), "_get_sleep_interval", _noting_failure)
        self._raw.patch(patches)

    def _sync(self, endpoint: Endpoint) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrapper(inner: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(inner)
            def ask(resource: Any, *args: Any, **kwargs: Any) -> Any:
                call = self._begin(resource.sdk_configuration.client, endpoint, args, kwargs)
                if call is None:
                    return inner(resource, *args, **kwargs)
                with call:
                    result = inner(resource, *args, **kwargs)
                self._answer(call, result)
                return result

            return ask

        return wrapper

    def _async(self, endpoint: Endpoint) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrapper(inner: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(inner)
            async def ask(resource: Any, *args: Any, **kwargs: Any) -> Any:
                call = self._begin(resource.sdk_configuration.async_client, endpoint, args, kwargs)
                if call is None:
                    return await inner(resource, *args, **kwargs)
                with call:
                    result = await inner(resource, *args, **kwargs)
                self._answer(call, result)
                return result

            return ask

        return wrapper

    def _begin(self, http_client: Any, endpoint: Endpoint, args: tuple[Any, ...], kwargs: Any) -> _Call | None:
        with internal_errors("starting to record a call"):
            recorder = self.subscriptions.recorder(http_client)
            if recorder is None:
                return None
            if endpoint is CREATE:
                return _Call(recorder, endpoint, self._unfinished)
            fetched = kwargs.get("id") or (args[0] if args else None)
            if fetched in self._unfinished:
                return _Fetch(recorder, endpoint, self._unfinished, streams=bool(kwargs.get("stream")))
        return None

    def _answer(self, call: _Call, result: Any) -> None:
        with internal_errors("reading a response"):
            if not (hasattr(result, "http_response") and hasattr(result, "parse")):
                call.answered(result)
            elif is_read(result.http_response):
                call.finish(body_of(result.http_response))
            else:
                self._raw.hold(result, call)
            return
        call.abandon()


_asked: ContextVar[_Call | None] = ContextVar("vigilo-google-interaction", default=None)


class _Call:
    """One request for an interaction, and what becomes of its answer."""

    def __init__(self, recorder: Recorder, endpoint: Endpoint, unfinished: Unfinished) -> None:
        self.recording: Recording | None = None
        self._recorder = recorder
        self._endpoint = endpoint
        self._unfinished = unfinished
        self._content = recorder.wants_content
        self._origin = Origin("gcp.gemini")
        self._started_s = time.perf_counter()
        self._followed = False

    def __enter__(self) -> None:
        self._token = _asked.set(self)

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        _asked.reset(self._token)
        if error is not None and self.recording is not None:
            self.recording.fail(error)

    def send(self, request: Any) -> None:
        """Begins to record the request, an HTTP request that is about to be sent."""
        with internal_errors("starting to record a call"):
            url = request.url
            provider = "gcp.vertex_ai" if "/projects/" in url.path else "gcp.gemini"
            self._origin = Origin(provider, url.host, url.port or (443 if url.scheme == "https" else 80))
            self.begin(json.loads(request.content) if request.content else {})

    def begin(self, body: Any) -> None:
        asked = read_request(self._endpoint, self._origin, body, self._content)
        self.recording = self._recorder.begin(asked, self._started_s)

    def answered(self, result: Any) -> None:
        """Ends the call with a parsed answer, or leaves that to the stream that it is."""
        if not hasattr(result, "generator"):
            self.finish(result)
        elif (end := self.follow()) is not None:
            _watch(result, end)

    def finish(self, answer: Any) -> None:
        """Ends the call with a whole answer."""
        if self.recording is None:
            return
        interaction_id = read(answer, "id")
        if goes_on(answer):
            self._unfinished.add(interaction_id)
        else:
            self._unfinished.discard(interaction_id)
        self.recording.finish(self._endpoint.response(answer, self._content))

    def abandon(self) -> None:
        """Ends the call without an answer, unless it has ended or is left to its stream."""
        if self.recording is not None and not self._followed:
            self.recording.finish(Response())

    def follow(self) -> StreamEnd | None:
        """Begins to put a stream together."""
        if self.recording is None or self._endpoint.fold is None:
            return None
        fold = self._endpoint.fold(self._content or gate.wants_input())
        end = StreamEnd(self.recording, NotingFold(fold, self._unfinished))
        self._followed = True
        return end


class _Fetch(_Call):
    """A question that is asked again and again: it becomes a call when the interaction has ended, or is streamed."""

    def __init__(self, recorder: Recorder, endpoint: Endpoint, unfinished: Unfinished, *, streams: bool) -> None:
        super().__init__(recorder, endpoint, unfinished)
        self._streams = streams

    def begin(self, body: Any) -> None:
        if self._streams or body:
            super().begin({**body, "stream": self._streams})

    def finish(self, answer: Any) -> None:
        if not goes_on(answer):
            self.begin(fields(answer))
            if self.recording is not None:
                admit_late(self.recording)
            super().finish(answer)


def _watch(stream: Any, end: StreamEnd) -> None:
    """Makes a stream report to ``end``. The SDK may take its generator and drop the stream itself."""
    close = stream.close
    if hasattr(stream.generator, "__anext__"):
        stream.generator = read_async(stream.generator, end)

        async def aclose() -> None:
            end.end("close")
            await close()

        stream.close = aclose
    else:
        stream.generator = read_sync(stream.generator, end)

        def close_and_end() -> None:
            end.end("close")
            close()

        stream.close = close_and_end
    weakref.finalize(stream.generator, end.end, "drop").atexit = False  # nobody may ever read it


def _sending(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    def do_request(sdk: Any, hook_ctx: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        call = _asked.get()
        if call is None:
            return inner(sdk, hook_ctx, request, *args, **kwargs)
        call.send(request)
        with sending(call.recording):
            response = inner(sdk, hook_ctx, request, *args, **kwargs)
            note_headers(response.headers)
        return response

    return do_request


def _async_sending(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    async def do_request_async(sdk: Any, hook_ctx: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        call = _asked.get()
        if call is None:
            return await inner(sdk, hook_ctx, request, *args, **kwargs)
        call.send(request)
        async with sending(call.recording):
            response = await inner(sdk, hook_ctx, request, *args, **kwargs)
            note_headers(response.headers)
        return response

    return do_request_async


def _counted(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Works for sync and async: the coroutine of the async one is handed on."""

    @wraps(inner)
    def before_request(*args: Any, **kwargs: Any) -> Any:
        count_attempt()
        return inner(*args, **kwargs)

    return before_request


def _noting_failure(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Asked for the pause before another attempt, with what tells why the last one failed."""

    @wraps(inner)
    def get_sleep_interval(exception: Any, *args: Any, **kwargs: Any) -> Any:
        note_failed_attempt(exception)
        return inner(exception, *args, **kwargs)

    return get_sleep_interval


class _RawInteractions(RawResponses):
    """Raw responses of interactions, which have classes of their own."""

    def patch(self, patches: Patches) -> None:
        module = import_module(f"{_PACKAGE}.utils.response_helpers")
        for prefix, parse in (("", self._parse), ("Async", self._async_parse)):
            for name in ("APIResponse", "StreamedAPIResponse"):
                patches.put(getattr(module, prefix + name), "parse", parse)
            self._patch_reading(patches, getattr(module, f"_{prefix}APIResponseBase"), is_async=bool(prefix))
