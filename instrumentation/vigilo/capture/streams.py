"""The end of a stream, once: read to the end, closed, failed, cancelled, or dropped."""

from __future__ import annotations

import weakref
from time import perf_counter
from typing import TYPE_CHECKING, Any

from vigilo.capture.call import Response
from vigilo.errors import internal_errors, report_internal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from vigilo.capture.parse.endpoint import Fold
    from vigilo.capture.recorder import Recording


class StreamEnd:
    """Takes the chunks of a stream and ends its recording once, with what came until then.

    A stream that was closed or dropped before its end is no error: the app had enough.
    """

    __slots__ = ("_add", "_fold", "_hides_usage", "_recording")

    def __init__(self, recording: Recording, fold: Fold, *, hides_usage: bool = False) -> None:
        """``hides_usage``: the app did not ask for the chunk that only counts tokens, and does not get it."""
        self._recording = recording
        self._fold = fold
        self._add: Callable[[Any], bool | None] | None = fold.add
        self._hides_usage = hides_usage

    def takes(self, chunk: Any) -> bool:
        """Notes a chunk, and says whether it is kept from the app. Runs on the app's path, once a chunk.

        A chunk that cannot be read stops the reading, never the stream.
        """
        recording = self._recording
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

    def end(self) -> None:
        if not self._recording.ended:
            self._recording.finish(self._response())

    def fail(self, error: BaseException) -> None:
        if not self._recording.ended:
            self._recording.fail(error, self._response())

    def _response(self) -> Response:
        with internal_errors("putting a stream together"):
            return self._fold.response()
        return Response()


def watch_stream(stream: Any, end: StreamEnd) -> None:
    """Makes a Stainless SDK's ``Stream`` or ``AsyncStream`` report to ``end``.

    Only the iterator inside is swapped, so the stream keeps its type, identity, context manager and ``response``.
    """
    inner, close = stream._iterator, stream.close
    if hasattr(inner, "__anext__"):
        stream._iterator = read_async(inner, end)

        async def aclose() -> None:
            end.end()
            await close()

        stream.close = aclose
    else:
        stream._iterator = read_sync(inner, end)

        def close_and_end() -> None:
            end.end()
            close()

        stream.close = close_and_end
    # The generator ends the recording by itself once it was started; this covers a stream that nobody iterates.
    # In the SDK a stream and its iterator refer to each other, so a dropped one goes with the next garbage collection.
    weakref.finalize(stream, end.end)


def read_sync(chunks: Iterator[Any], end: StreamEnd) -> Iterator[Any]:
    """Passes chunks through; ends the recording however the reading ends, closing and garbage collection included."""
    try:
        for chunk in chunks:
            if not end.takes(chunk):
                yield chunk
    except GeneratorExit:
        raise
    except BaseException as error:
        end.fail(error)
        raise
    finally:
        end.end()


async def read_async(chunks: AsyncIterator[Any], end: StreamEnd) -> AsyncIterator[Any]:
    """As ``read_sync``, for an async stream; a cancelled task is a failure."""
    try:
        async for chunk in chunks:
            if not end.takes(chunk):
                yield chunk
    except GeneratorExit:
        raise
    except BaseException as error:
        end.fail(error)
        raise
    finally:
        end.end()
