"""The price of a call as the store keeps it: a row of ``llm_calls``."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vigilo.policy.pricing import Cost

NANO_DOLLAR: Final = Decimal("1e-9")
_USAGE_BY_COLUMN: Final = {
    "InputTokens": "input_tokens",
    "OutputTokens": "output_tokens",
    "CacheReadTokens": "cache_read_tokens",
    "CacheWriteTokens": "cache_write_tokens",
    "CacheWrite1hTokens": "cache_write_1h_tokens",
    "ReasoningTokens": "output_reasoning_tokens",
    "InputAudioTokens": "input_audio_tokens",
    "OutputAudioTokens": "output_audio_tokens",
    "InputImageTokens": "input_image_tokens",
    "OutputImageTokens": "output_image_tokens",
}
_PROBES: Final[tuple[dict[str, int], ...]] = (
    {"input_tokens": 1},
    {"output_tokens": 1},
    {"input_audio_seconds": 1},
    {"input_characters": 1},
    {"output_images": 1},
)
_DAY_S: Final = 86_400


def price_of(call: dict[str, Any]) -> Cost | None:
    """The price by today's table at the time of the call, or None when it is not known.

    Args:
        call: a row of ``llm_calls``, with ``began_unix_s``.

    Raises:
        VigiloError: the price table cannot be loaded.
    """
    usage = {name: call[column] for column, name in _USAGE_BY_COLUMN.items() if call[column]}
    for name, amount in call["OtherUsage"].items():
        usage[name] = int(amount) if float(amount).is_integer() else amount
    return _price(
        call["Provider"],
        call["RequestModel"],
        call["ResponseModel"],
        usage,
        call["ServiceTier"],
        call["began_unix_s"],
    )


def has_price(provider: str, request_model: str, response_model: str, tier: str, day: str) -> bool:
    """Whether anything of a model had a price on a day (``2026-11-01``, UTC) by today's table.

    Raises:
        VigiloError: the price table cannot be loaded.
    """
    began = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp()
    return any(
        _price(provider, request_model, response_model, probe, tier, at) is not None
        for at in (began, began + _DAY_S - 1)
        for probe in _PROBES
    )


def _price(
    provider: str, request_model: str, response_model: str, usage: dict[str, Any], tier: str, at_unix_s: float
) -> Cost | None:
    from vigilo.policy.pricing import reprice

    # As for a live call: the model that answered first, and for Bedrock the one that was asked, whose name has the
    # region in it.
    bedrock = provider == "aws.bedrock"
    for model in (request_model, response_model) if bedrock else (response_model, request_model):
        if not model:
            continue
        try:
            cost = reprice(provider, model, usage, tier or None, at_unix_s)
        except ValueError:  # a count that this version does not price
            continue
        if cost is not None:
            return cost
    return None
