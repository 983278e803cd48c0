"""The endpoints of OpenAI's API, and of every API that speaks it, by path.

Shapes of embeddings and moderations: the API reference of OpenAI, "Create embeddings", "Create moderation" (2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Message, Request, Response
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, read, sent
from vigilo.capture.parse.openai_audio import SPEECH, TRANSCRIPTIONS, TRANSLATIONS
from vigilo.capture.parse.openai_batches import BATCH, BATCH_STATUS, FILE_UPLOAD
from vigilo.capture.parse.openai_chat import CHAT, content_parts, usage
from vigilo.capture.parse.openai_completions import COMPLETIONS
from vigilo.capture.parse.openai_images import EDITS, GENERATIONS
from vigilo.capture.parse.openai_request import asked
from vigilo.capture.parse.openai_responses import BACKGROUND, COMPACT, INPUT_TOKENS, RESPONSES

_EMBEDDINGS_SENT = {"dimensions": semconv.EMBEDDINGS_DIMENSION_COUNT}


def embeddings_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /embeddings``. The conventions name no content for embeddings, so none is taken."""
    parameters = sent(body, _EMBEDDINGS_SENT)
    if (encoding := body.get("encoding_format")) is not None:
        parameters[semconv.REQUEST_ENCODING_FORMATS] = [encoding]
    return asked("embeddings", origin, body, parameters)


def embeddings_response(body: Any, content: bool) -> Response:
    """A list of embeddings: model and tokens, never the vectors."""
    return Response(model=read(body, "model"), usage=usage(read(body, "usage")))


def moderation_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /moderations``: texts, or parts as in a message of a chat."""
    return asked("moderation", origin, body, input=_moderated(body.get("input")) if content else ())


def _moderated(given: Any) -> tuple[Message, ...]:
    if isinstance(given, (list, tuple)) and any(isinstance(text, str) for text in given):
        return tuple({"role": "user", "parts": content_parts(text)} for text in given)
    return ({"role": "user", "parts": content_parts(given)},)


def moderation_response(body: Any, content: bool) -> Response:
    """Verdicts: id and model. Moderation is free, so there are no tokens."""
    return Response(id=read(body, "id"), model=read(body, "model"))


_ENDPOINTS: dict[str, Endpoint] = {
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/responses/compact": COMPACT,
    "/responses/input_tokens": INPUT_TOKENS,
    "/completions": COMPLETIONS,
    "/embeddings": Endpoint("embeddings", embeddings_request, embeddings_response),
    "/images/generations": GENERATIONS,
    "/images/edits": EDITS,
    "/images/variations": EDITS,
    "/audio/transcriptions": TRANSCRIPTIONS,
    "/audio/translations": TRANSLATIONS,
    "/audio/speech": SPEECH,
    "/moderations": Endpoint("moderation", moderation_request, moderation_response),
    "/batches": BATCH,
    "/files": FILE_UPLOAD,
}
_POLLED: dict[str, Endpoint] = {"responses": BACKGROUND, "batches": BATCH_STATUS}
"""By the first part of ``GET /KIND/ID``, which gets one, and of ``POST /KIND/ID/cancel``, which ends it."""


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """The endpoint of a request; None for listing, other polling and what else is no call to a model."""
    if method == "POST" and (endpoint := _ENDPOINTS.get(path)) is not None:
        return endpoint
    _, _, rest = path.partition("/")
    kind, _, asked_for = rest.partition("/")
    polled = _POLLED.get(kind)
    if polled is None or not asked_for:
        return None
    _, _, action = asked_for.partition("/")
    return polled if (method, action) in (("GET", ""), ("POST", "cancel")) else None
