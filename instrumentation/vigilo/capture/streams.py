"""The end of a stream, once: read to the end, closed, failed, cancelled, dropped, or kept and never read."""

from __future__ import annotations

import weakref
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture import open_streams
from vigilo.capture.call import Response, Usage
from vigilo.errors import internal_errors, report_internal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

    from vigilo.capture.parse.endpoint import Fold
    from vigilo.capture.recorder import Recording


class StreamEnd:
    """Takes the chunks of a stream and ends its recording once, with what came until then.

    A stream that was closed or dropped before its end is no error: the app had enough.
    """

    __slots__ = ("__weakref__", "_add", "_estimate", "_fold", "_hides_usage", "_reader", "is_dropped", "recording")

    def __init__(
        self,
        recording: Recording,
        fold: Fold,
        *,
        hides_usage: bool = False,
        estimate: Callable[[Fold], Usage | None] | None = None,
    ) -> None:
        """Follows one stream.

        Args:
            recording: what ends with the stream.
            fold: puts the answer together.
            hides_usage: the app did not ask for the chunk that only counts tokens, and does not get it.
            estimate: guesses the tokens where the provider does not count them.
        """
        self.recording = recording
        self._fold = fold
        self._add: Callable[[Any], bool | None] | None = fold.add
        self._hides_usage = hides_usage
        self._estimate = estimate
        self._reader: weakref.ref[Any] | None = None
        self.is_dropped = False
        open_streams.follow(self)

    def takes(self, chunk: Any) -> bool:
        """Notes a chunk, and says whether it is kept from the app. Runs on the app's path, once a chunk.

        A chunk that cannot be read stops the reading, never the stream.
        """
        recording = self.recording
        recording.last_chunk_s = perf_counter()
        if not recording.chunks:
            recording.first_chunk_s = recording.last_chunk_s
        recording.chunks += 1
        if self._add is None:
            return False
        try:
            return bool(self._add(chunk)) and self._hides_usage
        except Exception as error:  # noqa: BLE001 - the stream belongs to the app
            self._add = None
            report_internal("reading a chunk", error)
            return False

    def read_by(self, reader: Any) -> None:
        """Says which generator reads the stream: while that one runs, somebody waits for the provider."""
        self._reader = weakref.ref(reader)

    @property
    def idle_limit_s(self) -> float:
        """Seconds without a reader after which the recording ends; 0: never."""
        return self.recording.idle_limit_s

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody waits for the next chunk right now."""
        reader = self._reader() if self._reader is not None else None
        return bool(getattr(reader, "gi_running", False) or getattr(reader, "ag_running", False))

    def end(self, by: str | None = None) -> None:
        """Ends the recording; ``by``: what ended a stream that was not all read (close, drop, idle, exit)."""
        if self.is_dropped:
            return  # the watcher of open streams ends it
        if by == "drop" and not self.recording.ended and open_streams.end_later(self):
            self.is_dropped = True
            return
        self.end_now(by)

    def end_now(self, by: str | None) -> None:
        """As :meth:`end`, in this thread whatever it is in the middle of."""
        open_streams.forget(self)
        if self.recording.ended:
            return
        response = self._response()
        if by is not None:
            response = replace(response, attributes={**response.attributes, semconv.STREAM_ENDED_BY: by})
        self.recording.finish(response)

    def fail(self, error: BaseException) -> None:
        open_streams.forget(self)
        if self.recording.ended:
            return
        self.recording.fail(error, self._response())

    def _response(self) -> Response:
        with internal_errors("putting a stream together"):
            response = self._fold.response()
            if self._estimate is None or response.usage.output_tokens is not None or not self.recording.chunks:
                return response
            estimated = self._estimate(self._fold)
            return response if estimated is None else replace(response, usage=estimated, usage_estimated=True)
        return Response()


def watch_stream(stream: Any, end: StreamEnd) -> None:
    """Makes a Stainless SDK's ``Stream`` or ``AsyncStream`` report to ``end``.

    Only the iterator inside is swapped, so the stream keeps its type, identity, context manager and ``response``.
    """
    inner = stream._iterator
    response = stream.response if hasattr(stream, "response") else stream.http_response  # so do JSON Lines call it
    is_async = hasattr(inner, "__anext__")
    stream._iterator = read_async(inner, end) if is_async else read_sync(inner, end)
    stream.close = _ending(end, stream.close)
    # OpenAI's helpers close the response and leave the stream alone.
    close = "aclose" if is_async else "close"
    setattr(response, close, _ending(end, getattr(response, close), unless_read=True))
    # The generator ends the recording by itself once it was started; this covers a stream that nobody iterates.
    # In the SDK a stream and its iterator refer to each other, so a dropped one goes with the next garbage collection.
    weakref.finalize(stream, end.end, "drop").atexit = False


def _ending(end: StreamEnd, close: Callable[[], Any], *, unless_read: bool = False) -> Callable[[], Any]:
    """Works for sync and async: the coroutine of the async one is handed on.

    ``unless_read``: closing it while it is read is what the SDK does at the end of the stream.
    """

    def close_and_end() -> Any:
        if not (unless_read and end.is_waited_for):
            end.end("close")
        return close()

    return close_and_end


def read_sync(chunks: Iterator[Any], end: StreamEnd) -> Generator[Any, None, None]:
    """Passes chunks through; ends the recording however the reading ends, closing and garbage collection included."""
    reader = _reading(chunks, end)
    end.read_by(reader)
    return reader


def _reading(chunks: Iterator[Any], end: StreamEnd) -> Generator[Any, None, None]:
    takes = end.takes
    try:
        for chunk in chunks:
            if not takes(chunk):
                yield chunk
    except GeneratorExit:
        end.end("drop")
        raise
    except BaseException as error:
        end.fail(error)
        raise
    finally:
        end.end()


def read_async(chunks: AsyncIterator[Any], end: StreamEnd) -> AsyncGenerator[Any, None]:
    """As ``read_sync``, for an async stream; a cancelled task is a failure."""
    reader = _areading(chunks, end)
    end.read_by(reader)
    return reader


async def _areading(chunks: AsyncIterator[Any], end: StreamEnd) -> AsyncGenerator[Any, None]:
    takes = end.takes
    try:
        async for chunk in chunks:
            if not takes(chunk):
                yield chunk
    except GeneratorExit:
        end.end("drop")
        raise
    except BaseException as error:
        end.fail(error)
        raise
    finally:
        end.end()
