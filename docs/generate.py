"""Writes the generated pages of the docs; ``--check`` only says whether they have drifted."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path

from vigilo.settings import OTHER_VARIABLES, Settings, environment_name

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "tests" / "matrix" / "results"
Outcomes = dict[str, dict[str, str]]
"""Row -> column -> ``passed`` or ``absent``."""


def configuration() -> str:
    """The page of settings: a written head over the generated table."""
    head = (DOCS / "configuration.head.md").read_text("utf-8")
    return f"{head}\n{settings_table()}"


def settings_table() -> str:
    """The settings as a Markdown table, for the docs."""
    rows = ["| `vigilo.toml` | variable | default | allowed | what it does |", "|---|---|---|---|---|"]
    for spec in fields(Settings):
        shown = spec.metadata.get("shown") or f"`{spec.default}`"
        rows.append(
            f"| `{spec.name}` | `{environment_name(spec.name)}` | {shown} | {spec.metadata['allowed']} "
            f"| {spec.metadata['doc']} |"
        )
    rows += [f"| | `{variable}` | | | {doc} |" for variable, doc in OTHER_VARIABLES.items()]
    return "\n".join(rows) + "\n"


def coverage() -> str:
    """The page of what was called with which SDKs: a written head over tables of the committed results."""
    oldest, newest = (json.loads((RESULTS / f"{sdks}.json").read_text("utf-8")) for sdks in ("oldest", "newest"))
    head = (DOCS / "coverage.head.md").read_text("utf-8")
    lines = [head, "| | oldest | newest |", "|---|---|---|"]
    lines += [f"| {sdk} | {oldest['sdks'][sdk]} | {newest['sdks'][sdk]} |" for sdk in sorted(newest["sdks"])]
    for table, about in (("styles", "calls"), ("stream ends", "ends of streams"), ("gate", "calls through the gate")):
        for outcome, words in (("passed", f"{about} that passed"), ("absent", "... that the SDK does not have")):
            counts = (str(_count(results["tables"][table], outcome)) for results in (oldest, newest))
            lines.append(f"| {words} | {' | '.join(counts)} |")
    styles = [_by_cell(results["tables"]["styles"]) for results in (oldest, newest)]
    for client in _clients(styles[1]):
        lines += ["", f"## {client}", "", *_table(*(_of(client, outcomes) for outcomes in styles), "endpoint")]
    ends = [_by_cell(results["tables"]["stream ends"]) for results in (oldest, newest)]
    lines += ["", "## How a stream can end", "", *_table(*(_turned(outcomes) for outcomes in ends), "end")]
    return "\n".join(lines) + "\n"


def _count(rows: dict[str, dict[str, list[str]]], outcome: str) -> int:
    return sum(len(row.get(outcome, ())) for row in rows.values())


def _by_cell(rows: dict[str, dict[str, list[str]]]) -> Outcomes:
    return {
        row: {column: outcome for outcome, columns in outcomes.items() for column in columns}
        for row, outcomes in rows.items()
    }


def _clients(outcomes: Outcomes) -> list[str]:
    return sorted({row.partition(": ")[0] for row in outcomes})


def _of(client: str, outcomes: Outcomes) -> Outcomes:
    return {row.partition(": ")[2]: cells for row, cells in outcomes.items() if row.startswith(f"{client}: ")}


def _turned(outcomes: Outcomes) -> Outcomes:
    """Sync and async cells stay beside each other: it is the name of the end that becomes the row."""
    turned: Outcomes = {}
    for row, cells in outcomes.items():
        for column, outcome in cells.items():
            name, is_async, _ = column.partition(", async")
            turned.setdefault(name, {})[f"{row}{is_async}"] = outcome
    return turned


def _table(oldest: Outcomes, newest: Outcomes, corner: str) -> list[str]:
    columns = list(dict.fromkeys(c.removesuffix(", async") for cells in newest.values() for c in cells))
    columns.sort(key=lambda column: _ORDER.index(column) if column in _ORDER else len(_ORDER))
    lines = [f"| {corner} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in sorted(newest):
        cells = (_cell(oldest.get(row, {}), newest[row], column) for column in columns)
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


_ORDER = ("call", "stream", "stream helper", "text of the stream helper", "parse", "raw", "raw stream")
"""The columns that come first."""


def _cell(oldest: dict[str, str], newest: dict[str, str], column: str) -> str:
    """Both halves of a cell, sync and async, in both sets of SDKs."""
    told: list[str] = []
    for half, name in (("sync", column), ("async", f"{column}, async")):
        if name in newest:
            told.append(f"{half} {_WORDS[oldest[name], newest[name]]}".strip())
    if len(told) == 2 and told[0].removeprefix("sync") == told[1].removeprefix("async"):
        return told[0].removeprefix("sync").strip() or "yes"
    return ", ".join(told)


_WORDS = {
    ("passed", "passed"): "",
    ("absent", "passed"): "newest",
    ("passed", "absent"): "oldest",
    ("absent", "absent"): "between",
}


def main() -> int:
    """Returns the exit code: 1 when ``--check`` found a page that differs from what would be written."""
    pages = {"configuration.md": configuration(), "coverage.md": coverage()}
    if "--check" in sys.argv[1:]:
        written = {name: (DOCS / name).read_text("utf-8") for name in pages if (DOCS / name).is_file()}
        return 0 if written == pages else 1
    for name, text in pages.items():
        (DOCS / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
