"""Token counts as Gemini writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigilo.capture.call import Usage
    from vigilo.testing.wire import Json


def usage_json(usage: Usage, said: str = "candidates") -> Json:
    """``usageMetadata``. Google counts thoughts beside the answer's tokens, where ours contain them.

    ``said``: what the answer is called in the names, ``response`` in the live API.
    """
    asked, answered = usage.input_tokens or 0, usage.output_tokens or 0
    visible = answered - (usage.output_reasoning_tokens or 0)
    known: Json = {
        "promptTokenCount": asked,
        f"{said}TokenCount": visible,
        "totalTokenCount": asked + answered,
        "promptTokensDetails": _modalities(asked, usage.input_audio_tokens, usage.input_image_tokens),
    }
    if usage.cache_read_tokens is not None:
        known["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.cache_audio_read_tokens is not None:
        known["cacheTokensDetails"] = _modalities(
            usage.cache_read_tokens or 0, usage.cache_audio_read_tokens, usage.cache_image_read_tokens
        )
    if usage.output_reasoning_tokens is not None:
        known["thoughtsTokenCount"] = usage.output_reasoning_tokens
    if usage.output_audio_tokens is not None or usage.output_image_tokens is not None:
        details = _modalities(visible, usage.output_audio_tokens, usage.output_image_tokens)
        known[f"{said}TokensDetails"] = details
    return known


def _modalities(tokens: int, audio_tokens: int | None, image_tokens: int | None) -> list[Json]:
    others = [("AUDIO", audio_tokens), ("IMAGE", image_tokens)]
    text = tokens - sum(count or 0 for _, count in others)
    told = [("TEXT", text), *((name, count) for name, count in others if count is not None)]
    return [{"modality": name, "tokenCount": count} for name, count in told]
