"""The ``vigilo`` command."""

from __future__ import annotations

import sys

from vigilo.errors import ConfigError, VigiloError


def main() -> None:
    """Runs the command line. An error of vigilo ends it with one line on standard error and exit 1; 2 for a setting."""
    from vigilo_exporter.cli.app import app

    try:
        app(prog_name="vigilo")
    except VigiloError as error:
        print(f"vigilo: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, ConfigError) else 1)
