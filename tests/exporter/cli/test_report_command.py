"""``vigilo report``, run as a command on a store of its own."""

from __future__ import annotations

import csv
import io
import json
import re
import sys

import pytest

PRICED = {
    "gen_ai__usage__input_tokens": "1000",
    "gen_ai__usage__output_tokens": "100",
    "gen_ai__usage__cost": "0.0123",
    "vigilo__cost__source": "genai-prices",
    "vigilo__cost__snapshot": "0.2.3 (2026-11-09)",
}
UNPRICED = {"gen_ai__usage__input_tokens": "7", "gen_ai__usage__output_tokens": "3"}


@pytest.fixture
def calls(write_segments, call):
    """Six calls of two users: one failed, one unpriced, one streamed, one yesterday."""
    write_segments(
        [
            call("gpt-5", "ada", "c1", duration_ms=100, **PRICED),
            call("gpt-5", "ada", "c1", duration_ms=300, http__request__resend_count="2", **PRICED),
            call("gpt-5", "bob", duration_ms=200, gen_ai__response__time_to_first_chunk="0.05", **PRICED),
            call("house-model", "bob", duration_ms=2_500, **UNPRICED),
            call("gpt-5", "bob", duration_ms=1, status="Error", error__type="openai.RateLimitError"),
            call("gpt-4o", "ada", minutes_ago=60 * 40, duration_ms=900, **PRICED),
        ]
    )


def test_json_holds_every_figure(calls, vigilo_command):
    done = vigilo_command("report", "--format", "json", "--by", "model,user")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["totals"] == {
        "calls": 5,
        "errors": 1,
        "retries": 2,
        "input_tokens": 3007,
        "output_tokens": 303,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "cost_usd": "0.0369",
        "priced_calls": 3,
        "priced_by": [{"source": "genai-prices", "snapshot": "0.2.3 (2026-11-09)"}],
        "unpriced_calls": 1,
        "latency_p50_ms": 200.0,
        "latency_p95_ms": 2500.0,
        "time_to_first_chunk_p50_ms": 50.0,
    }
    models = document["by"]["model"]
    assert [(row["key"], row["provider"], row["calls"]) for row in models] == [
        ("gpt-5", "openai", 4),
        ("house-model", "openai", 1),
    ]
    assert (models[1]["cost_usd"], models[1]["unpriced_calls"]) == (None, 1)
    assert models[1]["time_to_first_chunk_p50_ms"] is None
    assert {row["key"]: row["cost_usd"] for row in document["by"]["user"]} == {"ada": "0.0246", "bob": "0.0123"}
    assert list(document["by"]) == ["model", "user"]
    assert document["unpriced_models"] == [{"provider": "openai", "model": "house-model", "calls": 1, "tokens": 10}]


def test_text_shows_totals_and_a_table_for_each_group(calls, vigilo_command):
    lines = vigilo_command("report").stdout.splitlines()
    assert "5 calls, 1 error, 2 retries | 3,007 tokens in, 303 out | cost $0.0369 +1 unpriced" in lines[0]
    assert "latency p50 200 ms, p95 2,500 ms" in lines[0]
    assert lines[1].rstrip() == "Priced by genai-prices 0.2.3 (2026-11-09) | 1 call unpriced: house-model (openai)"
    text = [" ".join(line.split()) for line in lines]
    assert "gpt-5 openai 4 1 3,000 300 $0.0369 200 300 50" in text
    assert "house-model openai 1 0 7 3 - 2,500 2,500 -" in text
    assert "bob 3 1 1,007 103 $0.0123 +1 unpriced 200 2,500 50" in text
    assert "(none) 3 1 1,007 103 $0.0123 +1 unpriced 200 2,500 50" in text


def test_csv_is_one_flat_table(calls, vigilo_command):
    rows = list(csv.DictReader(io.StringIO(vigilo_command("report", "--format", "csv").stdout)))
    assert [row["by"] for row in rows] == ["total", "model", "model", "user", "user", "conversation", "conversation"]
    assert rows[0]["cost_usd"] == "0.0369"
    unpriced = next(row for row in rows if row["key"] == "house-model")
    assert (unpriced["cost_usd"], unpriced["latency_p95_ms"]) == ("", "2500.0")


def test_since_reaches_back(calls, vigilo_command):
    document = json.loads(vigilo_command("report", "--since", "3d", "--format", "json").stdout)
    assert document["totals"]["calls"] == 6
    assert {row["key"] for row in document["by"]["model"]} == {"gpt-5", "gpt-4o", "house-model"}


def test_by_the_apps_own_operation(write_segments, call, vigilo_command):
    write_segments([call("gpt-5", vigilo__operation="summary"), call("gpt-5")])
    document = json.loads(vigilo_command("report", "--by", "operation", "--format", "json").stdout)
    assert {row["key"]: row["calls"] for row in document["by"]["operation"]} == {"summary": 1, "chat": 1}


def test_by_session_and_service(write_segments, call, vigilo_command):
    write_segments([call("gpt-5", session__id="s1"), call("gpt-5", session__id="s1"), call("gpt-5")])
    document = json.loads(vigilo_command("report", "--by", "session,service", "--format", "json").stdout)
    assert {row["key"]: row["calls"] for row in document["by"]["session"]} == {"s1": 2, None: 1}
    assert {row["key"]: row["calls"] for row in document["by"]["service"]} == {"shop": 3}
    assert document["latency_from"] == "calls"


