"""``vigilo quota``, run as a command: what it says, how it fails, and that running apps obey it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from vigilo_exporter.cli import main

APP = """
import sys, openai, vigilo
from vigilo.testing import ProviderServer
with ProviderServer() as server:
    client = openai.OpenAI(base_url=server.openai_url, api_key="k")
    for line in sys.stdin:
        user = line.strip()
        try:
            with vigilo.track(user=user):
                client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
            print("sent", flush=True)
        except vigilo.QuotaExceeded as refused:
            print(refused.scope, refused.metric, refused.limit, flush=True)
"""


@pytest.fixture
def quota(vigilo_command):
    """Runs it; gives the exit code, and what it wrote to either stream."""

    def run(*arguments, **environ):
        done = vigilo_command("quota", *arguments, environ=environ)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def asked(quota):
    """What it says as JSON."""

    def run(*arguments, **environ):
        code, out, err = quota(*arguments, "--format", "json", **environ)
        assert (code, err) == (0, "")
        return json.loads(out)

    return run


def test_a_rule_is_set_listed_shown_reset_and_taken_out(quota, asked, home):
    assert asked("list") == {"rules": []}
    assert quota("list")[1] == "no rules\n"
    assert quota("show", "--user", "ada")[1] == "no rule applies\n"
    assert not (home / "state.db").exists(), "looking makes no file"
    ada = ("--user", "ada", "--tenant", "acme")
    name = asked("set", "--metric", "tokens", "--limit", "10000", "--mode", "block", "--threshold", "0.5", *ada)["rule"]
    assert re.fullmatch(r"user=u_[0-9a-f]{24} tokens/day", name)
    (rule,) = asked("list")["rules"]
    assert rule == {
        "rule": name,
        "scope": name.split()[0],
        "metric": "tokens",
        "window": "day",
        "mode": "block",
        "limit": 10000,
        "time_zone": "UTC",
        "thresholds": [0.5],
        "source": "state",
    }
    (status,) = asked("show", *ada)["quotas"]
    assert status.pop("resets_at").endswith("T00:00:00+00:00")
    assert status == {
        "rule": name,
        "scope": name.split()[0],
        "metric": "tokens",
        "window": "day",
        "mode": "block",
        "limit": 10000,
        "used": 0,
        "held": 0,
        "remaining": 10000,
    }
    assert asked("show", "--user", "ada") == {"quotas": []}, "in no tenant it is somebody else"
    assert asked("reset", *ada) == {"reset": 1}
    assert asked("remove", "--metric", "tokens", *ada) == {"removed": True}
    assert asked("list") == {"rules": []}


def test_tables_for_people(quota):
    assert quota("set", "--metric", "usd", "--limit", "12.50", "--window", "month")[1] == "set: global usd/month\n"
    quota("set", "--metric", "requests", "--limit", "0", "--tag", "plan=free", "--window", "total", "--mode", "block")
    quota("set", "--metric", "requests", "--limit", "5", "--user", "*")
    rows = [re.split(r" {2,}", line.strip()) for line in quota("list")[1].splitlines()]
    assert ["global usd/month", "observe", "$12.50", "80 %, 95 %", "state"] in rows
    shown = quota("show")[1]
    rows = [re.split(r" {2,}", line.strip())[:7] for line in shown.splitlines()]
    assert ["global usd/month", "observe", "$0.00", "$0.00", "$12.50", "$12.50", ".......... 0%"] in rows
    assert ["tag=plan=free requests/total", "block", "0", "0", "0", "0", "########## 100%"] in rows
    assert shown.endswith("1 more count for each value by itself: name one, such as --user\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["set", "--metric", "tokens", "--limit", "much"], "`limit` of tokens is 'much'; allowed is a whole number"),
        (["set", "--metric", "tokens", "--limit=-1"], "`limit` of tokens is '-1'"),
        (["set", "--metric", "images", "--limit", "1"], "`metric` is 'images'; allowed are `requests`, "),
        (["set", "--metric", "tokens", "--limit", "1", "--window", "year"], "`window` is 'year'; allowed are "),
        (["set", "--metric", "tokens", "--limit", "1", "--tag", "free"], "`tag` is 'free'; allowed is one tag"),
        (["set", "--metric", "tokens", "--limit", "1", "--tenant", "acme"], "allowed is a name, beside `user`"),
        (["set", "--metric", "tokens", "--limit", "1", "--threshold", "80"], "`thresholds` is [80.0]"),
        (["set", "--metric", "tokens", "--limit", "1", "--time-zone", "Mars"], "'Mars' is no time zone"),
        (["show", "--format", "xml"], "--format is 'xml'; allowed is text, json"),
        (["remove"], "say either the name of a rule, or its --metric"),
        (["remove", "global tokens/day"], "no such rule was set"),
        (["reset", "--window", "year"], "`window` is 'year'"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(monkeypatch, capsys, home, arguments, told):
    monkeypatch.setenv("VIGILO_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["vigilo", "quota", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1
    assert not (home / "state.db").exists()


def test_state_that_is_broken_is_told_in_a_line(quota, vigilo_command, home):
    home.mkdir()
    (home / "state.db").write_bytes(b"this is no database" * 100)
    code, out, err = quota("list")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"vigilo: the shared state cannot be reached: .*", err.splitlines()[-1])
    done = vigilo_command("doctor", "--format", "json")
    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert (done.returncode, found["shared state"]["state"]) == (1, "broken")
    assert "meanwhile each process grants a tenth of what was left" in found["shared state"]["detail"]


def test_a_redis_that_is_away_is_told_without_its_password(quota, vigilo_command):
    pytest.importorskip("redis")
    away = {"VIGILO_REDIS_URL": "redis://user:s3cr3t@127.0.0.1:1"}
    for arguments in (["list"], ["show"], ["set", "--metric", "tokens", "--limit", "1"]):
        code, out, err = quota(*arguments, **away)
        assert (code, out) == (1, "")
        assert err.splitlines()[-1].startswith("vigilo: the shared state cannot be reached: ")
        assert "s3cr3t" not in err
    done = vigilo_command("doctor", "--format", "json", environ=away)
    assert {one["name"]: one["state"] for one in json.loads(done.stdout)["findings"]}["shared state"] == "broken"
    assert "s3cr3t" not in done.stdout + done.stderr


def test_the_doctor_counts_rules(quota, vigilo_command, home, tmp_path):
    def findings(**environ):
        done = vigilo_command("doctor", "--format", "json", environ=environ)
        return {one["name"]: one for one in json.loads(done.stdout)["findings"] if one["part"] == "quotas"}

    found = findings()
    assert found["shared state"]["detail"] == "none yet: it is made with the first rule"
    assert found["rules"]["state"] == "off"
    assert not home.exists()
    quota("set", "--metric", "usd", "--limit", "1")
    path = tmp_path / "vigilo.toml"
    path.write_text('personal = true\n[[quota.rules]]\nmetric = "tokens"\nlimit = 5\n', "utf-8")
    found = findings(VIGILO_CONFIG=str(path))
    assert found["shared state"]["detail"] == f"SQLite, {home / 'state.db'}"
    assert found["rules"]["detail"] == "1 of the shared state, 1 of vigilo.toml, 2 of personal mode"


def test_a_running_app_obeys_a_rule_that_is_set_beside_it(quota, asked, home):
    environ = {**os.environ, "VIGILO_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", APP], **pipes, text=True, env=environ) as app:

        def call(user="ada"):
            app.stdin.write(f"{user}\n")
            app.stdin.flush()
            return app.stdout.readline().strip()

        def call_until(wanted):
            # The app looks once a second; how many calls it makes meanwhile says nothing.
            while (answer := call()) != wanted:
                assert answer, "the app ended"

        assert call() == "sent"
        name = asked("set", "--metric", "requests", "--limit", "0", "--user", "ada", "--mode", "block")["rule"]
        call_until(f"{name.split()[0]} requests 0")
        assert call("bob") == "sent"
        quota("set", "--metric", "requests", "--limit", "1000000", "--user", "ada", "--mode", "block")
        call_until("sent")
        (status,) = asked("show", "--user", "ada")["quotas"]
        assert (status["used"], status["held"]) == (1, 0)
        quota("remove", name)
        assert call("bob") == "sent"
    assert app.returncode == 0
