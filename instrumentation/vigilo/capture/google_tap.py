"""The chunks of google-genai's streams, as the SDK parsed them."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from vigilo.capture.parse.endpoint import Fold

_open_tap: ContextVar[Tap | None] = ContextVar("vigilo-google-tap", default=None)


class Tap:
    """Keeps the newest chunk of a stream as the SDK parsed it.

    The SDK writes it to JSON again before it passes it on: parsing that once more would cost as much as all the rest.
    """

    __slots__ = ("_token", "chunk")

    def __init__(self) -> None:
        self.chunk: Any = None

    def __enter__(self) -> Tap:
        self._token = _open_tap.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _open_tap.reset(self._token)

    def attach(self, response: Any) -> None:
        """Reads along when the SDK takes its response apart."""
        segments, async_segments = response.segments, response.async_segments
        response.segments = lambda: self._sync(segments())
        response.async_segments = lambda: self._async(async_segments())

    def _sync(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            self.chunk = chunk
            yield chunk

    async def _async(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            self.chunk = chunk
            yield chunk


class TappedFold:
    """Reads chunks as the SDK parsed them, or their JSON where the tap has none."""

    __slots__ = ("_add", "_tap", "response")

    def __init__(self, fold: Fold, tap: Tap) -> None:
        self._add = fold.add
        self._tap = tap
        self.response = fold.response

    def add(self, chunk: Any) -> bool | None:
        parsed = self._tap.chunk
        if parsed is None:
            return self._add(json.loads(chunk.body)) if chunk.body else None
        return self._add(parsed)


def attach_tap(response: Any) -> None:
    """Reads along with a response of the SDK, if a tap is open."""
    if (tap := _open_tap.get()) is not None:
        tap.attach(response)
