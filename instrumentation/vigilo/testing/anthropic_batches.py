"""The wire of Anthropic's message batches: started, ended at once, and their results as lines of JSON.

Shapes: the API reference of Anthropic, "Message Batches" (2026-11). The server keeps nothing: what a batch was asked
lies in its id, so ids are longer than the real ones.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from typing import TYPE_CHECKING

from vigilo.testing.wire import Answer, Call, Json, whole

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = "msgbatch_"


def create(call: Call) -> Answer:
    """``POST /v1/messages/batches``."""
    asked = [[one["custom_id"], one["params"]["model"], one["params"]["messages"]] for one in call.body["requests"]]
    packed = zlib.compress(json.dumps([time.time_ns(), asked]).encode(), 9)
    return whole(_batch(_PREFIX + base64.urlsafe_b64encode(packed).decode(), "in_progress", len(asked), None))


def get(call: Call) -> Answer:
    """``GET /v1/messages/batches/ID``: a batch has ended, unless the reply's finish reason is another status."""
    batch_id = _id(call.path)
    asked = _asked(batch_id)
    refused = sum(not messages for _, _, messages in asked)
    status = call.reply.finish_reason or "ended"
    url = f"http://{call.headers['host']}/v1/messages/batches/{batch_id}/results" if status == "ended" else None
    return whole(_batch(batch_id, status, len(asked) - refused, url, refused))


def results(answer: Callable[[Call], Json]) -> Callable[[Call], Answer]:
    """``GET /v1/messages/batches/ID/results``; ``answer`` makes the message for the body of one request.

    A request without messages is one that failed.
    """

    def serve(call: Call) -> Answer:
        batch_id = _id(call.path.partition("?")[0].removesuffix("/results"))
        lines = []
        for index, (custom_id, model, messages) in enumerate(_asked(batch_id)):
            result: Json = _ERRORED
            if messages:
                body = {"model": model, "messages": messages, "max_tokens": 1024}
                message = answer(Call(call.path, call.headers, body, call.reply, call.number))
                message["id"] = f"msg_{zlib.crc32(batch_id.encode()):08x}{index:06}"
                message["usage"]["service_tier"] = "batch"
                result = {"type": "succeeded", "message": message}
            lines.append(json.dumps({"custom_id": custom_id, "result": result}).encode() + b"\n")
        return Answer(200, {"content-type": "application/x-jsonl"}, events=tuple(lines))

    return serve


_ERRORED: Json = {
    "type": "errored",
    "error": {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "messages: at least one message is required"},
    },
}


def _id(path: str) -> str:
    return path.partition("?")[0].rpartition("/")[2]


def _asked(batch_id: str) -> list[tuple[str, str, list[Json]]]:
    packed = base64.urlsafe_b64decode(batch_id.removeprefix(_PREFIX))
    _, asked = json.loads(zlib.decompress(packed))
    return [(custom_id, model, messages) for custom_id, model, messages in asked]


def _batch(batch_id: str, status: str, count: int, results_url: str | None, refused: int = 0) -> Json:
    ended = status == "ended"
    counts = {
        "processing": 0 if ended else count + refused,
        "succeeded": count if ended else 0,
        "errored": refused if ended else 0,
        "canceled": 0,
        "expired": 0,
    }
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": counts,
        "created_at": "2026-01-15T10:00:00Z",
        "expires_at": "2026-01-16T10:00:00Z",
        "ended_at": "2026-01-15T10:05:00Z" if ended else None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": results_url,
    }
