"""``vigilo.quota``: rules from code, kept in real shared state, obeyed by the calls of the app."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import openai
import pytest

import vigilo
from vigilo.errors import ConfigError, StoreError
from vigilo.policy import guard
from vigilo.policy.pseudonym import load_key, user_pseudonym
from vigilo.settings import load_settings
from vigilo.state import open_store
from vigilo.testing import ProviderServer

from .state.redis_server import place_in, redis_server

__all__ = ["redis_server"]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "budget.py"
GUIDE = ROOT / "docs" / "quotas.md"
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def _rules_of_its_own():
    guard.forget()
    yield
    guard.forget()


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
def state(request, monkeypatch):
    """Shared state of a test's own, of each kind that there is."""
    if request.param == "redis":
        namespace, _, url = place_in(request.getfixturevalue("redis_server").url).partition("@")
        monkeypatch.setenv("VIGILO_REDIS_URL", url)
        monkeypatch.setenv("VIGILO_STATE_NAMESPACE", namespace.removeprefix("redis:"))


@pytest.fixture
def ada():
    return user_pseudonym("ada", load_key(load_settings().home))


@pytest.fixture
def ask(monkeypatch):
    """Makes a call for a user against a local provider."""
    with ProviderServer() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        with openai.OpenAI() as client:

            def call(user="ada", **tracked):
                with vigilo.track(user=user, **tracked):
                    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, max_tokens=10)

            call.server = server
            yield call


@pytest.mark.usefixtures("state")
def test_a_rule_is_set_shown_changed_and_taken_out(ada):
    assert vigilo.quota.rules() == []
    assert vigilo.quota.status(user="ada") == []
    name = vigilo.quota.set(metric="requests", limit=100, window="day", user="ada", mode="block")
    assert name == f"user={ada} requests/day"
    (rule,) = vigilo.quota.rules()
    assert rule._asdict() == {
        "rule": name,
        "scope": f"user={ada}",
        "metric": "requests",
        "window": "day",
        "mode": "block",
        "limit": 100,
        "time_zone": "UTC",
        "thresholds": (0.8, 0.95),
        "source": "state",
    }
    vigilo.quota.set(metric="requests", limit=200, time_zone="Europe/Berlin", user=ada)
    (rule,) = vigilo.quota.rules()
    assert (rule.rule, rule.limit, rule.mode) == (f"{name} Europe/Berlin", 200, "observe")
    assert vigilo.quota.remove(rule.rule)
    assert not vigilo.quota.remove(rule.rule)
    vigilo.quota.set(metric="requests", limit=200, time_zone="Europe/Berlin", user=ada)
    assert vigilo.quota.remove(metric="requests", user="ada")
    assert not vigilo.quota.remove(metric="requests", user="ada")
    assert vigilo.quota.rules() == []
    assert vigilo.quota.remove(vigilo.quota.set(metric="usd", limit=Decimal("0.5")))


@pytest.mark.usefixtures("state")
def test_calls_obey_a_rule_at_once_and_count(ask, ada):
    vigilo.quota.set(metric="requests", limit=2, window="day", user="ada", mode="block")
    ask()
    ask()
    before = len(ask.server.requests)
    with pytest.raises(vigilo.QuotaExceeded) as refused:
        ask()
    assert len(ask.server.requests) == before, "nothing was sent"
    assert (refused.value.scope, refused.value.metric, refused.value.limit) == (f"user={ada}", "requests", 2)
    ask(user="bob")
    (status,) = vigilo.quota.status(user="ada")
    assert (status.used, status.held, status.remaining) == (2, 0, 0)
    assert status.resets_at > datetime.now(timezone.utc)
    vigilo.quota.set(metric="requests", limit=3, window="day", user="ada", mode="block")
    ask()
    with pytest.raises(vigilo.QuotaExceeded):
        ask()
    vigilo.quota.remove(metric="requests", user="ada")
    ask()


@pytest.mark.usefixtures("state")
def test_what_is_used_can_be_set_to_nothing(ask):
    vigilo.quota.set(metric="requests", limit=1, user="ada", mode="block")
    vigilo.quota.set(metric="tokens", limit=10_000, user="ada", mode="block")
    vigilo.quota.set(metric="requests", limit=100)
    ask()
    assert vigilo.quota.reset(user="ada", metric="requests") == 1
    ask()
    used = {status.rule.partition(" ")[2]: status.used for status in vigilo.quota.status(user="ada")}
    assert used["tokens/day"] > 0
    assert [status.used for status in vigilo.quota.status()].count(2) == 1
    assert vigilo.quota.reset(user="ada") == 2
    assert vigilo.quota.reset(user="ada", window="month") == 0
    assert vigilo.quota.reset(user="bob") == 0
    assert [status.used for status in vigilo.quota.status() if status.scope == "global"] == [2]
    assert vigilo.quota.reset() == 1
    assert {status.used for status in vigilo.quota.status()} == {0}


