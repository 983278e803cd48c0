"""Calls are priced exactly, and not at all where the price is not known."""

from __future__ import annotations

import json
import random
from dataclasses import fields
from datetime import datetime, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import genai_prices
import pytest
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from vigilo.capture.call import Usage
from vigilo.policy import live_prices
from vigilo.policy.model_names import table_provider
from vigilo.policy.price_book import MAX_CARDS
from vigilo.policy.pricing import call_cost, price, snapshot
from vigilo.policy.rate_card import FROM_THE_FIRST, TOKEN_FIELDS, rate_card

FIXTURE = json.loads((Path(__file__).parents[2] / "fixtures" / "price_cases.json").read_text("utf-8"))
CHECKED = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
PLAIN = {"input_tokens": 1000, "output_tokens": 500}


@pytest.fixture
def book():
    return live_prices.live.up_to_date()


def expected(text):
    return None if text is None else Decimal(text)


def per_million(**rates):
    """Rates in US dollars per million tokens, as a card takes them."""
    return {name: ((FROM_THE_FIRST, Fraction(Decimal(rate)) / 1_000_000),) for name, rate in rates.items()}


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: f"{case['model']}-{case['formula_per_mtok'][:24]}")
def test_a_call_costs_what_the_providers_page_says(case):
    cost = price(case["provider"], case["model"], case["usage"], service_tier=case["service_tier"], at=CHECKED)
    assert cost == expected(case["expected_usd"])


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: f"{case['model']}-{case['formula_per_mtok'][:24]}")
def test_the_recorded_cost_is_the_same_and_says_where_it_comes_from(case):
    usage, at = Usage(**case["usage"]), CHECKED.timestamp()
    cost = call_cost(case["provider"], case["model"], usage, case["service_tier"], at)
    if case["expected_usd"] is None:
        assert cost is None
    else:
        assert (cost.usd, cost.source, cost.snapshot) == (
            Decimal(case["expected_usd"]),
            "genai-prices",
            snapshot(),
        )
        assert cost.usd_float == float(case["expected_usd"])


@pytest.mark.parametrize(("alias", "model"), FIXTURE["aliases"].items())
def test_an_alias_costs_what_its_model_costs(alias, model):
    assert price("anthropic", alias, PLAIN) == price("anthropic", model, PLAIN) != None  # noqa: E711


@pytest.mark.parametrize(
    ("provider", "model", "usd"),
    [
        ("openai", "ft:gpt-4o-mini-2024-07-18:org::id", "0.0009"),  # has a price of its own, unlike the next
        ("openai", "ft:gpt-5-mini:org::id", "0.00125"),
        ("openai", "gpt-4o-2024-08-06", "0.0075"),
        ("azure.ai.openai", "gpt-4o-2024-08-06", "0.0075"),
        ("gcp.gemini", "models/gemini-2.5-pro", "0.00625"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", "0.00625"),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", "0.0105"),
        ("gcp.vertex_ai", "publishers/anthropic/models/claude-sonnet-4@20250514", "0.0105"),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0", "0.0024"),
        ("aws.bedrock", "openai.gpt-oss-120b", "0.00045"),  # its OpenAI-compatible endpoint leaves the version out
        ("Anthropic", "Claude-Sonnet-4-20250514", "0.0105"),
    ],
)
def test_names_of_the_conventions_and_of_the_apis_are_known(provider, model, usd):
    assert price(provider, model, PLAIN, at=CHECKED) == Decimal(usd)


@pytest.mark.parametrize("provider", ["groq", "deepseek", "x_ai", "mistral_ai", "moonshot_ai", "cohere", "perplexity"])
def test_each_provider_that_is_recognised_by_its_address_has_prices(provider, book):
    seller = next(p for p in providers if p.id == table_provider(provider))
    assert any(book.card(provider, model.id, "", CHECKED.timestamp()).rated for model in seller.models)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model-x"),
        ("no-such-provider", "gpt-4o"),
        ("openai", ""),
        ("", ""),
        ("openai", "whisper-1"),
        ("anthropic", "claude-imaginary-9"),
    ],
)
def test_what_is_not_known_has_no_price_rather_than_zero(provider, model):
    assert price(provider, model, PLAIN) is None
    assert call_cost(provider, model, Usage(10, 10), None, CHECKED.timestamp()) is None


