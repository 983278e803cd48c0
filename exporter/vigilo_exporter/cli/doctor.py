"""``vigilo doctor``: what is installed, what is on, where telemetry goes, and what is wrong."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from vigilo.errors import ConfigError

if TYPE_CHECKING:
    from vigilo_exporter.diagnosis import Finding

_STYLES = {"ok": "green", "note": "yellow", "off": "dim", "broken": "bold red"}


def doctor(
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    home: Annotated[
        Path | None, typer.Option(help="Folder of the spool and the database, instead of the one in the settings.")
    ] = None,
) -> None:
    """What is installed, what is captured, where it goes and what is wrong. Exit 1 when something is broken."""
    if output_format not in ("text", "json"):
        raise ConfigError(f"--format is {output_format!r}; allowed is text, json")

    from vigilo_exporter.diagnosis import BROKEN, diagnose

    logging.getLogger("vigilo").addHandler(logging.NullHandler())  # what it would warn of is among the findings
    findings = diagnose(home.expanduser().absolute() if home else None, os.environ)
    broken = [finding for finding in findings if finding.state == BROKEN]
    if output_format == "json":
        document = {"broken": len(broken), "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        _print(findings)
    if broken:
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    for part in dict.fromkeys(finding.part for finding in findings):
        table = Table(box=None, show_header=False, pad_edge=False, title=part, title_justify="left", title_style="bold")
        for finding in findings:
            if finding.part == part:
                state = Text(finding.state, style=_STYLES[finding.state])
                table.add_row(state, Text(finding.name), Text(finding.detail, overflow="fold"))
        console.print(table, "")
