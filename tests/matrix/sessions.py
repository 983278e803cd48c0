"""Sessions over a websocket: a response in each is one call to a model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .cells import Cell, Expected

if TYPE_CHECKING:
    from collections.abc import Iterator

STYLE = "session"
SPEAKER, LISTENER, MODEL = "gpt-realtime", "gemini-live-2.5-flash", "gpt-4o-mini"
ENDS = ("response.done", "response.completed")


def speak(manager: Any) -> None:
    with manager as connection:
        connection.response.create()
        next(event for event in connection if event.type in ENDS)


async def aspeak(manager: Any) -> None:
    async with manager as connection:
        await connection.response.create()
        await anext(event async for event in connection if event.type in ENDS)


def ask(manager: Any) -> None:
    with manager as connection:
        connection.response.create(model=MODEL, input="Hello there")
        next(event for event in connection if event.type in ENDS)


async def aask(manager: Any) -> None:
    async with manager as connection:
        await connection.response.create(model=MODEL, input="Hello there")
        await anext(event async for event in connection if event.type in ENDS)


async def converse(manager: Any) -> None:
    async with manager as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "Hello there"}]})
        async for _ in session.receive():
            pass


def cells() -> Iterator[Cell]:
    spoken = Expected("chat", "openai", SPEAKER, (120, 40))
    for method in ("realtime.connect", "beta.realtime.connect"):
        name = method.removesuffix(".connect")
        cell = Cell("OpenAI", name, STYLE, False, method, {"model": SPEAKER}, speak, spoken)
        yield cell
        yield replace(cell, is_async=True, use=aspeak)
    asked = Expected("chat", "openai", MODEL, (120, 40))
    cell = Cell("OpenAI", "responses, on a connection", STYLE, False, "responses.connect", {}, ask, asked)
    yield cell
    yield replace(cell, is_async=True, use=aask)
    for client, provider in (("Gemini", "gcp.gemini"), ("Gemini on Vertex AI", "gcp.vertex_ai")):
        arguments = {"model": LISTENER, "config": {"response_modalities": ["TEXT"]}}
        expected = Expected("generate_content", provider, LISTENER, (120, 40))
        yield Cell(client, "live", STYLE, True, "live.connect", arguments, converse, expected)
