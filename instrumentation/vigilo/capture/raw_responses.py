"""Raw responses of Stainless SDKs: ``with_raw_response`` and ``with_streaming_response``.

Their body is read by the app, whenever and however it likes: parsed, as JSON or text, byte by byte, or not at all. The
call ends with that reading, or when the response is closed or dropped.
"""

from __future__ import annotations

import atexit
import json
import weakref
from functools import partial, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from vigilo.capture.patches import Patches
    from vigilo.capture.streams import StreamEnd


class Call(Protocol):
    """What becomes of a call whose answer is still to be read."""

    def answered(self, result: Any) -> None:
        """Ends it with a parsed answer, or leaves that to the stream that it is."""

    def finish(self, answer: Any) -> None:
        """Ends it with a whole body."""

    def abandon(self) -> None:
        """Ends it without an answer, unless it has ended."""

    def follow(self) -> StreamEnd | None:
        """Begins to put a stream together; None where the endpoint has none."""


class RawResponses:
    """The raw responses of one SDK whose bodies are still to be read."""

    def __init__(self, sdk: str) -> None:
        self._sdk = sdk
        self._unread: WeakKeyDictionary[Any, Call] = WeakKeyDictionary()
        self._ends_at_exit = False

    def hold(self, raw: Any, call: Call) -> None:
        """Ends ``call`` when the app has read ``raw``, or lets go of it."""
        if not self._ends_at_exit:
            # After the providers were made, so before they are shut down.
            self._ends_at_exit = True
            atexit.register(self._end_all)
        self._unread[raw] = call
        weakref.finalize(raw, call.abandon).atexit = False

    def _end_all(self) -> None:
        for call in list(self._unread.values()):
            call.abandon()

    def patch(self, patches: Patches) -> None:
        """Patches the classes of raw responses; SDKs, and their versions, have two or all of the three."""
        for module_name, class_name, is_async in (
            ("_legacy_response", "LegacyAPIResponse", False),
            ("_response", "APIResponse", False),
            ("_response", "AsyncAPIResponse", True),
        ):
            try:
                raw = getattr(import_module(f"{self._sdk}.{module_name}"), class_name)
            except (ImportError, AttributeError):
                continue
            patches.put(raw, "parse", self._async_parse if is_async else self._parse)
            if class_name != "LegacyAPIResponse":  # its body has been read before the app gets it, or it is parsed
                self._patch_reading(patches, raw, is_async)

    def _patch_reading(self, patches: Patches, raw: type, is_async: bool) -> None:
        patches.put(raw, "close", self._async_close if is_async else self._close)
        for method in ("iter_bytes", "iter_text", "iter_lines"):
            wrapper = self._async_read if is_async else self._read
            patches.put(raw, method, partial(wrapper, b"\n" if method == "iter_lines" else b""))

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

    def _close(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def close(raw: Any) -> Any:
            self._closed(raw)
            return inner(raw)

        return close

    def _async_close(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        async def close(raw: Any) -> Any:
            self._closed(raw)
            return await inner(raw)

        return close

    def _read(self, piece_end: bytes, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def read(raw: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
            pieces = inner(raw, *args, **kwargs)
            events = self._events(raw, piece_end)
            return pieces if events is None else _tapped(pieces, events)

        return read

    def _async_read(self, piece_end: bytes, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def read(raw: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            pieces = inner(raw, *args, **kwargs)
            events = self._events(raw, piece_end)
            return pieces if events is None else _async_tapped(pieces, events)

        return read

    def _parsed(self, raw: Any, result: Any) -> None:
        if self._unread and (call := self._unread.pop(raw, None)) is not None:
            with internal_errors("reading a raw response"):
                call.answered(result)
                return
            call.abandon()

    def _closed(self, raw: Any) -> None:
        if self._unread and (call := self._unread.pop(raw, None)) is not None:
            with internal_errors("reading a raw response"):
                if is_read(raw.http_response):
                    call.finish(body_of(raw.http_response))
            call.abandon()

    def _events(self, raw: Any, piece_end: bytes) -> ServerSentEvents | None:
        """What reads along with an app that reads a stream of events by itself."""
        call = self._unread.get(raw) if self._unread else None
        with internal_errors("reading along a raw response"):
            if call is None or "event-stream" not in raw.http_response.headers.get("content-type", ""):
                return None
            end = call.follow()
            if end is None:
                return None
            del self._unread[raw]
            return ServerSentEvents(end, piece_end)
        return None


def is_read(response: Any) -> bool:
    """Whether the body of an HTTP response is there already."""
    return hasattr(response, "_content")


def body_of(response: Any) -> Any:
    """The body of an HTTP response that is there already: JSON parsed, anything else as text or bytes."""
    kind = response.headers.get("content-type", "")
    if "json" in kind:
        return json.loads(response.content)
    return response.text if kind.startswith("text/") else response.content


class ServerSentEvents:
    """Reads a stream of server-sent events along with the app, in whatever pieces it takes them."""

    def __init__(self, end: StreamEnd, piece_end: bytes) -> None:
        """``piece_end``: what was cut off each piece; the line end of lines."""
        self.end = end
        self._piece_end = piece_end
        self._rest = b""

    def add(self, piece: str | bytes) -> None:
        """Notes a piece."""
        with internal_errors("reading along a raw response"):
            data = piece.encode("utf-8", "replace") if isinstance(piece, str) else piece
            *lines, self._rest = (self._rest + data + self._piece_end).split(b"\n")
            for line in lines:
                self._line(line)

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        try:
            event = json.loads(line[5:])
        except ValueError:
            return  # `[DONE]`
        self.end.takes(event)


def _tapped(pieces: Iterator[Any], events: ServerSentEvents) -> Iterator[Any]:
    try:
        for piece in pieces:
            events.add(piece)
            yield piece
    except GeneratorExit:
        events.end.end("drop")
        raise
    except BaseException as error:
        events.end.fail(error)
        raise
    finally:
        events.end.end()


async def _async_tapped(pieces: AsyncIterator[Any], events: ServerSentEvents) -> AsyncIterator[Any]:
    try:
        async for piece in pieces:
            events.add(piece)
            yield piece
    except GeneratorExit:
        events.end.end("drop")
        raise
    except BaseException as error:
        events.end.fail(error)
        raise
    finally:
        events.end.end()
