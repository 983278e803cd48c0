"""What a call costs, in US dollars: exact, and nothing at all rather than zero where the price is not known."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.capture.call import Usage
from vigilo.errors import VigiloError, report_internal
from vigilo.policy.price_table import card_for, table, table_if_ready, warm_up

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

__all__ = ["SOURCE", "Cost", "call_cost", "price", "reprice", "snapshot", "warm_up"]

SOURCE: Final = "genai-prices"
_USAGE_FIELDS = tuple(field.name for field in fields(Usage))


class Cost(NamedTuple):
    """The price of one call and where it comes from. ``usd`` is exact."""

    usd: Decimal
    source: str
    snapshot: str


def price(
    provider: str,
    model: str,
    usage: Mapping[str, int] | Usage,
    *,
    service_tier: str = "standard",
    at: datetime | None = None,
) -> Decimal | None:
    """The price of a call in US dollars; None when the model is unknown or no tokens were counted.

    >>> price("openai", "gpt-4o", {"input_tokens": 1000, "output_tokens": 500})
    Decimal('0.007500000')

    Args:
        provider: in the words of OpenTelemetry (``gcp.gemini``) or plain (``google``).
        model: as asked for or as answered; a fine-tuned model without a price of its own is priced like the one it was
            made from.
        usage: token counts by the field names of ``vigilo.capture.call.Usage``. ``input_tokens`` and
            ``output_tokens`` are totals that contain cached, audio and reasoning tokens.
        service_tier: as the provider reports it: ``standard``, ``batch``, ``priority``, ``flex``. A model without
            prices for a tier has its list price there.
        at: when the call was made, for prices that changed; now by default, and UTC if it has no time zone.

    Raises:
        ValueError: the counts contradict each other, such as more cached tokens than input tokens.
        VigiloError: the price table cannot be loaded.
    """
    counts = usage if isinstance(usage, Usage) else _usage(usage)
    loaded = table()
    if loaded is None:
        raise VigiloError("the price table cannot be loaded: pip install --force-reinstall genai-prices")
    when = at or datetime.now(timezone.utc)
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    card = card_for(loaded, provider, model, service_tier, when.timestamp())
    if card is None or not _has_tokens(counts):
        return None
    return card.usd(counts)


def call_cost(provider: str, model: str, usage: Usage, service_tier: str | None, at_unix_s: float) -> Cost | None:
    """The price of a call, for the app's path; None when it is not known. Never raises.

    The first calls may find the table still loading; they wait for it once, for two seconds at most.
    """
    try:
        loaded = table_if_ready()
        if loaded is None or (usage.input_tokens is None and usage.output_tokens is None):
            return None
        card = card_for(loaded, provider, model, service_tier, at_unix_s)
        return None if card is None else Cost(card.usd(usage), SOURCE, loaded.snapshot)
    except ValueError:
        return None  # a provider's counts that contradict each other have no price
    except Exception as error:  # noqa: BLE001 - a price is never worth an exception in the app
        report_internal("pricing a call", error)
        return None


def reprice(
    provider: str, model: str, usage: Mapping[str, int | None], service_tier: str | None, at_unix_s: float
) -> Cost | None:
    """The price of a call that is kept somewhere, by today's table; None when it is not known.

    Unlike :func:`call_cost` it waits for the table to be loaded. ``usage`` is as for :func:`price`; counts may be None.

    Raises:
        ValueError: ``usage`` has a name that is none of ``Usage``'s.
        VigiloError: the price table cannot be loaded.
    """
    if table() is None:
        raise VigiloError("the price table cannot be loaded: pip install --force-reinstall genai-prices")
    counts = _usage({name: count for name, count in usage.items() if count is not None})
    return call_cost(provider, model, counts, service_tier, at_unix_s)


def snapshot() -> str:
    """Version and date of the price table in use, such as ``0.2.3 (2026-11-09)``; empty where there is none."""
    loaded = table()
    return "" if loaded is None else loaded.snapshot


def _has_tokens(usage: Usage) -> bool:
    return usage.input_tokens is not None or usage.output_tokens is not None


def _usage(counts: Mapping[str, int]) -> Usage:
    for name, count in counts.items():
        if name not in _USAGE_FIELDS:
            raise ValueError(f"unknown token count {name!r}; allowed are {', '.join(_USAGE_FIELDS)}")
        if count is not None and (not isinstance(count, int) or isinstance(count, bool)):
            raise ValueError(f"{name} is {count!r}; token counts are whole numbers")
    return Usage(**counts)
