"""Which provider a client talks to, in the conventions' words; where they have none, the provider's plain name."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from vigilo.capture.parse.endpoint import Origin

_BY_HOST = {
    "ai-gateway.vercel.sh": "vercel",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepinfra.com": "deepinfra",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.novita.ai": "novita",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.sambanova.ai": "sambanova",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.x.ai": "x_ai",
    "api.z.ai": "zai",
    "codestral.mistral.ai": "mistral_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "integrate.api.nvidia.com": "nvidia",
    "ollama.com": "ollama",
    "openrouter.ai": "openrouter",
    "router.huggingface.co": "huggingface",
}
_BY_HOST_END = (  # hosts with a region or a customer's name in front
    (".aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("-aiplatform.googleapis.com", "gcp.vertex_ai"),
    (".rep.googleapis.com", "gcp.vertex_ai"),
    (".openai.azure.com", "azure.ai.openai"),
    (".api.openai.com", "openai"),
    (".api.x.ai", "x_ai"),
    (".openrouter.ai", "openrouter"),
    (".ml.cloud.ibm.com", "ibm.watsonx.ai"),
)
_BEDROCK = re.compile(r"bedrock(-runtime|-mantle)?(-fips)?\..+\.(amazonaws\.com(\.cn)?|api\.aws)$")
_AZURE = (".services.ai.azure.com", ".cognitiveservices.azure.com", ".models.ai.azure.com")
"""Hosts of Azure where the path tells which of its APIs it is."""
_OLLAMA_PORT = 11434
"""The only port that tells a provider: nothing else is known to use it. Any other server on a port of its own (vLLM on
8000, LM Studio on 1234, LiteLLM on 4000) may as well pass the calls on to OpenAI."""
_BY_CLASS = (
    ("Azure", "azure.ai.openai"),
    ("Bedrock", "aws.bedrock"),
    ("Vertex", "gcp.vertex_ai"),
    ("Foundry", "azure.ai.inference"),
)
"""Clients for a platform rewrite the address of each request, so it is their class that tells."""

_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}

_known: WeakKeyDictionary[Any, tuple[Any, Any, Origin | None]] = WeakKeyDictionary()
"""Per client, the address and the key it had and what they came to: taking an address apart for each call would cost
10 us."""


def stainless_origin(client: Any, default: str) -> Origin:
    """Provider, host and port of a Stainless SDK's client; ``default`` where the host is not known."""
    url = client.base_url
    key = getattr(client, "api_key", None) or getattr(client, "auth_token", None)
    url_then, key_then, origin = _known.get(client) or (None, None, None)
    if origin is None or url_then is not url or key_then is not key:  # an app may give a client others
        origin = _origin(client, url, default, account_of(key))
        _known[client] = (url, key, origin)
    return origin


def _origin(client: Any, url: Any, default: str, account: str | None) -> Origin:
    provider = _class_provider(type(client)) or host_provider(url.host, url.port, url.path) or default
    return Origin(provider, url.host, url.port or (443 if url.scheme == "https" else 80), account)


def account_of(key: object) -> str | None:
    """What tells one key of a provider's from another, the same in all processes: a digest that is no way back."""
    if not isinstance(key, str) or not key:
        return None
    from hashlib import blake2b

    return blake2b(key.encode("utf-8", "replace"), digest_size=6, person=b"vigilo account").hexdigest()


def _class_provider(kind: type) -> str | None:
    """The provider that one of the SDK's own classes is for; a subclass of the app's may be called anything."""
    packages = {base: base.__module__.partition(".")[0] for base in kind.__mro__}
    sdk = next((packages[base] for base in kind.__mro__ if base.__name__ == "BaseClient"), None)
    names = [base.__name__ for base, package in packages.items() if package == sdk]
    return next((provider for word, provider in _BY_CLASS if any(word in name for name in names)), None)


def host_provider(host: str, port: int | None = None, path: str = "") -> str | None:
    """The provider behind a host, in the conventions' words where they have one; None where it is not known.

    Sources: the API references of the providers, "Base URL" or "OpenAI compatibility" (2026-11).
    """
    if (known := _BY_HOST.get(host)) is not None:
        return known
    if _BEDROCK.match(host):
        return "aws.bedrock"
    if host.endswith(_AZURE):
        return "azure.ai.openai" if path.startswith("/openai") else "azure.ai.inference"
    if port == _OLLAMA_PORT:
        return "ollama"
    return next((provider for end, provider in _BY_HOST_END if host.endswith(end)), None)


def google_origin(api_client: Any) -> Origin:
    """Provider and host of google-genai's inner client: Gemini on Google AI, or Vertex AI."""
    url = api_client._http_options.base_url or ""
    key = getattr(api_client, "api_key", None) or getattr(api_client, "project", None)
    url_then, key_then, origin = _known.get(api_client) or (None, None, None)
    if origin is None or url_then is not url or key_then is not key:
        origin = replace(
            address_origin("gcp.vertex_ai" if api_client.vertexai else "gcp.gemini", url), account=account_of(key)
        )
        _known[api_client] = (url, key, origin)
    return origin


def address_origin(provider: str, url: str) -> Origin:
    """A provider at an address that is plain text."""
    from urllib.parse import urlsplit

    address = urlsplit(url)
    return Origin(provider, address.hostname, address.port or _PORTS.get(address.scheme))