def test_without_token_counts_there_is_no_price():
    assert price("openai", "gpt-4o", {}) is None
    assert call_cost("openai", "gpt-4o", Usage(), None, CHECKED.timestamp()) is None


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        ({"input_tokens": 10, "cache_read_tokens": 11}, "cache_read_tokens .11. is more than the input_tokens .10."),
        ({"input_tokens": 10, "cache_read_tokens": 6, "cache_write_tokens": 6}, "more than the input_tokens"),
        ({"input_tokens": 10, "cache_write_tokens": 5, "cache_write_1h_tokens": 6}, "cache_write_1h_tokens"),
        ({"input_tokens": -1}, "input_tokens is -1"),
        ({"input_tokens": 1, "output_tokens": 1, "output_reasoning_tokens": 2}, "output_reasoning_tokens"),
        ({"prompt_tokens": 1}, "unknown count 'prompt_tokens'; allowed are input_tokens"),
        ({"input_tokens": 1.5}, "whole numbers"),
    ],
)
def test_counts_that_contradict_each_other_have_no_price(usage, message):
    with pytest.raises(ValueError, match=message):
        price("anthropic", "claude-sonnet-4-20250514", usage)
    known = usage.keys() <= {field.name for field in fields(Usage)} and isinstance(usage["input_tokens"], int)
    if known and "reasoning" not in message:  # which has no price of its own there, so it says nothing of the price
        assert call_cost("anthropic", "claude-sonnet-4-20250514", Usage(**usage), None, CHECKED.timestamp()) is None


def test_a_price_that_changed_is_the_one_of_its_day():
    usage = {"input_tokens": 1_000_000}
    before = price("openai", "o3", usage, at=datetime(2025, 6, 9, 23, 59, 59))  # noqa: DTZ001 - UTC without saying so
    after = price("openai", "o3", usage, at=datetime(2025, 6, 10, tzinfo=timezone.utc))
    again = price("openai", "o3", usage, at=datetime(2025, 6, 9, 12, tzinfo=timezone.utc))
    assert (before, after, again) == (Decimal(10), Decimal(2), Decimal(10))


def test_a_service_tier_has_its_own_price_and_another_word_means_the_list_price():
    usage = {"input_tokens": 1_000_000}
    listed = price("openai", "gpt-4o", usage, at=CHECKED)
    assert price("openai", "gpt-4o", usage, at=CHECKED, service_tier="batch") == listed / 2
    assert price("openai", "gpt-4o", usage, at=CHECKED, service_tier="priority") > listed
    for tier in ("auto", "default", "standard", "on_demand", "no-such-tier"):
        assert price("openai", "gpt-4o", usage, at=CHECKED, service_tier=tier) == listed


