"""Writes the generated tables of the docs; ``--check`` only says whether they have drifted."""

from __future__ import annotations

import sys
from pathlib import Path

from vigilo.settings import settings_table

DOCS = Path(__file__).parent


def configuration() -> str:
    """The page of settings: a written head over the generated table."""
    head = (DOCS / "configuration.head.md").read_text("utf-8")
    return f"{head}\n{settings_table()}"


def main() -> int:
    """Returns the exit code: 1 when ``--check`` found a page that differs from what would be written."""
    page, text = DOCS / "configuration.md", configuration()
    if "--check" in sys.argv[1:]:
        return 0 if page.is_file() and page.read_text("utf-8") == text else 1
    page.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
