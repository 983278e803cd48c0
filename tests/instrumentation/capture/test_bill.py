"""Calls of the real SDKs cost what the providers' pages say, to the last digit; what is not known is told of."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from pathlib import Path

import anthropic
import openai
import pytest
from google import genai

from vigilo.capture.call import Usage
from vigilo.policy import pricing

CASES = json.loads((Path(__file__).parents[2] / "fixtures" / "price_cases.json").read_text("utf-8"))["cases"]
MESSAGES = [{"role": "user", "content": "Hi"}]


def ask(server, provider, model):
    """One call of a model by its provider's own SDK."""
    if provider == "anthropic":
        with anthropic.Anthropic(base_url=server.anthropic_url, api_key="any") as client:
            client.messages.create(model=model, messages=MESSAGES, max_tokens=10)
    elif provider == "google":
        client = genai.Client(api_key="any", http_options={"base_url": server.google_url})
        client.models.generate_content(model=model, contents="Hi")
        client.close()
    else:
        with openai.OpenAI(base_url=server.openai_url, api_key="any") as client:
            if "embedding" in model:
                client.embeddings.create(model=model, input="Hi")
            else:
                client.chat.completions.create(model=model, messages=MESSAGES)


@pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['model']}-{case['formula_per_mtok'][:24]}")
def test_a_call_of_an_sdk_costs_what_the_providers_page_says(case, instrumented, server):
    tier = None if case["service_tier"] == "standard" else case["service_tier"]
    server.reply(usage=Usage(**case["usage"]), service_tier=tier)
    ask(server, case["provider"], case["model"])
    told = instrumented.span().attributes
    for name, count in case["usage"].items():
        if name in ("input_tokens", "output_tokens"):
            assert told[f"gen_ai.usage.{name}"] == count
    if case["expected_usd"] is None:
        assert told["vigilo.cost.unpriced"] is True
        assert "gen_ai.usage.cost" not in told
    else:
        assert Decimal(repr(told["gen_ai.usage.cost"])) == Decimal(case["expected_usd"])
        assert told["vigilo.cost.snapshot"] == pricing.snapshot()


def test_calls_without_a_known_price_are_counted_and_told_of_once(instrumented, server, caplog, monkeypatch):
    monkeypatch.setattr(pricing, "_warned", set())
    secret = "ada@example.com\nERROR all is lost"
    with caplog.at_level(logging.WARNING, "vigilo"):
        for model in ("my-own-model", "my-own-model", secret):
            ask(server, "openai", model)
    (point,) = [
        one
        for one in instrumented.points()["vigilo.cost.unpriced_calls"]
        if one.attributes["gen_ai.request.model"] == "my-own-model"
    ]
    assert point.value == 2
    told = [record.getMessage() for record in caplog.records if "no price is known" in record.getMessage()]
    assert len(told) == 2
    assert "'my-own-model' (openai)" in told[0]
    assert "vigilo prices show" in told[0]
    assert "aliases" in told[0]
    assert "ada@example.com" not in told[1]
    assert "\n" not in told[1]


def test_the_names_that_are_told_of_are_few(caplog, monkeypatch):
    monkeypatch.setattr(pricing, "_warned", set())
    pricing.snapshot()
    with caplog.at_level(logging.WARNING, "vigilo"):
        for number in range(pricing.MAX_WARNINGS * 2):
            pricing.warn_unpriced("openai", f"made-up-{number}")
    assert len(caplog.records) == pricing.MAX_WARNINGS + 1
    assert "no more of them are named" in caplog.records[-1].getMessage()


def test_a_known_model_whose_call_has_no_price_says_so(caplog, monkeypatch):
    monkeypatch.setattr(pricing, "_warned", set())
    pricing.snapshot()
    with caplog.at_level(logging.WARNING, "vigilo"):
        pricing.warn_unpriced("openai", "gpt-4o")
    assert "it used something that has no known price" in caplog.text


def test_what_is_paid_by_the_piece_is_billed(instrumented, server):
    with openai.OpenAI(base_url=server.openai_url, api_key="any") as client:
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there")
        client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"sound"), response_format="verbose_json")
    said, heard = (span.attributes for span in instrumented.spans())
    assert (said["vigilo.usage.input_characters"], said["gen_ai.usage.cost"]) == (11, 0.000165)
    assert (heard["vigilo.usage.audio.input_seconds"], heard["gen_ai.usage.cost"]) == (2.5, 0.00025)


def test_pictures_are_billed_by_the_piece_where_no_tokens_are_told(instrumented, server):
    body = json.dumps({"created": 1, "data": [{"url": "https://pictures.test/1"}] * 2}).encode()
    server.raw(200, {"content-type": "application/json"}, body)
    with openai.OpenAI(base_url=server.openai_url, api_key="any") as client:
        client.images.generate(model="dall-e-3", prompt="a cat", size="1024x1792", quality="hd", n=2)
    told = instrumented.span().attributes
    assert (told["gen_ai.usage.cost"], told["vigilo.cost.source"]) == (0.24, "vigilo")


def test_searches_are_billed_with_the_tokens(instrumented, server):
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    items = [
        {**search, "action": {"type": "search", "query": "weather"}},
        {**search, "action": {"type": "open_page", "url": "https://weather.test"}},
        {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["a"], "results": None},
    ]
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    answer = {"id": "r1", "object": "response", "status": "completed", "model": "gpt-4o", "output": items}
    server.raw(200, {"content-type": "application/json"}, json.dumps({**answer, "usage": usage}).encode())
    with openai.OpenAI(base_url=server.openai_url, api_key="any") as client:
        client.responses.create(model="gpt-4o", input="Hi")
    told = instrumented.span().attributes
    assert (told["vigilo.usage.web_searches"], told["vigilo.usage.file_searches"]) == (1, 1)
    assert told["gen_ai.usage.cost"] == 0.02


def test_cached_sound_has_its_own_price(instrumented, server):
    usage = Usage(1000, 500, cache_read_tokens=100, input_audio_tokens=500, cache_audio_read_tokens=40)
    server.reply(usage=usage)
    ask(server, "google", "gemini-2.5-flash")
    assert instrumented.span().attributes["gen_ai.usage.cost"] == 0.0018478
