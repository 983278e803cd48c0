"""Prices the calls that other instrumentors record.

Only spans that are one call of a model are priced: those of agents, chains and workflows carry the sum of the calls
below them, and so do spans of frameworks around a call that another instrumentor, or vigilo, records as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.call import Usage
from vigilo.errors import report_internal

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROVIDER = (semconv.PROVIDER_NAME, semconv.SYSTEM, "llm.provider", "llm.system")
_MODEL = (
    semconv.RESPONSE_MODEL,
    semconv.REQUEST_MODEL,
    "llm.response.model_name",
    "llm.model_name",
    "llm.request.model_name",
    "embedding.model_name",
)
_SERVICE_TIER = (
    semconv.OPENAI_RESPONSE_SERVICE_TIER,
    semconv.OLDER_RESPONSE_SERVICE_TIER,
    semconv.ANTHROPIC_RESPONSE_SERVICE_TIER,
)
# The conventions' name first, then older ones, OpenLLMetry's, OpenInference's and Pydantic AI's.
_INPUT = (
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_PROMPT_TOKENS,
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
)
_OUTPUT = (
    semconv.USAGE_OUTPUT_TOKENS,
    semconv.USAGE_COMPLETION_TOKENS,
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
)
_PARTS: dict[str, tuple[str, ...]] = {
    "cache_read_tokens": (
        semconv.USAGE_CACHE_READ_INPUT_TOKENS,
        semconv.OLDER_CACHE_READ_INPUT_TOKENS,
        "llm.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        semconv.USAGE_DETAILS_CACHE_READ_TOKENS,
    ),
    "cache_write_tokens": (
        semconv.USAGE_CACHE_WRITE_INPUT_TOKENS,
        semconv.USAGE_CACHE_CREATION_INPUT_TOKENS,
        semconv.OLDER_CACHE_CREATION_INPUT_TOKENS,
        "llm.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        semconv.USAGE_DETAILS_CACHE_WRITE_TOKENS,
    ),
    "cache_write_1h_tokens": (semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS,),
    "output_reasoning_tokens": (
        semconv.USAGE_REASONING_OUTPUT_TOKENS,
        semconv.OLDER_USAGE_REASONING_TOKENS,
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        semconv.USAGE_DETAILS_REASONING_TOKENS,
    ),
    "input_audio_tokens": (semconv.USAGE_AUDIO_INPUT_TOKENS, "llm.token_count.prompt_details.audio"),
    "output_audio_tokens": (semconv.USAGE_AUDIO_OUTPUT_TOKENS, "llm.token_count.completion_details.audio"),
}
_COST = (semconv.USAGE_COST, "llm.cost.total", "operation.cost", "langfuse.observation.cost_details")
"""Somebody has priced the call: OpenLIT and vigilo, OpenInference, Pydantic AI, Langfuse."""
_CALLS = frozenset({"chat", "text_completion", "generate_content", "embeddings", "interactions.create"})
_PROVIDERS = {  # in words of other instrumentors
    "aws": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "mistralai": "mistral_ai",
    "together_ai": "together",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
}
_MODELS = (
    ("gpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "google"),
)
"""Whose model it is, where the span names no provider."""
_CACHE_APART = "opentelemetry.instrumentation.bedrock"
"""This instrumentor leaves cached tokens out of the input, as Bedrock does (traceloop/openllmetry issue 4449). The
others count them in, as the conventions ask (open-telemetry/semantic-conventions pull request 3163)."""
_MAX_PARENTS = 4096


class _Around:
    """Spans that lie around calls that have ended, as far as they have not ended themselves."""

    def __init__(self) -> None:
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def add(self, span_id: int) -> None:
        if len(self._newer) >= _MAX_PARENTS:
            self._newer, self._older = set(), self._newer
        self._newer.add(span_id)

    def __contains__(self, span_id: int) -> bool:
        return span_id in self._newer or span_id in self._older


_around = _Around()


def call_ended(span: Any) -> None:
    """To be told of each span as it ends: those around a call are no calls. Children end before their parents."""
    parent, context = span._parent, span._context
    if parent is None or context is None or parent.is_remote:
        return
    attributes = span._attributes
    # The mapping of the SDK is written in Python, so that asking it takes longer than all the rest.
    if context.span_id in _around or _is_call(getattr(attributes, "_dict", attributes)):
        _around.add(parent.span_id)


def cost_of(span: Any, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that tell the price of a call that another instrumentor recorded; nothing for other spans.

    Of one that lies around the call's own span they tell just that, so that nobody counts the call twice.

    Args:
        span: the span, ended.
        attributes: its attributes, unmasked.
    """
    try:
        if not _is_call(attributes):
            return {}
        if span._context is not None and span._context.span_id in _around:
            return {semconv.CALL_AROUND: True}
        if any(attributes.get(name) for name in _COST):  # OpenLIT writes 0 where it knows no price
            return {}
        scope = span._instrumentation_scope
        usage = usage_of(attributes, scope.name if scope is not None else "")
        if usage.input_tokens is None and usage.output_tokens is None:
            return {}
        from vigilo.policy.pricing import call_cost, warn_unpriced

        began_unix_s = (span._start_time or 0) / 1e9
        tier = _first(attributes, _SERVICE_TIER)
        named = ""
        for name in _MODEL:
            model = attributes.get(name)
            if not model or not isinstance(model, str):
                continue
            named = named or model
            cost = call_cost(_provider(attributes, model), model, usage, tier, began_unix_s)
            if cost is not None:
                return {
                    semconv.USAGE_COST: float(cost.usd),
                    semconv.COST_SOURCE: cost.source,
                    semconv.COST_SNAPSHOT: cost.snapshot,
                }
        if named:
            warn_unpriced(_provider(attributes, named), named, tier)
        return {} if semconv.USAGE_COST in attributes else {semconv.COST_UNPRICED: True}
    except Exception as error:  # noqa: BLE001 - a price is never worth a span
        report_internal("pricing another instrumentor's call", error)
        return {}


