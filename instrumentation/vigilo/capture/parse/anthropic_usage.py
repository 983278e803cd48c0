"""Anthropic's token counts: what a call used, and how that is billed.

Shapes: the API reference of Anthropic, "Create a Message", field ``usage``; its guides "Compaction" and "Advisor tool"
for ``usage.iterations`` (2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import count, read

USAGE_FIELDS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens_details",
    "iterations",
    "server_tool_use",
    "service_tier",
    "inference_geo",
    "speed",
)
"""What is read of a ``usage`` object, in an answer or in an event of a stream."""

_SEPARATE = ("compaction", "advisor_message")
"""Inferences beside the answer whose tokens the totals leave out. An advisor is a model of its own."""
_NO_PLACE = ("", "global", "not_available")
_TOLD_COUNTS = (
    ("cache_creation", "ephemeral_5m_input_tokens", semconv.ANTHROPIC_CACHE_WRITE_5M_TOKENS),
    ("cache_creation", "ephemeral_1h_input_tokens", semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS),
    ("server_tool_use", "web_search_requests", semconv.ANTHROPIC_WEB_SEARCH_REQUESTS),
    ("server_tool_use", "web_fetch_requests", semconv.ANTHROPIC_WEB_FETCH_REQUESTS),
)
_TOLD_WORDS = (
    ("service_tier", semconv.ANTHROPIC_RESPONSE_SERVICE_TIER),
    ("inference_geo", semconv.ANTHROPIC_INFERENCE_GEO),
    ("speed", semconv.ANTHROPIC_SPEED),
)


def usage(source: Any) -> Usage:
    """All tokens of a ``usage`` object: of the answer, and of what the provider ran beside it."""
    answered = _one(source)
    beside = _beside(source)
    return answered if not beside else sum_usage([answered, *(spent for _, spent in beside)])


def billed(model: str | None, source: Any) -> tuple[tuple[str | None, Usage], ...]:
    """The same tokens by inference and model; empty where the answer is all there was."""
    beside = _beside(source)
    return ((model, _one(source)), *((other or model, spent) for other, spent in beside)) if beside else ()


def _one(source: Any) -> Usage:
    """Token counts of one inference.

    Anthropic's ``input_tokens`` leaves cached tokens out; the total here contains them, as the conventions ask.
    """
    if source is None:
        return Usage()
    plain = count(source, "input_tokens")
    read_tokens, written = count(source, "cache_read_input_tokens"), count(source, "cache_creation_input_tokens")
    return Usage(
        input_tokens=None if plain is None else plain + (read_tokens or 0) + (written or 0),
        output_tokens=count(source, "output_tokens"),
        cache_read_tokens=read_tokens,
        cache_write_tokens=written,
        cache_write_1h_tokens=count(read(source, "cache_creation"), "ephemeral_1h_input_tokens"),
        output_reasoning_tokens=count(read(source, "output_tokens_details"), "thinking_tokens"),
        web_searches=count(read(source, "server_tool_use"), "web_search_requests") or None,
    )


def _beside(source: Any) -> list[tuple[str | None, Usage]]:
    iterations = read(source, "iterations")
    if not iterations:
        return []
    return [(read(one, "model"), _one(one)) for one in iterations if read(one, "type") in _SEPARATE]


def sum_usage(several: list[Usage]) -> Usage:
    """The counts of several inferences together; a count that none of them has stays unknown."""
    sums: dict[str, int] = {}
    for one in several:
        for name in Usage.__slots__:
            if (tokens := getattr(one, name)) is not None:
                sums[name] = sums.get(name, 0) + tokens
    return Usage(**sums)


def price_tier(source: Any) -> str | None:
    """What the tokens are billed as: ``batch``, ``priority``, ``standard``, or ``fast`` for the fast mode.

    Where the model ran stands behind it if that was asked for and costs more: ``standard@us``.
    """
    tier = read(source, "service_tier")
    if read(source, "speed") == "fast" and tier != "batch":
        tier = "fast"
    place = read(source, "inference_geo")
    return tier if not isinstance(place, str) or place in _NO_PLACE else f"{tier or 'standard'}@{place}"


def told_usage(source: Any) -> dict[str, Any]:
    """What ``usage`` tells beside tokens, as span attributes; counts of 0 are left out."""
    if source is None:
        return {}
    told: dict[str, Any] = {}
    for name, attribute in _TOLD_WORDS:
        if isinstance(word := read(source, name), str):
            told[attribute] = word
    for group, name, attribute in _TOLD_COUNTS:
        if number := count(read(source, group), name):
            told[attribute] = number
    compacted = [_one(one) for one in read(source, "iterations") or () if read(one, "type") == "compaction"]
    if compacted:
        spent = sum_usage(compacted)
        told[semconv.ANTHROPIC_COMPACTION_INPUT_TOKENS] = spent.input_tokens or 0
        told[semconv.ANTHROPIC_COMPACTION_OUTPUT_TOKENS] = spent.output_tokens or 0
    return told
