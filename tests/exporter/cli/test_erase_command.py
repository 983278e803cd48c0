"""``vigilo erase``: whom it takes, what it says, and what it asks for."""

from __future__ import annotations

SPAN = {
    "Timestamp": "2026-11-20 10:00:00",
    "TraceId": "0af7651916cd43dd8448eb211c80319c",
    "SpanId": "b7ad6b7169203331",
    "ServiceName": "shop",
    "SpanAttributes": {"gen_ai.operation.name": "chat", "user.id": "u_0123456789abcdef01234567"},
    "Duration": 1,
}


def test_a_pseudonym_is_taken_as_it_is_and_rows_are_told_before_and_after(write_segments, vigilo_command):
    write_segments([SPAN])
    user = ("--user", "u_0123456789abcdef01234567")
    dry = vigilo_command("erase", *user, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "Nothing was erased: run it without --dry-run." in dry.stdout
    done = vigilo_command("erase", *user, "--yes")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["otel_traces", "1", "0"] in lines
    assert ["llm_calls", "1", "0"] in lines
    assert "Nothing is left." in done.stdout


def test_it_asks_first_and_needs_the_key(vigilo_command, home):
    unasked = vigilo_command("erase", "--user", "u_0123456789abcdef01234567")
    assert unasked.returncode != 0
    assert "say --yes, or --dry-run" in unasked.stderr
    keyless = vigilo_command("erase", "--user", "ada@example.com", "--yes")
    assert keyless.returncode != 0
    assert "no key for pseudonyms is in" in keyless.stderr
    assert not home.exists()
