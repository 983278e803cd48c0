"""What vigilo adds to a call and to an app's start: CPU time beside the bare SDK, in one run.

Calls go over an in-process transport; printed are microseconds of process CPU for each kind, minimum over interleaved
rounds, exporter thread included. The start is measured in fresh processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

os.environ.setdefault("ANTHROPIC_OPEN_TELEMETRY", "false")

from typing import TYPE_CHECKING

import httpx2
import openai
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import vigilo
from vigilo.settings import app_settings

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, CALLS, CHUNKS = 12, 60, 100
ASKED = [{"role": "user", "content": "Tell me about the weather in Paris, please, in one short sentence."}]
USAGE = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}
HEAD = {"id": "c1", "created": 1, "model": "gpt-4o-mini"}
WHOLE = {
    **HEAD,
    "object": "chat.completion",
    "usage": USAGE,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Mild and dry."}}],
}


def chunk(text: str | None, reason: str | None) -> str:
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({**HEAD, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"


STREAM = ("".join([chunk("tok ", None)] * CHUNKS) + chunk(None, "stop") + "data: [DONE]\n\n").encode()


class Dropping(SpanExporter):
    """Takes spans and does nothing, so that only the call path is measured."""

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def answer(request: httpx2.Request) -> httpx2.Response:
    if json.loads(request.content).get("stream"):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=STREAM)
    return httpx2.Response(200, json=WHOLE)


def client() -> openai.OpenAI:
    transport = httpx2.MockTransport(answer)
    return openai.OpenAI(api_key="k", base_url="http://provider/v1", http_client=httpx2.Client(transport=transport))


def wrapped(content: str) -> openai.OpenAI:
    os.environ["VIGILO_CONTENT"] = content
    app_settings.cache_clear()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(BatchSpanProcessor(Dropping()))
    meter_provider = MeterProvider([InMemoryMetricReader()])
    return vigilo.wrap(client(), tracer_provider=tracer_provider, meter_provider=meter_provider)


def chat(of: openai.OpenAI) -> None:
    of.chat.completions.create(model="gpt-4o-mini", messages=ASKED)


def stream(of: openai.OpenAI) -> None:
    for _ in of.chat.completions.create(model="gpt-4o-mini", messages=ASKED, stream=True):
        pass


def cpu_us(call: Callable[[openai.OpenAI], None], of: openai.OpenAI, calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        call(of)
    return (time.process_time() - started) / calls * 1e6


STARTS = {
    "import vigilo": ("", "import vigilo"),
    "vigilo.instrument(), no SDK imported": ("import vigilo, opentelemetry.sdk.trace", "vigilo.instrument()"),
    "... and openai imported before": ("import vigilo, opentelemetry.sdk.trace, openai", "vigilo.instrument()"),
}
"""What is measured at the start of an app: what has run before, and what is timed."""
START_ROUNDS = 5


def start_ms(before: str, timed: str) -> float:
    """CPU milliseconds of a statement in a fresh process, which finds modules compiled as an installer leaves them."""
    clock = "time.process_time()"
    script = f"import time\n{before}\nstarted = {clock}\n{timed}\nprint(({clock} - started) * 1e3)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def main() -> None:
    clients = {"bare SDK": client(), "vigilo, content off": wrapped("off"), "vigilo, content masked": wrapped("masked")}
    kinds: dict[str, tuple[Callable[[openai.OpenAI], None], int]] = {
        "chat": (chat, CALLS),
        f"stream of {CHUNKS} chunks": (stream, CALLS // 10),
    }
    best: dict[tuple[str, str], float] = {}
    for _ in range(ROUNDS):
        for name, of in clients.items():
            for kind, (call, calls) in kinds.items():
                key = name, kind
                best[key] = min(best.get(key, float("inf")), cpu_us(call, of, calls))
    print(f"{'CPU us a call, minimum of ' + str(ROUNDS) + ' rounds':<40}" + "".join(f"{kind:>28}" for kind in kinds))
    for name in clients:
        cells = ""
        for kind in kinds:
            floor, value = best["bare SDK", kind], best[name, kind]
            cells += f"{value:>10.0f} (+{value - floor:>5.0f}, x{value / floor:.2f})"
        print(f"{name:<40}{cells}")
    print()
    for name in list(clients)[1:]:
        kind = f"stream of {CHUNKS} chunks"
        a_chunk = (best[name, kind] - best["bare SDK", kind]) / CHUNKS
        print(f"{'added to a chunk: ' + name:<40}{a_chunk:>10.1f} us")
    for name, (before, timed) in STARTS.items():
        least = min(start_ms(before, timed) for _ in range(START_ROUNDS))
        print(f"{name:<40}{least:>10.1f} ms")


if __name__ == "__main__":
    main()
