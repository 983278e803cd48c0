"""A recorded answer of each provider, through the real SDK, to the report."""

import json
from decimal import Decimal

import pytest
import yaml

pytestmark = pytest.mark.needs_shared

APPS = {
    "openai": """
import asyncio, json, openai, sys
async def main():
    async with openai.AsyncOpenAI() as client:
        await client.chat.completions.create(**json.loads(BODY))
asyncio.run(main())
""",
    "anthropic": """
import anthropic, json
with anthropic.Anthropic() as client:
    client.messages.create(**json.loads(BODY))
""",
    "google": """
import json
from google import genai
body = json.loads(BODY)
config = {"system_instruction": body["systemInstruction"], "tools": body["tools"]}
with genai.Client() as client:
    client.models.generate_content(model="gemini-2.5-pro", contents=body["contents"], config=config)
""",
}
CASES = {
    "openai": "otel-contrib__test_async_chat_completion_multiple_choices.yaml",
    "anthropic": "openinference__test_instrumentor__test_anthropic_instrumentation_async_messages.yaml",
    "google": "dd-trace-py__agent_error_handling.yaml",
}
USD_PER_MILLION_TOKENS = {  # in, out; the providers' price pages, 2026-11
    "gpt-4o-mini": (Decimal("0.15"), Decimal("0.60")),
    "claude-sonnet-4-6": (Decimal(3), Decimal(15)),
    "gemini-2.5-pro": (Decimal("1.25"), Decimal(10)),
}


def counted(company, answer):
    """Model and tokens that the recorded answer itself states."""
    if company == "openai":
        return "gpt-4o-mini", answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]
    if company == "anthropic":
        return answer["model"], answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]
    used = answer["usageMetadata"]
    return answer["modelVersion"], used["promptTokenCount"], used["candidatesTokenCount"] + used["thoughtsTokenCount"]


@pytest.mark.parametrize("company", list(CASES))
def test_a_recorded_call_is_reported_with_its_model_tokens_and_cost(road, server, shared_data, company):
    cassette = yaml.safe_load((shared_data / "cassettes" / company / CASES[company]).read_text("utf-8"))
    (recorded,) = cassette["interactions"]
    text = recorded["response"]["body"]["string"]
    server.raw(200, {"content-type": "application/json"}, text.encode())
    road.run(f"BODY = {recorded['request']['body']!r}\n{APPS[company]}", **server.environment())

    model, input_tokens, output_tokens = counted(company, json.loads(text))
    (row,) = road.report("--by", "model")["by"]["model"]
    price_in, price_out = USD_PER_MILLION_TOKENS[model]
    cost = (input_tokens * price_in + output_tokens * price_out) / 1_000_000
    assert row["key"] == model
    assert (row["calls"], row["errors"]) == (1, 0)
    assert (row["input_tokens"], row["output_tokens"]) == (input_tokens, output_tokens)
    assert Decimal(row["cost_usd"]) == cost