@pytest.mark.parametrize(
    ("provider", "model", "tier", "at", "usd"),
    [
        ("openai", "gpt-5", "flex", CHECKED, "0.003125"),
        # Before the table knew of tiers: by its prices for them while the list price was the same, ...
        ("openai", "gpt-5", "flex", datetime(2026, 1, 1, tzinfo=timezone.utc), "0.003125"),
        # ... by the provider's rule for batches of models that it has no price of a batch for, ...
        ("anthropic", "claude-3-haiku-20240307", "batch", CHECKED, "0.0004375"),
        ("azure.ai.openai", "gpt-4o", "batch", CHECKED, "0.00375"),
        # ... and else not at all.
        ("openai", "o1", "flex", CHECKED, None),
        ("anthropic", "claude-sonnet-4-5", "priority", CHECKED, None),
        ("azure.ai.openai", "gpt-4o", "priority", CHECKED, None),
        # Anthropic's models that stay in the United States
        ("anthropic", "claude-opus-4-6", "standard@us", CHECKED, "0.01925"),
        ("anthropic", "claude-opus-4-6", "batch@us", CHECKED, "0.009625"),
        ("anthropic", "claude-opus-4-6", "standard@global", CHECKED, "0.0175"),
        ("anthropic", "claude-opus-4-6", "standard@moon", CHECKED, None),
    ],
)
def test_tiers_are_priced_by_what_is_known_of_them(provider, model, tier, at, usd):
    assert price(provider, model, PLAIN, service_tier=tier, at=at) == expected(usd)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "usd"),
    [
        ("openai", "whisper-1", {"input_audio_seconds": 61}, "0.0061"),
        ("openai", "whisper-1", {"input_audio_seconds": 2.5}, "0.00025"),
        ("groq", "whisper-large-v3-turbo", {"input_audio_seconds": 3600}, "0.04"),
        ("groq", "whisper-large-v3-turbo", {"input_audio_seconds": 2}, "0.0001111111111111111111111111111"),  # 10 s
        ("openai", "tts-1-hd", {"input_characters": 1000}, "0.03"),
        ("openai", "dall-e-3/hd/1024x1792", {"output_images": 2}, "0.24"),
        ("openai", "dall-e-3/hd/64x64", {"output_images": 2}, None),
        ("gcp.gemini", "imagen-4.0-fast-generate-001", {"output_images": 4}, "0.08"),
        ("openai", "gpt-image-1.5", {**PLAIN, "input_image_tokens": 400, "output_image_tokens": 500}, "0.0222"),
        ("anthropic", "claude-sonnet-4-5", {**PLAIN, "web_searches": 3}, "0.0405"),
        ("anthropic", "claude-3-opus-20240229", {**PLAIN, "web_searches": 3}, "0.0825"),
        ("openai", "gpt-4o", {**PLAIN, "web_searches": 1, "file_searches": 2}, "0.0225"),
        ("openai", "o3-mini", {**PLAIN, "web_searches": 1}, None),  # a fee that nobody knows
        ("gcp.gemini", "gemini-2.5-flash", {**PLAIN, "cache_read_tokens": 100, "input_audio_tokens": 500}, ValueError),
        (
            "gcp.gemini",
            "gemini-2.5-flash",
            {**PLAIN, "cache_read_tokens": 100, "input_audio_tokens": 500, "cache_audio_read_tokens": 40},
            "0.0018478",  # 440 text and 460 audio, 60 cached text and 40 cached audio, 500 out
        ),
        ("openai", "gpt-realtime", {**PLAIN, "input_audio_tokens": 800, "output_audio_tokens": 400}, "0.0536"),
    ],
)
def test_what_is_no_plain_text_has_its_own_price(provider, model, usage, usd):
    if usd is ValueError:
        with pytest.raises(ValueError, match="audio was cached"):
            price(provider, model, usage, at=CHECKED)
        assert call_cost(provider, model, Usage(**usage), None, CHECKED.timestamp()) is None
        return
    assert price(provider, model, usage, at=CHECKED) == expected(usd)


def test_names_that_users_make_up_do_not_fill_the_memory(book):
    for number in range(MAX_CARDS + 50):
        book.card("openai", f"made-up-{number}", None, CHECKED.timestamp())
    assert len(book.cards) <= MAX_CARDS
    assert not book.card("openai", "x" * 10_000_000, None, CHECKED.timestamp()).rated


COUNTS = st.integers(0, 400_000)


@st.composite
def usages(draw):
    """Counts that agree with each other; parts that the table may price together are not mixed."""
    whole, out = draw(COUNTS), draw(COUNTS)
    read = draw(st.integers(0, whole))
    write = draw(st.integers(0, whole - read))
    write_1h = draw(st.integers(0, write))
    audio = draw(st.integers(0, whole)) if not read and not write else 0
    return {
        "input_tokens": whole,
        "output_tokens": out,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_1h_tokens": write_1h,
        "input_audio_tokens": audio,
        "output_reasoning_tokens": draw(st.integers(0, out)),
    }


TOKEN_PRICED = [
    (seller.id, model.id)
    for seller in providers
    for model in seller.models
    if seller.id in ("openai", "anthropic", "google", "groq", "deepseek", "x-ai", "mistral", "openrouter", "aws")
    and seller.find_model(model.id) is not None  # a few ids, such as `ft:gpt-4o`, are no name that the table matches
]


def in_force(provider, model, context, at):
    """Whether the table has prices for a tier at that time."""
    seller = next(one for one in providers if one.id == provider)
    found = seller.find_model(model, all_providers=providers)
    return any(
        variant.when.items() <= context.items() and (variant.constraint is None or variant.constraint.active(at))
        for variant in found.price_variants or ()
    )


