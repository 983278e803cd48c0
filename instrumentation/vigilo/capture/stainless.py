"""The transport hook of every SDK made by Stainless: openai, anthropic and their siblings.

All resources, helpers, raw responses and copies of a client pass ``_base_client.{Sync,Async}APIClient.request``
(since openai 1.0.1 and anthropic 0.7), each attempt passes ``_build_request`` and each response ``_process_response``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from functools import partial, wraps
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vigilo.capture import gate
from vigilo.capture.bodies import Replay
from vigilo.capture.call import Response
from vigilo.capture.first_comers import wrap_first_comers
from vigilo.capture.hook import (
    Hook,
    admit_late,
    in_flight,
    read_request,
    sending,
)
from vigilo.capture.parse.endpoint import fields
from vigilo.capture.providers import stainless_origin
from vigilo.capture.raw_responses import RawResponses, body_of, is_read
from vigilo.capture.stainless_attempts import counted, noting_failure, noting_refusal, with_headers
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
        sdk: the SDK's package.
        endpoint_of: how the paths are read; what has no endpoint (listing, polling) is no call to a model.
        provider: the provider where the host does not tell another; named like the package by default.
    """

    def __init__(self, sdk: str, endpoint_of: Route, provider: str | None = None) -> None:
        super().__init__()
        self.sdk = sdk
        self._provider = provider or sdk
        self.module_name = f"{sdk}._base_client"
        self._endpoint_of = endpoint_of
        self._raw = RawResponses(sdk)

    def patch(self, module: ModuleType, patches: Patches) -> None:
        patches.put(module.BaseClient, "_build_request", counted)
        patches.put(module.BaseClient, "_should_retry", noting_refusal)
        patches.put(module.BaseClient, "_calculate_retry_timeout", noting_failure)
        clients = ((module.SyncAPIClient, self._sync_request), (module.AsyncAPIClient, self._async_request))
        for client, request in clients:
            patches.put(client, "request", request)
            patches.put(client, "_process_response", with_headers)
            wrap_first_comers(client, "request", request, patches)
        self._raw.patch(patches)
        if "_tracer" in module.BaseClient.__dict__:
            patches.put(module.BaseClient, "_tracer", _unless_recorded)

    def key_of(self, client: object) -> object | None:
        module = sys.modules.get(self.module_name)
        if module is None or not isinstance(client, (module.SyncAPIClient, module.AsyncAPIClient)):
            return None
        inner: object = client._client  # the HTTP client, which copies of the client share
        return inner

    def _sync_request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, args, kwargs)
            if call is None:
                return inner(client, *args, **kwargs)
            with sending(call.recording, call.retries(client)) as sent:
                args = call.alone() if sent.takes_over_retries and call.is_repeatable else call.args
                while True:
                    try:
                        result = inner(client, *args, **kwargs)
                        break
                    except Exception as error:
                        if not (call.is_repeatable and sent.again(error)):
                            raise
                        call.rewind()
            self._answer(call, result)
            return result

        return request

    def _async_request(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, args, kwargs)
            if call is None:
                return await inner(client, *args, **kwargs)
            async with sending(call.recording, call.retries(client)) as sent:
                args = call.alone() if sent.takes_over_retries and call.is_repeatable else call.args
                while True:
                    try:
                        result = await inner(client, *args, **kwargs)
                        break
                    except Exception as error:
                        if not (call.is_repeatable and await sent.again_async(error)):
                            raise
                        call.rewind()
            self._answer(call, result)
            return result

        return request

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
            if options.extra_json:  # `extra_body`, which is merged in when the request is built
                body = {**body, **options.extra_json}
            # Some helpers leave the SDK's marks of "not given" in the body; they are dropped when it is sent.
            body = {name: value for name, value in body.items() if type(value).__name__ not in _NOT_GIVEN}
            origin = stainless_origin(client, self._provider)
            content = recorder.wants_content
            if endpoint.counts is not None:
                return _Poll(recorder, endpoint, origin, args)
            recording = recorder.begin(read_request(endpoint, origin, body, content))
            call = _Call(recording, endpoint, content, body, args)
            if endpoint.usage_on_request and by_position and recorder.settings.stream_usage and not recording.is_aside:
                call.ask_for_usage(options, client, origin.provider)
            return call
        return None

    def _answer(self, call: _Call, result: Any) -> None:
        """Ends the call with its answer, or leaves that to the stream or the raw response that was returned."""
        with internal_errors("reading a response"):
            if not _is_raw(type(result)):
                call.answered(result)
            elif is_read(result.http_response):
                call.finish(body_of(result.http_response))
            else:
                self._raw.hold(result, call)
            return
        call.abandon()


