"""OpenAI's batches as ``Request`` and ``Response``: the upload of their requests, their start and their end.

Shapes: the API reference of OpenAI, "Create batch", "The batch object" and "Upload file" (2026-11). A batch counts its
tokens when it has ended, so it is the first answer that says so which tells them.
"""

from __future__ import annotations

from typing import Any

from vigilo.capture.call import Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, count, finish_reason, read
from vigilo.capture.parse.once import Once
from vigilo.capture.parse.openai_request import asked

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_counted = Once()


def batch_request(origin: Origin, body: Json, content: bool) -> Request:
    """A batch that is started, or the batch that was asked for."""
    return asked("batch", origin, body)


def batch_response(body: Any, content: bool) -> Response:
    """A ``batch``: its id, and once it has ended its model and tokens, at the batch price."""
    status = read(body, "status")
    reason = finish_reason(status) if status in _ENDED else None
    return Response(
        id=read(body, "id"),
        model=read(body, "model"),
        finish_reasons=({"failed": "error"}.get(reason, reason),) if reason else (),
        usage=usage(read(body, "usage")),
        service_tier="batch",
    )


def usage(source: Any) -> Usage:
    """Token counts of a batch's ``usage``, which batches have since September 2025."""
    given, made = read(source, "input_tokens_details"), read(source, "output_tokens_details")
    return Usage(
        input_tokens=count(source, "input_tokens"),
        output_tokens=count(source, "output_tokens"),
        cache_read_tokens=count(given, "cached_tokens"),
        output_reasoning_tokens=count(made, "reasoning_tokens"),
    )


def batch_counts(body: Any) -> bool:
    """Whether a batch that was asked for has ended with tokens, told for the first time."""
    return (
        read(body, "status") in _ENDED
        and count(read(body, "usage"), "total_tokens") not in (None, 0)
        and _counted.first(read(body, "id"))
    )


def file_request(origin: Origin, body: Json, content: bool) -> Request:
    """The upload of a file."""
    return asked("file_upload", origin, body)


def file_response(body: Any, content: bool) -> Response:
    """A ``file``: its id."""
    return Response(id=read(body, "id"))


def file_counts(body: Any) -> bool:
    """Whether a file that was uploaded holds a batch's requests: other files are no part of a call to a model."""
    return bool(read(body, "purpose") == "batch")


BATCH = Endpoint("batch", batch_request, batch_response)
BATCH_STATUS = Endpoint("batch", batch_request, batch_response, counts=batch_counts)
FILE_UPLOAD = Endpoint("file_upload", file_request, file_response, counts=file_counts)
