"""The transport hook of google-genai.

Every endpoint passes ``BaseApiClient.{request,request_streamed,async_request,async_request_streamed}`` with the same
arguments since 1.20; each attempt passes ``_request_once`` since 1.32. What has a transport of its own has a hook of
its own: ``google_live`` and ``google_interactions``.
"""

from __future__ import annotations

import json
import sys
import time
import weakref
from functools import wraps
from itertools import chain
from typing import TYPE_CHECKING, Any

from vigilo.capture import gate
from vigilo.capture.call import Response
from vigilo.capture.google_retries import alone, retries_of
from vigilo.capture.google_tap import Tap, TappedFold, attach_tap
from vigilo.capture.hook import (
    Hook,
    admit_late,
    count_attempt,
    in_flight,
    note_failed_attempt,
    note_headers,
    read_request,
    sending,
)
from vigilo.capture.parse.google import find
from vigilo.capture.providers import google_origin
from vigilo.capture.streams import StreamEnd, read_async, read_sync
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from vigilo.capture.call import Request
    from vigilo.capture.parse.endpoint import Origin
    from vigilo.capture.parse.google import Found
    from vigilo.capture.patches import Patches
    from vigilo.capture.recorder import Recorder, Recording


class GoogleHook(Hook):
    """Sees every request of google-genai, to Gemini on Google AI and on Vertex AI.

    The wrappers name their parameters as the SDK does, so that they can be called by keyword as well.
    """

    module_name = "google.genai._api_client"

    def patch(self, module: ModuleType, patches: Patches) -> None:
        client = module.BaseApiClient
        patches.put(client, "request", self._request)
        patches.put(client, "async_request", self._async_request)
        patches.put(client, "request_streamed", self._request_streamed)
        patches.put(client, "async_request_streamed", self._async_request_streamed)
        patches.put(client, "_request", _answering)
        patches.put(client, "_async_request", _async_answering)
        patches.put(client, "_request_once", _attempting)
        patches.put(client, "_async_request_once", _async_attempting)

    def key_of(self, client: object) -> object | None:
        module = sys.modules.get(self.module_name)
        inner: object = getattr(client, "_api_client", None)  # which a client shares with its async half
        return inner if module is not None and isinstance(inner, module.BaseApiClient) else None

    def _request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def request(client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, http_method, path, request_dict)
            if call is None:
                return inner(client, http_method, path, request_dict, *args, **kwargs)
            with sending(call.recording, retries_of(client, args, kwargs)) as sent:
                if sent.takes_over_retries:
                    args, kwargs = alone(args, kwargs)
                while True:
                    try:
                        result = inner(client, http_method, path, request_dict, *args, **kwargs)
                        break
                    except Exception as error:
                        if not sent.again(error):
                            raise
            call.answered(result)
            return result

        return request

    def _async_request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def async_request(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **kwargs: Any
        ) -> Any:
            call = self._begin(client, http_method, path, request_dict)
            if call is None:
                return await inner(client, http_method, path, request_dict, *args, **kwargs)
            async with sending(call.recording, retries_of(client, args, kwargs)) as sent:
                if sent.takes_over_retries:
                    args, kwargs = alone(args, kwargs)
                while True:
                    try:
                        result = await inner(client, http_method, path, request_dict, *args, **kwargs)
                        break
                    except Exception as error:
                        if not await sent.again_async(error):
                            raise
            call.answered(result)
            return result

        return async_request

    def _request_streamed(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def request_streamed(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **kwargs: Any
        ) -> Iterator[Any]:
            # A generator like the SDK's own: nothing is sent, or recorded, before the first chunk is asked for.
            call = self._begin(client, http_method, path, request_dict, stream=True)
            if call is None or call.recording is None:
                yield from inner(client, http_method, path, request_dict, *args, **kwargs)
                return
            tap = Tap()
            chunks: Any = None
            try:
                with sending(call.recording, retries_of(client, args, kwargs)) as sent, tap:
                    if sent.takes_over_retries:
                        args, kwargs = alone(args, kwargs)
                    chunks = inner(client, http_method, path, request_dict, *args, **kwargs)
                    while True:
                        try:
                            first = next(chunks, None)
                            break
                        except Exception as error:
                            if not sent.again(error):
                                raise
                            chunks = inner(client, http_method, path, request_dict, *args, **kwargs)
                end = call.stream_end(tap)
                yield from read_sync(chunks if first is None else chain((first,), chunks), end)
            finally:
                if chunks is not None:
                    chunks.close()

        return request_streamed

    def _async_request_streamed(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def async_request_streamed(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **kwargs: Any
        ) -> Any:
            call = self._begin(client, http_method, path, request_dict, stream=True)
            if call is None or call.recording is None:
                return await inner(client, http_method, path, request_dict, *args, **kwargs)
            async with sending(call.recording, retries_of(client, args, kwargs)) as sent:
                if sent.takes_over_retries:
                    args, kwargs = alone(args, kwargs)
                with Tap() as tap:
                    while True:
                        try:
                            chunks = await inner(client, http_method, path, request_dict, *args, **kwargs)
                            break
                        except Exception as error:
                            if not await sent.again_async(error):
                                raise
            end = call.stream_end(tap)
            reader = read_async(chunks, end)
            weakref.finalize(reader, end.end, "drop").atexit = False  # nobody may ever read it
            return reader

        return async_request_streamed

    def _begin(self, client: Any, http_method: str, path: str, body: Any, *, stream: bool = False) -> _Call | None:
        with internal_errors("starting to record a call"):
            recorder = self.subscriptions.recorder(client)
            if recorder is None:
                return None
            found = find(http_method.upper(), path)
            if found is None or not isinstance(body, dict):
                return None
            call = _Call(recorder, found, google_origin(client), stream)
            if found.endpoint.counts is None:
                call.begin(body)
            return call
        return None


class _Call:
    """A request of an endpoint and what becomes of its answer.

    One that is polled has no recording until an answer counts: that one then began when it was asked for.
    """

    __slots__ = ("_content", "_endpoint", "_model", "_origin", "_recorder", "_started_s", "_stream", "recording")

    def __init__(self, recorder: Recorder, found: Found, origin: Origin, stream: bool) -> None:
        self.recording: Recording | None = None
        self._recorder = recorder
        self._model, self._endpoint = found
        self._origin = origin
        self._stream = stream
        self._content = recorder.wants_content
        self._started_s = time.perf_counter() if found.endpoint.counts is not None else None

    def begin(self, body: dict[str, Any]) -> None:
        self.recording = self._recorder.begin(self._request(body), self._started_s)

    def _request(self, body: dict[str, Any]) -> Request:
        told = {**body, "stream": self._stream, "model": self._model or body.get("model")}
        return read_request(self._endpoint, self._origin, told, self._content)

    def answered(self, result: Any) -> None:
        with internal_errors("reading a response"):
            body = json.loads(result.body) if result.body else None
            if self.recording is None:
                self._polled(body)
            if self.recording is not None:
                self.recording.finish(self._endpoint.response(body, self._content))
            return
        if self.recording is not None:
            self.recording.finish(Response())

    def _polled(self, body: Any) -> None:
        counts = self._endpoint.counts
        if counts is not None and counts(body):
            self.begin(body)
            assert self.recording is not None  # noqa: S101 - for the type checker
            admit_late(self.recording)

    def stream_end(self, tap: Tap) -> StreamEnd:
        # Only these endpoints stream.
        assert self.recording is not None and self._endpoint.fold is not None  # noqa: S101, PT018 - for the type checker
        return StreamEnd(self.recording, TappedFold(self._endpoint.fold(self._content or gate.wants_input()), tap))


def _noted(response: Any) -> None:
    """What is to be noted of a response before the SDK reads its body."""
    with internal_errors("reading a response"):
        note_headers(response.headers)
        attach_tap(response)


def _gave_up() -> None:
    """The last attempt failed as well: that is what the span itself tells, so it is not among those made again."""
    recording = in_flight.get()
    if recording is not None and recording.resent:
        recording.resent.pop()


def _answering(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    def answering(*args: Any, **kwargs: Any) -> Any:
        try:
            response = inner(*args, **kwargs)
        except Exception:
            _gave_up()
            raise
        _noted(response)
        return response

    return answering


def _async_answering(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    async def answering(*args: Any, **kwargs: Any) -> Any:
        try:
            response = await inner(*args, **kwargs)
        except Exception:
            _gave_up()
            raise
        _noted(response)
        return response

    return answering


def _attempting(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    def request_once(*args: Any, **kwargs: Any) -> Any:
        count_attempt()
        try:
            return inner(*args, **kwargs)
        except Exception as error:
            note_failed_attempt(error)
            raise

    return request_once


def _async_attempting(inner: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function of its own: the SDK's retries ask whether it is one."""

    @wraps(inner)
    async def request_once(*args: Any, **kwargs: Any) -> Any:
        count_attempt()
        try:
            return await inner(*args, **kwargs)
        except Exception as error:
            note_failed_attempt(error)
            raise

    return request_once
