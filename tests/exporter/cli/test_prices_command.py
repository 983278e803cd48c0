"""``vigilo prices``, run as a command."""

from __future__ import annotations

import json

import pytest

MODEL = {"id": "gpt-4o", "match": {"starts_with": "gpt-4o"}, "context_window": 128000}


def table(rate, *more, day="2026-11-20"):
    """A price table as genai-prices publishes it, of one provider."""
    prices = [
        {"prices": {"input_mtok": 9}},
        {"constraint": {"start_date": day}, "prices": {"input_mtok": rate, "output_mtok": 10}},
    ]
    models = [{**MODEL, "prices": prices}, *more]
    return json.dumps(
        [{"id": "openai", "name": "OpenAI", "api_pattern": "https://api\\.openai\\.com", "models": models}]
    )


@pytest.fixture
def prices(vigilo_command):
    """Runs it; gives the exit code, and what it wrote to either stream."""

    def run(*arguments, **environ):
        done = vigilo_command("prices", *arguments, environ=environ)
        return done.returncode, done.stdout, done.stderr

    return run


def test_what_a_model_costs(prices):
    code, out, _ = prices("show", "claude-sonnet-4-5", "--provider", "anthropic")
    assert code == 0
    assert "source    genai-prices, " in out
    assert "input             $3 per million, $6 above 200,000 tokens of input" in out
    assert "batch             input $1.5, output $7.5" in out
    assert "context window    200,000 tokens total, at most 64,000 out" in out


def test_what_a_model_cost_on_a_day(prices):
    assert "input             $10 per million" in prices("show", "o3", "--provider", "openai", "--at", "2025-06-01")[1]
    assert "input             $2 per million" in prices("show", "o3", "--provider", "openai")[1]
    assert prices("show", "o3", "--at", "yesterday")[0] == 2


def test_a_model_without_a_price_says_what_to_do(prices):
    code, out, err = prices("show", "my-own-model")
    assert (code, out) == (2, "")
    assert "no price is known of 'my-own-model'" in err
    assert "aliases" in err


def test_the_users_prices_are_shown_and_checked(prices, tmp_path):
    config = tmp_path / "vigilo.toml"
    config.write_text(
        '[prices]\naliases = { "my-deployment" = "gpt-4o-mini" }\n'
        '[[prices.models]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 2.0\n'
        '[[prices.models]]\nprovider = "openai"\nmodel = "my-model"\ninput = 1.0\n',
        "utf-8",
    )
    code, out, _ = prices("check", VIGILO_CONFIG=str(config))
    assert code == 0
    assert "2 models, 1 aliases; no fault found" in out
    assert "openai: exact 'gpt-4o', over genai-prices: input_tokens" in out
    assert "openai: exact 'my-model', new: input_tokens" in out
    assert "days old" in out
    config.write_text(f'content = "off"\n{config.read_text("utf-8")}', "utf-8")
    assert "2 models, 1 aliases" in prices("check", str(config))[1]
    assert "source    user, over " in prices("show", "gpt-4o", "--provider", "openai", VIGILO_CONFIG=str(config))[1]
    aliased = prices("show", "my-deployment", "--provider", "azure.ai.openai", VIGILO_CONFIG=str(config))[1]
    assert aliased.startswith("azure.ai.openai/my-deployment is azure/gpt-4o-mini\n")
    assert "$0.15 per million" in aliased


def test_a_wrong_file_fails_the_check(prices, tmp_path):
    file = tmp_path / "prices.toml"
    file.write_text('[[models]]\nmodel = "m"\ninput = 0.0000025\n', "utf-8")
    code, out, err = prices("check", str(file))
    assert (code, out) == (2, "")
    assert "is 0.0000025, which looks like US dollars per token" in err
    assert prices("check", str(tmp_path / "none.toml"))[0] == 2
    assert prices("check", str(tmp_path / "none.json"))[0] == 2


def test_a_newer_table_is_kept_and_used(prices, tmp_path, home):
    file = tmp_path / "data.json"
    new = {"id": "brand-new", "match": {"equals": "brand-new"}, "prices": {"input_mtok": 1}}
    file.write_text(table(2.25, new), "utf-8")
    code, out, _ = prices("update", "--from", str(file), "--dry-run")
    assert code == 0
    assert "2 models: 1 new, 1 with other prices, " in out
    assert "new   openai/brand-new" in out
    assert "price openai/gpt-4o: " in out
    assert "input 2.5 -> 2.25" in out
    assert "nothing was changed" in out
    assert not home.exists()
    code, out, _ = prices("update", "--from", str(file))
    assert code == 0
    assert f"kept in {home}/prices/genai-prices.json" in out
    out = prices("show", "gpt-4o", "--provider", "openai")[1]
    assert "source    genai-prices, update (2026-11-20)" in out
    assert "input             $2.25 per million" in out
    assert [path.name for path in (home / "prices").iterdir()] == ["genai-prices.json"], "nothing else is left there"


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": 1}', "[1]", table(-1), table("much"), table(2.25, {"id": "without a match"})]
)
def test_a_table_that_is_wrong_is_not_kept(prices, tmp_path, home, text):
    file = tmp_path / "data.json"
    file.write_text(text, "utf-8")
    code, _, err = prices("update", "--from", str(file))
    assert code == 2
    assert str(file) in err
    assert len(err.splitlines()) == 1
    assert not home.exists()


def test_an_older_table_is_not_kept(prices, tmp_path, home):
    file = tmp_path / "data.json"
    file.write_text(table(2.25, day="2026-01-01"), "utf-8")
    code, _, err = prices("update", "--from", str(file))
    assert code == 2
    assert "older than the table in use" in err
    assert not home.exists()


def test_a_file_of_prices_is_kept_and_used(prices, tmp_path):
    file = tmp_path / "ours.toml"
    file.write_text('snapshot = 2026-11-18\n[[models]]\nmodel = "my-model"\ninput = 1.5\n', "utf-8")
    assert prices("update", "--from", str(file))[0] == 0
    out = prices("show", "my-model", "--provider", "openai")[1]
    assert "source    update, 2026-11-18 over " in out
    assert "input             $1.5 per million" in out
