"""Batches of Gemini: created at once, and worth a record again when they are done and tell what they used.

Shapes: the API reference of Google, "Batch Mode" (ai.google.dev), and Vertex AI's "batchPredictionJobs" (2026-11).
Vertex AI, and batches of files, leave the answers in a file: nobody but the app sees their tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.capture.call import Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, count
from vigilo.capture.parse.google_tokens import model_name
from vigilo.capture.parse.google_usage import total, usage
from vigilo.capture.parse.once import Once

if TYPE_CHECKING:
    from collections.abc import Iterator

_told = Once()


def request(origin: Origin, body: Json, content: bool) -> Request:
    """A batch; Vertex AI has the model in the body. The messages of its requests are not taken: they may be many."""
    return Request(
        operation="batch",
        provider=origin.provider,
        model=model_name(body.get("model") or _job(body).get("model")),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def response(body: Any, content: bool) -> Response:
    """A batch job as it stands; on Google AI an operation whose ``metadata`` is the job."""
    if not isinstance(body, dict):
        return Response()
    job = _job(body)
    return Response(
        id=body.get("name"),
        model=model_name(job.get("model")),
        usage=total(_usages(job)),
        service_tier="batch",
    )


def counts(body: Any) -> bool:
    """Whether a job is done and tells what its requests used, for the first time in this process."""
    if not isinstance(body, dict) or next(_usages(_job(body)), None) is None:
        return False
    return _told.first(body.get("name"))


def _job(body: Json) -> Json:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else body


def _usages(job: Json) -> Iterator[Usage]:
    output = job.get("output") or {}
    for field in ("inlinedResponses", "inlinedEmbedContentResponses"):
        for one in (output.get(field) or {}).get("inlinedResponses") or ():
            answered = one.get("response") or {}
            if used := answered.get("usageMetadata"):
                yield usage(used)
            elif (tokens := count(answered, "tokenCount")) is not None:
                yield Usage(input_tokens=tokens)


BATCH = Endpoint("batch", request, response)
BATCH_DONE = Endpoint("batch", request, response, counts=counts)
