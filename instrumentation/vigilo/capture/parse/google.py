"""The endpoints of Gemini's API, on Google AI and on Vertex AI, by method and path."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vigilo.capture.parse.google_batch import BATCH, BATCH_DONE
from vigilo.capture.parse.google_embeddings import EMBED
from vigilo.capture.parse.google_generate import GENERATE
from vigilo.capture.parse.google_media import IMAGES, VIDEOS
from vigilo.capture.parse.google_tokens import COUNT_TOKENS, CREATE_CACHE

if TYPE_CHECKING:
    from vigilo.capture.parse.endpoint import Endpoint

_BY_METHOD: dict[str, Endpoint] = {
    "generateContent": GENERATE,
    "streamGenerateContent": GENERATE,
    "embedContent": EMBED,
    "batchEmbedContents": EMBED,
    "countTokens": COUNT_TOKENS,
    "computeTokens": COUNT_TOKENS,
    "predictLongRunning": VIDEOS,
    "batchGenerateContent": BATCH,
    "asyncBatchEmbedContent": BATCH,
}
"""By the method after the colon of the path. Vertex AI's ``predict`` serves several kinds of models: see ``find``."""

_COLLECTIONS: dict[str, Endpoint] = {"cachedContents": CREATE_CACHE, "batchPredictionJobs": BATCH}
"""By the collection in which something is created."""


class Found(NamedTuple):
    """The model that a path names, None where it names none, and the endpoint that it calls."""

    model: str | None
    endpoint: Endpoint


def find(method: str, path: str) -> Found | None:
    """What a request calls; None for what is no call to a model.

    Paths are those of the SDK: ``models/gemini-2.5-flash:generateContent``, ``publishers/google/models/...``,
    ``batches/123``.
    """
    path = path.partition("?")[0]
    if method == "GET":
        collection = path.rpartition("/")[0].rpartition("/")[2]
        return Found(None, BATCH_DONE) if collection in ("batches", "batchPredictionJobs") else None
    if method != "POST":
        return None
    resource, _, verb = path.rpartition(":")
    if not resource:
        created = _COLLECTIONS.get(path.rpartition("/")[2])
        return None if created is None else Found(None, created)
    _, named, model = resource.rpartition("odels/")  # models/, tunedModels/
    known = _predicting(model) if verb == "predict" and named else _BY_METHOD.get(verb)
    return None if known is None else Found(model if named else None, known)


def _predicting(model: str) -> Endpoint | None:
    if "embedding" in model:
        return EMBED
    return IMAGES if model.startswith(("imagen", "image")) else None
