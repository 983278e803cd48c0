"""The wire of what Google makes besides answers: caches, batches, pictures and films.

Shapes: the API reference of Google, "Caching" and "Batch Mode" (ai.google.dev), and those of Vertex AI, "Imagen API",
"Veo API" and "batchPredictionJobs" (2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo.testing.completion import Prompt, complete
from vigilo.testing.google_usage import usage_json
from vigilo.testing.wire import Answer, Call, Json, whole

_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # a PNG of 1x1
)
_NOW = "2026-11-21T12:00:00Z"
_CACHED_TOKENS = 4096
_MODEL = "models/gemini-2.5-flash"


def create_cache(call: Call) -> Answer:
    """``POST /cachedContents``; the tokens of the reply's usage are what is kept."""
    given = call.reply.usage.input_tokens if call.reply.usage else None
    kept = _CACHED_TOKENS if given is None else given
    return whole(
        {
            "name": f"cachedContents/{call.number:06}",
            "model": call.body["model"],
            "createTime": _NOW,
            "expireTime": _NOW,
            "usageMetadata": {"totalTokenCount": kept},
        }
    )


def images(call: Call) -> Answer:
    """``:predict`` of Imagen; a finish reason ``content_filter`` lets none through."""
    if call.reply.finish_reason == "content_filter":
        return whole({"predictions": [{"raiFilteredReason": "The prompt was filtered."}]})
    samples = (call.body.get("parameters") or {}).get("sampleCount") or 1
    return whole({"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": _PIXEL}] * samples})


def videos(call: Call) -> Answer:
    """``:predictLongRunning`` of Veo: the operation never ends here."""
    assert call.body["instances"]  # noqa: S101 - the documented shape, checked like all the others
    return whole({"name": f"{_resource(call)}/operations/{call.number:06}"})


def create_batch(call: Call) -> Answer:
    """``:batchGenerateContent`` and ``:asyncBatchEmbedContent``."""
    assert call.body["batch"]["inputConfig"]  # noqa: S101 - as above
    return whole(_batch(f"batches/{call.number:06}", _resource(call), "BATCH_STATE_PENDING", None))


def get_batch(call: Call) -> Answer:
    """``GET /batches/ID``: a batch has succeeded at once, unless the reply's finish reason is another state."""
    state = call.reply.finish_reason or "BATCH_STATE_SUCCEEDED"
    name = "batches/" + call.path.partition("?")[0].rpartition("/")[2]
    made = complete(Prompt(model="gemini-2.5-flash", texts=("Hello there",), last_user="Hello there"), call.reply)
    answered = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": made.text}]}, "finishReason": "STOP"}],
        "usageMetadata": usage_json(made.usage),
        "modelVersion": made.model,
    }
    done = state == "BATCH_STATE_SUCCEEDED"
    return whole(_batch(name, _MODEL, state, [{"response": answered}] if done else None))


def _batch(name: str, model: str, state: str, answers: list[Json] | None) -> Json:
    metadata: Json = {"name": name, "displayName": "batch", "model": model, "state": state, "createTime": _NOW}
    if answers is None:
        return {"name": name, "metadata": metadata}
    output = {"inlinedResponses": {"inlinedResponses": answers}}
    return {"name": name, "done": True, "metadata": {**metadata, "output": output, "endTime": _NOW}}


def create_job(call: Call) -> Answer:
    """``POST .../batchPredictionJobs``, on Vertex AI."""
    return whole(_job(f"{_place(call)}/{call.number}", call.body["model"], "JOB_STATE_PENDING"))


def get_job(call: Call) -> Answer:
    """``GET .../batchPredictionJobs/ID``: the answers lie in a bucket, so a job tells no tokens."""
    return whole(_job(_place(call), "publishers/google/models/gemini-2.5-flash", "JOB_STATE_SUCCEEDED"))


def _place(call: Call) -> str:
    """``/v1beta1/projects/p/locations/l/batchPredictionJobs`` -> ``projects/p/locations/l/batchPredictionJobs``."""
    return call.path.partition("?")[0].lstrip("/").partition("/")[2]


def _job(name: str, model: Any, state: str) -> Json:
    return {"name": name, "displayName": "batch", "model": model, "state": state, "createTime": _NOW}


def compute_tokens(call: Call) -> Answer:
    """``:computeTokens``, on Vertex AI: the tokens of each message."""
    listed = []
    for content in call.body["contents"]:
        words = " ".join(part.get("text") or "" for part in content["parts"]).split()
        listed.append({"role": content.get("role") or "user", "tokenIds": [str(n) for n, _ in enumerate(words)]})
    return whole({"tokensInfo": listed})


def _resource(call: Call) -> str:
    """``/v1beta/models/veo-3:predictLongRunning`` -> ``models/veo-3``."""
    return "models/" + call.path.partition("?")[0].rpartition("/")[2].rpartition(":")[0]
