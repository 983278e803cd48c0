"""How providers and models are called: by the conventions, by their APIs, and in the price table."""

from __future__ import annotations

import re
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
    "vertex_ai": "google",
    "bedrock": "aws",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
_BEDROCK_REGION = re.compile(r"(?:us-gov|us|eu|apac|jp|au|ca|sa|me|af|global)\.(?=[a-z0-9-]+\.)")
_BEDROCK_VERSION = re.compile(r"-v?\d+:\d+$")


def table_provider(provider: str) -> str:
    """``gcp.gemini`` -> ``google``: the conventions' word (or a plain one) as the price table has it."""
    name = provider.strip().lower()
    return _TABLE_PROVIDERS.get(name, name)


def candidates(model: str, provider: str = "") -> Iterator[str]:
    """Names under which a model may be in the price table, the given one first; ``provider`` is the table's word.

    A fine-tuned model (``ft:gpt-4o-mini-2024-07-18:org::id``) falls back to the model that it was made from, where the
    table has no price for it; a resource (``publishers/google/models/gemini-2.5-pro``, or the ARN of Bedrock's
    inference profile) to its last part; a date after ``@`` is Vertex AI's way of writing one after ``-``. Bedrock's
    OpenAI-compatible endpoint leaves out the version that its own names end with (``openai.gpt-oss-120b-1:0``).
    """
    name = model.strip().lower()
    yield name
    if name.startswith("ft:"):
        yield name.removeprefix("ft:").split(":", 1)[0]
    if "models/" in name:
        name = name.rsplit("models/", 1)[1]
        yield name
    if "@" in name:
        plain, _, date = name.partition("@")
        yield plain if date in ("default", "latest") else f"{plain}-{date}"
    if provider == "aws":
        yield from _bedrock_names(name)


def _bedrock_names(name: str) -> Iterator[str]:
    last = name.rsplit("/", 1)[-1]
    if last != name:
        yield last
    if not _BEDROCK_VERSION.search(last):
        yield f"{last}-1:0"
        yield f"{last}-v1:0"
    if (region := _BEDROCK_REGION.match(last)) and not last.startswith("global."):
        # A profile of a region costs what the model costs in it, unless the table has a price for the profile itself.
        yield last[region.end() :]
