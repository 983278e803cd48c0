"""The ways in which a stream can end, and the streams that end so.

Each way gets ``start``, which makes the call and returns the SDK's stream, or the context manager of a helper.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from vigilo.capture import open_streams

from . import anthropic_endpoints, google_endpoints, openai_endpoints
from .styles import adrain, drain

if TYPE_CHECKING:
    from .cells import Endpoint
    from .conftest import Bench

Start = Callable[[], Any]


@dataclass(frozen=True)
class Ended:
    """What the span of a stream says. ``by``: what ended one that was not read to its end; ``failed``: its status."""

    tokens: bool = False
    failed: bool = False
    by: str | None = None
    resent: bool = False
    spans: int = 1


ALL = Ended(tokens=True)
FAILED = Ended(failed=True)


@dataclass(frozen=True)
class Way:
    """A way to end: a sync function, an async one, or both; for a plain stream, for a helper's manager, or for both.

    ``script`` tells the provider what to answer, the usual where it is None.
    """

    name: str
    ended: Ended
    sync: Callable[[Start], None] | None
    asynchronous: Callable[[Start], Any] | None
    plain: bool = True
    managed: bool = False
    script: Callable[[Bench], None] | None = None


def first(stream: Any) -> Any:
    for chunk in stream:
        return chunk
    raise AssertionError("no chunk came")


async def afirst(stream: Any) -> Any:
    async for chunk in stream:
        return chunk
    raise AssertionError("no chunk came")


def close(start: Start) -> None:
    stream = start()
    next(stream)
    stream.close()


async def aclose(start: Start) -> None:
    stream = await start()
    await stream.__anext__()
    await (stream.aclose() if hasattr(stream, "aclose") else stream.close())


def leave(start: Start) -> None:
    with start() as stream:
        first(stream)


async def aleave(start: Start) -> None:
    stream = start()
    async with stream if hasattr(stream, "__aenter__") else await stream as entered:
        await afirst(entered)


def drop(start: Start) -> None:
    stream = start()
    next(stream)
    del stream
    gc.collect()


async def adrop(start: Start) -> None:
    stream = await start()
    await stream.__anext__()
    del stream
    gc.collect()


def never_read(start: Start) -> None:
    start()
    gc.collect()


async def anever_read(start: Start) -> None:
    await start()
    gc.collect()


def wait_idle() -> None:
    """As if the time had passed in which a stream that nobody reads is given up."""
    now_s = time.monotonic()
    open_streams.end_idle(now_s)
    open_streams.end_idle(now_s + 1e6)


def keep_unread(start: Start) -> None:
    stream = start()
    next(stream)
    wait_idle()
    stream.close()


async def akeep_unread(start: Start) -> None:
    stream = await start()
    await stream.__anext__()
    wait_idle()
    await (stream.aclose() if hasattr(stream, "aclose") else stream.close())


def read(start: Start) -> None:
    drain(start())


async def aread(start: Start) -> None:
    stream = start()
    await adrain(stream)


def read_managed(start: Start) -> None:
    with start() as stream:
        drain(stream)


async def aread_managed(start: Start) -> None:
    async with start() as stream:
        await adrain(stream)


def read_in_a_thread(start: Start) -> None:
    stream = start()
    thread = threading.Thread(target=drain, args=(stream,))
    thread.start()
    thread.join()


async def aread_in_a_task(start: Start) -> None:
    await asyncio.create_task(adrain(await start()))


def fail_in_the_app(start: Start) -> None:
    with contextlib.suppress(ZeroDivisionError), start() as stream:
        first(stream)
        raise ZeroDivisionError


async def afail_in_the_app(start: Start) -> None:
    stream = start()
    with contextlib.suppress(ZeroDivisionError):
        async with stream if hasattr(stream, "__aenter__") else await stream as entered:
            await afirst(entered)
            raise ZeroDivisionError


def _failing(sync: Callable[[Start], None]) -> Callable[[Start], None]:
    def run(start: Start) -> None:
        with pytest.raises(Exception):  # noqa: B017 - each SDK, and each version of it, has its own
            sync(start)

    return run


def _afailing(asynchronous: Callable[[Start], Any]) -> Callable[[Start], Any]:
    async def run(start: Start) -> None:
        with pytest.raises(Exception):  # noqa: B017
            await asynchronous(start)

    return run


def _cancelled(asynchronous: Callable[[Start], Any]) -> Callable[[Start], Any]:
    async def run(start: Start) -> None:
        task = asyncio.create_task(asynchronous(start))
        await asyncio.sleep(0.15)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    return run


def cut(bench: Bench) -> None:
    bench.server.drop(after_chunks=2)


def refuse(bench: Bench) -> None:
    bench.script("error status")


def refuse_once(bench: Bench) -> None:
    bench.script("429, then a reply")


def dawdle(bench: Bench) -> None:
    bench.reply(chunk_delay_s=0.1)


def _ways() -> Iterator[Way]:
    yield Way("read to the end", ALL, read, aread)
    yield Way("read to the end", ALL, read_managed, aread_managed, plain=False, managed=True)
    yield Way("read in another thread or task", ALL, read_in_a_thread, aread_in_a_task)
    yield Way("closed early", Ended(by="close"), close, aclose)
    yield Way("`with` left early", Ended(by="close"), leave, aleave, managed=True)
    yield Way("the app fails while it reads", Ended(by="close"), fail_in_the_app, afail_in_the_app, managed=True)
    yield Way("dropped", Ended(by="drop"), drop, adrop)
    yield Way("dropped unread", Ended(by="drop"), never_read, anever_read)
    yield Way("kept and never read on", Ended(by="idle"), keep_unread, akeep_unread)
    for managed, (sync, asynchronous) in enumerate(((read, aread), (read_managed, aread_managed))):
        kind = {"plain": not managed, "managed": bool(managed)}
        yield Way("connection cut", FAILED, _failing(sync), _afailing(asynchronous), script=cut, **kind)
        yield Way("error status", FAILED, _failing(sync), _afailing(asynchronous), script=refuse, **kind)
        yield Way("429, then a reply", replace(ALL, resent=True), sync, asynchronous, script=refuse_once, **kind)
        yield Way("task cancelled", FAILED, None, _cancelled(asynchronous), script=dawdle, **kind)


WAYS = tuple(_ways())


@dataclass(frozen=True)
class Streaming:
    """A method that streams; ``manager``: a helper, whose stream is inside of a context manager."""

    client: str
    endpoint: str
    method: str
    arguments: Mapping[str, Any]
    manager: bool = False

    @property
    def row(self) -> str:
        return f"{self.client}: {self.endpoint}{', helper' if self.manager else ''}"


def _stainless(endpoint: Endpoint) -> Iterator[Streaming]:
    assert endpoint.stream is not None
    arguments = {**endpoint.arguments, **endpoint.stream}
    yield Streaming(endpoint.client, endpoint.name, endpoint.method, arguments)
    if endpoint.helper is not None:
        yield Streaming(endpoint.client, endpoint.name, endpoint.helper, endpoint.arguments, manager=True)


def _streamings() -> Iterator[Streaming]:
    for endpoint in (*openai_endpoints.ENDPOINTS[:1], openai_endpoints.RESPONSES, openai_endpoints.COMPLETIONS):
        yield from _stainless(endpoint)
    yield from _stainless(anthropic_endpoints.MESSAGES)
    yield from _stainless(anthropic_endpoints.BETA)
    for client in ("Gemini", "Gemini on Vertex AI"):
        asked = google_endpoints.ASKED
        yield Streaming(client, "generate_content", "models.generate_content_stream", asked)


STREAMINGS = tuple(_streamings())


@dataclass(frozen=True)
class StreamCell:
    """One stream, ended in one way."""

    copied = False

    streaming: Streaming
    way: Way
    is_async: bool

    @property
    def row(self) -> str:
        return self.streaming.row

    @property
    def client(self) -> str:
        return self.streaming.client

    @property
    def method(self) -> str:
        return self.streaming.method

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.streaming.arguments

    @property
    def column(self) -> str:
        return f"{self.way.name}, async" if self.is_async else self.way.name

    @property
    def ended(self) -> Ended:
        """Google's streams are generators: unread they have sent nothing, and closed and dropped are the same."""
        ended = self.way.ended
        if not self.client.startswith("Gemini"):
            return ended
        if self.way.name == "dropped unread":
            return replace(ended, spans=0)
        return replace(ended, by="drop") if ended.by == "close" else ended

    def __str__(self) -> str:
        return f"{self.row} - {self.column}"


def _fits(streaming: Streaming, way: Way) -> bool:
    if not (way.managed if streaming.manager else way.plain):
        return False
    # Google's streams are plain generators.
    return not (way.managed and streaming.client.startswith("Gemini"))


STREAM_CELLS = tuple(
    StreamCell(streaming, way, is_async)
    for streaming in STREAMINGS
    for way in WAYS
    if _fits(streaming, way)
    for is_async in (False, True)
    if (way.asynchronous if is_async else way.sync) is not None
)
