"""Makes calls of every sort with the real SDKs, captured and exported by vigilo, and prints what it has done.

Run as a script with VIGILO_HOME set; the panels are then run on what lands in its spool.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time

import anthropic
import openai
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import StatusCode

import vigilo
from vigilo.testing import ProviderServer, Usage
from vigilo_exporter.exporters import ClickHouseSpanExporter

SERVICES = ("shop", "O'Brien")
PRICED, PRICED_TOO, UNPRICED = "gpt-4o-mini", "claude-sonnet-4-5", "llama-at-home"
ASKED = [{"role": "user", "content": "How tall is the Eiffel Tower?"}]
USED = Usage(input_tokens=1000, output_tokens=200)
OLDER_CALLS = 400
OLDEST_S, YOUNGEST_S = 75 * 3600, 2.5 * 3600  # how long ago


def call_everything(server: ProviderServer, service: str) -> dict[str, object]:
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(ClickHouseSpanExporter()))
    tracer = provider.get_tracer("shop")
    gpt = vigilo.wrap(openai.OpenAI(base_url=server.openai_url, api_key="any"), tracer_provider=provider)
    claude = vigilo.wrap(anthropic.Anthropic(base_url=server.anthropic_url, api_key="any"), tracer_provider=provider)

    with tracer.start_as_current_span("GET /ask") as root, vigilo.track(user="ada", session="s1", conversation="c1"):
        server.fail(429, retry_after_s=0.01)
        server.reply("330 m.", usage=USED)
        gpt.chat.completions.create(model=PRICED, messages=ASKED)

        time.sleep(1.1)  # the next calls lie in another step of a time series
        server.reply("330 metres.", usage=USED)
        options = {"stream": True, "stream_options": {"include_usage": True}}
        for _ in gpt.chat.completions.create(model=PRICED, messages=ASKED, **options):
            pass

    with vigilo.track(user="bob", conversation="c2", operation="summary"):
        server.reply("Tall.", usage=USED)
        claude.messages.create(model=PRICED_TOO, messages=ASKED, max_tokens=100)
        server.reply("Tall.", usage=USED)
        gpt.chat.completions.create(model=UNPRICED, messages=ASKED)
        server.fail(400, message="no such thing")
        with contextlib.suppress(openai.BadRequestError):
            gpt.chat.completions.create(model=PRICED, messages=ASKED)

    provider.shutdown()
    succeeded = 4
    return {
        "calls": succeeded + 1,
        "errors": 1,
        "input_tokens": succeeded * USED.input_tokens,
        "output_tokens": succeeded * USED.output_tokens,
        "trace_id": f"{root.get_span_context().trace_id:032x}",
    }


def tell_older_calls() -> None:
    """Calls of the days before, as other instrumentors tell them: by other names, and some with a cost of their own."""
    provider = TracerProvider(resource=Resource.create({"service.name": "legacy"}))
    provider.add_span_processor(BatchSpanProcessor(ClickHouseSpanExporter(), max_queue_size=2 * OLDER_CALLS))
    tracer = provider.get_tracer("opentelemetry.instrumentation.openai")
    chance, now_ns = random.Random(7), time.time_ns()
    for _ in range(OLDER_CALLS):
        began_ns = now_ns - int(chance.uniform(YOUNGEST_S, OLDEST_S) * 1e9)
        attributes = {
            "llm.request.type": "chat",
            "gen_ai.system": chance.choice(["openai", "anthropic"]),
            "gen_ai.request.model": chance.choice(["gpt-4o", "claude-sonnet-4-5", UNPRICED]),
            "gen_ai.usage.prompt_tokens": chance.randrange(1, 3000),
            "gen_ai.usage.completion_tokens": chance.randrange(1, 500),
            "user.id": chance.choice(["ada", "bob", "carol"]),
            "session.id": f"s{chance.randrange(20)}",
            "gen_ai.conversation.id": f"c{chance.randrange(30)}",
        }
        if chance.random() < 0.3:
            attributes["gen_ai.usage.cost"] = chance.random()
        if chance.random() < 0.3:
            attributes["gen_ai.response.time_to_first_chunk"] = chance.lognormvariate(-1, 1)
        span = tracer.start_span("openai.chat", start_time=began_ns, attributes=attributes)
        if chance.random() < 0.2:
            span.set_attribute("error.type", chance.choice(["timeout", "RateLimitError"]))
            span.set_status(StatusCode.ERROR)
        span.end(began_ns + int(chance.lognormvariate(0, 1) * 1e9))
    provider.shutdown()


if __name__ == "__main__":
    tell_older_calls()
    with ProviderServer() as provider_server:
        json.dump({service: call_everything(provider_server, service) for service in SERVICES}, sys.stdout)
