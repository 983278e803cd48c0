"""``vigilo cleanup``: what it removes, what it says of it, and what it refuses."""

from __future__ import annotations

import json

import pytest

SPAN = {
    "Timestamp": "2026-01-05 10:00:00",
    "TraceId": "0af7651916cd43dd8448eb211c80319c",
    "SpanId": "b7ad6b7169203331",
    "ServiceName": "shop",
    "SpanAttributes": {"gen_ai.operation.name": "chat", "gen_ai.input.messages": "text"},
    "Duration": 1,
}


def test_days_of_the_command_line_count_this_once(write_segments, vigilo_command, ask):
    write_segments([SPAN])
    dry = json.loads(vigilo_command("cleanup", "--days", "30", "--dry-run", "--format", "json").stdout)
    assert (dry["dry_run"], dry["days"], dry["content_days"]) == (True, 30, -1)
    removed = {row["table"]: row["rows_removed"] for row in dry["tables"] if row["rows_removed"]}
    assert (removed["otel_traces"], removed["llm_calls"]) == (1, 1)
    assert ask("SELECT count() AS calls FROM llm_calls")["answers"] == [[{"calls": 1}]]
    text = vigilo_command("cleanup", "--content-days", "7")
    assert text.returncode == 0, text.stderr
    # The row in llm_messages is nothing but text.
    assert "1 rows were removed (kept for ever), and the text of 1 more (older than 7 days)." in text.stdout
    done = vigilo_command("cleanup", "--days", "1")
    assert done.returncode == 0, done.stderr
    assert "rows were removed (older than 1 day)" in done.stdout
    calls, kept = ask(
        "SELECT count() AS calls FROM llm_calls",
        "SELECT position(create_table_query, ' TTL ') AS ttl FROM system.tables WHERE name = 'llm_calls'",
    )["answers"]
    assert calls == [{"calls": 0}]
    assert kept == [{"ttl": 0}]  # the setting is for ever, and stays so


@pytest.mark.parametrize("days", ["0", "-2", "36501"])
@pytest.mark.parametrize("option", ["--days", "--content-days"])
def test_nonsense_is_refused(vigilo_command, home, option, days):
    done = vigilo_command("cleanup", option, days)
    assert done.returncode != 0
    assert f"{option} is {days}; allowed is 1 to 36500, or -1 for ever" in done.stderr
    assert not home.exists()
