"""How providers and models are called: by the conventions, by their APIs, and in the price table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE_PROVIDERS = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
_ALIASES = {"claude-haiku-3-5": "claude-3-5-haiku-20241022"}
"""Names in use that the price table does not know."""


def table_provider(provider: str) -> str:
    """``gcp.gemini`` -> ``google``: the conventions' word (or a plain one) as the price table has it."""
    name = provider.strip().lower()
    return _TABLE_PROVIDERS.get(name, name)


def candidates(model: str) -> Iterator[str]:
    """Names under which a model may be in the price table, the given one first.

    A fine-tuned model (``ft:gpt-4o-mini-2024-07-18:org::id``) falls back to the model that it was made from, where the
    table has no price for it; a resource (``models/gemini-2.5-pro``) to its last part.
    """
    name = model.strip().lower()
    yield name
    if name in _ALIASES:
        yield _ALIASES[name]
    if name.startswith("ft:"):
        yield name.removeprefix("ft:").split(":", 1)[0]
    if "models/" in name:
        yield name.rsplit("models/", 1)[1]
