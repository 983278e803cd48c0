"""Token counts of Gemini, and what kind of traffic they were.

Shapes: the API reference of Google, "UsageMetadata" (ai.google.dev), and Vertex AI's "TrafficType" (2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Json, count, read

if TYPE_CHECKING:
    from collections.abc import Iterable

_TRAFFIC = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned_throughput",
}


def usage(source: Json | None) -> Usage:
    """Counts of ``usageMetadata``: thoughts lie beside the answer, and results of tools beside the prompt.

    The live API says ``response`` where the others say ``candidates``.
    """
    if not source:
        return Usage()
    prompt, tool_results = count(source, "promptTokenCount"), count(source, "toolUsePromptTokenCount")
    said, thoughts = count(source, "candidatesTokenCount"), count(source, "thoughtsTokenCount")
    details = source.get("candidatesTokensDetails")
    if said is None:
        said, details = count(source, "responseTokenCount"), source.get("responseTokensDetails")
    asked_details = source.get("promptTokensDetails")
    return Usage(
        input_tokens=None if prompt is None else prompt + (tool_results or 0),
        output_tokens=None if said is None and thoughts is None else (said or 0) + (thoughts or 0),
        cache_read_tokens=count(source, "cachedContentTokenCount"),
        input_audio_tokens=modality_tokens(asked_details, "AUDIO"),
        input_image_tokens=modality_tokens(asked_details, "IMAGE"),
        output_reasoning_tokens=thoughts,
        output_audio_tokens=modality_tokens(details, "AUDIO"),
        output_image_tokens=modality_tokens(details, "IMAGE"),
        cache_audio_read_tokens=_cached(source.get("cacheTokensDetails"), "AUDIO"),
        cache_image_read_tokens=_cached(source.get("cacheTokensDetails"), "IMAGE"),
        input_video_tokens=modality_tokens(asked_details, "VIDEO"),
    )


def _cached(details: Any, modality: str) -> int | None:
    """The cached tokens of a modality; none of it, where the details tell of others only."""
    return (modality_tokens(details, modality) or 0) if details else None


def modality_tokens(details: Any, modality: str, name: str = "tokenCount") -> int | None:
    """The count of one modality in a list of them; None when it is not in there."""
    for detail in details or ():
        if read(detail, "modality") == modality:
            return count(detail, name)
    return None


def service_tier(source: Json | None) -> str | None:
    """The tier that a call was served in, in the words of the price table; Vertex AI tells it as kind of traffic."""
    if not source:
        return None
    if isinstance(tier := source.get("serviceTier"), str):
        return tier.lower().removeprefix("service_tier_")
    return _TRAFFIC.get(source.get("trafficType") or "")


def total(usages: Iterable[Usage]) -> Usage:
    """The sum of several calls' counts; a count that none of them has stays None."""
    sums: dict[str, int] = {}
    for one in usages:
        for name in Usage.__dataclass_fields__:
            if (value := getattr(one, name)) is not None:
                sums[name] = sums.get(name, 0) + value
    return Usage(**sums)
