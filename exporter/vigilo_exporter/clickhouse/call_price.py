"""The price of a call as the store keeps it: a row of ``llm_calls``."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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


class PriceKey(NamedTuple):
    """What the rates of a call depend on, beside its time; ``billed_as`` is '' where the price has the model's name."""

    provider: str
    request_model: str
    response_model: str
    billed_as: str
    tier: str


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
    key = PriceKey(call["Provider"], call["RequestModel"], call["ResponseModel"], call["BilledAs"], call["ServiceTier"])
    return _price(key, usage, call["began_unix_s"])


def has_price(key: PriceKey, day: str) -> bool:
    """Whether anything of a model had a price on a day (``2026-11-01``, UTC) by today's table.

    Raises:
        VigiloError: the price table cannot be loaded.
    """
    began = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp()
    return any(_price(key, probe, at) is not None for at in (began, began + _DAY_S - 1) for probe in _PROBES)


def _price(key: PriceKey, usage: dict[str, Any], at_unix_s: float) -> Cost | None:
    from vigilo.policy.pricing import reprice

    names: tuple[str, ...] = (key.billed_as,)
    if not key.billed_as:
        # As for a live call: the model that answered first, and for Bedrock the one that was asked, whose name has the
        # region in it.
        names = (key.response_model, key.request_model)
        if key.provider == "aws.bedrock":
            names = names[::-1]
    for name in names:
        if name and (cost := reprice(key.provider, name, usage, key.tier or None, at_unix_s)) is not None:
            return cost
    return None
