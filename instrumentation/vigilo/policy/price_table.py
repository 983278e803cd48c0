"""The price table of ``genai-prices``: of the package, or a newer one that the user keeps.

What the table says of a model is read out of its data model; the package's own calculation takes 0.1 ms a call, and
its updater, which would fetch the table every hour, is never used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from vigilo.policy.rate_card import FROM_THE_FIRST, REQUEST, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vigilo.policy.rate_card import Steps

SOURCE: Final = "genai-prices"
_PRICE_KEYS: Final = {
    "input_mtok": ("input_tokens", 1_000_000),
    "output_mtok": ("output_tokens", 1_000_000),
    "cache_read_mtok": ("cache_read_tokens", 1_000_000),
    "cache_write_mtok": ("cache_write_tokens", 1_000_000),
    "cache_write_1h_mtok": ("cache_write_1h_tokens", 1_000_000),
    "input_audio_mtok": ("input_audio_tokens", 1_000_000),
    "output_audio_mtok": ("output_audio_tokens", 1_000_000),
    "cache_audio_read_mtok": ("cache_audio_read_tokens", 1_000_000),
    "input_image_mtok": ("input_image_tokens", 1_000_000),
    "output_image_mtok": ("output_image_tokens", 1_000_000),
    "cache_image_read_mtok": ("cache_image_read_tokens", 1_000_000),
    "input_video_mtok": ("input_video_tokens", 1_000_000),
    "output_reasoning_mtok": ("output_reasoning_tokens", 1_000_000),
    "input_mchars": ("input_characters", 1_000_000),
    "audio_hours": (SECONDS, 3600),
    "input_audio_hours": (SECONDS, 3600),  # the more exact of the two wins
    "web_searches_kcount": ("web_searches", 1000),
    "storage_searches_kcount": ("file_searches", 1000),
    "requests_kcount": (REQUEST, 1000),
}
"""The table's prices, the fields of ``Usage`` that they are for, and how many pieces each is for."""
_RELEASED: Final = {"0.2.3": date(2026, 11, 9), "0.1.13": date(2026, 10, 14)}
"""The newest change that versions of the package tell of, as they were when they came out."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the table says of one model at an instant.

    ``rates`` is the list price; ``tier_rates`` what differs from it in the tier that was asked for, None where the
    table has no prices for the tier. They hold from ``valid_from`` until before ``valid_until`` (Unix seconds).
    """

    name: str
    rates: Mapping[str, Steps]
    tier_rates: Mapping[str, Steps] | None
    context_window: int | None
    valid_from: float
    valid_until: float


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A loaded table. ``version`` is that of the package, or ``update``; ``day`` tells how old the prices are."""

    providers: list[Any]
    version: str
    day: date

    @property
    def snapshot(self) -> str:
        """Version and date: ``0.2.3 (2026-11-09)``."""
        return f"{self.version} ({self.day.isoformat()})"

    def has_provider(self, provider: str) -> bool:
        """Whether a provider, in the table's word, is in it."""
        return any(one.id == provider for one in self.providers)

    def listing(self, provider: str, model: str, tier: str, at_unix_s: float) -> Listing | None:
        """What the table says of a model; ``provider`` is the table's word. None when it does not have the model."""
        from genai_prices.data_snapshot import find_provider_by_id

        seller = find_provider_by_id(self.providers, provider)
        found = None if seller is None else seller.find_model(model, all_providers=self.providers)
        if seller is None or found is None:
            return None
        at = datetime.fromtimestamp(at_unix_s, timezone.utc)
        own = any(found is one for one in seller.models)  # tiers of another provider's models are that provider's
        changes = sorted(_changes(found, at))
        return Listing(
            found.id,
            rates_of(vars(found.get_prices(at))),
            _tier_rates(found, _context(tier), at) if own else None,
            found.context_window,
            max((change for change in changes if change <= at_unix_s), default=float("-inf")),
            min((change for change in changes if change > at_unix_s), default=float("inf")),
        )


