"""Which provider a client talks to, in the conventions' words."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from vigilo.capture.parse.endpoint import Origin

_BY_HOST = {
    "api.anthropic.com": "anthropic",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
}
_BY_CLASS = (("Azure", "azure.ai.openai"), ("Bedrock", "aws.bedrock"), ("Vertex", "gcp.vertex_ai"))
"""Clients for a platform rewrite the address of each request, so it is their class that tells."""

_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}


_known: WeakKeyDictionary[Any, tuple[Any, Origin]] = WeakKeyDictionary()
"""Per client, the address it had and what that came to: taking an address apart for each call would cost 10 us."""


def stainless_origin(client: Any, default: str) -> Origin:
    """Provider, host and port of a Stainless SDK's client; ``default`` where the host is not known."""
    url = client.base_url
    url_then, origin = _known.get(client) or (None, None)
    if origin is None or url_then is not url:  # an app may give a client another address
        origin = _origin(client, url, default)
        _known[client] = (url, origin)
    return origin


def _origin(client: Any, url: Any, default: str) -> Origin:
    host = url.host
    class_name = type(client).__name__
    provider = next((name for word, name in _BY_CLASS if word in class_name), None)
    if provider is None:
        provider = "azure.ai.openai" if host.endswith(".openai.azure.com") else _BY_HOST.get(host, default)
    return Origin(provider, host, url.port or (443 if url.scheme == "https" else 80))


def google_origin(api_client: Any) -> Origin:
    """Provider and host of google-genai's inner client: Gemini on Google AI, or Vertex AI."""
    url = api_client._http_options.base_url or ""
    url_then, origin = _known.get(api_client) or (None, None)
    if origin is None or url_then is not url:
        origin = address_origin("gcp.vertex_ai" if api_client.vertexai else "gcp.gemini", url)
        _known[api_client] = (url, origin)
    return origin


def address_origin(provider: str, url: str) -> Origin:
    """A provider at an address that is plain text."""
    from urllib.parse import urlsplit

    address = urlsplit(url)
    return Origin(provider, address.hostname, address.port or _PORTS.get(address.scheme))
