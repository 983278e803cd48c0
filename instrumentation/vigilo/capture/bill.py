"""What a call cost, as the attributes that tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.call import NOTHING
from vigilo.policy.pricing import call_cost, warn_unpriced

if TYPE_CHECKING:
    from vigilo.capture.call import Request, Response, Usage
    from vigilo.policy.pricing import Cost

_LIST_PRICE = frozenset({"default", "standard"})
"""Tiers that most answers name: not worth an attribute."""


def bill(request: Request, response: Response, began_unix_s: float) -> dict[str, Any]:
    """The price of all of a call or, where one part of it is unknown, of nothing.

    What the provider itself says comes first. Where nothing was counted there is nothing to tell.
    """
    if response.cost_usd is not None:
        return {semconv.USAGE_COST: response.cost_usd, semconv.COST_SOURCE: "provider"}
    usage = used(request, response)
    if usage.input_tokens is None and usage.output_tokens is None and not _beside_tokens(usage):
        return {}
    told = _basis(request, response)
    costs: list[Cost] = []
    for model, spent in response.billed or ((response.model, usage),):
        cost = _cost(request, response, model, spent, began_unix_s)
        if cost is None:
            warn_unpriced(request.provider, model or request.model or "", response.service_tier)
            return {**told, semconv.COST_UNPRICED: True}
        costs.append(cost)
    return {
        **told,
        semconv.USAGE_COST: costs[0].usd_float if len(costs) == 1 else float(sum(cost.usd for cost in costs)),
        semconv.COST_SOURCE: costs[0].source,
        semconv.COST_SNAPSHOT: costs[0].snapshot,
    }


def used(request: Request, response: Response) -> Usage:
    """What is billed: as the answer tells it or, where it tells nothing, as the request does."""
    usage = response.usage
    if request.billed is NOTHING or usage.input_tokens is not None or usage.output_tokens is not None:
        return usage
    return request.billed if usage == NOTHING else usage


def _beside_tokens(usage: Usage) -> bool:
    return (
        usage.input_audio_seconds is not None or usage.input_characters is not None or usage.output_images is not None
    )


def _basis(request: Request, response: Response) -> dict[str, Any]:
    """What a store must know beside the tokens to price the call again."""
    told: dict[str, Any] = {}
    if response.service_tier and response.service_tier not in _LIST_PRICE:
        told[semconv.COST_TIER] = response.service_tier
    if request.billed_as is not None:
        told[semconv.COST_MODEL] = request.billed_as
    if response.billed:
        told[semconv.COST_PARTS] = len(response.billed)
    return told


def _cost(request: Request, response: Response, model: str | None, usage: Usage, began_unix_s: float) -> Cost | None:
    names: tuple[str | None, ...] = (model,)
    if request.billed_as is not None:
        names = (request.billed_as,)
    elif model == response.model:
        # Where the answering model has no price, that of the one that was asked stands in. Bedrock's prices depend on
        # the region, which lies in the name that was asked.
        names = (request.model, model) if request.provider == "aws.bedrock" else (model, request.model)
    for name in names:
        if name and (cost := call_cost(request.provider, name, usage, response.service_tier, began_unix_s)):
            return cost
    return None