@given(
    st.sampled_from(TOKEN_PRICED),
    usages(),
    st.sampled_from(["standard", "batch", "priority", "flex"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 6, 1), timezones=st.just(timezone.utc)),  # noqa: DTZ001
)
def test_a_price_is_what_the_tables_own_calculation_gives(ref, counts, tier, at):
    provider, model = ref
    context = {"standard": None, "batch": {"processing": "batch"}}.get(tier, {"service_tier": tier})
    if context is not None and not in_force(provider, model, context, at):
        return  # there the table's own calculation takes the list price
    ours = price(provider, model, counts, service_tier=tier, at=at)
    try:
        theirs = genai_prices.calc_price(
            genai_prices.Usage(**counts),
            model,
            provider_id=provider,
            genai_request_timestamp=at,
            price_context=context,
        )
    except LookupError:
        assert ours is None
        return
    if ours is None:  # sold by the hour, the page or the picture
        prices = vars(theirs.model_price)
        assert not any(f"{name.removesuffix('_tokens')}_mtok" in prices for name in TOKEN_FIELDS)
    else:
        assert ours == theirs.total_price


def test_a_card_found_for_one_instant_holds_until_the_price_changes(book):
    rng = random.Random(7)
    start, end = datetime(2024, 12, 1, tzinfo=timezone.utc).timestamp(), CHECKED.timestamp()
    for model in ("deepseek-chat", "deepseek-v4-flash", "deepseek-flash"):
        for _ in range(200):
            at = rng.uniform(start, end)
            card = book.quote("deepseek", model, "", at).card
            assert card.valid_from_unix_s <= at < card.valid_until_unix_s
            other = rng.uniform(max(card.valid_from_unix_s, start), min(card.valid_until_unix_s, end))
            assert book.quote("deepseek", model, "", other).card.tiers == card.tiers


@given(st.lists(usages(), min_size=1, max_size=20))
def test_sums_of_costs_are_exact(many):
    card = rate_card(per_million(input_tokens="0.15", output_tokens="0.60"))
    alone = sum((card.usd(Usage(**counts)) for counts in many), Decimal(0))
    together = card.usd(Usage(sum(c["input_tokens"] for c in many), sum(c["output_tokens"] for c in many)))
    assert alone == together


def test_cached_audio_is_not_guessed():
    rates = per_million(input_tokens="1", input_audio_tokens="3", cache_read_tokens="0.5")
    told = Usage(input_tokens=10, input_audio_tokens=5, cache_read_tokens=5)
    assert rate_card(rates).usd(told) == Decimal("0.0000175")
    exact = rate_card({**rates, **per_million(cache_audio_read_tokens="2")})
    with pytest.raises(ValueError, match="nothing tells how much audio was cached"):
        exact.usd(told)
    split = Usage(input_tokens=10, input_audio_tokens=5, cache_read_tokens=5, cache_audio_read_tokens=2)
    assert exact.usd(split) == Decimal("0.0000165")  # 2 fresh text, 3 cached text, 3 fresh audio, 2 cached audio
    with pytest.raises(ValueError, match="more than the input_tokens"):
        rate_card(rates).usd(Usage(input_tokens=10, input_audio_tokens=6, cache_read_tokens=5))


def test_the_app_may_round_its_own_decimals():
    from decimal import localcontext

    with localcontext() as context:
        context.prec = 2
        assert price("openai", "gpt-4o", {"input_tokens": 1_234_567}) == Decimal("3.0864175")


@given(st.sampled_from(TOKEN_PRICED), usages(), st.integers(0, 400_000), st.integers(0, 400_000))
def test_the_short_way_gives_what_all_rates_give(ref, counts, drawn, spoken):
    """Nearly all calls have few kinds of tokens, and a sum that is written out for these."""
    card = live_prices.live.up_to_date().card(*ref, "", CHECKED.timestamp())
    usage = Usage(**counts, output_audio_tokens=spoken or None, output_image_tokens=drawn or None)
    results = []
    for way in (card.amount, card._amount_of_all):
        try:
            results.append(way(usage))
        except ValueError:
            results.append(ValueError)
    assert results[0] == results[1]
