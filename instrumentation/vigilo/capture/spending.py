"""What the calls of this process have cost so far, by label: kept here and told when metrics are collected.

A counter that is added to at each call would take as long as pricing the call twice over; this takes a microsecond.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from opentelemetry.metrics import Observation

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from opentelemetry.metrics import CallbackOptions

MAX_LABELS = 2000
"""As many sets of labels as the SDK keeps of one instrument by default; the rest is one sum without labels."""


class Spending:
    """Sums in USD by labels, for an observable counter."""

    def __init__(self) -> None:
        self._sums: dict[Hashable, tuple[Mapping[str, Any], list[float]]] = {}
        self._lock = threading.RLock()  # a finalizer may add in the middle of adding
        _all.add(self)

    def add(self, cost_usd: float, key: Hashable, labels: Mapping[str, Any]) -> None:
        """Adds the price of a call; ``key`` stands for its labels."""
        with self._lock:
            known = self._sums.get(key)
            if known is None:
                if len(self._sums) >= MAX_LABELS:
                    key, labels = None, {}
                known = self._sums.setdefault(key, (labels, [0.0]))
            known[1][0] += cost_usd

    def observe(self, _: CallbackOptions) -> Iterator[Observation]:
        """The sums since the process began, or since it was forked."""
        with self._lock:
            sums = [(total[0], labels) for labels, total in list(self._sums.values())]
        return (Observation(total_usd, labels) for total_usd, labels in sums)

    def _after_fork_in_child(self) -> None:
        # What the parent spent is told by the parent.
        self._lock = threading.RLock()
        self._sums = {}


_all: weakref.WeakSet[Spending] = weakref.WeakSet()
_by_provider: WeakKeyDictionary[Any, Spending] = WeakKeyDictionary()
_unpriced_by_provider: WeakKeyDictionary[Any, Spending] = WeakKeyDictionary()


class _GlobalProvider:
    """Stands for whichever meter provider is the global one."""


_GLOBAL = _GlobalProvider()


def spending_of(meter_provider: Any) -> Spending:
    """The sums that go to a meter provider (None: the global one), the same for all who record to it."""
    return _by_provider.setdefault(meter_provider or _GLOBAL, Spending())


def unpriced_calls_of(meter_provider: Any) -> Spending:
    """How many calls had no known price, for the same readers: a number of calls in the place of their cost."""
    return _unpriced_by_provider.setdefault(meter_provider or _GLOBAL, Spending())


def _after_fork_in_child() -> None:
    for spending in list(_all):
        spending._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
