"""Embeddings of Google: ``:embedContent``, ``:batchEmbedContents`` and Vertex AI's ``:predict``.

Shapes: the API reference of Google, "embedContent" (ai.google.dev), and Vertex AI's "predict" for text embeddings
(2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, count
from vigilo.capture.parse.google_usage import usage


def request(origin: Origin, body: Json, content: bool) -> Request:
    """A request for embeddings. The conventions name no content for them, so none is taken."""
    return Request(
        operation="embeddings",
        provider=origin.provider,
        model=body.get("model"),
        parameters=_parameters(body),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def _parameters(body: Json) -> dict[str, Any]:
    """Each of the three endpoints has its own place for the size of the vectors."""
    requests = body.get("requests") or (body,)
    places = (requests[0], body.get("parameters"), body.get("embedContentConfig"))
    dimensions = next((place["outputDimensionality"] for place in places if place and _sized(place)), None)
    return {} if dimensions is None else {semconv.EMBEDDINGS_DIMENSION_COUNT: dimensions}


def _sized(place: Json) -> bool:
    return place.get("outputDimensionality") is not None


def response(body: Any, content: bool) -> Response:
    """Embeddings: tokens only. Google AI may give them in ``usageMetadata``, Vertex AI in each prediction."""
    if not isinstance(body, dict):
        return Response()
    used = usage(body.get("usageMetadata"))
    if used.input_tokens is None:
        counts = [_tokens(prediction) for prediction in body.get("predictions") or ()]
        if counts and None not in counts:
            used = Usage(input_tokens=sum(one for one in counts if one is not None))
    return Response(usage=used)


def _tokens(prediction: Json) -> int | None:
    statistics = (prediction.get("embeddings") or {}).get("statistics") or {}
    tokens = statistics.get("token_count")
    # Vertex AI writes some of its integers as 3.0.
    return int(tokens) if isinstance(tokens, float) and tokens.is_integer() else count(statistics, "token_count")


EMBED = Endpoint("embeddings", request, response)
