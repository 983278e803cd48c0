"""The endpoints of OpenAI's API, and of every API that speaks it, by path.

Shapes of embeddings: the API reference of OpenAI, "Create embeddings" (2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Request, Response
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, read
from vigilo.capture.parse.openai_chat import CHAT, usage
from vigilo.capture.parse.openai_responses import RESPONSES


def embeddings_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /embeddings``. The conventions name no content for embeddings, so none is taken."""
    sent: dict[str, Any] = {}
    if (dimensions := body.get("dimensions")) is not None:
        sent[semconv.EMBEDDINGS_DIMENSION_COUNT] = dimensions
    if (encoding := body.get("encoding_format")) is not None:
        sent[semconv.REQUEST_ENCODING_FORMATS] = [encoding]
    return Request(
        operation="embeddings",
        provider=origin.provider,
        model=body.get("model"),
        parameters=sent,
        server_address=origin.server_address,
        server_port=origin.server_port,
    )


def embeddings_response(body: Any, content: bool) -> Response:
    """A list of embeddings: model and tokens, never the vectors."""
    return Response(model=read(body, "model"), usage=usage(read(body, "usage")))


_ENDPOINTS: dict[str, Endpoint] = {
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/embeddings": Endpoint("embeddings", embeddings_request, embeddings_response),
}


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """The endpoint of a request; None for listing, polling and what else is no call to a model."""
    return _ENDPOINTS.get(path) if method == "POST" else None
