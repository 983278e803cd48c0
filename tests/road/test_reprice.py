"""What the app priced, the store prices alike: by the tokens and the words that its spans tell."""

from __future__ import annotations

import json
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
    speaks_openai.audio.speech.create(model="tts-1", voice="alloy", input="Good morning to all of you")
    speaks_openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"))
"""


def test_pricing_again_confirms_every_price(road, server):
    for case in CASES:
        tier = None if case["service_tier"] == "standard" else case["service_tier"]
        server.reply(usage=Usage(**case["usage"]), service_tier=tier)
    app = road.start(
        APP,
        **server.environment(),
        GOOGLE_URL=server.google_url,
        CALLS=json.dumps([(case["provider"], case["model"]) for case in CASES]),
    )
    _, err = app.communicate(timeout=120)
    assert app.returncode == 0, err
    before = road.report()["totals"]
    kinds = road.query("SELECT DISTINCT Operation AS kind FROM llm_calls WHERE Priced")[0]
    assert {"chat", "embeddings", "speech", "transcription"} <= {row["kind"] for row in kinds}

    done = road.vigilo("reprice", "--since", "1d", "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [model for model in told["models"] if model["changed"] or model["priced"] or model["kept"]] == []
    assert told["totals"]["confirmed"] == before["priced_calls"] > len(CASES)
    assert Decimal(told["totals"]["cost_after_usd"]) == Decimal(before["cost_usd"])
