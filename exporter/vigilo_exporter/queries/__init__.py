"""The SQL that vigilo runs, one statement a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def query_text(name: str) -> str:
    """The statement in ``<name>.sql``."""
    return (Path(__file__).parent / f"{name}.sql").read_text("utf-8")