def test_the_status_of_a_scope_is_of_all_rules_that_a_call_of_it_counts_for(ada):
    vigilo.quota.set(metric="requests", limit=1, user="*")
    vigilo.quota.set(metric="requests", limit=2, user="ada")
    vigilo.quota.set(metric="requests", limit=3)
    vigilo.quota.set(metric="usd", limit=0.25, model="*")
    vigilo.quota.set(metric="tokens", limit=4, tag={"plan": "free"})
    assert {(one.scope, one.limit) for one in vigilo.quota.status(user="ada")} == {(f"user={ada}", 2), ("global", 3)}
    assert {one.limit for one in vigilo.quota.status(user="bob")} == {1, 3}
    assert {one.limit for one in vigilo.quota.status(model="gpt-4o", tag="plan=free")} == {0.25, 4, 3}
    assert {one.limit for one in vigilo.quota.status()} == {2, 3, 4}, "of each that names its values"


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"user": "ada"},
        {"user": "*"},
        {"conversation": "c1"},
        {"session": "ada@example.com"},
        {"operation": "support"},
        {"tag": "plan=free"},
        {"tag": {"contact": "ada@example.com"}},
        {"tag": "*"},
        {"model": "gpt-4o-mini"},
        {"provider": "openai"},
        {"user": "ada", "model": "*", "tag": "plan=free"},
    ],
    ids=str,
)
@pytest.mark.parametrize("metric", ["requests", "tokens", "input_tokens", "output_tokens", "usd"])
def test_every_scope_and_metric_refuses_the_calls_that_it_is_about_and_no_others(ask, scope, metric):
    name = vigilo.quota.set(metric=metric, limit=0, window="hour", mode="block", **scope)
    vigilo.quota.set(metric=metric, limit=0, window="hour", mode="block", user="somebody else")
    tracked = {"conversation": "c1", "session": "ada@example.com", "operation": "support"}
    with pytest.raises(vigilo.QuotaExceeded) as refused:
        ask(**tracked, tags={"plan": "free", "contact": "ada@example.com"})
    assert refused.value.metric == metric
    assert refused.value.window == "hour"
    assert ask.server.requests == []
    assert vigilo.quota.remove(name)
    ask(**tracked, tags={"plan": "free", "contact": "ada@example.com"})


IN_A_SERVICE = """
import openai, vigilo
from vigilo.testing import ProviderServer
vigilo.quota.set(metric="requests", limit=0, mode="block", service="shop")
with ProviderServer() as server, openai.OpenAI(base_url=server.openai_url, api_key="k") as client:
    vigilo.wrap(client)
    try:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
    except vigilo.QuotaExceeded as refused:
        print(refused.scope)
"""


@pytest.mark.parametrize(("name", "told"), [("shop", "service=shop\n"), ("cron", "")])
def test_a_rule_about_a_service_refuses_its_calls(monkeypatch, name, told):
    monkeypatch.setenv("OTEL_SERVICE_NAME", name)  # read once a process
    done = subprocess.run([sys.executable, "-c", IN_A_SERVICE], capture_output=True, text=True, check=True)
    assert done.stdout == told


def test_the_same_id_in_two_tenants_is_two_users(ask):
    vigilo.quota.set(metric="requests", limit=1, user="ada", tenant="acme", mode="block")
    ask()
    ask()
    ask(tenant="acme")
    with pytest.raises(vigilo.QuotaExceeded):
        ask(tenant="acme")
    (status,) = vigilo.quota.status(user="ada", tenant="acme")
    assert status.used == 1
    assert vigilo.quota.status(user="ada") == []


