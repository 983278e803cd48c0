"""How much of each quota is used, for people, gauges and alerts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from vigilo.policy.quota.rules import Rule  # noqa: TC001 - the type of a field
from vigilo.policy.quota.windows import Window, window_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from vigilo.policy.quota.book import Applying
    from vigilo.policy.quota.scopes import Scopes
    from vigilo.state.store import Count, Store

MAX_SEEN: Final = 1000
"""Counters that are told of in metrics: the ones that this process used last."""


class QuotaStatus(NamedTuple):
    """How much of a rule is used in its window; amounts are calls, tokens or US dollars.

    ``rule`` is its name, ``user=u_0123... tokens/day``; ``scope`` whom it is about, ``global`` for all calls. ``held``
    is what calls under way may use, ``remaining`` what is left beside it, 0 at the least. ``resets_at`` is None for
    ``total``.
    """

    rule: str
    scope: str
    metric: str
    window: str
    mode: str
    limit: float
    used: float
    held: float
    remaining: float
    resets_at: datetime | None


def status_of(applying: Applying, window: Window, count: Count) -> QuotaStatus:
    """A rule's status by its counter."""
    rule = applying.rule
    return QuotaStatus(
        applying.name,
        applying.scope,
        rule.metric,
        rule.window,
        rule.mode,
        applying.in_unit(rule.limit),
        applying.in_unit(count.used),
        applying.in_unit(count.held),
        applying.in_unit(left(rule, count)),
        window.resets_at,
    )


def left(rule: Rule, count: Count) -> int:
    """What is left of a rule, 0 at the least."""
    return max(0, rule.limit - count.used - count.held)


def read(store: Store, applying: Iterable[Applying]) -> list[QuotaStatus]:
    """The status of rules in the windows of now, in one look at the store.

    Raises:
        StateError: the store cannot be read.
    """
    now = store.now_unix_s()
    wanted = [(one, window_at(one.rule.window, now, one.rule.time_zone)) for one in applying]
    counts = store.read([one.stem + window.label for one, window in wanted])
    return [status_of(one, window, count) for (one, window), count in zip(wanted, counts, strict=True)]


def of_rules(store: Store, rules: Iterable[Rule], scopes: Scopes | None = None) -> list[QuotaStatus]:
    """The status of the rules that apply to ``scopes``; without scopes, of all that name their values or have none.

    Raises:
        StateError: the store cannot be read.
    """
    from vigilo.policy.quota.book import Book

    book = Book(rules)
    return read(store, book.literal() if scopes is None else book.applying(scopes))


class Seen:
    """The counters that this process used lately."""

    def __init__(self, keeps: int = MAX_SEEN) -> None:
        self._keeps = keeps
        self._seen: OrderedDict[str, tuple[Applying, Window]] = OrderedDict()
        self._lock = threading.RLock()

    def note(self, applying: Sequence[Applying], windows: Sequence[Window]) -> None:
        """Notes the counters of a call."""
        with self._lock:
            for one, window in zip(applying, windows, strict=True):
                self._seen[one.stem] = (one, window)
                self._seen.move_to_end(one.stem)
            while len(self._seen) > self._keeps:
                self._seen.popitem(last=False)

    def read(self, store: Store) -> list[QuotaStatus]:
        """Their status; of windows that are over there is none.

        Raises:
            StateError: the store cannot be read.
        """
        now = store.now_unix_s()
        with self._lock:
            for stem in [stem for stem, (_, window) in self._seen.items() if 0 < window.ends_unix_s <= now]:
                del self._seen[stem]
            seen = list(self._seen.values())
        if not seen:
            return []
        counts = store.read([one.stem + window.label for one, window in seen])
        return [status_of(one, window, count) for (one, window), count in zip(seen, counts, strict=True)]
