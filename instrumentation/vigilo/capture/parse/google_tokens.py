"""Tokens that are counted or kept, not used: ``:countTokens``, ``:computeTokens`` and ``cachedContents``.

What they tell is no usage of a model: as input tokens it would be summed up, and priced, like one.

Shapes: the API reference of Google, "countTokens" and "Caching" (ai.google.dev), and Vertex AI's "computeTokens"
(2026-11).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vigilo import semconv
from vigilo.capture.call import Request, Response
from vigilo.capture.parse import google_generate
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, count


def count_request(origin: Origin, body: Json, content: bool) -> Request:
    """What is to be counted: the body of a ``generateContent``, which Google AI may wrap. Its content is not taken."""
    asked = body.get("generateContentRequest") or body
    counted = google_generate.request(origin, asked, False)
    return replace(counted, operation="count_tokens", model=model_name(body.get("model")))


def count_response(body: Any, content: bool) -> Response:
    """The number of tokens; ``computeTokens`` lists the tokens of each message instead."""
    if not isinstance(body, dict):
        return Response()
    counted = count(body, "totalTokens")
    if counted is None and (listed := body.get("tokensInfo")) is not None:
        counted = sum(len(message.get("tokenIds") or ()) for message in listed)
    return Response(attributes={} if counted is None else {semconv.COUNTED_INPUT_TOKENS: counted})


def cache_request(origin: Origin, body: Json, content: bool) -> Request:
    """What is to be kept; the model is in the body here."""
    asked = google_generate.request(origin, body, content)
    return replace(asked, operation="create_cache", model=model_name(body.get("model")))


def cache_response(body: Any, content: bool) -> Response:
    """A ``CachedContent``: how many tokens are kept. They are billed by the hour, and by each call that reads them."""
    if not isinstance(body, dict):
        return Response()
    kept = count(body.get("usageMetadata") or {}, "totalTokenCount")
    return Response(
        id=body.get("name"),
        model=model_name(body.get("model")),
        attributes={} if kept is None else {semconv.CACHE_STORED_TOKENS: kept},
    )


def model_name(resource: Any) -> str | None:
    """``publishers/google/models/gemini-2.5-flash`` -> ``gemini-2.5-flash``."""
    return resource.rpartition("/")[2] if isinstance(resource, str) and resource else None


COUNT_TOKENS = Endpoint("count_tokens", count_request, count_response)
CREATE_CACHE = Endpoint("create_cache", cache_request, cache_response)
