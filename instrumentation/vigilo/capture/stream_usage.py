"""Token counts of streams that give them only when asked: asks where the caller did not.

OpenAI's Chat Completions count a stream's tokens in a chunk of its own, and only with
``stream_options={"include_usage": true}`` (API reference of OpenAI, "Create chat completion", 2026-11). A caller who
did not ask gets the stream as without vigilo: the extra chunk is taken out. Who speaks OpenAI's API may count without
being asked, or refuse the option, so only those are asked that are known to need it and to take it.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_ASKED = frozenset(
    {
        "openai",
        "aws.bedrock",
        "azure.ai.openai",
        "gcp.gemini",
        "gcp.vertex_ai",
        "huggingface",
        "novita",
        "nvidia",
        "ollama",
        "sambanova",
    }
)
"""By provider; `openai` is also any server whose host is not known, such as vLLM. Cerebras, DeepSeek, Fireworks, Groq,
Mistral, Moonshot, OpenRouter, Perplexity, Together and xAI count each stream by themselves (their API references,
2026-11)."""
_RAW_HEADER = "x-stainless-raw-response"
_AZURE_SINCE = "2024-09-01"
"""Azure refuses ``stream_options`` in versions of its API before."""


def asking(options: Any, body: Mapping[str, Any], client: Any, provider: str) -> Any | None:
    """The request's options with usage asked for; None where the caller decided, or where asking could do harm."""
    if not body.get("stream") or provider not in _ASKED:
        return None
    chosen = body.get("stream_options") or {}
    if "include_usage" in chosen or (getattr(client, "_api_version", None) or _AZURE_SINCE) < _AZURE_SINCE:
        return None
    headers = options.headers if isinstance(options.headers, dict) else {}
    if any(name.lower() == _RAW_HEADER and value != "true" for name, value in headers.items()):
        return None  # the caller reads the bytes, where nothing can be taken out
    asked = copy(options)
    asked.json_data = {**options.json_data, "stream_options": {**chosen, "include_usage": True}}
    return asked
