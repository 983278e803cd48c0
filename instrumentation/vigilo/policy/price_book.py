"""All that is known of prices at one time, in layers: the user's, a kept file, the table, vigilo's own facts.

Rates are put together by what they are for: an entry changes only what it names. An entry's rates are list prices; in
a tier of service the entry's own factor counts (``batch = 0.5``), then the table's prices for the tier, then the rule
of the provider. A tier that is known to be billed in its own way and has none of them has no price.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.policy.model_names import candidates, table_provider
from vigilo.policy.price_file import PriceFile
from vigilo.policy.price_table import SOURCE
from vigilo.policy.rate_card import FEE_FIELDS, SECONDS, TOKEN_FIELDS, RateCard, rate_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

    from vigilo.policy.price_file import Entry
    from vigilo.policy.price_table import Listing, PriceTable
    from vigilo.policy.rate_card import Steps

MAX_CARDS: Final = 2048
MAX_NAME_CHARS: Final = 256
USER: Final = "user"
KEPT: Final = "update"
VIGILO: Final = "vigilo"

_OF_THEIR_OWN = frozenset(
    {"batch", "flex", "priority", "fast", "offpeak", "provisioned_throughput", "scale", "reserved", "performance"}
)
"""Tiers that are not billed at the list price. Other words of providers (``default``, ``on_demand``) mean just that."""
_ANYWHERE = frozenset({"", "global", "not_available"})


class ContextWindow(NamedTuple):
    """How many tokens a model takes. ``kind``: ``total`` with the answer, or ``input`` without it."""

    tokens: int
    kind: str
    max_output_tokens: int | None
    source: str


class Layer(NamedTuple):
    """A file of prices, and the name of it as a source of a price."""

    source: str
    file: PriceFile


class Quote(NamedTuple):
    """What a card is made of, for people to read."""

    card: RateCard
    rates: Mapping[str, Steps]
    name: str
    provider: str
    entries: tuple[tuple[str, Entry], ...]


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All layers as they are at one time; files that change make a new book. ``files`` are the user's, best first."""

    table: PriceTable | None
    files: tuple[Layer, ...]
    own: PriceFile
    cards: dict[tuple[str, str, str | None], RateCard] = field(default_factory=dict, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @property
    def snapshot(self) -> str:
        """Version and date of the table; of vigilo's own facts where there is no table."""
        return self.table.snapshot if self.table is not None else f"{VIGILO} ({self.own.snapshot})"

    def card(self, provider: str, model: str, service_tier: str | None, at_unix_s: float) -> RateCard:
        """The rates of a model at an instant, made once; without rates where there is no known price."""
        key = (provider, model, service_tier)
        card = self.cards.get(key)
        if card is not None and card.valid_from_unix_s <= at_unix_s < card.valid_until_unix_s:
            return card
        card = self.quote(provider, model, service_tier or "", at_unix_s).card
        with self._lock:
            # Names of models may come from the app's users, so the oldest give way.
            while len(self.cards) >= MAX_CARDS and key not in self.cards:
                del self.cards[next(iter(self.cards))]
            self.cards[key] = card
        return card

    def quote(self, provider: str, model: str, service_tier: str, at_unix_s: float) -> Quote:
        """The rates of a model at an instant, with where they come from."""
        nothing = None
        for seller, name in self._names(provider, model):
            quote, known = self._quote(seller, name, service_tier.lower(), at_unix_s)
            if known:
                return quote
            nothing = nothing or quote
        return nothing or Quote(rate_card({}), {}, "", "", ())

    def context_window(self, provider: str, model: str, at_unix_s: float) -> ContextWindow | None:
        """How many tokens a model takes; None where nobody says so."""
        for seller, name in self._names(provider, model):
            listed = self._listed(seller, name, "", at_unix_s)
            facts = self._holding(self.own, seller, name, at_unix_s)
            told = [
                (one, layer.source)
                for layer in self.files
                for one in self._holding(layer.file, seller, name, at_unix_s)
            ]
            most = next((one.max_output_tokens for one, _ in told if one.max_output_tokens), None)
            most = most or next((one.max_output_tokens for one in facts if one.max_output_tokens), None)
            for one, source in told:
                if one.context_window:
                    return ContextWindow(one.context_window, one.window_is, most, source)
            kind = "input" if seller == "google" and "gemini" in name else "total"  # Gemini's limits are apart
            if listed is not None and listed.context_window:
                return ContextWindow(listed.context_window, kind, most, SOURCE)
            for one in facts:
                if one.context_window:
                    return ContextWindow(one.context_window, one.window_is, most, VIGILO)
        return None

    def _names(self, provider: str, model: str) -> Iterator[tuple[str, str]]:
        """Providers and names to look for, the most exact first; the user's aliases win over vigilo's own."""
        seller, name = table_provider(provider), model.strip().lower()
        if not name or len(name) > MAX_NAME_CHARS:
            return
        target = next((one.file.aliases[name] for one in self.files if name in one.file.aliases), None)
        if target is None:
            yield from ((seller, one) for one in candidates(name, seller))
            target = self.own.aliases.get(name)
        if target is not None:
            head, slash, rest = target.partition("/")
            if slash and self.table is not None and self.table.has_provider(table_provider(head)):
                yield from ((table_provider(head), one) for one in candidates(rest, table_provider(head)))
            yield from ((seller, one) for one in candidates(target, seller))

    def _listed(self, seller: str, name: str, tier: str, at_unix_s: float) -> Listing | None:
        return None if self.table is None else self.table.listing(seller, name, tier, at_unix_s)

    def _holding(self, file: PriceFile, seller: str, name: str, at_unix_s: float) -> list[Entry]:
        return [one for one in file.entries_for(seller, name) if one.valid_from <= at_unix_s < one.valid_until]

    def _quote(self, seller: str, name: str, service_tier: str, at_unix_s: float) -> tuple[Quote, bool]:
        """The card of a name, and whether anybody knows the name."""
        tier, _, place = service_tier.partition("@")
        listed = self._listed(seller, name, tier, at_unix_s)
        layers = ((VIGILO, self.own), *((layer.source, layer.file) for layer in reversed(self.files)))
        since, until = (float("-inf"), float("inf")) if listed is None else (listed.valid_from, listed.valid_until)
        rates: dict[str, Steps] = {}
        source, snapshot, least_seconds = VIGILO, f"{VIGILO} ({self.own.snapshot})", 0
        factors: Mapping[str, Fraction] = {}
        used: list[tuple[str, Entry]] = []
        for origin, file in layers:
            for entry in file.entries_for(seller, name):
                for instant in (entry.valid_from, entry.valid_until):
                    since = max(since, instant) if instant <= at_unix_s else since
                    until = min(until, instant) if instant > at_unix_s else until
            for entry in reversed(self._holding(file, seller, name, at_unix_s)):
                used.append((origin, entry))
                rates.update(entry.rates)
                factors = {**factors, **entry.factors}
                least_seconds = entry.min_audio_seconds or least_seconds
                if origin != VIGILO and (entry.rates or entry.factors):
                    source, snapshot = origin, _day_of(file, self)
            if origin == VIGILO and listed is not None and listed.rates:
                rates.update(listed.rates)
                source, snapshot = SOURCE, self.snapshot
        # A fee that all models of a provider have in common says nothing of any one of them.
        known = listed is not None or any(
            origin != VIGILO or not set(FEE_FIELDS).issuperset(entry.rates) for origin, entry in used
        )
        final = self._in_tier(seller, tier, place, rates, listed, factors) if known and rates else {}
        card = rate_card(final, source, snapshot, since, until, least_seconds if SECONDS in final else 0)
        return Quote(card, final, listed.name if listed else name, seller, tuple(used)), known

    def _in_tier(
        self,
        seller: str,
        tier: str,
        place: str,
        rates: dict[str, Steps],
        listed: Listing | None,
        factors: Mapping[str, Fraction],
    ) -> dict[str, Steps]:
        """List prices as they are in a tier and a place; nothing where that is not known."""
        rule = self.own.tier_factor(seller, tier)
        if tier in factors:
            rates = _times(rates, factors[tier], frozenset())
        elif tier in _OF_THEIR_OWN or rule is not None or (listed is not None and listed.tier_rates):
            if listed is not None and listed.tier_rates is not None:
                rates = {**rates, **listed.tier_rates}
            elif rule is not None:
                rates = _times(rates, rule.factor, rule.not_on)
            else:
                return {}
        if place not in _ANYWHERE:
            rule = self.own.tier_factor(seller, f"@{place}")
            if rule is None:
                return {}
            rates = _times(rates, rule.factor, rule.not_on)
        return rates


def _times(rates: dict[str, Steps], factor: Fraction, not_on: frozenset[str]) -> dict[str, Steps]:
    """Rates of tokens times a factor; what is paid by the piece stays."""
    return {
        name: tuple((above, rate * factor) for above, rate in steps)
        if name in TOKEN_FIELDS and name not in not_on
        else steps
        for name, steps in rates.items()
    }


def _day_of(file: PriceFile, book: PriceBook) -> str:
    """What tells the age of a file's prices: the day that it names, and the table that it lies over."""
    return f"{file.snapshot.isoformat()} over {book.snapshot}" if file.snapshot else f"over {book.snapshot}"


@cache
def own_prices() -> PriceFile:
    """What vigilo itself knows."""
    return PriceFile.read(Path(__file__).with_name("own_prices.toml"), ours=True)
