"""``vigilo demo``, with the whole way from an SDK's call to the report."""

from __future__ import annotations

import json
import os

import pytest

from vigilo.errors import VigiloError
from vigilo_exporter.cli.demo import MARKER, app_environment, empty_home, providers


@pytest.fixture
def demo_report(vigilo_command, home):
    """The report of the demo's calls after ``vigilo demo`` ran."""

    def run(by="model", environ=None):
        done = vigilo_command("demo", environ=environ)
        assert done.returncode == 0, done.stderr + done.stdout
        report = vigilo_command("report", "--home", home / "demo", "--format", "json", "--by", by)
        assert report.returncode == 0, report.stderr
        return done, json.loads(report.stdout)

    return run


def test_shows_every_call_of_the_example_once(demo_report, home):
    done, report = demo_report(by="model,user,conversation,operation")
    assert report["totals"]["calls"] == 15
    assert report["totals"]["errors"] == 1
    models = {row["key"]: row["calls"] for row in report["by"]["model"]}
    assert models == {"gpt-4o-mini": 8, "text-embedding-3-small": 1, "claude-haiku-4-5": 3, "gemini-2.5-flash": 3}
    conversations = {row["key"] for row in report["by"]["conversation"]}
    assert conversations >= {"parcel-1001", "refund-2002", "trip-3003"}
    operations = {row["key"]: row["calls"] for row in report["by"]["operation"]}
    assert operations["support"] == 6
    assert len(report["by"]["user"]) == 2
    assert "not now: 500 from the provider" in done.stdout
    assert "Traceback" not in done.stderr
    assert str(home / "demo") in done.stdout


def test_a_second_demo_shows_the_same_numbers(demo_report):
    counted = ("calls", "errors", "input_tokens", "output_tokens", "cost_usd")
    first, second = (demo_report()[1]["totals"] for _ in range(2))
    assert {name: first[name] for name in counted} == {name: second[name] for name in counted}


def test_nothing_of_the_users_reaches_the_app(demo_report):
    environ = {
        "OPENAI_API_KEY": "sk-real",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "GOOGLE_API_KEY": "real",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_SDK_DISABLED": "true",
        "VIGILO_CLICKHOUSE_URL": "http://127.0.0.1:9",
    }
    assert demo_report(environ=environ)[1]["totals"]["calls"] == 15


def test_live_without_a_key_says_which_are_read(vigilo_command):
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"), "")
    done = vigilo_command("demo", "--live", environ=keys)
    assert done.returncode == 2
    assert "OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY" in done.stderr


def test_the_exit_code_is_that_of_the_app(vigilo_command):
    broken = {"ANTHROPIC_API_KEY": "", "GEMINI_API_KEY": "", "GOOGLE_API_KEY": ""}
    broken |= {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = vigilo_command("demo", "--live", environ=broken)
    assert done.returncode == 1
    assert "Connection error" in done.stderr


def test_a_live_app_keeps_its_keys_and_proxies_but_not_the_exporters():
    inherited = {
        "OPENAI_API_KEY": "sk-real",
        "https_proxy": "http://proxy",
        "OTEL_TRACES_EXPORTER": "otlp",
        "PATH": "/bin",
    }
    live = app_environment(inherited, "home", live=True)
    local = app_environment(inherited, "home", live=False)
    assert (live["OPENAI_API_KEY"], live["https_proxy"]) == ("sk-real", "http://proxy")
    assert "OTEL_TRACES_EXPORTER" not in live
    assert not {"OPENAI_API_KEY", "https_proxy", "OTEL_TRACES_EXPORTER"} & set(local)
    assert local["PATH"] == "/bin"


def test_real_providers_need_no_server():
    with providers(live=True) as variables:
        assert variables == {}


def test_clears_only_what_an_earlier_demo_left(tmp_path):
    home = tmp_path / "demo"
    empty_home(home)
    for name in ("spool", "db", "mine"):
        (home / name).mkdir()
        (home / name / "file").write_text("x")
    (home / "user_id.key").write_text("key")
    empty_home(home)
    assert sorted(os.listdir(home)) == sorted([MARKER, "mine", "user_id.key"])


def test_refuses_a_folder_with_other_data(tmp_path):
    (tmp_path / "db").mkdir()
    with pytest.raises(VigiloError, match="not the demo's"):
        empty_home(tmp_path)
    assert (tmp_path / "db").exists()
