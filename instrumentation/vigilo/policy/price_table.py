"""The price table of ``genai-prices``: loaded beside the app, looked up once per model, held as rate cards.

The package costs about 0.3 s of import and its ``calc_price`` about 0.1 ms a call, so the app's path does neither: a
thread loads it, and a call is priced with a cached card. Importing it fetches nothing and starts no thread; its own
updater is never used.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from vigilo.errors import report_internal
from vigilo.policy.model_names import candidates, table_provider
from vigilo.policy.rate_card import CACHED_AUDIO, REQUEST, TOKEN_FIELDS, RateCard, rate_card

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

FIRST_CALL_WAIT_S = 2.0
FORK_WAIT_S = 5.0
MAX_CARDS = 2048
_FIELD_BY_PRICE_KEY = {
    **{name.removesuffix("_tokens") + "_mtok": name for name in (*TOKEN_FIELDS, CACHED_AUDIO)},
    "requests_kcount": REQUEST,
}
_PLAIN_TIERS = frozenset({"", "auto", "default", "on_demand", "standard", "standard_only"})
"""Answers of providers that mean the list price."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The loaded table. ``snapshot`` is the version of the package that it came with."""

    providers: list[Any]
    snapshot: str

    def card(self, provider: str, model: str, service_tier: str, at_unix_s: float) -> RateCard | None:
        """The rates of a model at an instant; None when the model, or any price of its tokens, is not known."""
        from genai_prices.data_snapshot import find_provider_by_id

        seller = find_provider_by_id(self.providers, table_provider(provider))
        if seller is None:
            return None
        for name in candidates(model):
            found = seller.find_model(name, all_providers=self.providers)
            if found is not None:
                own = any(found is one for one in seller.models)
                return _card(found, _context(service_tier) if own else {}, at_unix_s)
        return None


class _Loader:
    """Loads the table once, in a thread of its own."""

    def __init__(self) -> None:
        self.table: PriceTable | None = None
        self.failed = False
        self._waited = False
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is not None or self._done.is_set():
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._load, name="vigilo-price-table", daemon=True)
                self._thread.start()

    def wait(self, timeout_s: float | None) -> PriceTable | None:
        """The table, or None when it cannot be had in time."""
        if self.table is None and not self.failed:
            self.start()
            self._done.wait(timeout_s)
        return self.table

    def wait_once(self, timeout_s: float) -> PriceTable | None:
        """Like ``wait``, but a process waits at most once in vain: later calls take what is there."""
        if self.table is None and not self._waited:
            self._waited = self.wait(timeout_s) is None
        return self.table

    def join(self, timeout_s: float) -> None:
        if self._thread is not None and not self._done.is_set() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _load(self) -> None:
        try:
            from genai_prices import __version__
            from genai_prices.data import providers

            self.table = PriceTable(providers, __version__)
        except Exception as error:  # noqa: BLE001 - calls stay unpriced, the app goes on
            self.failed = True
            report_internal("loading the price table", error)
        finally:
            self._done.set()


class _Cards:
    """The cards in use, by provider, model and service tier. Unknown models are remembered too, in the same bound."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str | None], RateCard | None] = {}
        self._lock = threading.Lock()

    def get(self, table: PriceTable, key: tuple[str, str, str | None], at_unix_s: float) -> RateCard | None:
        try:
            card = self._known[key]
        except KeyError:
            pass
        else:
            if card is None or card.valid_from_unix_s <= at_unix_s < card.valid_until_unix_s:
                return card
        card = table.card(key[0], key[1], key[2] or "", at_unix_s)
        with self._lock:
            # Names of models may come from the app's users, so the oldest give way.
            while len(self._known) >= MAX_CARDS and key not in self._known:
                del self._known[next(iter(self._known))]
            self._known[key] = card
        return card


_loader = _Loader()
_cards = _Cards()


def warm_up() -> None:
    """Begins to load the price table in a thread, unless that was done. Returns at once."""
    _loader.start()


def table_if_ready() -> PriceTable | None:
    """The table, for the app's path: waits for its loading once a process, at most ``FIRST_CALL_WAIT_S``."""
    return _loader.table or _loader.wait_once(FIRST_CALL_WAIT_S)


def table() -> PriceTable | None:
    """The table, loaded if need be; None when it cannot be loaded."""
    return _loader.wait(None)


def card_for(
    table: PriceTable, provider: str, model: str, service_tier: str | None, at_unix_s: float
) -> RateCard | None:
    """The cached rates of a model at an instant; None when it has no known price."""
    return _cards.get(table, (provider, model, service_tier), at_unix_s)


def _before_fork() -> None:
    # A child keeps the import locks of threads that it does not have: it would wait for ever for a module, the app's
    # own pydantic included, whose import was under way in ours. So an import is finished before a fork.
    _loader.join(FORK_WAIT_S)


def _after_fork_in_child() -> None:
    global _loader, _cards
    _cards = _Cards()
    if _loader.table is None:
        _loader = _Loader()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


def _context(service_tier: str) -> dict[str, str]:
    """What the table's price variants ask for. It knows batches as a way of processing, not as a service tier."""
    tier = service_tier.lower()
    if tier in _PLAIN_TIERS:
        return {}
    if tier == "batch":
        return {"processing": "batch"}
    return {"service_tier": tier, "speed": tier}


def _card(model: Any, context: dict[str, str], at_unix_s: float) -> RateCard | None:
    at = datetime.fromtimestamp(at_unix_s, timezone.utc)
    prices = {
        _FIELD_BY_PRICE_KEY[key]: price
        for key, price in vars(model.get_prices(at, context)).items()
        if price is not None and key in _FIELD_BY_PRICE_KEY
    }
    if not any(name in prices for name in TOKEN_FIELDS):
        return None  # sold by the hour, the page or the character
    thresholds = {-1} | {tier.start for price in prices.values() for tier in getattr(price, "tiers", ())}
    changes = sorted(_changes(model, at))
    return rate_card(
        {above: {name: _rate(price, above) for name, price in prices.items()} for above in thresholds},
        max((change for change in changes if change <= at_unix_s), default=float("-inf")),
        min((change for change in changes if change > at_unix_s), default=float("inf")),
    )


def _rate(price: Any, above: int) -> Decimal:
    """The rate of a price, plain or in tiers, for an input of just more than ``above`` tokens."""
    rate: Decimal = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if tier.start <= above:
            rate = tier.price
    return rate


def _changes(model: Any, at: datetime) -> Iterator[float]:
    """Instants (Unix seconds) around ``at`` at which the prices of a model may change."""
    conditional = model.prices if isinstance(model.prices, list) else []
    for dated in (*conditional, *(model.price_variants or ())):
        constraint = dated.constraint
        if hasattr(constraint, "start_date"):
            yield datetime.combine(constraint.start_date, time(), timezone.utc).timestamp()
        elif constraint is not None:
            for daily in (constraint.start_time, constraint.end_time):
                zone = daily.tzinfo or timezone.utc
                for day in (-2, -1, 0, 1, 2):
                    yield datetime.combine(at.date() + timedelta(day), daily.replace(tzinfo=zone)).timestamp()
