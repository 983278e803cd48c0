"""Prices that people write: they win over the table, and what cannot be meant is refused with what to do."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from decimal import Decimal

import pytest

from vigilo.capture.call import Usage
from vigilo.errors import ConfigError
from vigilo.policy.price_book import USER, Layer, PriceBook, own_prices
from vigilo.policy.price_file import PriceFile
from vigilo.policy.price_table import packaged_table
from vigilo.settings import load_settings

AT = datetime(2026, 11, 21, 12, tzinfo=timezone.utc).timestamp()
PLAIN = Usage(input_tokens=1_000_000, output_tokens=100_000)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "prices.toml"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture
def book(write):
    """A book with a file of the user's over the packaged table."""
    table = packaged_table()
    return lambda text: PriceBook(table, (Layer(USER, PriceFile.read(write(text))),), own_prices())


def usd(book, model, usage=PLAIN, tier="", provider="openai", at=AT):
    return book.card(provider, model, tier, at).usd(usage)


def test_a_new_model_has_all_that_is_said_of_it(book):
    written = book("""
        [[models]]
        provider = "openai"
        model = "my-model"
        input = 2.50
        output = 10
        cache_read = 0.25
        cache_write = 3.125
        cache_write_1h = 5
        input_audio = 40
        output_audio = 80
        request = 0.001
        web_search = 0.02
        batch = 0.5
        context_window = 128000
        tiers = [{ above = 200000, input = 5.0, output = 20.0 }]
    """)
    small = Usage(input_tokens=100_000, output_tokens=1000, cache_read_tokens=50_000, cache_write_tokens=10_000)
    assert usd(written, "my-model", small) == Decimal("0.15475")  # .1 + .0125 + .03125 + .01 + .001
    assert usd(written, "my-model", Usage(200_001, 0)) == Decimal("1.001005")
    assert usd(written, "my-model", Usage(200_001, 0), tier="batch") == Decimal("0.5010025")  # a request stays one
    assert usd(written, "my-model", Usage(0, 0, web_searches=2)) == Decimal("0.041")
    assert usd(written, "my-model", small, tier="flex") is None
    assert written.context_window("openai", "my-model", AT)[:2] == (128000, "total")
    assert written.card("openai", "my-model", "", AT).source == "user"
    assert usd(written, "my-model", provider="anthropic") is None


def test_an_entry_changes_only_what_it_names(book):
    written = book('[[models]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 2.0\n')
    assert usd(written, "gpt-4o") == Decimal("3.0")  # 2 for the input, and the table's 10 for the output
    assert usd(written, "gpt-4o", Usage(1_000_000, 0, cache_read_tokens=1_000_000)) == Decimal("1.25")
    assert usd(written, "gpt-4o", tier="batch") == Decimal("1.75")  # the table's own prices of the tier
    assert usd(written, "gpt-4o-mini") == Decimal("0.21")


def test_a_factor_of_an_entry_is_taken_of_its_own_rates(book):
    written = book('[[models]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = 2.0\nbatch = 0.4\n')
    assert usd(written, "gpt-4o", tier="batch") == Decimal("1.2")


@pytest.mark.parametrize(
    ("match", "model", "hit", "missed"),
    [
        ("exact", "llama-x", "LLAMA-X", "llama-x-8b"),
        ("prefix", "llama-x", "llama-x-8b", "my-llama-x"),
        ("regex", "llama-x-[0-9]+b", "llama-x-70b", "llama-x-70b-it"),
    ],
)
def test_names_are_matched_as_the_entry_says(book, match, model, hit, missed):
    written = book(f"[[models]]\nmodel = '{model}'\nmatch = '{match}'\ninput = 1\n")
    assert usd(written, hit, Usage(1_000_000), provider="vllm") == 1
    assert usd(written, missed, Usage(1_000_000), provider="vllm") is None


def test_the_more_exact_entry_wins(book):
    written = book("""
        [[models]]
        model = "llama-.*"
        match = "regex"
        input = 1
        [[models]]
        model = "llama-"
        match = "prefix"
        input = 2
        output = 4
        [[models]]
        model = "llama-x"
        input = 3
    """)
    assert usd(written, "llama-x", provider="vllm") == Decimal("3.4")


@pytest.mark.parametrize(
    ("target", "provider"), [("gpt-4o-mini", "azure.ai.openai"), ("openai/gpt-4o-mini", "my-proxy")]
)
def test_an_alias_costs_what_its_model_costs(book, target, provider):
    written = book(f'aliases = {{ "My-Deployment" = "{target}" }}')
    assert usd(written, "my-deployment", provider=provider) == Decimal("0.21")


def test_prices_are_those_of_their_days(book):
    written = book("""
        [[models]]
        model = "m"
        input = 1
        until = 2026-06-01
        [[models]]
        model = "m"
        from = 2026-07-01
        input = 2
        [[models]]
        model = "m"
        from = 2026-09-01T12:00:00Z
        input = 3
    """)
    of_a_million = Usage(1_000_000)
    for day, rate in (("05-31", 1), ("06-15", None), ("07-01", 2), ("08-31", 2), ("09-02", 3), ("05-01", 1)):
        at = datetime.fromisoformat(f"2026-{day}T00:00:00+00:00").timestamp()
        assert usd(written, "m", of_a_million, provider="any", at=at) == rate


