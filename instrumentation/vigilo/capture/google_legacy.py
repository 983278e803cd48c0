"""The hook of Google's older SDK, ``google-generativeai``, and of what else calls Gemini through its generated client.

``GenerativeModel``, its chats and ``embed_content`` all pass ``GenerativeServiceClient`` or its async sibling, over
gRPC and over REST alike; their messages are protocol buffers, which are read as the JSON that they stand for.
"""

from __future__ import annotations

import weakref
from functools import partial, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vigilo.capture import gate
from vigilo.capture.call import Response
from vigilo.capture.hook import Hook, read_request, sending
from vigilo.capture.parse.google_embeddings import EMBED
from vigilo.capture.parse.google_generate import GENERATE
from vigilo.capture.parse.google_tokens import COUNT_TOKENS, model_name
from vigilo.capture.providers import address_origin
from vigilo.capture.streams import StreamEnd, read_async, read_sync
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from vigilo.capture.parse.endpoint import Endpoint, Fold
    from vigilo.capture.patches import Patches
    from vigilo.capture.recorder import Recording

_METHODS: dict[str, Endpoint] = {
    "generate_content": GENERATE,
    "embed_content": EMBED,
    "batch_embed_contents": EMBED,
    "count_tokens": COUNT_TOKENS,
}
_STREAM = "stream_generate_content"


class GoogleLegacyHook(Hook):
    """Sees every call of the generated client of Gemini's API, version v1beta."""

    module_name = "google.ai.generativelanguage_v1beta.services.generative_service"

    def patch(self, module: ModuleType, patches: Patches) -> None:
        client, async_client = module.GenerativeServiceClient, module.GenerativeServiceAsyncClient
        for name, endpoint in _METHODS.items():
            patches.put(client, name, partial(self._call, endpoint))
            patches.put(async_client, name, partial(self._async_call, endpoint))
        patches.put(client, _STREAM, self._stream)
        patches.put(async_client, _STREAM, self._async_stream)

    def key_of(self, client: object) -> object | None:
        return client if type(client).__module__.startswith(f"{self.module_name}.") else None

    def _call(self, endpoint: Endpoint, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def call(client: Any, request: Any = None, **kwargs: Any) -> Any:
            begun = self._begin(client, endpoint, request, kwargs)
            if begun is None:
                return inner(client, request, **kwargs)
            with sending(begun.recording):
                answer = inner(client, request, **kwargs)
            begun.answered(answer)
            return answer

        return call

    def _async_call(self, endpoint: Endpoint, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def call(client: Any, request: Any = None, **kwargs: Any) -> Any:
            begun = self._begin(client, endpoint, request, kwargs)
            if begun is None:
                return await inner(client, request, **kwargs)
            async with sending(begun.recording):
                answer = await inner(client, request, **kwargs)
            begun.answered(answer)
            return answer

        return call

    def _stream(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def stream(client: Any, request: Any = None, **kwargs: Any) -> Any:
            begun = self._begin(client, GENERATE, request, kwargs, stream=True)
            if begun is None:
                return inner(client, request, **kwargs)
            with sending(begun.recording):
                chunks = inner(client, request, **kwargs)
            end = begun.stream_end()
            return _Stream(chunks, read_sync(iter(chunks), end), end)

        return stream

    def _async_stream(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def stream(client: Any, request: Any = None, **kwargs: Any) -> Any:
            begun = self._begin(client, GENERATE, request, kwargs, stream=True)
            if begun is None:
                return await inner(client, request, **kwargs)
            async with sending(begun.recording):
                chunks = await inner(client, request, **kwargs)
            end = begun.stream_end()
            return _Stream(chunks, read_async(aiter(chunks), end), end)

        return stream

    def _begin(
        self, client: Any, endpoint: Endpoint, request: Any, kwargs: dict[str, Any], *, stream: bool = False
    ) -> _Call | None:
        with internal_errors("starting to record a call"):
            recorder = self.subscriptions.recorder(client)
            if recorder is None:
                return None
            content = recorder.wants_content
            # What a caller gives apart, as arguments of their own, is known by its model only.
            body = {"model": kwargs.get("model")} if request is None else _body(request, content)
            host = client.transport.host
            origin = address_origin("gcp.gemini", host if "://" in host else f"https://{host}")
            told = {**body, "stream": stream, "model": model_name(_model_of(body))}
            recording = recorder.begin(read_request(endpoint, origin, told, content))
            return _Call(recording, endpoint, content)
        return None


class _Call:
    """A request of an endpoint and what becomes of its answer."""

    __slots__ = ("_content", "_endpoint", "recording")

    def __init__(self, recording: Recording, endpoint: Endpoint, content: bool) -> None:
        self.recording = recording
        self._endpoint = endpoint
        self._content = content

    def answered(self, answer: Any) -> None:
        with internal_errors("reading a response"):
            self.recording.finish(self._endpoint.response(as_json(answer), self._content))
            return
        self.recording.finish(Response())

    def stream_end(self) -> StreamEnd:
        assert self._endpoint.fold is not None  # noqa: S101 - for the type checker: only such endpoints stream
        return StreamEnd(self.recording, _LaterFold(self._endpoint.fold(self._content or gate.wants_input())))


class _LaterFold:
    """Keeps chunks as they are, and reads them when the stream has ended: taking one apart costs 100 us."""

    __slots__ = ("_chunks", "_fold", "add")

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._chunks: list[Any] = []
        self.add: Callable[[Any], bool | None] = self._chunks.append

    def response(self) -> Response:
        for chunk in self._chunks:
            self._fold.add(as_json(chunk))
        return self._fold.response()


class _Stream:
    """A stream of the generated client with the generator that reads it: all else is the stream's own."""

    def __init__(self, stream: Any, reader: Any, end: StreamEnd) -> None:
        self._stream = stream
        self._reader = reader
        weakref.finalize(reader, end.end, "drop").atexit = False  # nobody may ever read it

    def __iter__(self) -> Any:
        return self._reader

    def __next__(self) -> Any:
        return next(self._reader)

    def __aiter__(self) -> Any:
        return self._reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _body(request: Any, content: bool) -> dict[str, Any]:
    """A request as JSON; where its messages are not wanted, they are not worth the time to write them out."""
    if content or not hasattr(request, "generation_config"):
        return as_json(request)
    return {"model": request.model, "generationConfig": as_json(request.generation_config)}


def as_json(message: Any) -> dict[str, Any]:
    """A protocol buffer, plain or of proto-plus, as the JSON that the REST API has for it."""
    if isinstance(message, dict):
        return message
    plain = message if hasattr(message, "DESCRIPTOR") else type(message).pb(message)
    told: dict[str, Any] = import_module("google.protobuf.json_format").MessageToDict(plain)
    return told


def _model_of(body: dict[str, Any]) -> Any:
    """A batch of embeddings names its model once for all, and in each of its requests."""
    return body.get("model") or next((one.get("model") for one in body.get("requests") or ()), None)
