"""The endpoints of google-genai, on Google AI and on Vertex AI."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .cells import Answered, Cell, Endpoint, Expected
from .styles import adrain, akeep, drain, keep, stainless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "gemini-2.5-flash"
BOTH = ("Gemini", "Gemini on Vertex AI")
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
    clients: tuple[str, ...] = BOTH,
    answered: Answered = "reply",
) -> Iterator[Cell]:
    for client, provider in zip(BOTH, ("gcp.gemini", "gcp.vertex_ai"), strict=True):
        if client not in clients:
            continue
        cell = Cell(
            client=client,
            endpoint=endpoint,
            style=style,
            is_async=False,
            method=method,
            arguments=ASKED if arguments is None else arguments,
            use=use,
            expected=replace(expected, provider=provider),
            answered=answered,
        )
        yield cell
        yield replace(cell, is_async=True, use=ASYNC[use])


def cells() -> Iterator[Cell]:
    tools = {**ASKED, "config": {"tools": [weather]}}
    # The SDK calls the function and asks again: two calls to the model.
    called = replace(GENERATE, spans=2)
    stream = "models.generate_content_stream"
    yield from _both("generate_content", "call", "models.generate_content", keep, GENERATE)
    for answered in ("error status", "429, then a reply"):
        yield from _both("generate_content", answered, "models.generate_content", keep, GENERATE, answered=answered)
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
    kept = {"model": MODEL, "config": {"contents": [{"role": "user", "parts": [{"text": "a book"}]}], "ttl": "60s"}}
    cached = Expected("create_cache", "gcp.gemini", MODEL, (None, None))
    yield from _both("caches.create", "call", "caches.create", keep, cached, kept)
    batched = Expected("batch", "gcp.gemini", MODEL, (None, None))
    src = {"model": MODEL, "src": [{"contents": kept["config"]["contents"]}]}
    yield from _both("batches.create", "call", "batches.create", keep, batched, src, BOTH[:1])
    src = {"model": MODEL, "src": "gs://bucket/in.jsonl", "config": {"dest": "gs://bucket/out"}}
    yield from _both("batches.create", "call", "batches.create", keep, batched, src, BOTH[1:])
    painter = "imagen-4.0-generate-001"
    painted = Expected("image_generation", "gcp.gemini", painter, (None, None))
    cat = {"model": painter, "prompt": "A cat"}
    yield from _both("generate_images", "call", "models.generate_images", keep, painted, cat, BOTH[1:])
    yield from stainless(
        Endpoint(
            client="Gemini",
            name="interactions",
            method="interactions.create",
            arguments={"model": MODEL, "input": "Hello there"},
            stream={"stream": True},
            expected=GENERATE,
        )
    )
