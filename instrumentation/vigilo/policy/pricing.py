"""What a call costs, in US dollars: exact, and nothing at all rather than zero where the price is not known."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.capture.call import Usage
from vigilo.errors import VigiloError, report_internal
from vigilo.policy import live_prices
from vigilo.policy.price_table import SOURCE
from vigilo.policy.rate_card import SECONDS, RateCard, check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from vigilo.policy.price_book import ContextWindow, PriceBook, Quote
    from vigilo.policy.price_table import PriceTable

__all__ = [
    "SOURCE",
    "Cost",
    "call_cost",
    "context_window",
    "price",
    "price_table",
    "quote",
    "reprice",
    "snapshot",
    "use_home",
    "warm_up",
    "warn_unpriced",
]

_USAGE_FIELDS: Final = tuple(field.name for field in fields(Usage))
_NO_TABLE = "the price table cannot be loaded: pip install --force-reinstall genai-prices"
MAX_WARNINGS: Final = 200
MAX_NAME_CHARS: Final = 100
_warned: set[tuple[str, str]] = set()
_new: Final = tuple.__new__  # a third faster than the named tuple's own
use_home = live_prices.use_home


class Cost(NamedTuple):
    """The price of one call and where it comes from.

    ``amount`` is in units of the card that it was made with: whole numbers, which the app's path need not turn into
    decimals. ``source`` is ``genai-prices``, ``user`` for ``[prices]`` of ``vigilo.toml``, ``update`` for a kept file
    of prices, ``vigilo`` for its own facts; ``snapshot`` version and date of it: ``0.2.3 (2026-11-09)``.
    """

    amount: int
    card: RateCard

    @property
    def usd(self) -> Decimal:
        """US dollars, exact."""
        return self.card.in_usd(self.amount)

    @property
    def usd_float(self) -> float:
        """US dollars, as the float that is closest."""
        return self.amount / self.card.per

    @property
    def source(self) -> str:
        return self.card.source

    @property
    def snapshot(self) -> str:
        return self.card.snapshot


def price(
    provider: str,
    model: str,
    usage: Mapping[str, int | float | None] | Usage,
    *,
    service_tier: str = "standard",
    at: datetime | None = None,
) -> Decimal | None:
    """The price of a call in US dollars; None when the model is unknown or nothing was counted.

    >>> price("openai", "gpt-4o", {"input_tokens": 1000, "output_tokens": 500})
    Decimal('0.007500000')

    Args:
        provider: in the words of OpenTelemetry (``gcp.gemini``) or plain (``google``).
        model: as asked for or as answered; a fine-tuned model without a price of its own is priced like the one it was
            made from.
        usage: counts by the field names of ``vigilo.capture.call.Usage``. ``input_tokens`` and ``output_tokens`` are
            totals that contain cached, audio and reasoning tokens.
        service_tier: as the provider reports it: ``standard``, ``batch``, ``priority``, ``flex``, ``fast``; with
            ``@us`` behind it where Anthropic was told to stay in the United States. A model that has no price for one
            of these is unpriced in it; other words mean the list price.
        at: when the call was made, for prices that changed; now by default, and UTC if it has no time zone.

    Raises:
        ValueError: the counts contradict each other, such as more cached tokens than input tokens.
        VigiloError: the price table cannot be loaded.
    """
    counts = usage if isinstance(usage, Usage) else _usage(usage)
    card = _book().card(provider, model, service_tier, _instant(at))
    if not card.rated:
        return None
    check(counts)
    return card.usd(counts)


def call_cost(provider: str, model: str, usage: Usage, service_tier: str | None, at_unix_s: float) -> Cost | None:
    """The price of a call, for the app's path; None when it is not known. Never raises.

    The first calls may find the table still loading; they wait for it once, for two seconds at most.
    """
    try:
        live = live_prices.live
        book = live.book
        if book is None or monotonic() >= live.look_at:
            book = live.on_the_apps_path()
            if book is None:
                return None
        card = book.cards.get((provider, model, service_tier))
        if card is None or not card.valid_from_unix_s <= at_unix_s < card.valid_until_unix_s:
            card = book.card(provider, model, service_tier, at_unix_s)
        amount = card.amount(usage)
        return None if amount is None else _new(Cost, (amount, card))
    except ValueError:
        return None  # a provider's counts that contradict each other have no price
    except Exception as error:  # noqa: BLE001 - a price is never worth an exception in the app
        report_internal("pricing a call", error)
        return None


def reprice(
    provider: str, model: str, usage: Mapping[str, int | float | None], service_tier: str | None, at_unix_s: float
) -> Cost | None:
    """The price of a call that is kept somewhere, by the prices of today; None when it is not known.

    Unlike :func:`call_cost` it waits for the table to be loaded. ``usage`` is as for :func:`price`.

    Raises:
        ValueError: ``usage`` has a name that is none of ``Usage``'s.
        VigiloError: the price table cannot be loaded.
    """
    _book()
    return call_cost(provider, model, _usage(usage), service_tier, at_unix_s)


def snapshot() -> str:
    """Version and date of the price table in use: ``0.2.3 (2026-11-09)``, or ``update (2026-11-20)`` for a kept one.

    Raises:
        VigiloError: the price table cannot be loaded.
    """
    return _book().snapshot


def context_window(provider: str, model: str, at: datetime | None = None) -> ContextWindow | None:
    """How many tokens a model takes; None where that is not known, or the table is not loaded yet. Never waits."""
    book = live_prices.live.book
    return None if book is None else book.context_window(provider, model, _instant(at))


def quote(provider: str, model: str, service_tier: str = "standard", at: datetime | None = None) -> Quote:
    """The rates of a model, and where they come from; its card has no rates where none are known.

    Raises:
        VigiloError: the price table cannot be loaded.
    """
    return _book().quote(provider, model, service_tier, _instant(at))


def price_table() -> PriceTable:
    """The price table in use.

    Raises:
        VigiloError: it cannot be loaded.
    """
    table = _book().table
    if table is None:
        raise VigiloError(_NO_TABLE)
    return table


def warn_unpriced(provider: str, model: str, service_tier: str | None = None) -> None:
    """Logs once per provider and model that its calls have no price, and what to do about it. Never raises."""
    try:
        _warn_unpriced(provider, model, service_tier)
    except Exception as error:  # noqa: BLE001 - as for a price
        report_internal("warning of a call without a price", error)


def _warn_unpriced(provider: str, model: str, service_tier: str | None) -> None:
    key = (provider, model)
    if key in _warned or len(_warned) > MAX_WARNINGS:
        return
    book = live_prices.live.book
    if book is None:
        return  # logged where it could not be loaded, or not there yet
    _warned.add(key)
    import logging

    from vigilo.policy.mask import mask_clip

    log = logging.getLogger("vigilo")
    if len(_warned) > MAX_WARNINGS:
        log.warning("vigilo: more than %d models have no known price; no more of them are named", MAX_WARNINGS)
        return
    # A name may be anything that a user of the app wrote.
    name, seller = mask_clip(model, MAX_NAME_CHARS), mask_clip(provider, MAX_NAME_CHARS)
    if book.card(provider, model, service_tier, datetime.now(timezone.utc).timestamp()).rated:
        log.warning(
            "vigilo: a call of %r (%s) has no price: it used something that has no known price, or its counts "
            "contradict each other. What is known: vigilo prices show (told once)",
            name,
            seller,
        )
        return
    log.warning(
        "vigilo: no price is known of %r (%s)%s: its calls count as unpriced. See vigilo prices show; give it a price, "
        "or the name of the model that it is (`aliases`), in `[prices]` of vigilo.toml (told once)",
        name,
        seller,
        f" in the tier {service_tier[:32]!r}" if service_tier else "",
    )


def warm_up() -> None:
    """Begins to load the prices in a thread, unless that was done. Returns at once."""
    live_prices.live.start()


def _book() -> PriceBook:
    book = live_prices.live.up_to_date()
    if book is None or book.table is None:
        raise VigiloError(_NO_TABLE)
    return book


def _instant(at: datetime | None) -> float:
    when = at or datetime.now(timezone.utc)
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()


def _usage(counts: Mapping[str, int | float | None]) -> Usage:
    for name, count in counts.items():
        if name not in _USAGE_FIELDS:
            raise ValueError(f"unknown count {name!r}; allowed are {', '.join(_USAGE_FIELDS)}")
        allowed = (int, float) if name == SECONDS else int
        if count is not None and (not isinstance(count, allowed) or isinstance(count, bool)):
            raise ValueError(f"{name} is {count!r}; counts are whole numbers")
    return Usage(**counts)  # type: ignore[arg-type]
