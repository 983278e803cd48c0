"""The endpoints of google-genai, on Google AI and on Vertex AI."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .cells import Cell, Expected
from .styles import adrain, akeep, drain, keep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "gemini-2.5-flash"
ASKED = {"model": MODEL, "contents": "Hello there"}
GENERATE = Expected("generate_content", "gcp.gemini", MODEL, (120, 40))


def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"Sunny in {city}"


def send(chat: Any) -> None:
    chat.send_message("Hello there")


def send_streamed(chat: Any) -> None:
    drain(chat.send_message_stream("Hello there"))


async def asend(chat: Any) -> None:
    await chat.send_message("Hello there")


async def asend_streamed(chat: Any) -> None:
    await adrain(chat.send_message_stream("Hello there"))


ASYNC = {keep: akeep, drain: adrain, send: asend, send_streamed: asend_streamed}


def _both(
    endpoint: str,
    style: str,
    method: str,
    use: Callable[[Any], Any],
    expected: Expected,
    arguments: dict[str, Any] | None = None,
) -> Iterator[Cell]:
    for client, provider in (("Gemini", "gcp.gemini"), ("Gemini on Vertex AI", "gcp.vertex_ai")):
        cell = Cell(
            client=client,
            endpoint=endpoint,
            style=style,
            is_async=False,
            method=method,
            arguments=ASKED if arguments is None else arguments,
            use=use,
            expected=replace(expected, provider=provider),
        )
        yield cell
        yield replace(cell, is_async=True, use=ASYNC[use])


def cells() -> Iterator[Cell]:
    tools = {**ASKED, "config": {"tools": [weather]}}
    # The SDK calls the function and asks again: two calls to the model.
    called = replace(GENERATE, spans=2)
    stream = "models.generate_content_stream"
    yield from _both("generate_content", "call", "models.generate_content", keep, GENERATE)
    yield from _both("generate_content", "stream", stream, drain, GENERATE)
    yield from _both("generate_content, functions", "call", "models.generate_content", keep, called, tools)
    yield from _both("generate_content, functions", "stream", stream, drain, called, tools)
    yield from _both("chats", "call", "chats.create", send, GENERATE, {"model": MODEL})
    yield from _both("chats", "stream", "chats.create", send_streamed, GENERATE, {"model": MODEL})
    embedder = "gemini-embedding-001"
    embedded = Expected("embeddings", "gcp.gemini", embedder, (120, None))
    asked = {"model": embedder, "contents": "Hello there"}
    yield from _both("embed_content", "call", "models.embed_content", keep, embedded, asked)
    counted = Expected("count_tokens", "gcp.gemini", MODEL, (None, None))
    yield from _both("count_tokens", "call", "models.count_tokens", keep, counted)