def test_a_file_of_its_own_is_read_beside_the_settings(tmp_path, write, monkeypatch):
    write('snapshot = 2026-11-01\n[[models]]\nmodel = "a"\ninput = 1\n[[models]]\nmodel = "b"\ninput = 1\n')
    (tmp_path / "vigilo.toml").write_text(
        '[prices]\nfile = "prices.toml"\n[[prices.models]]\nmodel = "b"\ninput = 2\n', "utf-8"
    )
    load_settings({}, tmp_path)
    read = PriceFile.parse(tmp_path / "vigilo.toml", {"file": "prices.toml", "models": [{"model": "b", "input": 2}]})
    both = PriceBook(None, (Layer(USER, read),), own_prices())
    assert [usd(both, name, Usage(1_000_000), provider="any") for name in ("a", "b")] == [1, 2]
    assert both.card("any", "a", "", AT).snapshot.startswith("2026-11-01 over ")
    assert [path.name for path in read.paths] == ["vigilo.toml", "prices.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[models]]\nmodel = "m"\ninput = 0.0000025', r"US dollars per token.*per million tokens: write 2.5$"),
        ('[[models]]\nmodel = "m"\ninput = 2500', r"more than \$1,000 per million"),
        ('[[models]]\nmodel = "m"\ninput = -1', "`input` is -1; a price is 0 or more"),
        ('[[models]]\nmodel = "m"\ninput = nan', "a price is 0 or more"),
        ('[[models]]\nmodel = "m"\ninput = "2.5"', "a number of US dollars, without quotes"),
        ('[[models]]\nmodel = "m"\ninput = true', "a number of US dollars"),
        ('[[models]]\nmodel = "m"\ninputs = 1', "unknown key `inputs`; allowed are `provider`"),
        ('[[models]]\nmodel = "m"', "it says nothing"),
        ("[[models]]\ninput = 1", "`model` is missing"),
        ('[[models]]\nmodel = "("\nmatch = "regex"\ninput = 1', "no regular expression"),
        ('[[models]]\nmodel = "(a+)+"\nmatch = "regex"\ninput = 1', "can take very long on some names"),
        ('[[models]]\nmodel = "m"\nmatch = "like"\ninput = 1', "allowed is `exact` or `prefix` or `regex`"),
        ('[[models]]\nmodel = "m"\ninput = 1\nfrom = "2026-01-01"', "a date such as 2026-01-01, without quotes"),
        ('[[models]]\nmodel = "m"\ninput = 1\nfrom = 2026-02-01\nuntil = 2026-01-01', "does not lie after"),
        ('[[models]]\nmodel = "m"\ninput = 1\n[[models]]\nmodel = "M"\ninput = 2', "hold at the same time"),
        (
            '[[models]]\nmodel = "m"\ninput = 1\nuntil = 2026-03-01\n'
            '[[models]]\nmodel = "m"\nfrom = 2026-02-01\ninput = 2',
            "hold at the same time",
        ),
        ('[[models]]\nmodel = "m"\ninput = 1\nbatch = 50', "such as 0.5 for half"),
        ('[[models]]\nmodel = "m"\ninput = 1\ntiers = [{ above = 10, output = 5 }]', "none below"),
        ('[[models]]\nmodel = "m"\ninput = 1\ntiers = [{ above = 0, input = 5 }]', "a number of input tokens"),
        ('[[models]]\nmodel = "m"\nimage = 400', r"more than \$100 for one"),
        ('[[models]]\nmodel = "m"\ncontext_window = 0', "a whole number, 1 or more"),
        ("aliases = [1]", "`aliases` is"),
        ('snapshot = "today"', "`snapshot` is 'today'"),
        ("models = 1", "no list of tables"),
        ("input = 1", "unknown key `input`"),
        ('[[tiers]]\nprovider = "openai"', "unknown key `tiers`"),
        ("[[models", "not valid TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(write, text, message):
    with pytest.raises(ConfigError, match=message) as error:
        PriceFile.read(write(text))
    assert "prices.toml" in str(error.value)


def test_a_wrong_section_is_a_wrong_setting(tmp_path):
    (tmp_path / "vigilo.toml").write_text('[prices]\n[[prices.models]]\nmodel = "m"\ninput = 0.000003\n', "utf-8")
    with pytest.raises(ConfigError, match=r"vigilo.toml: `\[prices\]`: model 'm': `input`.*per token"):
        load_settings({}, tmp_path)
    (tmp_path / "vigilo.toml").write_text('[prices]\nfile = "none.toml"\n', "utf-8")
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read"):
        load_settings({}, tmp_path)


def test_vigilos_own_facts_name_their_source():
    facts = own_prices()
    assert facts.entries
    assert all(entry.source.startswith("https://") for entry in facts.entries)
    assert facts.snapshot is not None
    assert facts.snapshot <= datetime.fromtimestamp(time.time(), timezone.utc).date()


@pytest.mark.parametrize(
    ("provider", "model", "window"),
    [
        ("openai", "gpt-5", (400_000, "total", 128_000, "genai-prices")),
        ("gcp.gemini", "models/gemini-2.5-pro", (1_048_576, "input", 65_536, "vigilo")),
        ("gcp.gemini", "gemini-2.5-flash", (1_048_576, "input", 65_536, "genai-prices")),
        ("anthropic", "claude-sonnet-4-5", (200_000, "total", 64_000, "genai-prices")),
        ("openai", "ft:gpt-4o:org::id", (128_000, "total", 16_384, "genai-prices")),
        ("openai", "no-such-model", None),
    ],
)
def test_context_windows_come_from_the_table_and_gaps_from_own_facts(book, provider, model, window):
    assert book("").context_window(provider, model, AT) == window


def test_the_user_says_how_large_a_window_is(book):
    written = book('[[models]]\nmodel = "gpt-5"\ncontext_window = 64000\ncontext_window_is = "input"\n')
    assert written.context_window("openai", "gpt-5", AT) == (64_000, "input", 128_000, "user")
    assert usd(written, "gpt-5", Usage(1_000_000)) == Decimal("1.25")
    assert written.card("openai", "gpt-5", "", AT).source == "genai-prices"
