"""Answers as bytes: what every provider's module gives and the server sends."""

from __future__ import annotations

import json
import math
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vigilo.testing.rate_limit import Standing
    from vigilo.testing.script import Failure, Reply

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a provider's endpoint. ``number`` counts the server's requests from 1: ids are made of it."""

    path: str
    headers: Mapping[str, str]
    body: Json
    reply: Reply
    number: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: whole with a ``body``, or streamed as ``events``."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    events: tuple[bytes, ...] | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """What one provider's API answers.

    ``route(method, path)`` gives the endpoint, None for an unknown path; ``failure`` the error in the provider's shape;
    ``headers`` those that the provider puts on every answer, ``limits`` those that tell what is left of a rate limit.
    """

    route: Callable[[str, str], Callable[[Call], Answer] | None]
    failure: Callable[[Failure, int], Answer]
    headers: Callable[[int], Mapping[str, str]]
    limits: Callable[[Standing], Mapping[str, str]]


def whole(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of one JSON object."""
    content = {"content-type": "application/json", **(headers or {})}
    return Answer(status, content, json.dumps(body).encode())


def streamed(events: list[bytes]) -> Answer:
    """An answer of server-sent events."""
    return Answer(200, {"content-type": "text/event-stream; charset=utf-8"}, events=tuple(events))


def server_sent_event(data: Json | str, event: str | None = None) -> bytes:
    """One event as it goes over the wire."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


def embedding(text: str, dimensions: int) -> list[float]:
    """A unit vector that is the same for the same text, and near for texts that share words."""
    counts = [0.1] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        counts[zlib.crc32(word.encode()) % dimensions] += 1.0
    length = math.sqrt(sum(count * count for count in counts))
    return [count / length for count in counts]
