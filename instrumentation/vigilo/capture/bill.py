"""What a call cost, as the attributes that tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.policy.pricing import call_cost

if TYPE_CHECKING:
    from vigilo.capture.call import Request, Response, Usage
    from vigilo.policy.pricing import Cost


def bill(request: Request, response: Response, began_unix_s: float) -> dict[str, Any]:
    """The price of all tokens of a call or, where one part of it is unknown, of none.

    What the provider itself says comes first. Without tokens there is nothing to tell.
    """
    if response.cost_usd is not None:
        return {semconv.USAGE_COST: response.cost_usd, semconv.COST_SOURCE: "provider"}
    usage = response.usage
    if usage.input_tokens is None and usage.output_tokens is None:
        return {}
    told = _basis(response)
    costs: list[Cost] = []
    for model, spent in response.billed or ((response.model, usage),):
        cost = _cost(request, response, model, spent, began_unix_s)
        if cost is None:
            return {**told, semconv.COST_UNPRICED: True}
        costs.append(cost)
    return {
        **told,
        semconv.USAGE_COST: sum(float(cost.usd) for cost in costs),
        semconv.COST_SOURCE: costs[0].source,
        semconv.COST_SNAPSHOT: costs[0].snapshot,
    }


def _basis(response: Response) -> dict[str, Any]:
    """What a store must know beside the tokens to price the call again."""
    told: dict[str, Any] = {}
    if response.service_tier:
        told[semconv.COST_TIER] = response.service_tier
    if response.billed:
        told[semconv.COST_PARTS] = len(response.billed)
    return told


def _cost(request: Request, response: Response, model: str | None, usage: Usage, began_unix_s: float) -> Cost | None:
    names: tuple[str | None, ...] = (model,)
    if model == response.model:
        # Where the answering model has no price, that of the one that was asked stands in. Bedrock's prices depend on
        # the region, which lies in the name that was asked.
        names = (request.model, model) if request.provider == "aws.bedrock" else (model, request.model)
    for name in names:
        if name and (cost := call_cost(request.provider, name, usage, response.service_tier, began_unix_s)):
            return cost
    return None
