"""``vigilo cleanup``: removes what is older than the settings let it grow."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from vigilo.errors import ConfigError
from vigilo_exporter.cli.report import settings_home

if TYPE_CHECKING:
    from vigilo_exporter.clickhouse.retention import Cleaned

MAX_DAYS = 36_500


def cleanup(
    days: Annotated[
        int | None, typer.Option(help="Days that telemetry is kept, this once instead of the settings; -1 for ever.")
    ] = None,
    content_days: Annotated[int | None, typer.Option(help="Days that the text of messages is kept, likewise.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Show what would be removed and remove nothing.")] = False,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    home: Annotated[
        Path | None, typer.Option(help="Folder of the spool and the database, instead of the one in the settings.")
    ] = None,
) -> None:
    """Removes telemetry, and the text of messages, older than the settings say, now. Asks nothing: it is for cron.

    The embedded store does it by itself once a day. At a ClickHouse server it also sets the TTLs of the tables; rows
    that a Collector wrote into them grow old as well.
    """
    for option, value in (("--days", days), ("--content-days", content_days)):
        if value is not None and value != -1 and not 1 <= value <= MAX_DAYS:
            raise ConfigError(f"{option} is {value}; allowed is 1 to {MAX_DAYS}, or -1 for ever")
    if output_format not in ("text", "json"):
        raise ConfigError(f"--format is {output_format!r}; allowed is text, json")
    chosen_home = settings_home(home)

    from vigilo.settings import load_settings
    from vigilo_exporter.clickhouse.retention import apply_ttl
    from vigilo_exporter.clickhouse.retention import cleanup as clean_up
    from vigilo_exporter.clickhouse.store import open_store

    settings = load_settings()
    kept = settings.kept_days if days is None else days
    content_kept = settings.content_kept_days if content_days is None else content_days
    with open_store(chosen_home, ingest=False) as store:  # or a dry run would end with the daily cleanup
        store.ingest()
        altered = () if dry_run else apply_ttl(store.database, store.layout, settings)
        cleaned = clean_up(
            store.database, store.layout, kept, content_kept, datetime.now(timezone.utc), dry_run=dry_run
        )
    if output_format == "json":
        document = {
            "days": kept,
            "content_days": content_kept,
            "dry_run": dry_run,
            "ttl_altered": altered,
            "tables": [asdict(table) for table in cleaned],
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        _print(cleaned, kept, content_kept, dry_run)


def _print(cleaned: tuple[Cleaned, ...], kept: int, content_kept: int, dry_run: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    removed = sum(table.rows_removed for table in cleaned)
    emptied = sum(table.rows_without_content for table in cleaned)
    would = "would be" if dry_run else "were"
    console.print(
        Text(
            f"{removed:,} rows {would} removed ({_days(kept)}), "
            f"and the text of {emptied:,} more ({_days(content_kept)})."
        )
    )
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    grid.add_column("table", no_wrap=True)
    for heading in ("rows\nbefore", "removed", "text\nremoved", "rows\nafter", "bytes\nbefore", "bytes\nafter"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for row in cleaned:
        counts = (row.rows_before, row.rows_removed, row.rows_without_content, row.rows_after)
        grid.add_row(row.table, *(f"{count:,}" for count in (*counts, row.bytes_before, row.bytes_after)))
    console.print(grid)
    if dry_run:
        console.print(Text("Nothing was changed: run it without --dry-run."))


def _days(kept: int) -> str:
    return "kept for ever" if kept == -1 else f"older than {kept} day{'s' if kept != 1 else ''}"
