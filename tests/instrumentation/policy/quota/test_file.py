"""``[quota]`` of ``vigilo.toml``, and personal mode."""

from __future__ import annotations

import pytest

from vigilo.errors import ConfigError
from vigilo.policy.pseudonym import load_key, user_pseudonym
from vigilo.policy.quota.file import QuotaFile
from vigilo.policy.quota.personal import personal_rules
from vigilo.policy.quota.rules import name_of
from vigilo.settings import Settings, load_settings
from vigilo.settings_file import load_section

WHOLE = """
[quota]
mode = "warn"
time_zone = "Europe/Berlin"
thresholds = [0.5]
webhook = "https://example.com/hook"
alert = "my_app.alerts:on_quota"

[[quota.rules]]
metric = "cost"
limit = 50.25
window = "month"
mode = "block"

[[quota.rules]]
user = "ada"
tenant = "acme"
metric = "requests"
limit = 100
time_zone = "UTC"

[[quota.rules]]
tag = { plan = "free" }
metric = "tokens"
limit = 10_000
"""


@pytest.fixture
def read(tmp_path):
    """Reads a file of settings; gives what `[quota]` says."""

    def load(text):
        path = tmp_path / "vigilo.toml"
        path.write_text(text, "utf-8")
        return load_section("quota", {"VIGILO_CONFIG": str(path)})

    return load


def test_rules_and_their_defaults(read, tmp_path):
    file = read(WHOLE)
    assert (file.webhook, file.alert) == ("https://example.com/hook", "my_app.alerts:on_quota")
    costs, requests, tokens = file.rules_for(Settings(home=tmp_path))
    ada = user_pseudonym("ada", load_key(tmp_path), "acme")
    assert name_of(costs) == "global usd/month Europe/Berlin"
    assert (costs.limit, costs.mode, costs.thresholds, costs.source) == (50_250_000_000, "block", (0.5,), "vigilo.toml")
    assert (name_of(requests), requests.mode) == (f"user={ada} requests/day", "warn")
    assert name_of(tokens) == "tag=plan=free tokens/day Europe/Berlin"


def test_a_file_without_quotas_has_none(read):
    assert read("content = 'off'\n") is None
    assert read("[quota]\n") == QuotaFile()


def test_the_settings_are_wrong_where_the_table_is(tmp_path):
    path = tmp_path / "vigilo.toml"
    path.write_text("[quota]\nlimit = 5\n", "utf-8")
    with pytest.raises(ConfigError, match=r"vigilo.toml: `\[quota\]` has the unknown key `limit`; allowed are "):
        load_settings({"VIGILO_CONFIG": str(path)})


RULE = '[[quota.rules]]\nmetric = "tokens"\nlimit = 5\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[quota]\nmode = "deny"\n', r"`\[quota\]`: `mode` is 'deny'; allowed are "),
        ("[quota]\nthresholds = [80]\n", r"`\[quota\]`: `thresholds` is \[80\]"),
        ('[quota]\ntime_zone = "Mars"\n', r"`\[quota\]`: `time_zone`: 'Mars'"),
        ("[quota]\nrules = 5\n", r"`rules` in `\[quota\]` is 5; it is a list of tables"),
        ("[quota]\nrules = [5]\n", r"it is a list of tables"),
        (
            '[quota]\nalert = "print"\n',
            r"`alert` in `\[quota\]` is 'print'; allowed is a function",
        ),
        ("[quota]\nalert = 5\n", r"`alert` in `\[quota\]` is 5"),
        ("[[quota.rules]]\nlimit = 5\n", r"number 1 of `\[\[quota.rules\]\]` has no `metric`"),
        (RULE + '[[quota.rules]]\nmetric = "tokens"\n', r"number 2 of `\[\[quota.rules\]\]` has no `limit`"),
        (RULE + 'team = "a"\n', r"number 1 .* has the unknown key `team`; allowed are `metric`, .*`user`"),
        (RULE + 'window = "year"\n', r"number 1 .*`window` is 'year'"),
        (RULE + "user = 1.5\n", r"number 1 .*`user` is 1.5"),
        (RULE + 'tenant = "acme"\n', r"`tenant` is 'acme'; allowed is a name, beside `user`"),
        (RULE + 'user = "ada"\ntenant = 5\n', r"`tenant` is 5"),
        (RULE + RULE.replace("5", "6"), r"number 2 .* has the scope, metric and window of one above it"),
    ],
)
def test_what_is_wrong_is_named(read, text, told):
    with pytest.raises(ConfigError, match=r"vigilo\.toml: .*" + told.removeprefix("^")):
        read(text)


def test_one_id_in_two_tenants_has_two_rules(read, tmp_path):
    text = RULE + 'user = "ada"\n' + RULE + 'user = "ada"\ntenant = "acme"\n'
    assert len({rule.scope for rule in read(text).rules_for(Settings(home=tmp_path))}) == 2


@pytest.mark.parametrize(
    "url", ["https://example.com/a?b=c", "http://localhost:8080/", "http://127.0.0.1", "http://[::1]:1/"]
)
def test_a_webhook_is_safe_or_here(read, url):
    assert read(f'[quota]\nwebhook = "{url}"\n').webhook == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/SECRET",
        "ftp://example.com/SECRET",
        "SECRET",
        "https:///SECRET",
        "file:///SECRET",
        "http://localhost.example.com/SECRET",
        "http://127.0.0.1@example.com/SECRET",
        "https://example.com:port/SECRET",
        "https://example.com/SECRET x",
        "https://example.com/SECRET\\r\\nHost: a",
        "https://[SECRET",
    ],
)
def test_another_webhook_is_refused_and_not_repeated(read, url):
    with pytest.raises(
        ConfigError, match=r"`webhook` in `\[quota\]` is not a URL that can be used; allowed is"
    ) as raised:
        read(f'[quota]\nwebhook = "{url}"\n')
    assert "SECRET" not in str(raised.value)


def test_a_webhook_is_a_text(read):
    with pytest.raises(ConfigError, match="`webhook`"):
        read("[quota]\nwebhook = 5\n")


def test_personal_mode_gives_each_user_tokens_and_requests_a_day():
    tokens, requests = personal_rules()
    assert (name_of(tokens), tokens.limit) == ("user=* tokens/day", 10_000)
    assert (name_of(requests), requests.limit) == ("user=* requests/day", 100)
    for rule in (tokens, requests):
        assert (rule.mode, rule.time_zone, rule.thresholds, rule.source) == ("block", "UTC", (0.8, 0.95), "personal")
