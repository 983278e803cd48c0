"""The end of a stream, once: read to the end, closed, failed, cancelled, or dropped."""

from __future__ import annotations

import weakref
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

    __slots__ = ("_add", "_fold", "_recording", "_tick", "hidden")

    def __init__(self, recording: Recording, fold: Fold, hidden: Callable[[Any], bool] | None = None) -> None:
        """``hidden`` says which chunks the app did not ask for and does not get; None: it gets all."""
        self._recording = recording
        self._fold = fold
        self._tick = recording.chunk
        self._add: Callable[[Any], None] | None = fold.add
        self.hidden = hidden

    def chunk(self, chunk: Any) -> None:
        """Notes a chunk that the app gets."""
        self._tick()
        self.add(chunk)

    def add(self, chunk: Any) -> None:
        """Notes what a chunk holds; one that cannot be read stops the reading, never the stream."""
        if self._add is None:
            return
        try:
            self._add(chunk)
        except Exception as error:  # noqa: BLE001 - the stream belongs to the app
            self._add = None
            report_internal("reading a chunk", error)

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
    note, hidden = end.chunk, end.hidden
    try:
        for chunk in chunks:
            if hidden is not None and hidden(chunk):
                end.add(chunk)
                continue
            note(chunk)
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
    note, hidden = end.chunk, end.hidden
    try:
        async for chunk in chunks:
            if hidden is not None and hidden(chunk):
                end.add(chunk)
                continue
            note(chunk)
            yield chunk
    except GeneratorExit:
        raise
    except BaseException as error:
        end.fail(error)
        raise
    finally:
        end.end()
