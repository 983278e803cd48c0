"""The transport hook of every SDK made by Stainless: openai, anthropic and their siblings.

All resources, helpers, raw responses and copies of a client pass ``_base_client.{Sync,Async}APIClient.request``
(since openai 1.0.1 and anthropic 0.7), each attempt passes ``_build_request`` and each response ``_process_response``.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Mapping
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vigilo.capture.call import Response
from vigilo.capture.hook import Hook, count_attempt, in_flight, note_headers, read_request, sending
from vigilo.capture.parse.endpoint import fields
from vigilo.capture.providers import stainless_origin
from vigilo.capture.stream_usage import asking
from vigilo.capture.streams import StreamEnd, watch_stream
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from vigilo.capture.parse.endpoint import Endpoint, Origin, Route
    from vigilo.capture.patches import Patches
    from vigilo.capture.recorder import Recorder, Recording


_NOT_GIVEN = frozenset({"NotGiven", "Omit"})


class StainlessHook(Hook):
    """Sees every request of one Stainless SDK.

    Args:
        sdk: the SDK's package, which is also the provider where the host does not tell another.
        endpoint_of: how the paths are read; what has no endpoint (listing, polling) is no call to a model.
    """

    def __init__(self, sdk: str, endpoint_of: Route) -> None:
        super().__init__()
        self.sdk = sdk
        self.module_name = f"{sdk}._base_client"
        self._endpoint_of = endpoint_of
        self._streams: tuple[type, ...] = ()
        self._unparsed: WeakKeyDictionary[Any, _Call] = WeakKeyDictionary()

    def patch(self, module: ModuleType, patches: Patches) -> None:
        streaming = import_module(f"{self.sdk}._streaming")
        self._streams = (streaming.Stream, streaming.AsyncStream)
        patches.put(module.SyncAPIClient, "request", self._sync_request)
        patches.put(module.AsyncAPIClient, "request", self._async_request)
        patches.put(module.BaseClient, "_build_request", _counted)
        for client in (module.SyncAPIClient, module.AsyncAPIClient):
            patches.put(client, "_process_response", _with_headers)
        self._patch_raw_responses(patches)
        if "_tracer" in module.BaseClient.__dict__:
            patches.put(module.BaseClient, "_tracer", _unless_recorded)

    def _patch_raw_responses(self, patches: Patches) -> None:
        """Raw responses are of three classes; SDKs, and their versions, have two or all of them."""
        for name, class_name, wrapper in (
            ("_legacy_response", "LegacyAPIResponse", self._parse),
            ("_response", "APIResponse", self._parse),
            ("_response", "AsyncAPIResponse", self._async_parse),
        ):
            try:
                raw = getattr(import_module(f"{self.sdk}.{name}"), class_name)
            except (ImportError, AttributeError):
                continue
            patches.put(raw, "parse", wrapper)

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
                result = inner(client, *call.args, **kwargs)
            self._answered(call, result)
            return result

        return request

    def _async_request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, args, kwargs)
            if call is None:
                return await inner(client, *args, **kwargs)
            with sending(call.recording):
                result = await inner(client, *call.args, **kwargs)
            self._answered(call, result)
            return result

        return request

    def _parse(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def parse(raw: Any, *args: Any, **kwargs: Any) -> Any:
            result = inner(raw, *args, **kwargs)
            self._parsed(raw, result)
            return result

        return parse

    def _async_parse(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def parse(raw: Any, *args: Any, **kwargs: Any) -> Any:
            result = await inner(raw, *args, **kwargs)
            self._parsed(raw, result)
            return result

        return parse

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call | None:
        """Starts recording a request; None when nobody watches the client or it is no call to a model."""
        with internal_errors("starting to record a call"):
            recorder = self.subscriptions.recorder(client._client)
            if recorder is None:
                return None
            by_position = len(args) > 1  # cast_to and options: so the SDKs' own methods pass them
            options = args[1] if by_position else kwargs["options"]
            endpoint = self._endpoint_of(options.method.upper(), options.url.partition("?")[0])
            if endpoint is None:
                return None
            body = options.json_data
            if not isinstance(body, Mapping):
                body = {}
            # Some helpers leave the SDK's marks of "not given" in the body; they are dropped when it is sent.
            body = {name: value for name, value in body.items() if type(value).__name__ not in _NOT_GIVEN}
            origin = stainless_origin(client, self.sdk)
            content = recorder.wants_content
            if endpoint.counts is not None:
                return _Poll(recorder, endpoint, origin, args)
            recording = recorder.begin(read_request(endpoint, origin, body, content))
            call = _Call(recording, endpoint, content, args)
            if endpoint.usage_on_request and by_position and recorder.settings.stream_usage:
                call.ask_for_usage(options, body, client)
            return call
        return None

    def _answered(self, call: _Call, result: Any) -> None:
        """Ends the recording, or leaves that to the stream or the raw response that was returned."""
        with internal_errors("reading a response"):
            if isinstance(result, self._streams):
                call.watch(result)
            elif not (hasattr(result, "http_response") and hasattr(result, "parse")):
                call.finish(result)
            elif hasattr(result.http_response, "_content"):
                call.finish(_read_body(result.http_response))
            else:
                # The body is still to be read: its call ends when the app parses the raw response, or drops it.
                self._unparsed[result] = call
                weakref.finalize(result, call.dropped)
            return
        call.abandon()

    def _parsed(self, raw: Any, result: Any) -> None:
        if not self._unparsed or (call := self._unparsed.pop(raw, None)) is None:
            return
        with internal_errors("reading a raw response"):
            if isinstance(result, self._streams):
                call.watch(result)
            else:
                call.finish(result)


class _Call:
    """A request of an endpoint, and what becomes of its answer."""

    __slots__ = ("_content", "_endpoint", "_hides_usage", "_watched", "args", "recording")

    def __init__(self, recording: Recording | None, endpoint: Endpoint, content: bool, args: tuple[Any, ...]) -> None:
        self.recording = recording
        self.args = args
        self._endpoint = endpoint
        self._hides_usage = False
        self._content = content
        self._watched = False

    def ask_for_usage(self, options: Any, body: Mapping[str, Any], client: Any) -> None:
        """Has a stream count its tokens, and hides the chunk that does."""
        with internal_errors("asking for the usage of a stream"):
            if (asked := asking(options, body, client)) is not None:
                self.args = (self.args[0], asked, *self.args[2:])
                self._hides_usage = True

    def finish(self, answer: Any) -> None:
        """Ends the recording with a whole answer, as JSON or as the SDK's object."""
        if self.recording is not None:
            self.recording.finish(self._endpoint.response(answer, self._content))

    def abandon(self) -> None:
        """Ends the recording without an answer."""
        if self.recording is not None:
            self.recording.finish(Response())

    def watch(self, stream: Any) -> None:
        """Leaves the end of the recording to the stream."""
        if self._endpoint.fold is None or self.recording is None:
            self.abandon()
            return
        self._watched = True
        watch_stream(
            stream, StreamEnd(self.recording, self._endpoint.fold(self._content), hides_usage=self._hides_usage)
        )

    def dropped(self) -> None:
        """The raw response is gone: unless it was parsed to a stream, the call is over."""
        if not self._watched:
            self.abandon()


class _Poll(_Call):
    """A question that is asked until its answer counts: that one becomes a recording, begun when it was asked."""

    __slots__ = ("_origin", "_recorder", "_started_s")

    def __init__(self, recorder: Recorder, endpoint: Endpoint, origin: Origin, args: tuple[Any, ...]) -> None:
        super().__init__(None, endpoint, recorder.wants_content, args)
        self._recorder = recorder
        self._origin = origin
        self._started_s = time.perf_counter()

    def finish(self, answer: Any) -> None:
        assert self._endpoint.counts is not None  # noqa: S101 - for the type checker: only such endpoints are polled
        if self._endpoint.counts(answer):
            request = read_request(self._endpoint, self._origin, fields(answer), self._content)
            self.recording = self._recorder.begin(request, self._started_s)
            super().finish(answer)

    def abandon(self) -> None:
        """An answer that cannot be read was no answer that counts."""


def _read_body(response: Any) -> Any:
    """The body of an HTTP response that is there already: JSON parsed, anything else as text or bytes."""
    kind = response.headers.get("content-type", "")
    if "json" in kind:
        return json.loads(response.content)
    return response.text if kind.startswith("text/") else response.content


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