def usage_of(attributes: Mapping[str, Any], scope_name: str) -> Usage:
    """The tokens of a call, cached ones inside the input."""
    whole, out = _count(attributes, _INPUT), _count(attributes, _OUTPUT)
    parts = {field: _count(attributes, names) for field, names in _PARTS.items()}
    cached = (parts["cache_read_tokens"] or 0) + (parts["cache_write_tokens"] or 0)
    if cached and (cached > (whole or 0) or scope_name.startswith(_CACHE_APART)):
        whole = (whole or 0) + cached
    return Usage(input_tokens=whole, output_tokens=out, **{field: count for field, count in parts.items() if count})


def _is_call(attributes: Any) -> bool:
    """Whether a span has the tokens of one call of a model, by what its instrumentor says it is."""
    if not attributes:
        return False
    operation = attributes.get(semconv.OPERATION_NAME)
    if operation is not None:
        is_call = operation in _CALLS
    elif (kind := attributes.get("openinference.span.kind")) is not None:
        is_call = kind in ("LLM", "EMBEDDING")
    elif attributes.get("traceloop.span.kind") is not None:
        is_call = False
    else:
        is_call = attributes.get("llm.request.type") in ("chat", "completion", "embedding")
    return is_call and any(name in attributes for name in (*_INPUT, *_OUTPUT))


def _provider(attributes: Mapping[str, Any], model: str) -> str:
    named = _first(attributes, _PROVIDER)
    if named is not None:
        plain = named.strip().lower()
        return _PROVIDERS.get(plain, plain)
    name = model.lower()
    return next((provider for beginning, provider in _MODELS if name.startswith(beginning)), "")


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if isinstance(value := attributes.get(name), str) and value), None)


def _count(attributes: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        count = attributes.get(name)
        if isinstance(count, (int, float)) and not isinstance(count, bool) and count >= 0:
            return int(count)
    return None