def packaged_table() -> PriceTable:
    """The table of the installed package. Its import takes 0.3 s."""
    from genai_prices import __version__, data

    day = _RELEASED.get(__version__)
    if day is None:
        installed = datetime.fromtimestamp(os.stat(data.__file__).st_mtime, timezone.utc).date()
        day = newest_change(data.providers, installed)
    return PriceTable(data.providers, __version__, day)


def table_of(providers: Any, day: date) -> PriceTable:
    """A table of the JSON that genai-prices publishes: a list of providers.

    Raises:
        ValueError: it is none.
    """
    from genai_prices import types

    # The only way there is to read the published JSON without fetching it.
    return PriceTable(types._providers_from_raw(providers), "update", day)


def newest_change(providers: Iterable[Any], not_after: date) -> date:
    """The last day on which a price changed: a table is at least as new as what it tells of.

    Tables also tell of changes to come, which say nothing of their age: none counts that lies after ``not_after``.
    """
    days = {
        dated.constraint.start_date
        for provider in providers
        for model in provider.models
        for dated in _dated(model)
        if hasattr(dated.constraint, "start_date")
    }
    return max((day for day in days if day <= not_after), default=date(2025, 1, 1))


def rates_of(prices: Mapping[str, Any]) -> dict[str, Steps]:
    """Prices of the table as rates for one piece, those that a call can have."""
    rates: dict[str, Steps] = {}
    for key, (field, per) in _PRICE_KEYS.items():
        price = prices.get(key)
        if price is not None:
            steps = [(FROM_THE_FIRST, getattr(price, "base", price))]
            steps += [(tier.start, tier.price) for tier in getattr(price, "tiers", ())]
            rates[field] = tuple((above, Fraction(rate) / per) for above, rate in steps)
    return rates


def _context(tier: str) -> dict[str, str]:
    """What the table's price variants ask for. It knows batches as a way of processing, not as a service tier."""
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier, "speed": tier}


def _tier_rates(model: Any, context: Mapping[str, str], at: datetime) -> dict[str, Steps] | None:
    meant = [
        variant
        for variant in model.price_variants or ()
        if all(context.get(key) == value for key, value in variant.when.items())
    ]
    active = [variant for variant in meant if variant.constraint is None or variant.constraint.active(at)]
    return _first_of_each(active or _before_its_time(model, meant, at)) if meant else None


def _before_its_time(model: Any, variants: list[Any], at: datetime) -> list[Any]:
    """Prices of a tier that the table has for a later time only, where the list price was the same then.

    Providers had batches and tiers long before the table took up their prices; its first date is when it did.
    """
    starts = [variant.constraint.start_date for variant in variants if hasattr(variant.constraint, "start_date")]
    if not starts:
        return []
    first = min(starts)
    began = datetime.combine(first, time(), timezone.utc)
    if at >= began or vars(model.get_prices(at)) != vars(model.get_prices(began)):
        return []
    return [variant for variant in variants if getattr(variant.constraint, "start_date", None) == first]


def _first_of_each(variants: Iterable[Any]) -> dict[str, Steps] | None:
    prices: dict[str, Any] = {}
    found = False
    for variant in variants:
        found = True
        for key, price in vars(variant.prices).items():
            if price is not None:
                prices.setdefault(key, price)
    return rates_of(prices) if found else None


def _dated(model: Any) -> Iterator[Any]:
    yield from model.prices if isinstance(model.prices, list) else ()
    yield from model.price_variants or ()


def _changes(model: Any, at: datetime) -> Iterator[float]:
    """Instants (Unix seconds) around ``at`` at which the prices of a model may change."""
    for dated in _dated(model):
        constraint = dated.constraint
        if hasattr(constraint, "start_date"):
            yield datetime.combine(constraint.start_date, time(), timezone.utc).timestamp()
        elif constraint is not None:
            for daily in (constraint.start_time, constraint.end_time):
                zone = daily.tzinfo or timezone.utc
                for day in (-2, -1, 0, 1, 2):
                    yield datetime.combine(at.date() + timedelta(day), daily.replace(tzinfo=zone)).timestamp()
