"""``vigilo migrate``: makes the tables of the store, and brings older ones to the schema of this version."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vigilo.errors import ConfigError
from vigilo_exporter.cli.report import settings_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vigilo.settings import Settings
    from vigilo_exporter.clickhouse.database import Database, Layout
    from vigilo_exporter.clickhouse.migrate import Plan, Step

migrate = typer.Typer(
    no_args_is_help=True, help="The tables of the store: at the ClickHouse server, or in the home folder."
)

_UNKNOWN_DATABASE = 81
_DDL_TIMEOUT_S = 3600.0  # filling a new table from many rows takes long
_Home = Annotated[Path | None, typer.Option(help="Folder of the database, where no server is set.")]
_Format = Annotated[str, typer.Option("--format", help="text or json.")]


@migrate.command()
def status(output_format: _Format = "text", home: _Home = None) -> None:
    """Which version of the schema the store has, and which one this vigilo knows. Changes nothing."""
    _check_format(output_format)
    settings, place = _settings(home)
    missing, busy = _look(settings, place)
    if output_format == "json":
        document = {"store": _shown_place(settings, place), "version": missing.applied, "latest": missing.latest,
                    "adopted": missing.adopted, "migrating": busy}  # fmt: skip
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    typer.echo(f"{_shown_place(settings, place)}: schema version {missing.applied} of {missing.latest}")
    if busy:
        typer.echo(f"{busy} migrates it now")
    elif missing.steps:
        typer.echo("run `vigilo migrate apply`; `vigilo migrate plan` shows what that does")


@migrate.command("plan")
def show_plan(
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements.")] = False, home: _Home = None
) -> None:
    """What `vigilo migrate apply` would do. Changes nothing."""
    settings, place = _settings(home)
    missing, _ = _look(settings, place)
    if sql:
        for step in missing.steps:
            typer.echo(f"-- {step.name}")
            for statement in step.statements:
                typer.echo(f"{statement};\n")
        return
    typer.echo(f"{_shown_place(settings, place)}: schema version {missing.applied} of {missing.latest}")
    if missing.adopted:
        typer.echo("the Collector made tables there; their rows stay, and calls among them are taken in")
    for step in missing.steps:
        typer.echo(f"{step.name}: {len(step.statements)} statements")


@migrate.command()
def apply(home: _Home = None) -> None:
    """Makes and changes tables; rows are kept. Killed in between, it is completed by the next one.

    A Collector that writes to the same tables should be stopped meanwhile: what it writes while a view is made anew is
    kept, but its calls are not counted.
    """
    settings, place = _settings(home)
    done: list[Step] = []
    if settings.clickhouse_url:
        from vigilo_exporter.clickhouse.migrate import create_database
        from vigilo_exporter.clickhouse.migrate import migrate as run

        with _server(settings) as (database, layout):
            create_database(database, settings.clickhouse_database, layout)
            whole = run(database, layout, shared=True, done=lambda step: _tell(step, done))
    else:
        from vigilo_exporter.clickhouse.store import open_store

        whole, _ = _look(settings, place)
        with open_store(place, ingest=False):
            for step in whole.steps:
                _tell(step, done)
    typer.echo(f"{_shown_place(settings, place)}: schema version {whole.latest}" + ("" if done else ", as before"))


def _tell(step: Step, done: list[Step]) -> None:
    done.append(step)
    typer.echo(f"{step.name}: done")


def _settings(home: Path | None) -> tuple[Settings, Path]:
    from vigilo.settings import load_settings

    return load_settings(), settings_home(home)


def _check_format(output_format: str) -> None:
    if output_format not in ("text", "json"):
        raise ConfigError(f"--format is {output_format!r}; allowed is text, json")


def _look(settings: Settings, place: Path) -> tuple[Plan, str | None]:
    """What is missing, and who is at it now."""
    from vigilo_exporter.clickhouse.database import ClickHouseError
    from vigilo_exporter.clickhouse.migrate import migrating, plan, plan_of_nothing

    if not settings.clickhouse_url:
        from vigilo_exporter.clickhouse.engine import DATABASE
        from vigilo_exporter.clickhouse.store import DATABASE_FOLDER

        if not (place / DATABASE_FOLDER).is_dir():
            return plan_of_nothing(DATABASE), None
        with _embedded(place) as database:
            return plan(database), None
    with _server(settings) as (database, layout):
        try:
            return plan(database, layout), migrating(database)
        except ClickHouseError as error:
            if error.code != _UNKNOWN_DATABASE:
                raise
            return plan_of_nothing(settings.clickhouse_database, layout), None


@contextmanager
def _server(settings: Settings) -> Iterator[tuple[Database, Layout]]:
    from vigilo_exporter.clickhouse.database import Layout
    from vigilo_exporter.clickhouse.http import HttpDatabase

    database: Any = HttpDatabase.of(settings, timeout_s=_DDL_TIMEOUT_S)
    try:
        yield database, Layout(settings.clickhouse_cluster)
    finally:
        database.close()


@contextmanager
def _embedded(place: Path) -> Iterator[Database]:
    """The database of a home folder as it is: behind `vigilo serve`, or opened here."""
    from vigilo_exporter.clickhouse.http import HttpDatabase
    from vigilo_exporter.clickhouse.served import WRITER, Served

    served = Served.of(place)
    if served is not None and served.answers():
        database = HttpDatabase(served.url, user=WRITER, password=served.token)
        try:
            yield database
        finally:
            database.close()
        return
    from vigilo_exporter.clickhouse.engine import Engine
    from vigilo_exporter.clickhouse.lock import owner_lock
    from vigilo_exporter.clickhouse.store import DATABASE_FOLDER

    with owner_lock(place, 30.0):
        engine = Engine(place / DATABASE_FOLDER)
        try:
            yield engine
        finally:
            engine.close()


def _shown_place(settings: Settings, place: Path) -> str:
    if not settings.clickhouse_url:
        return str(place)
    from vigilo.settings import shown_setting

    return f"{shown_setting(settings, 'clickhouse_url')} database {settings.clickhouse_database}"