def test_many_groups_are_cut_and_counted(write_segments, call, vigilo_command):
    write_segments([call("gpt-5", f"user-{number}") for number in range(25)])
    text = vigilo_command("report", "--by", "user").stdout
    assert text.count("user-") == 20
    assert "and 5 more: --format csv shows all" in text
    assert len(json.loads(vigilo_command("report", "--by", "user", "--format", "json").stdout)["by"]["user"]) == 25


def test_one_model_of_two_providers_is_two_rows(write_segments, call, vigilo_command):
    write_segments([call("gpt-5"), call("gpt-5", gen_ai__provider__name="azure.ai.openai")])
    document = json.loads(vigilo_command("report", "--by", "model", "--format", "json").stdout)
    assert {row["provider"] for row in document["by"]["model"]} == {"openai", "azure.ai.openai"}


def test_a_call_without_a_requested_model_goes_by_the_one_that_answered(write_segments, call, vigilo_command):
    write_segments([call("", gen_ai__response__model="gpt-5-2026")])
    document = json.loads(vigilo_command("report", "--by", "model", "--format", "json").stdout)
    assert document["by"]["model"][0]["key"] == "gpt-5-2026"


def test_an_empty_store_says_what_to_run(vigilo_command):
    done = vigilo_command("report")
    assert done.returncode == 0
    assert "No LLM calls are stored" in done.stdout
    assert "vigilo demo" in done.stdout
    assert json.loads(vigilo_command("report", "--format", "json").stdout)["totals"]["cost_usd"] is None


def test_a_first_report_works_in_a_pipe(python, home):
    done = python("-m", "vigilo_exporter.cli", "report", stdin="piped\n", environ={"VIGILO_HOME": str(home)})
    assert (done.returncode, done.stderr) == (0, "")


def test_calls_that_are_all_older_are_pointed_at(write_segments, call, vigilo_command):
    write_segments([call("gpt-5", minutes_ago=60 * 24 * 3 + 30)])
    done = vigilo_command("report")
    assert "vigilo report --since 4d" in done.stdout
    assert "gpt-5" in vigilo_command("report", "--since", "4d").stdout


def test_a_key_cannot_drive_the_terminal_or_be_cut(write_segments, call, vigilo_command):
    user = "x" * 150
    write_segments([call("gpt\x1b[31m-5\n[bold]", user)])
    text = vigilo_command("report").stdout
    assert "gpt�[31m-5�[bold]" in text
    assert user in text


def test_unreadable_segments_are_told_of_beside_the_report(calls, home, vigilo_command):
    (home / "spool" / "junk.native.zst").write_bytes(b"junk")
    done = vigilo_command("report", "--format", "json")
    assert json.loads(done.stdout)["totals"]["calls"] == 5
    assert done.stderr == f"vigilo: 1 unreadable segment was set aside in {home}/spool/quarantine\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "yesterday"), "--since is 'yesterday'; allowed is a length of time such as 30m, 24h, 7d or 4w"),
        (("--since", "0h"), "--since is '0h', which does not lie in the past"),
        (("--since", "999999w"), "--since is '999999w'; allowed is"),
        (
            ("--by", "model,colour"),
            "--by has 'colour'; allowed is any of model, user, conversation, operation, session",
        ),
        (("--by", ""), "--by has ''"),
        (("--format", "xml"), "--format is 'xml'; allowed is text, json, csv"),
    ],
)
def test_a_wrong_option_ends_with_one_clear_line(vigilo_command, home, arguments, message):
    done = vigilo_command("report", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"vigilo: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert not home.exists()


def test_a_missing_engine_says_what_to_install(python, home):
    run = "import sys; sys.modules['chdb'] = None; from vigilo_exporter.cli import main; main()"
    done = python("-c", run, "report", environ={"VIGILO_HOME": str(home)})
    assert done.returncode == 1
    assert done.stderr == (
        "vigilo: the embedded ClickHouse store needs an optional part of vigilo: pip install 'vigilo-otel[embedded]'\n"
    )


def test_the_version_and_the_commands_load_no_engine(python):
    run = "import sys, vigilo_exporter.cli.app, vigilo_exporter.clickhouse.store; assert 'chdb' not in sys.modules"
    assert python("-c", run).returncode == 0
    assert python("-m", "vigilo_exporter.cli", "--version").stdout.startswith("vigilo ")


def test_a_narrow_terminal_folds_keys_and_cuts_no_figure(write_segments, call, home, python):
    write_segments([call("m" * 60, duration_ms=12_345, **PRICED)])
    in_a_terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    command = (sys.executable, "-m", "vigilo_exporter.cli", "report", "--by", "model", "--home", home)
    done = python("-c", in_a_terminal, *command, environ={"COLUMNS": "80", "NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    table = done.stdout.replace("\r", "").split("\n", 1)[1]
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", table).splitlines())) <= 80
    assert table.count("m") >= 60
    assert "$0.0123  12,345  12,345" in table
