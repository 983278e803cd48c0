"""``vigilo spool``: looks at telemetry on its way to the store, delivers again what was refused, deletes on demand."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vigilo.errors import ConfigError, StoreError, VigiloError
from vigilo_exporter.cli.report import parse_since, settings_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vigilo_exporter.spool import Spool
    from vigilo_exporter.spool.pieces import Piece

spool = typer.Typer(no_args_is_help=True, help="Telemetry on its way to the store, and what could not get there.")

_Format = Annotated[str, typer.Option("--format", help="text or json.")]
_Home = Annotated[Path | None, typer.Option(help="Folder of the spool, instead of the one in the settings.")]


@spool.command("ls")
def list_pieces(
    limit: Annotated[int, typer.Option(help="Lines of each kind in text, the newest.")] = 20,
    output_format: _Format = "text",
    home: _Home = None,
) -> None:
    """What waits, is being delivered, is in quarantine and why, and what was dropped. Changes nothing."""
    with _spool(home, output_format) as opened:
        from vigilo_exporter.spool.pieces import pieces

        found, drops = pieces(opened.folder), opened.drops()
    if output_format == "json":
        now_s = datetime.now(timezone.utc).timestamp()
        listed = [
            {**asdict(piece), "written_at": _time(piece.written_s), "age_s": round(now_s - piece.written_s, 3)}
            for piece in found
        ]
        for line in listed:
            del line["written_s"]
        document = {"folder": str(opened.folder), "pieces": listed, "drops": [asdict(drop) for drop in drops]}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        from vigilo_exporter.cli.spool_tables import print_pieces

        print_pieces(opened.folder, found, drops, limit)


@spool.command()
def show(
    name: Annotated[str, typer.Argument(help="Of a segment, as `vigilo spool ls` has it.")],
    limit: Annotated[int, typer.Option(help="Rows to show.")] = 20,
    output_format: Annotated[str, typer.Option("--format", help="text, or json for one line of JSON a row.")] = "text",
    home: _Home = None,
) -> None:
    """The rows of a segment, with the text of messages if there is any in them."""
    with _spool(home, output_format) as opened:
        from itertools import islice

        from vigilo_exporter.cli.spool_tables import print_rows, readable
        from vigilo_exporter.native_reader import BrokenBlockError, read_segment

        path = _segment(opened, name)
        try:
            content = read_segment(path)
        except BrokenBlockError as error:
            raise StoreError(f"{path} cannot be read as rows: {error}") from None
    rows = [readable(content.columns, row) for row in islice(content.rows(), max(0, limit))]
    if output_format == "json":
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        print_rows(rows)
    if content.row_count > len(rows):
        typer.echo(f"{len(rows)} of {content.row_count} rows; --limit shows more", err=True)


@spool.command()
def retry(
    names: Annotated[list[str] | None, typer.Argument(help="Of segments in quarantine; all without names.")] = None,
    home: _Home = None,
) -> None:
    """Takes segments out of quarantine, to be delivered once more: at once to a server, or with the next report."""
    with _spool(home, "text") as opened:
        from vigilo_exporter.spool import Segment

        parked = [piece.name for piece in opened.quarantined()]
        chosen = names or [name for name in parked if Segment.parse(name) is not None]
        for name in chosen:
            opened.put_back(name)
        foreign = len(parked) - len(chosen) if not names else 0
    if foreign:
        typer.echo(f"{_count(foreign, 'file')} not of vigilo: left in quarantine")
    if not chosen:
        typer.echo("no segment is in quarantine")
        return
    from vigilo.settings import load_settings

    if not load_settings().clickhouse_url:
        typer.echo(
            f"{_count(len(chosen), 'segment')} put back: `vigilo serve` takes them in at once if it runs, else the "
            "next `vigilo report`"
        )
        return
    typer.echo(f"{_count(len(chosen), 'segment')} put back, to be sent to the server now")
    _ship(opened, chosen)


@spool.command()
def purge(
    everything: Annotated[
        bool, typer.Option("--all", help="Also the segments that wait, but none that is being delivered.")
    ] = False,
    older_than: Annotated[
        str | None, typer.Option(help="Only what was written longer ago: 12h, 7d, 4w, or before a date.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Does not ask.")] = False,
    home: _Home = None,
) -> None:
    """Deletes what is in quarantine, with --all also what waits. It is lost then, and counted as dropped."""
    now = datetime.now(timezone.utc)
    before_s = parse_since(older_than, now, "--older-than").timestamp() if older_than else now.timestamp() + 1
    with _spool(home, "text") as opened:
        from vigilo_exporter.spool import pieces

        deletable = (pieces.QUARANTINED, pieces.WAITING) if everything else (pieces.QUARANTINED,)
        chosen = [
            piece for piece in pieces.pieces(opened.folder) if piece.state in deletable and piece.written_s < before_s
        ]
        if not chosen:
            typer.echo("nothing to delete")
            return
        if not yes:
            typer.confirm(f"Delete {_summary(chosen)} for good?", abort=True)
        gone = pieces.purge(opened.folder, chosen)
    typer.echo(f"deleted {_summary(gone)}" if gone else "nothing was there any more")


@contextmanager
def _spool(home: Path | None, output_format: str) -> Iterator[Spool]:
    """The spool; what the disk refuses ends the command with one line."""
    if output_format not in ("text", "json"):
        raise ConfigError(f"--format is {output_format!r}; allowed is text, json")
    from vigilo_exporter.spool import Spool

    opened = Spool(settings_home(home))
    try:
        yield opened
    except OSError as error:
        raise StoreError(f"cannot work on {opened.folder}: {error.strerror or error}") from None


def _segment(opened: Spool, name: str) -> Path:
    from vigilo_exporter.spool import QUARANTINE, Segment

    if Segment.parse(name) is not None:
        for path in (opened.folder / name, opened.folder / QUARANTINE / name):
            if path.is_file():
                return path
    raise StoreError(f"no segment {name} in {opened.folder} or its quarantine; `vigilo spool ls` lists what is there")


def _ship(opened: Spool, chosen: list[str]) -> None:
    """Sends what waits, and says what became of the segments that were put back."""
    from vigilo_exporter.clickhouse.store import open_store

    failure = ""
    try:
        with open_store(opened.folder.parent):
            pass
    except VigiloError as error:
        failure = str(error)
    waiting = {path.name for path in opened.segments()}.intersection(chosen)
    again = {piece.name: piece.reason for piece in opened.quarantined() if piece.name in chosen}
    sent = len(chosen) - len(waiting) - len(again)
    typer.echo(f"{sent} delivered, {len(waiting)} wait, {len(again)} refused again")
    for reason in sorted(set(again.values())):
        typer.echo(f"refused: {reason}", err=True)
    if failure:
        raise StoreError(failure)
    if again:
        raise typer.Exit(1)


def _summary(chosen: list[Piece]) -> str:
    rows, size = sum(piece.rows for piece in chosen), sum(piece.bytes for piece in chosen)
    return f"{_count(len(chosen), 'file')} with {_count(rows, 'row')} in {size:,} bytes"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
