"""Quotas as tables for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vigilo.policy.quota.admin import QuotaRule
    from vigilo.policy.quota.status import QuotaStatus

_BAR = 10
_UNCUT_WIDTH = 1000
_WARNED, _CRITICAL = 0.8, 0.95


def print_quotas(found: Sequence[QuotaStatus]) -> None:
    """What is used of each, with a bar and the share; what calls under way hold counts as used there."""
    if not found:
        sys.stdout.write("no rule applies\n")
        return
    table = _table("rule", "mode", "used", "held", "limit", "remaining", "", "resets at")
    for one in found:
        share = (one.used + one.held) / one.limit if one.limit else 1.0
        full = min(_BAR, int(share * _BAR))
        style = "bold red" if share >= _CRITICAL else "yellow" if share >= _WARNED else "green"
        table.add_row(
            Text(one.rule),
            one.mode,
            *(Text(amount_text(one.metric, amount)) for amount in (one.used, one.held, one.limit, one.remaining)),
            Text(f"{'#' * full}{'.' * (_BAR - full)} {share:.0%}", style=style),
            one.resets_at.isoformat(sep=" ", timespec="minutes") if one.resets_at else "never",
        )
    _console().print(table)


def print_rules(found: Sequence[QuotaRule]) -> None:
    """One rule a row."""
    if not found:
        sys.stdout.write("no rules\n")
        return
    table = _table("rule", "mode", "limit", "thresholds", "source")
    for one in found:
        thresholds = ", ".join(f"{100 * level:.4g} %" for level in one.thresholds)
        table.add_row(Text(one.rule), one.mode, amount_text(one.metric, one.limit), thresholds, one.source)
    _console().print(table)


def amount_text(metric: str, amount: float) -> str:
    """``1,000``, or ``$0.25`` with no more digits than there are, and two at the least."""
    if metric != "usd":
        return f"{amount:,.0f}"
    whole, _, cents = f"{amount:,.9f}".partition(".")
    return f"${whole}.{cents.rstrip('0').ljust(2, '0')}"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in ("used", "held", "limit", "remaining") else "left")
    return table


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _UNCUT_WIDTH, highlight=False)
