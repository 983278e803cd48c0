"""The transport hook of google-genai.

Every endpoint passes ``BaseApiClient.{request,request_streamed,async_request,async_request_streamed}`` with the same
arguments since 1.20; each attempt passes ``_request_once`` since 1.32.
"""

from __future__ import annotations

import json
import weakref
from dataclasses import replace
from functools import wraps
from itertools import chain
from typing import TYPE_CHECKING, Any

from vigilo.capture.call import Response
from vigilo.capture.hook import Hook, count_attempt, read_request, sending
from vigilo.capture.parse.google import endpoint_of
from vigilo.capture.providers import google_origin
from vigilo.capture.streams import StreamEnd, read_async, read_sync
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from vigilo.capture.parse.endpoint import Endpoint, Fold
    from vigilo.capture.patches import Patches
    from vigilo.capture.recorder import Recording


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
        patches.put(client, "_request_once", _counted)
        patches.put(client, "_async_request_once", _counted_async)

    def owns(self, client: object) -> bool:
        """Whether ``client`` is google-genai's inner client."""
        return self._module is not None and isinstance(client, self._module.BaseApiClient)

    def _request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def request(client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, path, request_dict, stream=False)
            if call is None:
                return inner(client, http_method, path, request_dict, *args, **kwargs)
            with sending(call.recording):
                result = inner(client, http_method, path, request_dict, *args, **kwargs)
            call.answered(result)
            return result

        return request

    def _async_request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def async_request(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **kwargs: Any
        ) -> Any:
            call = self._begin(client, path, request_dict, stream=False)
            if call is None:
                return await inner(client, http_method, path, request_dict, *args, **kwargs)
            with sending(call.recording):
                result = await inner(client, http_method, path, request_dict, *args, **kwargs)
            call.answered(result)
            return result

        return async_request

    def _request_streamed(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def request_streamed(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **kwargs: Any
        ) -> Iterator[Any]:
            # A generator like the SDK's own: nothing is sent, or recorded, before the first chunk is asked for.
            call = self._begin(client, path, request_dict, stream=True)
            chunks = inner(client, http_method, path, request_dict, *args, **kwargs)
            if call is None:
                yield from chunks
                return
            end = call.stream_end()
            try:
                with sending(call.recording):
                    first = next(chunks, None)
                yield from read_sync(chunks if first is None else chain((first,), chunks), end)
            finally:
                chunks.close()

        return request_streamed

    def _async_request_streamed(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def async_request_streamed(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **kwargs: Any
        ) -> Any:
            call = self._begin(client, path, request_dict, stream=True)
            if call is None:
                return await inner(client, http_method, path, request_dict, *args, **kwargs)
            with sending(call.recording):
                chunks = await inner(client, http_method, path, request_dict, *args, **kwargs)
            end = call.stream_end()
            reader = read_async(chunks, end)
            weakref.finalize(reader, end.end)  # nobody may ever read it
            return reader

        return async_request_streamed

    def _begin(self, client: Any, path: str, body: Any, *, stream: bool) -> _Call | None:
        with internal_errors("starting to record a call"):
            recorder = self.subscriptions.recorder(client)
            if recorder is None:
                return None
            model, endpoint = endpoint_of(path)
            if endpoint is None or not isinstance(body, dict):
                return None
            content = recorder.wants_content
            request = read_request(endpoint, google_origin(client), body, content)
            recording = recorder.begin(replace(request, model=model, stream=stream))
            return _Call(recording, endpoint, content)
        return None


class _Call:
    """A request of an endpoint and what becomes of its answer."""

    __slots__ = ("content", "endpoint", "recording")

    def __init__(self, recording: Recording, endpoint: Endpoint, content: bool) -> None:
        self.recording = recording
        self.endpoint = endpoint
        self.content = content

    def answered(self, result: Any) -> None:
        with internal_errors("reading a response"):
            body = json.loads(result.body) if result.body else None
            self.recording.finish(self.endpoint.response(body, self.content))
            return
        self.recording.finish(Response())

    def stream_end(self) -> StreamEnd:
        assert self.endpoint.fold is not None  # noqa: S101 - for the type checker: only these endpoints stream
        return StreamEnd(self.recording, _BodyFold(self.endpoint.fold(self.content)))


class _BodyFold:
    """Google's chunks come as responses whose body is JSON."""

    __slots__ = ("_fold",)

    def __init__(self, fold: Fold) -> None:
        self._fold = fold

    def add(self, chunk: Any) -> bool | None:
        return self._fold.add(json.loads(chunk.body)) if chunk.body else None

    def response(self) -> Response:
        return self._fold.response()


def _counted(inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    def request_once(*args: Any, **kwargs: Any) -> Any:
        count_attempt()
        return inner(*args, **kwargs)

    return request_once


def _counted_async(inner: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function of its own: the SDK's retries ask whether it is one."""

    @wraps(inner)
    async def request_once(*args: Any, **kwargs: Any) -> Any:
        count_attempt()
        return await inner(*args, **kwargs)

    return request_once
