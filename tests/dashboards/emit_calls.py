"""Makes calls of every sort with the real SDKs, captured and exported by vigilo, and prints what it has done.

Run as a script with VIGILO_HOME set; the panels are then run on what lands in its spool.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time

import anthropic
import openai
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import vigilo
from vigilo.testing import ProviderServer, Usage
from vigilo_exporter.exporters import ClickHouseSpanExporter

SERVICES = ("shop", "O'Brien")
PRICED, PRICED_TOO, UNPRICED = "gpt-4o-mini", "claude-sonnet-4-5", "llama-at-home"
ASKED = [{"role": "user", "content": "How tall is the Eiffel Tower?"}]
USED = Usage(input_tokens=1000, output_tokens=200)


def call_everything(server: ProviderServer, service: str) -> dict[str, object]:
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(ClickHouseSpanExporter()))
    tracer = provider.get_tracer("shop")
    gpt = vigilo.wrap(openai.OpenAI(base_url=server.openai_url, api_key="any"), tracer_provider=provider)
    claude = vigilo.wrap(anthropic.Anthropic(base_url=server.anthropic_url, api_key="any"), tracer_provider=provider)

    with tracer.start_as_current_span("GET /ask") as root, vigilo.track(user="ada", conversation="c1"):
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


if __name__ == "__main__":
    with ProviderServer() as provider_server:
        json.dump({service: call_everything(provider_server, service) for service in SERVICES}, sys.stdout)
