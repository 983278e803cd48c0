"""The endpoints of SDKs whose APIs are OpenAI's under a path of their own: groq, together, cerebras.

Sources: the paths in these SDKs (groq 1.7, together 3.1, cerebras-cloud-sdk 1.91).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigilo.capture.parse import openai

if TYPE_CHECKING:
    from vigilo.capture.parse.endpoint import Endpoint

_PREFIXES = ("/openai/v1", "/v1")


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """The endpoint of a request; None for listing, polling and what else is no call to a model."""
    prefix = next((prefix for prefix in _PREFIXES if path.startswith(f"{prefix}/")), "")
    return openai.endpoint_of(method, path[len(prefix) :])