def test_a_rule_that_was_set_wins_over_the_file_and_over_personal_mode(tmp_path, monkeypatch, ada):
    path = tmp_path / "vigilo.toml"
    path.write_text('personal = true\n[[quota.rules]]\nmetric = "requests"\nlimit = 5\n', "utf-8")
    monkeypatch.setenv("VIGILO_CONFIG", str(path))
    home = load_settings().home
    shown = {(rule.scope, rule.metric): (rule.limit, rule.source) for rule in vigilo.quota.rules()}
    assert shown == {
        ("global", "requests"): (5, "vigilo.toml"),
        ("user=*", "tokens"): (10_000, "personal"),
        ("user=*", "requests"): (100, "personal"),
    }
    assert not (home / "state.db").exists(), "looking makes no file"
    vigilo.quota.set(metric="requests", limit=6)
    vigilo.quota.set(metric="requests", limit=7, user="ada", mode="block")
    limits = {(one.scope, one.metric): one.limit for one in vigilo.quota.status(user="ada")}
    assert limits == {("global", "requests"): 6, (f"user={ada}", "requests"): 7, (f"user={ada}", "tokens"): 10_000}
    assert vigilo.quota.remove(metric="requests")
    assert not vigilo.quota.remove(metric="requests"), "that of the file stays"
    assert ("global", 5) in {(rule.scope, rule.limit) for rule in vigilo.quota.rules()}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"metric": "tokens", "limit": True}, "`limit` of tokens is True"),
        ({"metric": "tokens", "limit": 1, "usr": "ada"}, "unknown scope `usr`; allowed are `user`"),
        ({"metric": "tokens", "limit": 1, "tenant": "acme"}, "`tenant` is 'acme'; allowed is a name, beside `user`"),
    ],
)
def test_wrong_arguments_say_what_is_right(wrong, told):
    with pytest.raises(ValueError, match=told):
        vigilo.quota.set(**wrong)
    assert not load_settings().home.exists(), "nothing was touched"


def test_a_rule_to_take_out_is_named_one_way():
    for wrong in ({}, {"name": "a", "metric": "tokens"}, {"name": "a", "user": "ada"}):
        with pytest.raises(ValueError, match="say either the name of a rule, or its `metric`"):
            vigilo.quota.remove(**wrong)
    with pytest.raises(ValueError, match="`window` is 'year'"):
        vigilo.quota.reset(window="year")
    with pytest.raises(ValueError, match="`metric` is 'calls'"):
        vigilo.quota.reset(metric="calls")


def test_wrong_settings_are_told(monkeypatch):
    monkeypatch.setenv("VIGILO_PERSONAL", "perhaps")
    with pytest.raises(ConfigError, match="VIGILO_PERSONAL"):
        vigilo.quota.rules()


@pytest.mark.parametrize("mode", ["local", "open", "closed"])
def test_shared_state_that_is_away_is_an_error_here(monkeypatch, mode):
    home = load_settings().home
    home.mkdir()
    (home / "state.db").write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("VIGILO_ON_STORE_ERROR", mode)
    for ask in (vigilo.quota.rules, vigilo.quota.status, lambda: vigilo.quota.set(metric="tokens", limit=1)):
        with pytest.raises(StoreError, match="the shared state cannot be reached: "):
            ask()


@pytest.mark.usefixtures("state")
def test_rules_are_set_from_many_threads():
    failed = []

    def set_some(number):
        try:
            for limit in range(5):
                vigilo.quota.set(metric="tokens", limit=limit, user=f"user-{number}")
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=set_some, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [rule.limit for rule in vigilo.quota.rules()] == [4] * 8


def test_a_rule_of_a_newer_version_is_left_out_and_can_be_taken_out(caplog):
    open_store(load_settings()).put_rule("user=u_1 images/day", '{"metric": "images"}')
    vigilo.quota.set(metric="tokens", limit=1)
    assert [rule.rule for rule in vigilo.quota.rules()] == ["global tokens/day"]
    assert "'user=u_1 images/day' in the shared state is left out" in caplog.text
    assert vigilo.quota.remove("user=u_1 images/day")


def test_the_example_refuses_the_fourth_call():
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=True)
    refused = r"  ada: refused, requests of user=u_[0-9a-f]{24}; again after .*"
    lines = done.stdout.splitlines()
    assert [bool(re.fullmatch(refused, line)) for line in lines] == [False] * 3 + [True] + [False] * 3
    assert "requests/day: 3 used, 0 left, until " in lines[-1]
    assert "Traceback" not in done.stderr


def test_the_guide_shows_what_is_allowed(tmp_path, monkeypatch):
    guide = GUIDE.read_text("utf-8")
    text = next(block for block in re.findall(r"```toml\n(.*?)```", guide, re.DOTALL) if "[quota]" in block)
    path = tmp_path / "vigilo.toml"
    path.write_text(text, "utf-8")
    monkeypatch.setenv("VIGILO_CONFIG", str(path))
    assert len(vigilo.quota.rules()) == text.count("[[quota.rules]]")
    for call in re.findall(r"^vigilo\.quota\.\w+\([^#\n]*\)", guide, re.MULTILINE):
        eval(call, {"vigilo": vigilo})
    assert "user=* usd/day" not in {rule.rule for rule in vigilo.quota.rules()}, "the guide takes it out again"
    assert "tag=plan=free tokens/month" in {rule.rule for rule in vigilo.quota.rules()}