class _Call:
    """A request of an endpoint, and what becomes of its answer."""

    __slots__ = ("_body", "_content", "_endpoint", "_followed", "_hides_usage", "_replay", "args", "recording")

    def __init__(
        self,
        recording: Recording | None,
        endpoint: Endpoint,
        content: bool,
        body: Mapping[str, Any],
        args: tuple[Any, ...],
    ) -> None:
        """``recording``: None as long as it may turn out to be no call."""
        self.recording = recording
        self.args = args
        self._endpoint = endpoint
        self._content = content
        self._body = body
        self._hides_usage = False
        self._followed = False
        self._replay: Replay | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether the request could be sent once more; to be asked before it is sent for the first time."""
        if self._replay is None:
            with internal_errors("looking whether a request can be made again"):
                self._replay = Replay(self.args[1] if len(self.args) > 1 else None)
        return self._replay is not None and self._replay.is_possible

    def rewind(self) -> None:
        """Has the next attempt send the same as the first."""
        if self._replay is not None:
            self._replay.rewind()

    def ask_for_usage(self, options: Any, client: Any, provider: str) -> None:
        """Has a stream count its tokens, and hides the chunk that does."""
        with internal_errors("asking for the usage of a stream"):
            if (asked := asking(options, self._body, client, provider)) is not None:
                self.args = (self.args[0], asked, *self.args[2:])
                self._hides_usage = True

    def retries(self, client: Any) -> int:
        """How many attempts after the first the app allows the SDK."""
        if len(self.args) < 2:
            return 0
        with internal_errors("reading how often a request is made again"):
            return int(self.args[1].get_max_retries(client.max_retries))
        return 0

    def alone(self) -> tuple[Any, ...]:
        """The arguments of a request of which the SDK is to make one attempt only."""
        with internal_errors("taking over the retries of a request"):
            options = self.args[1].model_copy(update={"max_retries": 0})
            return (self.args[0], options, *self.args[2:])
        return self.args

    def answered(self, result: Any) -> None:
        """Ends the call with a parsed answer, or leaves that to the stream that it is."""
        kind = type(result)
        if not (_is_stream(kind) or _is_lines(kind)):
            self.finish(result)
        elif (end := self.follow()) is not None:
            watch_stream(result, end)
        else:
            self.abandon()

    def finish(self, answer: Any) -> None:
        """Ends the call with a whole answer, as JSON or as the SDK's object."""
        if self.recording is not None:
            self.recording.finish(self._endpoint.response(answer, self._content))

    def abandon(self) -> None:
        """Ends the call without an answer, unless it has ended or is left to its stream."""
        if self.recording is not None and not self._followed:
            self.recording.finish(Response())

    def follow(self) -> StreamEnd | None:
        """Begins to put a stream together; None where the endpoint has none."""
        if self._endpoint.fold is None or self.recording is None:
            return None
        fold = self._endpoint.fold(self._content or gate.wants_input())
        estimate = partial(self._endpoint.estimate, self._body) if self._endpoint.estimate is not None else None
        end = StreamEnd(self.recording, fold, hides_usage=self._hides_usage, estimate=estimate)
        self._followed = True
        return end


class _Poll(_Call):
    """A question that is asked until its answer counts: that one becomes a recording, begun when it was asked."""

    __slots__ = ("_origin", "_recorder", "_started_s")

    def __init__(self, recorder: Recorder, endpoint: Endpoint, origin: Origin, args: tuple[Any, ...]) -> None:
        super().__init__(None, endpoint, recorder.wants_content, {}, args)
        self._recorder = recorder
        self._origin = origin
        self._started_s = time.perf_counter()

    def finish(self, answer: Any) -> None:
        assert self._endpoint.counts is not None  # noqa: S101 - for the type checker: only such endpoints are polled
        if self._endpoint.counts(answer):
            request = read_request(self._endpoint, self._origin, fields(answer), self._content)
            self.recording = admit_late(self._recorder.begin(request, self._started_s))
            super().finish(answer)

    def follow(self) -> StreamEnd | None:
        """A stream is an answer that is still being made: it counts before it says so."""
        if self._endpoint.fold is not None:
            request = read_request(self._endpoint, self._origin, {}, self._content)
            self.recording = admit_late(self._recorder.begin(request, self._started_s))
        return super().follow()


class _Trait(WeakKeyDictionary[type, bool]):
    """Whether a class has certain attributes, asked once: the SDKs' own models are slow to say no."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = names

    def __call__(self, kind: type) -> bool:
        known = self.get(kind)
        if known is None:
            known = self[kind] = all(hasattr(kind, name) for name in self._names)
        return known


_is_raw = _Trait("http_request", "parse")
_is_stream = _Trait("_iter_events")
_is_lines = _Trait("__decode__")  # JSON Lines: the results of Anthropic's batches


def _unless_recorded(native: property) -> property:
    """Anthropic's SDK (1.17 and later) makes spans of its own: none for a call that is recorded here."""

    def tracer(client: Any) -> Any:
        if in_flight.get() is not None:
            return None
        return native.__get__(client, type(client))

    return property(tracer)
