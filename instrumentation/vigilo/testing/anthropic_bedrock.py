"""Claude on Amazon Bedrock: its paths, and its streams, which are frames of AWS' binary event stream.

Shapes: the user guide of Amazon Bedrock, "Anthropic Claude Messages API", and the specification of
``application/vnd.amazon.eventstream`` in AWS' guide to event stream encoding (2026-11).
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from typing import TYPE_CHECKING
from urllib.parse import unquote

from vigilo.testing.wire import Answer, Json

if TYPE_CHECKING:
    from vigilo.capture.call import Usage

_PATH = re.compile(r"/model/([^/]+)/(invoke|invoke-with-response-stream)$")
_STRING = 7
_SOURCE = re.compile(r"^(?:[a-z-]+\.)?anthropic\.")
_REVISION = re.compile(r"-v\d+(?::\d+)?$")


def is_bedrock(path: str) -> bool:
    """Whether a path, without its query, is one of Bedrock's for a model."""
    return _PATH.search(path) is not None


def is_streamed(path: str) -> bool:
    """Whether the answer is wanted as a stream: Bedrock says so in the path."""
    return path.endswith("-stream")


def asked_model(path: str) -> str:
    """The model as it was asked for; "" where the path names none."""
    found = _PATH.search(path)
    return unquote(found[1]) if found else ""


def plain_model(name: str) -> str:
    """``us.anthropic.claude-haiku-4-5-20251001-v1:0`` as the answer calls it: ``claude-haiku-4-5-20251001``."""
    return _REVISION.sub("", _SOURCE.sub("", name))


def streamed(events: list[Json], usage: Usage) -> Answer:
    """An answer of event frames; the last one also has Bedrock's own counts."""
    counts = {"inputTokenCount": usage.input_tokens, "outputTokenCount": usage.output_tokens}
    events = [*events[:-1], {**events[-1], "amazon-bedrock-invocationMetrics": counts}]
    return Answer(200, {"content-type": "application/vnd.amazon.eventstream"}, events=tuple(map(_chunk, events)))


def _chunk(event: Json) -> bytes:
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()})
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, payload.encode())


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame: lengths and their checksum, the headers, the payload and a checksum of all."""
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = lengths + struct.pack("!I", zlib.crc32(lengths)) + packed + payload
    return message + struct.pack("!I", zlib.crc32(message))
