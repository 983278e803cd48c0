"""The small readers and writers of the report command."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from vigilo.errors import ConfigError
from vigilo_exporter.cli.report import parse_by, parse_since
from vigilo_exporter.cli.report_formats import as_csv, as_json, priced_by, print_text, usd
from vigilo_exporter.figures import NO_CALLS, Figures, PriceOrigin
from vigilo_exporter.report import Kept, Report

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("24H", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        (" 4w ", timedelta(weeks=4)),
        ("2026-11-21T11:00Z", timedelta(hours=1)),
        ("2026-11-21T12:00+02:00", timedelta(hours=2)),
    ],
)
def test_since_is_a_length_of_time_or_a_moment(text, back):
    assert parse_since(text, NOW) == NOW - back


def test_a_date_is_local():
    assert parse_since("2026-11-01", NOW) == datetime(2026, 11, 1).astimezone()


@pytest.mark.parametrize("text", ["", "h", "24", "-1h", "2026-13-01", "2027-01-01", "12h30m", "0d"])
def test_what_is_no_moment_of_the_past_is_refused(text):
    with pytest.raises(ConfigError, match="--since is "):
        parse_since(text, NOW)


def test_by_keeps_the_order_and_drops_repeats():
    assert parse_by("user, model,user") == ("user", "model")


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        (None, "-"),
        ("0", "$0.0000"),
        ("1234.5678", "$1,234.57"),
        ("1", "$1.00"),
        ("0.99996", "$1.0000"),
        ("0.0123456", "$0.0123"),
        ("0.0012", "$0.0012"),
        ("0.0001", "$0.00010"),
        ("0.0000123", "$0.000012"),
        ("0.000000005", "$0.000000005"),
    ],
)
def test_a_cost_shows_at_least_two_figures(cost, shown):
    assert usd(None if cost is None else Decimal(cost)) == shown


@pytest.mark.parametrize(
    ("origins", "shown"),
    [
        ([("genai-prices", "0.2.3 (2026-11-09)")], "genai-prices 0.2.3 (2026-11-09)"),
        (
            [("genai-prices", "0.2.9 (2026-11-09)"), ("genai-prices", "0.2.10 (2026-11-19)"), ("genai-prices", "0.1")],
            "genai-prices 0.2.10 (2026-11-19) and 2 older",
        ),
        ([("genai-prices", "0.2.9"), ("genai-prices", "0.2.10")], "genai-prices 0.2.10 and 1 older"),
        (
            [("provider", ""), ("user", "2026-11-01"), ("span", "")],
            "the provider itself, your own prices 2026-11-01, other instrumentors",
        ),
        ([("x\x1b[31m", "1")], "x\N{REPLACEMENT CHARACTER}[31m 1"),
    ],
)
def test_price_tables_are_told_with_the_newest_of_each(origins, shown):
    assert priced_by(tuple(PriceOrigin(*origin) for origin in origins)) == shown


def _figures(**changed: object) -> Figures:
    return replace(NO_CALLS, calls=7, latency_p50_ms=210.5, latency_p95_ms=2_500.0, **changed)


def _report(latency_from: str) -> Report:
    rows = tuple(_figures(key=f"user {number}") for number in range(20))
    groups = {"user": 1_234_567}
    return Report(NOW - timedelta(days=30), NOW, _figures(), {"user": rows}, (), latency_from, groups)


def test_latencies_of_buckets_are_said_to_be_that(capsys):
    print_text(_report("buckets"), Kept(7, NOW), Path("home"))
    assert "Latencies of that many calls are read from counts by length, and up to 9 % off." in capsys.readouterr().out
    print_text(_report("calls"), Kept(7, NOW), Path("home"))
    assert "Latencies" not in capsys.readouterr().out


def test_groups_that_are_left_out_are_counted(capsys):
    print_text(_report("buckets"), Kept(7, NOW), Path("home"))
    assert "and 1,234,547 more: --format csv shows all" in capsys.readouterr().out


def test_programs_are_told_where_latencies_come_from():
    assert json.loads(as_json(_report("buckets")))["latency_from"] == "buckets"
    assert {row["latency_from"] for row in csv.DictReader(io.StringIO(as_csv(_report("calls"))))} == {"calls"}
