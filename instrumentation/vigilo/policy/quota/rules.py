"""A rule: who may use how much of what, in which time, and what happens where that is passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

METRICS: Final = ("requests", "input_tokens", "output_tokens", "tokens", "usd")
WINDOWS: Final = ("minute", "hour", "day", "week", "month", "total")
MODES: Final = ("observe", "warn", "block")
NANO: Final = 1_000_000_000
ANY: Final = "*"
"""Of a dimension: each value has a counter of its own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``limit`` is a whole number of the metric's unit: calls, tokens or, of ``usd``, billionths of a US dollar.
    ``scope``: pairs of dimension and value in the order of ``DIMENSIONS``; empty for all calls. ``thresholds``: shares
    of the limit, ascending, at which it is told once a window. ``source``: what said it (``vigilo.toml``, ``state``,
    ``personal``), which is no part of what it says.
    """

    metric: str
    limit: int
    window: str
    scope: tuple[tuple[str, str], ...] = ()
    mode: str = "observe"
    time_zone: str = "UTC"
    thresholds: tuple[float, ...] = (0.8, 0.95)
    source: str = "state"
