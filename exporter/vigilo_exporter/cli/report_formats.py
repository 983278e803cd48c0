"""A report as text for people, and as JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from dataclasses import asdict, fields
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vigilo_exporter.figures import Figures

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from vigilo_exporter.figures import PriceOrigin
    from vigilo_exporter.report import Kept, Report

TEXT_ROWS = 20
_UNCUT_WIDTH = 1000  # piped text is read by programs too: nothing in it may be cut or folded
_LEAST_KEY_WIDTH = 12
UNPRICED_MODELS = 5
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SOURCES = {"provider": "the provider itself", "span": "other instrumentors", "user": "your own prices"}


def as_json(report: Report) -> str:
    """The report as one JSON object. ``cost_usd`` is a string with every digit, or null where nothing is priced.

    ``latency_from`` is ``calls`` where the latencies are exact, or ``buckets`` where they are up to 9 % off.
    """
    document = {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "latency_from": report.latency_from,
        "totals": _record(report.totals, without=("key", "provider")),
        "unpriced_models": [asdict(model) for model in report.unpriced_models],
        "by": {
            name: [_record(row, without=() if name == "model" else ("provider",)) for row in rows]
            for name, rows in report.by.items()
        },
    }
    return json.dumps(document, indent=2) + "\n"


def as_csv(report: Report) -> str:
    """The report as one flat table; the first row is the total. What is not known is empty."""
    names = [spec.name for spec in fields(Figures)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["by", *names, "latency_from"])
    for name, rows in {"total": (report.totals,), **report.by}.items():
        for row in rows:
            record = _record(row) | {"priced_by": "; ".join(_origin(one) for one in row.priced_by)}
            writer.writerow([name, *(record[field] for field in names), report.latency_from])
    return buffer.getvalue()


def print_text(report: Report, kept: Kept, home: Path) -> None:
    """Prints the report, or what to do about an empty one."""
    console = Console(width=_UNCUT_WIDTH, highlight=False)
    width = get_terminal_size().columns if sys.stdout.isatty() else _UNCUT_WIDTH
    if not report.totals.calls:
        console.print(Text(_empty(report, kept, home)))
        return
    console.print(Text(_totals(report)))
    console.print(Text(_prices(report)))
    for name, rows in report.by.items():
        table = _table(name, rows)
        if (excess := console.measure(table).maximum - width) > 0:
            # Only the key gives way. Left to itself, rich would cut figures off.
            longest = max(len(shown(row.key)) for row in rows)
            table = _table(name, rows, max(longest - excess, _LEAST_KEY_WIDTH))
        console.print(table)
        if (more := report.groups.get(name, len(rows)) - TEXT_ROWS) > 0:
            console.print(f"  and {more:,} more: --format csv shows all\n")
    if report.latency_from == "buckets":
        console.print(Text("Latencies of that many calls are read from counts by length, and up to 9 % off."))


def usd(cost: Decimal | None) -> str:
    """``$12.34``; four digits after the point below a dollar, enough for two figures below a tenth of a cent."""
    if cost is None:
        return "-"
    if cost >= 1:
        return f"${cost:,.2f}"
    digits = 4 if cost == 0 or cost.adjusted() >= -3 else 1 - cost.adjusted()
    return f"${cost:.{min(digits, 9)}f}"


def _cost(row: Figures) -> str:
    """The cost; marked when it is not the whole one, since some calls of the group have no known price."""
    partly = row.cost_usd is not None and row.unpriced_calls
    return f"{usd(row.cost_usd)} +{row.unpriced_calls} unpriced" if partly else usd(row.cost_usd)


def _record(row: Figures, without: tuple[str, ...] = ()) -> dict[str, Any]:
    record = asdict(row)
    if row.cost_usd is not None:
        record["cost_usd"] = format(row.cost_usd, "f")
    return {name: value for name, value in record.items() if name not in without}


def _totals(report: Report) -> str:
    totals = report.totals
    nothing_priced = f", {totals.unpriced_calls} unpriced" if totals.cost_usd is None and totals.unpriced_calls else ""
    parts = [
        f"{_count(totals.calls, 'call')}, {_count(totals.errors, 'error')}, "
        f"{_count(totals.retries, 'retry', 'retries')}",
        f"{totals.input_tokens:,} tokens in, {totals.output_tokens:,} out",
        f"cost {_cost(totals)}{nothing_priced}",
        f"latency p50 {_milliseconds(totals.latency_p50_ms)} ms, p95 {_milliseconds(totals.latency_p95_ms)} ms",
    ]
    return f"Since {local(report.since)}: {' | '.join(parts)}"


def _prices(report: Report) -> str:
    """Where the costs come from, and what they leave out."""
    totals = report.totals
    parts = [f"Priced by {priced_by(totals.priced_by)}"] if totals.priced_by else []
    if report.unpriced_models:
        named = [f"{shown(one.model)} ({shown(one.provider)})" for one in report.unpriced_models[:UNPRICED_MODELS]]
        if (more := len(report.unpriced_models) - UNPRICED_MODELS) > 0:
            named.append(_count(more, "other"))
        parts.append(f"{_count(totals.unpriced_calls, 'call')} unpriced: {', '.join(named)}")
    return " | ".join(parts) or "Nothing to price"


def priced_by(origins: tuple[PriceOrigin, ...]) -> str:
    """Sources in words, each with its newest snapshot: ``genai-prices 0.2.3 (2026-11-09) and 1 older``."""
    by_source: dict[str, list[str]] = {}
    for origin in origins:
        by_source.setdefault(origin.source, []).append(origin.snapshot)
    told = []
    for source, snapshots in by_source.items():
        newest, *older = sorted(snapshots, key=_age, reverse=True)
        name = _SOURCES.get(source, source)
        told.append(f"{name} {newest}".rstrip() + (f" and {len(older)} older" if older else ""))
    return ", ".join(shown(one) for one in told)


def _age(snapshot: str) -> tuple[str, tuple[int, ...]]:
    """What snapshots are sorted by: the date in them, then the numbers of the version."""
    date = _DATE.search(snapshot)
    return date[0] if date else "", tuple(map(int, re.findall(r"\d{1,9}", snapshot)))


def _origin(origin: PriceOrigin) -> str:
    return f"{origin.source} {origin.snapshot}".rstrip()


def _table(name: str, rows: tuple[Figures, ...], key_width: int | None = None) -> Table:
    streamed = any(row.time_to_first_chunk_p50_ms is not None for row in rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(name, overflow="fold", width=key_width)
    if name == "model":
        table.add_column("provider", overflow="fold")
    headings = ["calls", "errors", "tokens\nin", "tokens\nout", "cost", "p50\nms", "p95\nms"]
    for heading in [*headings, *(["first\nchunk\nms"] if streamed else [])]:
        table.add_column(heading, justify="right", no_wrap=heading != "cost")
    for row in rows[:TEXT_ROWS]:
        cells = [shown(row.key)]
        if name == "model":
            cells.append(shown(row.provider))
        cells += [f"{n:,}" for n in (row.calls, row.errors, row.input_tokens, row.output_tokens)]
        cells += [_cost(row), _milliseconds(row.latency_p50_ms), _milliseconds(row.latency_p95_ms)]
        if streamed:
            cells.append(_milliseconds(row.time_to_first_chunk_p50_ms))
        table.add_row(*map(Text, cells))
    return table


def _empty(report: Report, kept: Kept, home: Path) -> str:
    if kept.latest is None:
        return (
            f"No LLM calls are stored in {home} yet.\n\n"
            "  vigilo demo                              makes some, with a provider on this machine and no key\n"
            "  opentelemetry-instrument python app.py   runs an app with every call recorded"
        )
    days = (report.until - kept.latest).days + 1
    return (
        f"No LLM calls since {local(report.since)}. The latest of {kept.calls:,} was at {local(kept.latest)}:\n\n"
        f"  vigilo report --since {days}d"
    )


def shown(key: str | None) -> str:
    """A key fit for a terminal: it comes from requests, and may hold escape sequences."""
    if key is None:
        return "(none)"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in key)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def local(moment: datetime) -> str:
    """A moment as the clock on the wall shows it."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
