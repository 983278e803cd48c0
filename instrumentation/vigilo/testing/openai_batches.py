"""The wire of OpenAI's batches, files and moderations.

Shapes: the API reference of OpenAI, "Batch", "Files" and "Moderations" (2026-11).
"""

from __future__ import annotations

import time

from vigilo.testing.completion import Prompt, complete
from vigilo.testing.openai_usage import responses_usage
from vigilo.testing.wire import Answer, Call, Json, whole

_CATEGORIES = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
_MODEL = "gpt-4o-mini"


def create_batch(call: Call) -> Answer:
    """``POST /batches``."""
    body = call.body
    fresh = _batch(f"batch_{call.number:06}", "validating", body["endpoint"], body["input_file_id"], None, None)
    return whole(fresh)


def get_batch(call: Call) -> Answer:
    """``GET /batches/ID``: a batch is completed at once, unless the reply's finish reason is another status."""
    made = complete(Prompt(model=_MODEL, texts=("Hello there",), last_user="Hello there"), call.reply)
    status = call.reply.finish_reason or "completed"
    usage = responses_usage(made.usage) if status == "completed" or call.reply.usage else None
    asked_for = call.path.partition("?")[0].rpartition("/")[2]
    return whole(_batch(asked_for, status, "/v1/chat/completions", "file-000001", made.model, usage))


def _batch(batch_id: str, status: str, endpoint: str, file_id: str, model: str | None, usage: Json | None) -> Json:
    ended = status == "completed"
    now_s = int(time.time())
    return {
        "id": batch_id,
        "object": "batch",
        "endpoint": endpoint,
        "model": model,
        "errors": None,
        "input_file_id": file_id,
        "completion_window": "24h",
        "status": status,
        "output_file_id": "file-000002" if ended else None,
        "error_file_id": None,
        "created_at": now_s,
        "completed_at": now_s if ended else None,
        "request_counts": {"total": 1, "completed": int(ended), "failed": 0},
        "usage": usage,
        "metadata": None,
    }


def upload(call: Call) -> Answer:
    """``POST /files``."""
    file = call.body["file"]
    about = {"filename": file["filename"], "bytes": file["bytes"], "purpose": call.body["purpose"]}
    now_s = int(time.time())
    return whole(
        {"id": f"file-{call.number:06}", "object": "file", "created_at": now_s, "status": "processed", **about}
    )


def moderation(call: Call) -> Answer:
    """``POST /moderations``: nothing is ever flagged."""
    given = call.body["input"]
    texts = given if isinstance(given, list) and all(isinstance(text, str) for text in given) else [given]
    verdict = {
        "flagged": False,
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": dict.fromkeys(_CATEGORIES, 0.0001),
        "category_applied_input_types": {category: ["text"] for category in _CATEGORIES},
    }
    model = call.reply.model or call.body.get("model") or "omni-moderation-latest"
    return whole({"id": f"modr-{call.number:06}", "model": model, "results": [verdict for _ in texts]})
