"""The price of a call on its whole way: a real SDK's call, its span, the store, the report and repricing."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from vigilo.capture.call import Usage

CASES = json.loads((Path(__file__).parents[1] / "fixtures" / "price_cases.json").read_text("utf-8"))["cases"]

APP = """
import json, os, warnings
warnings.simplefilter("ignore")
import anthropic, openai
from google import genai
HI = [{"role": "user", "content": "Hi"}]
speaks_google = genai.Client(api_key="any", http_options={"base_url": os.environ["GOOGLE_URL"]})
with openai.OpenAI() as speaks_openai, anthropic.Anthropic() as speaks_anthropic:
    for provider, model in json.loads(os.environ["CALLS"]):
        if provider == "anthropic":
            speaks_anthropic.messages.create(model=model, messages=HI, max_tokens=10)
        elif provider == "google":
            speaks_google.models.generate_content(model=model, contents="Hi")
        elif "embedding" in model:
            speaks_openai.embeddings.create(model=model, input="Hi")
        else:
            speaks_openai.chat.completions.create(model=model, messages=HI)
"""
BY_THE_PIECE = """
    speaks_openai.audio.speech.create(model="tts-1", voice="alloy", input="Good morning to all of you")
    speaks_openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"))
"""


def make_calls(road, server, more=""):
    """Makes a call for each case, then ``more``; gives what vigilo wrote to standard error."""
    for case in CASES:
        tier = None if case["service_tier"] == "standard" else case["service_tier"]
        server.reply(usage=Usage(**case["usage"]), service_tier=tier)
    app = road.start(
        APP + more,
        **server.environment(),
        GOOGLE_URL=server.google_url,
        CALLS=json.dumps([(case["provider"], case["model"]) for case in CASES]),
    )
    _, err = app.communicate(timeout=120)
    assert app.returncode == 0, err
    return [line for line in err.splitlines() if "vigilo" in line]


def test_all_known_prices_come_out_of_the_report(road, server):
    (warning,) = make_calls(road, server)
    assert "no price is known of 'no-such-model-x' (openai)" in warning
    spans, calls = road.query(
        "SELECT SpanAttributes['gen_ai.usage.cost'] AS cost FROM otel_traces ORDER BY Timestamp, cost",
        "SELECT toString(CostUsd) AS cost, Priced AS priced FROM llm_calls ORDER BY Timestamp",
    )
    expected = [case["expected_usd"] for case in CASES]
    assert [Decimal(span["cost"]) if span["cost"] else None for span in spans] == [
        None if usd is None else Decimal(usd) for usd in expected
    ]
    assert [Decimal(call["cost"]) if call["priced"] else None for call in calls] == [
        None if usd is None else Decimal(usd) for usd in expected
    ]
    by_model = defaultdict(Decimal)
    for case in CASES:
        by_model[case["model"]] += Decimal(case["expected_usd"] or 0)
    report = road.report("--by", "model")
    assert Decimal(report["totals"]["cost_usd"]) == sum(by_model.values())
    rows = report["by"]["model"]
    assert len(rows) > 10
    for row in rows:
        assert Decimal(row["cost_usd"] or 0) == by_model[row["key"]]
    assert [one["model"] for one in report["unpriced_models"]] == ["no-such-model-x"]


def test_pricing_again_confirms_every_price(road, server):
    """What the app priced, the store prices alike: by the tokens and the words that its spans tell."""
    make_calls(road, server, BY_THE_PIECE)
    before = road.report()["totals"]
    kinds = road.query("SELECT DISTINCT Operation AS kind FROM llm_calls WHERE Priced")[0]
    assert {"chat", "embeddings", "speech", "transcription"} <= {row["kind"] for row in kinds}

    done = road.vigilo("reprice", "--since", "1d", "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [model for model in told["models"] if model["changed"] or model["priced"] or model["kept"]] == []
    assert told["totals"]["confirmed"] == before["priced_calls"] > len(CASES)
    assert Decimal(told["totals"]["cost_after_usd"]) == Decimal(before["cost_usd"])
