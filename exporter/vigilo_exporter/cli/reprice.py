"""``vigilo reprice``: prices the calls in the store anew, by today's price table."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vigilo.errors import ConfigError
from vigilo_exporter.cli.report import parse_since, settings_home

if TYPE_CHECKING:
    from vigilo_exporter.clickhouse.repricing import ModelPrices, Selection

_UNTIL_NOW = timedelta(days=1)  # calls of clocks that run ahead count as now


def reprice(
    since: Annotated[str, typer.Option(help="How far back: 30m, 24h, 7d, 4w, or a date or time such as 2026-11-01.")],
    until: Annotated[str | None, typer.Option(help="Up to when, in the same words; now by default.")] = None,
    model: Annotated[str | None, typer.Option(help="Only calls to this model, as asked for or as answered.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only calls to this provider, such as openai.")] = None,
    only_unpriced: Annotated[bool, typer.Option("--only-unpriced", help="Leave calls alone that have a cost.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    output_format: Annotated[
        str, typer.Option("--format", help="text or json. In json a cost is a string, to keep every digit.")
    ] = "text",
    home: Annotated[
        Path | None, typer.Option(help="Folder of the spool and the database, instead of the one in the settings.")
    ] = None,
) -> None:
    """Prices kept calls from their tokens by today's price table, as it was valid when they were made.

    The cost of before is kept in the table llm_cost_changes. What the provider itself said that a call cost stays, and
    so does a cost where the table knows no price.
    """
    now = datetime.now(timezone.utc)
    begin = parse_since(since, now)
    end = now + _UNTIL_NOW if until is None else parse_since(until, now, "--until")
    if begin >= end:
        raise ConfigError(f"--since is {since!r}, which is not before --until {until!r}")
    if output_format not in ("text", "json"):
        raise ConfigError(f"--format is {output_format!r}; allowed is text, json")
    chosen_home = settings_home(home)

    # The engine takes a tenth of a second to import, which `vigilo --help` need not pay.
    from vigilo.policy.pricing import snapshot
    from vigilo_exporter.clickhouse.repricing import Selection
    from vigilo_exporter.clickhouse.store import open_store

    selection = Selection(begin, end, (provider or "").lower(), model or "", only_unpriced)
    with open_store(chosen_home) as store:
        result = store.reprice(selection, dry_run=dry_run)
    table = snapshot()
    if output_format == "json":
        sys.stdout.write(_as_json(selection, result, table, dry_run))
    else:
        _print(selection, result, table, dry_run)


def _as_json(selection: Selection, result: tuple[ModelPrices, ...], table: str, dry_run: bool) -> str:
    document = {
        "since": selection.since.isoformat(),
        "until": selection.until.isoformat(),
        "dry_run": dry_run,
        "price_table": table,
        "totals": _record(_total(result), without=("provider", "model")),
        "models": [_record(row) for row in result],
    }
    return json.dumps(document, indent=2) + "\n"


def _record(row: ModelPrices, without: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        name: format(value, "f") if isinstance(value, Decimal) else value
        for name, value in asdict(row).items()
        if name not in without
    }


def _total(result: tuple[ModelPrices, ...]) -> ModelPrices:
    from vigilo_exporter.clickhouse.repricing import ModelPrices

    total = ModelPrices("", "")
    for row in result:
        total.calls += row.calls
        total.priced += row.priced
        total.changed += row.changed
        total.confirmed += row.confirmed
        total.kept += row.kept
        total.unpriced += row.unpriced
        total.cost_before_usd += row.cost_before_usd
        total.cost_after_usd += row.cost_after_usd
    return total


def _print(selection: Selection, result: tuple[ModelPrices, ...], table: str, dry_run: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from vigilo_exporter.cli.report_formats import local, shown, usd

    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    if not result:
        which = "unpriced calls" if selection.only_unpriced else "calls"
        console.print(Text(f"No {which} to price since {local(selection.since)}."))
        return
    total = _total(result)
    would = "would be" if dry_run else "were"
    console.print(
        Text(
            f"{total.calls:,} calls since {local(selection.since)}, priced by {table or 'no table'}: "
            f"{total.priced:,} {would} priced, {total.changed:,} {would} changed, {total.confirmed:,} confirmed, "
            f"{total.kept:,} kept, {total.unpriced:,} unpriced | "
            f"cost {usd(total.cost_before_usd)} -> {usd(total.cost_after_usd)}"
        )
    )
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in ("model", "provider"):
        grid.add_column(heading, overflow="fold")
    for heading in ("calls", "priced", "changed", "confirmed", "kept", "unpriced", "cost\nbefore", "cost\nafter"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for row in result:
        counts = (row.calls, row.priced, row.changed, row.confirmed, row.kept, row.unpriced)
        costs = (usd(row.cost_before_usd), usd(row.cost_after_usd))
        cells = [shown(row.model or None), shown(row.provider or None), *(f"{count:,}" for count in counts), *costs]
        grid.add_row(*map(Text, cells))
    console.print(grid)
    if dry_run:
        console.print(Text("Nothing was changed: run it without --dry-run."))
