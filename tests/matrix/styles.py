"""The styles in which one method of a Stainless SDK can be called, and the cells that come of them."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .cells import Cell, Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def keep(result: Any) -> Any:
    return result


def drain(stream: Any) -> None:
    for _ in stream:
        pass


def parsed(raw: Any) -> None:
    raw.parse()


def drain_parsed(raw: Any) -> None:
    drain(raw.parse())


def parse_inside(manager: Any) -> None:
    with manager as raw:
        raw.parse()


def read_inside(manager: Any) -> None:
    with manager as raw:
        raw.read()


def drain_inside(manager: Any) -> None:
    with manager as raw:
        drain(raw.parse())


def lines_inside(manager: Any) -> None:
    with manager as raw:
        drain(raw.iter_lines())


def bytes_inside(manager: Any) -> None:
    with manager as raw:
        drain(raw.iter_bytes())


def helped(manager: Any) -> None:
    with manager as stream:
        drain(stream)


def helped_text(manager: Any) -> None:
    with manager as stream:
        drain(stream.text_stream)


async def akeep(result: Any) -> Any:
    return await result


async def adrain(stream: Any) -> None:
    async for _ in await stream if inspect.isawaitable(stream) else stream:
        pass


async def aparsed(raw: Any) -> None:
    answer = (await raw).parse()  # a coroutine or not: the classes of raw responses differ
    if inspect.isawaitable(answer):
        await answer


async def adrain_parsed(raw: Any) -> None:
    await adrain((await raw).parse())


async def aparse_inside(manager: Any) -> None:
    async with manager as raw:
        await raw.parse()


async def aread_inside(manager: Any) -> None:
    async with manager as raw:
        await raw.read()


async def adrain_inside(manager: Any) -> None:
    async with manager as raw:
        await adrain(raw.parse())


async def alines_inside(manager: Any) -> None:
    async with manager as raw:
        await adrain(raw.iter_lines())


async def abytes_inside(manager: Any) -> None:
    async with manager as raw:
        await adrain(raw.iter_bytes())


async def ahelped(manager: Any) -> None:
    async with manager as stream:
        await adrain(stream)


async def ahelped_text(manager: Any) -> None:
    async with manager as stream:
        await adrain(stream.text_stream)


ASYNC: dict[Callable[[Any], Any], Callable[[Any], Any]] = {
    keep: akeep,
    drain: adrain,
    parsed: aparsed,
    drain_parsed: adrain_parsed,
    parse_inside: aparse_inside,
    read_inside: aread_inside,
    drain_inside: adrain_inside,
    lines_inside: alines_inside,
    bytes_inside: abytes_inside,
    helped: ahelped,
    helped_text: ahelped_text,
}
RAW, STREAMING = "with_raw_response", "with_streaming_response"


def stainless(endpoint: Endpoint) -> Iterator[Cell]:
    """The cells of an endpoint of OpenAI's or Anthropic's SDK: each style, sync and async."""
    return _with_async(_sync(endpoint))


def helpers(endpoint: Endpoint) -> Iterator[Cell]:
    """The cells of what an SDK puts over an endpoint: its helper for streams, and ``parse``."""
    return _with_async(_helpers(endpoint))


def _with_async(cells: Iterator[Cell]) -> Iterator[Cell]:
    for cell in cells:
        yield cell
        yield replace(cell, is_async=True, use=ASYNC[cell.use])


def _sync(endpoint: Endpoint) -> Iterator[Cell]:
    yield _cell(endpoint, "call", keep)
    yield from _helpers(endpoint)
    if endpoint.has_copies:
        yield replace(_cell(endpoint, "copy of the client", keep), copied=True)
    if not endpoint.polled:
        yield replace(_cell(endpoint, "error status", keep), answered="error status")
        yield replace(_cell(endpoint, "429, then a reply", keep), answered="429, then a reply")
    yield _cell(endpoint, "raw", keep if endpoint.binary else parsed, endpoint.through(RAW))
    used = read_inside if endpoint.binary else parse_inside
    yield _cell(endpoint, "streaming response", used, endpoint.through(STREAMING))
    if endpoint.stream is not None:
        stream = endpoint.stream
        streaming, counted = endpoint.through(STREAMING), {**stream, **endpoint.counted}
        yield _cell(endpoint, "stream", drain, arguments=stream)
        yield _cell(endpoint, "raw stream", drain_parsed, endpoint.through(RAW), stream)
        yield _cell(endpoint, "streaming response, stream", drain_inside, streaming, counted)
        yield _cell(endpoint, "streaming response, lines", lines_inside, streaming, counted)
        yield _cell(endpoint, "streaming response, bytes", bytes_inside, streaming, counted)


def _helpers(endpoint: Endpoint) -> Iterator[Cell]:
    if endpoint.helper is not None:
        yield _cell(endpoint, "stream helper", helped, endpoint.helper)
        if "messages" in endpoint.helper:
            yield _cell(endpoint, "text of the stream helper", helped_text, endpoint.helper)
    if endpoint.parse is not None:
        yield _cell(endpoint, "parse", keep, endpoint.parse, endpoint.parse_arguments)


def _cell(
    endpoint: Endpoint,
    style: str,
    use: Callable[[Any], Any],
    method: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Cell:
    return Cell(
        client=endpoint.client,
        endpoint=endpoint.name,
        style=style,
        is_async=False,
        method=method or endpoint.method,
        arguments={**endpoint.arguments, **(arguments or {})},
        use=use,
        expected=endpoint.expected,
        polled=endpoint.polled,
    )
