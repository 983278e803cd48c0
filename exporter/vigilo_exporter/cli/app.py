"""The commands of ``vigilo`` and how they are found."""

from __future__ import annotations

from typing import Annotated

import typer

from vigilo_exporter.cli.cleanup import cleanup
from vigilo_exporter.cli.demo import demo
from vigilo_exporter.cli.doctor import doctor
from vigilo_exporter.cli.erase import erase
from vigilo_exporter.cli.migrate import migrate
from vigilo_exporter.cli.notebook import notebook
from vigilo_exporter.cli.prices import prices
from vigilo_exporter.cli.quota import quota
from vigilo_exporter.cli.report import report
from vigilo_exporter.cli.reprice import reprice
from vigilo_exporter.cli.serve import serve
from vigilo_exporter.cli.spool import spool

# Locals in a traceback could show keys and messages.
app = typer.Typer(name="vigilo", no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
app.command()(demo)
app.command()(report)
app.command()(reprice)
app.command()(serve)
app.command()(cleanup)
app.command()(erase)
app.command()(doctor)
app.add_typer(migrate, name="migrate")
app.add_typer(notebook, name="notebook")
app.add_typer(prices, name="prices")
app.add_typer(quota, name="quota")
app.add_typer(spool, name="spool")


def _version(wanted: bool) -> None:
    if wanted:
        from vigilo_exporter.diagnosis import vigilo_version

        typer.echo(f"vigilo {vigilo_version() or '(a checkout)'}")
        raise typer.Exit


@app.callback()
def vigilo(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """OpenTelemetry for LLM apps: every call seen, priced, masked and stored."""
