"""``vigilo serve``: keeps the store open for dashboards and SQL clients, and takes in what apps write."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from vigilo_exporter.cli.report import settings_home

if TYPE_CHECKING:
    from vigilo.settings import Settings
    from vigilo_exporter.clickhouse.serving import Address


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the setting serve_host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port, instead of the setting serve_port; 0 takes a free one.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Folder of the spool and the database, instead of the one in the settings.")
    ] = None,
) -> None:
    """Keeps the store open and speaks ClickHouse's HTTP interface, for Grafana, DBeaver, clickhouse-connect and curl.

    It takes in what apps write within a second or two. Other vigilo commands work through it meanwhile.
    """
    from vigilo.settings import load_settings
    from vigilo_exporter.clickhouse.serving import Address, serve, serve_server

    settings = load_settings()
    chosen_home = settings_home(home)
    if settings.clickhouse_url:
        serve_server(chosen_home, settings, lambda where: _say(f"Shipping {chosen_home} to {where}. Ctrl+C ends it."))
        return
    address = Address(host or settings.serve_host, settings.serve_port if port is None else port)
    serve(chosen_home, settings, address, lambda at: _say(how_to_connect(chosen_home, settings, at)))


def how_to_connect(home: Path, settings: Settings, address: Address) -> str:
    """What to type into the clients that people use; without secrets."""
    host = address.url.removeprefix("http://").rpartition(":")[0]
    secret = ", password: the setting serve_token" if settings.serve_token else ", no password"
    password = ", password=..." if settings.serve_token else ""
    return "\n".join(
        (
            f"Serving {home} at {address.url}, database otel, read-only. Ctrl+C ends it.",
            f'  clickhouse-connect  get_client(host="{host}", port={address.port}, database="otel"{password})',
            f"  DBeaver, JDBC       jdbc:clickhouse://{host}:{address.port}/otel, user default{secret}",
            f"  Grafana ClickHouse  server {host}, port {address.port}, protocol HTTP, user default{secret}",
            f"  curl                curl '{address.url}/?database=otel' -d 'SHOW TABLES'",
        )
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
