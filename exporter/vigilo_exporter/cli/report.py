"""``vigilo report``: what the calls cost, how many tokens they used and how long they took."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from vigilo.errors import ConfigError
from vigilo_exporter.calls_between import DIMENSIONS

FORMATS = ("text", "json", "csv")
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def report(
    since: Annotated[
        str, typer.Option(help="How far back: 30m, 24h, 7d, 4w, or a date or time such as 2026-11-01.")
    ] = "24h",
    by: Annotated[
        str, typer.Option(help=f"Groups to show, joined by commas, of {', '.join(DIMENSIONS)}.")
    ] = "model,user,conversation",
    output_format: Annotated[
        str, typer.Option("--format", help="text, json or csv. In json a cost is a string, to keep every digit.")
    ] = "text",
    home: Annotated[
        Path | None, typer.Option(help="Folder of the spool and the database, instead of the one in the settings.")
    ] = None,
) -> None:
    """Cost, tokens, errors and latency of the LLM calls, in all and by model, user, conversation and more.

    Counts, tokens and costs are exact over any length of time. Latencies are too up to 200,000 calls; of more they are
    read from counts by length, up to 9 % off, and the report says so.
    """
    until = datetime.now(timezone.utc)
    moment = parse_since(since, until)
    dimensions = parse_by(by)
    if output_format not in FORMATS:
        raise ConfigError(f"--format is {output_format!r}; allowed is {', '.join(FORMATS)}")
    chosen_home = settings_home(home)

    # The engine and the formats take a tenth of a second to import, which `vigilo --help` need not pay.
    from vigilo_exporter.calls_between import ALL_ROWS
    from vigilo_exporter.cli.report_formats import TEXT_ROWS, as_csv, as_json, print_text
    from vigilo_exporter.clickhouse.store import open_store
    from vigilo_exporter.report import build_report, kept

    with open_store(chosen_home) as store:
        limit = TEXT_ROWS if output_format == "text" else ALL_ROWS
        result = build_report(store, moment, until, dimensions, limit=limit)
        whole = kept(store)
        quarantined = store.ingested.quarantined
    if output_format == "json":
        sys.stdout.write(as_json(result))
    elif output_format == "csv":
        sys.stdout.write(as_csv(result))
    else:
        print_text(result, whole, chosen_home)
    if quarantined:
        what = "1 unreadable segment was" if len(quarantined) == 1 else f"{len(quarantined)} unreadable segments were"
        typer.echo(f"vigilo: {what} set aside in {chosen_home}/spool/quarantine", err=True)


def settings_home(home: Path | None) -> Path:
    """The folder asked for on the command line, or else the one in the settings; prices that are kept there count."""
    if home is not None:
        from vigilo.policy.pricing import use_home

        chosen = home.expanduser().absolute()
        use_home(chosen)
        return chosen
    from vigilo.settings import load_settings

    return load_settings().home


def parse_since(text: str, now: datetime, option: str = "--since") -> datetime:
    """When ``text`` was: a length of time before ``now``, or a date or time, local unless it names its zone.

    Args:
        text: the value of ``option``.
        now: what a length of time counts back from.
        option: named in errors.

    Raises:
        ConfigError: it is neither, or lies in the future.
    """
    try:
        if found := _SPAN.fullmatch(text.strip().lower()):
            moment = now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        else:
            # Python 3.10 does not read the Z.
            moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip())).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option} is {text!r}; allowed is a length of time such as 30m, 24h, 7d or 4w, "
            "or a date or time such as 2026-11-01 or 2026-11-01T09:30"
        ) from None
    if moment >= now:
        raise ConfigError(f"{option} is {text!r}, which does not lie in the past")
    return moment


def parse_by(text: str) -> tuple[str, ...]:
    """The dimensions named in ``text``, each once, in its order.

    Raises:
        ConfigError: one is not known, or there is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in DIMENSIONS:
            raise ConfigError(f"--by has {name!r}; allowed is any of {', '.join(DIMENSIONS)}, joined by commas")
    return names
