"""Which provider a request is for, and what that one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigilo.testing.anthropic import ANTHROPIC
from vigilo.testing.anthropic_bedrock import is_bedrock
from vigilo.testing.google import GOOGLE
from vigilo.testing.multipart import form_fields
from vigilo.testing.openai import OPENAI
from vigilo.testing.script import Failure
from vigilo.testing.wire import Call

if TYPE_CHECKING:
    from vigilo.testing.rate_limit import Standing
    from vigilo.testing.script import ReceivedRequest, Reply
    from vigilo.testing.wire import Answer, Provider


def provider_of(received: ReceivedRequest) -> Provider:
    """Whose endpoint was asked."""
    path = received.path.partition("?")[0]
    if "anthropic-version" in received.headers or "/messages" in path or path.endswith("awPredict") or is_bedrock(path):
        return ANTHROPIC
    if "x-goog-api-key" in received.headers or ":" in path.rpartition("/")[2] or path.startswith("/v1beta"):
        return GOOGLE
    return OPENAI


def answered(provider: Provider, received: ReceivedRequest, reply: Reply, number: int) -> Answer:
    """What the endpoint answers; an error where there is none, or where it cannot read the body."""
    path = received.path.partition("?")[0]
    serve = provider.route(received.method, path)
    if serve is None:
        return provider.failure(Failure(404, f"The local provider does not know {received.method} {path}."), number)
    body = received.body
    if isinstance(body, bytes):
        body = form_fields(body, received.headers.get("content-type", "")) or body
    if body != b"" and received.method == "POST" and not isinstance(body, dict):
        return provider.failure(Failure(400, "The body is not a JSON object, nor a form."), number)
    try:
        return serve(Call(received.path, received.headers, body if isinstance(body, dict) else {}, reply, number))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        message = f"The body has not the documented shape: {type(error).__name__} {error}"
        return provider.failure(Failure(400, message), number)


def refused(standing: Standing | None) -> Failure | None:
    """The refusal of a call for which nothing is left of the rate limit."""
    if standing is None or standing.retry_after_s is None:
        return None
    said = f"Rate limit reached: {standing.limit} requests. Please try again."
    return Failure(429, said, standing.retry_after_s)
