"""``vigilo erase``: takes all that is known of a user out of the store."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from vigilo.errors import ConfigError
from vigilo_exporter.cli.report import settings_home

if TYPE_CHECKING:
    from vigilo.settings import Settings
    from vigilo_exporter.clickhouse.erase import Erased


def erase(
    user: Annotated[str, typer.Option(help="The id as the app has it, or the pseudonym in telemetry.")],
    tenant: Annotated[str | None, typer.Option(help="Whose user it is, as in track(tenant=...).")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Also where the id stands as it is: foreign telemetry may have it so.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Show how many rows there are and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    home: Annotated[
        Path | None, typer.Option(help="Folder of the spool and the database, instead of the one in the settings.")
    ] = None,
) -> None:
    """Erases a user: their spans, calls, messages, log records and metrics, and traces that are all theirs.

    Sums stay those of the calls that are left. Counts the rows before and after; exit code 1 if any is left. Counters
    of the user's quotas stay in the shared state until their windows end, and so does what other machines have not
    sent yet.
    """
    if output_format not in ("text", "json"):
        raise ConfigError(f"--format is {output_format!r}; allowed is text, json")
    chosen_home = settings_home(home)

    from vigilo.settings import load_settings
    from vigilo_exporter.clickhouse.erase import Erased, Erasure
    from vigilo_exporter.clickhouse.erase_quarantine import erase_quarantined
    from vigilo_exporter.clickhouse.store import open_store
    from vigilo_exporter.spool import Spool

    settings = load_settings()
    ids = _ids(user, tenant, plain, chosen_home, settings)
    if not (dry_run or yes):
        if not sys.stdin.isatty():
            raise ConfigError("nobody is there to be asked: say --yes, or --dry-run to see what would be erased")
        typer.confirm("Erase all of this user, for ever?", abort=True)
    spool = Spool(chosen_home)
    with open_store(chosen_home, ingest=False) as store:  # or a dry run would end with the daily cleanup
        store.ingest()
        erasure = Erasure(store.database, store.layout, chosen_home, ids)
        rows: tuple[Erased, ...]
        if dry_run:
            rows = tuple(Erased(table, found, found) for table, found in erasure.count().items())
        else:
            rows = erasure.run()
        rewritten, deleted = erase_quarantined(spool, ids, dry_run=dry_run)
    if output_format == "json":
        document = {
            "ids": len(ids),
            "dry_run": dry_run,
            "tables": [asdict(row) for row in rows],
            "quarantined_rows": sum(rewritten.values()),
            "quarantined_deleted": deleted,
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        _print(rows, sum(rewritten.values()), deleted, dry_run)
    if not dry_run and any(row.rows_after for row in rows):
        raise typer.Exit(1)


def _ids(user: str, tenant: str | None, plain: bool, home: Path, settings: Settings) -> list[str]:
    """All that the store may have in place of the id."""
    from vigilo.policy.pseudonym import KEY_FILE_NAME, KEY_VARIABLE, is_pseudonym, pseudonyms

    if not user:
        raise ConfigError("--user is empty")
    if is_pseudonym(user):
        return [user]
    ids = [user] if plain or settings.user_ids == "plain" else []
    if os.environ.get(KEY_VARIABLE, "").strip() or (home / KEY_FILE_NAME).exists():
        ids += pseudonyms(user, home, settings.tenant if tenant is None else tenant)
    elif not ids:
        raise ConfigError(
            f"no key for pseudonyms is in {home / KEY_FILE_NAME} or `{KEY_VARIABLE}`: set it as the apps have it, give "
            "the pseudonym itself, or say --plain"
        )
    return ids


def _print(rows: tuple[Erased, ...], quarantined: int, deleted: list[str], dry_run: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    grid.add_column("table", no_wrap=True)
    for heading in ("rows\nbefore", *(() if dry_run else ("rows\nafter",))):
        grid.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        counts = (row.rows_before,) if dry_run else (row.rows_before, row.rows_after)
        grid.add_row(row.table, *(f"{count:,}" for count in counts))
    console.print(grid)
    would = "would be" if dry_run else "were"
    if quarantined:
        console.print(Text(f"{quarantined:,} rows {would} erased from segments in quarantine."))
    for name in deleted:
        console.print(Text(f"{name}, in quarantine, cannot be read and {would} deleted."))
    left = sum(row.rows_after for row in rows)
    old_parts = sum(row.old_parts for row in rows)
    if dry_run:
        console.print(Text("Nothing was erased: run it without --dry-run."))
    elif left:
        console.print(Text(f"{left:,} rows are left: does the user still send calls? Run it again."))
    elif old_parts:
        console.print(Text(f"Nothing is left, but {old_parts} files of before that ClickHouse removes in minutes."))
    else:
        console.print(Text("Nothing is left."))
