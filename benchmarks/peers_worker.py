"""Measures one way of instrumenting the SDKs, in an environment of its own: run by ``peers.py``.

Everything is in process: a mock transport answers with bytes that were made before, spans go to a batch processor whose
exporter drops them, and metrics are on with a reader that is not read meanwhile. What is told is the CPU time of the
whole process, so the exporter's thread counts too.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "200"

import anthropic
import openai
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

try:
    import httpx2 as httpx
except ImportError:  # the older SDKs
    import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHUNKS = 100
MODEL = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-4-6"}
QUESTION = "Please tell me about telemetry. " * 8
ASKED = [{"role": "user", "content": QUESTION}]
WITH_SYSTEM = [{"role": "system", "content": "You are a helpful assistant. " * 4}, *ASKED]
HEADERS = {
    "x-request-id": "req_1",
    "request-id": "req_1",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "159976",
}


class Dropping(SpanExporter):
    """Counts spans and drops them."""

    def __init__(self) -> None:
        self.spans = 0

    def export(self, spans: Sequence[object]) -> SpanExportResult:
        self.spans += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def event(data: dict[str, Any] | str, kind: str = "") -> str:
    text = data if isinstance(data, str) else json.dumps(data)
    return f"event: {kind}\ndata: {text}\n\n" if kind else f"data: {text}\n\n"


def chat() -> str:
    message = {"role": "assistant", "content": "Hello there, Ada!", "refusal": None}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL["openai"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": CHAT_USAGE,
        }
    )


CHAT_USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "total_tokens": 160,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 16, "audio_tokens": 0},
}


def chat_stream() -> str:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL["openai"]}

    def chunk(delta: dict[str, str], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return event({**head, "choices": [choice], "usage": None})

    text = "".join(chunk({"content": "tok "}) for _ in range(CHUNKS))
    used = event({**head, "choices": [], "usage": CHAT_USAGE})
    return chunk({"role": "assistant", "content": ""}) + text + chunk({}, "stop") + used + event("[DONE]")


def response() -> str:
    part = {"type": "output_text", "text": "Hello there, Ada!", "annotations": [], "logprobs": []}
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}
    usage = {
        "input_tokens": 120,
        "input_tokens_details": {"cached_tokens": 64},
        "output_tokens": 40,
        "output_tokens_details": {"reasoning_tokens": 16},
        "total_tokens": 160,
    }
    told = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": MODEL["openai"]}
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": usage}
    return json.dumps({**told, **rest, "output": [message]})


MESSAGE_USAGE = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 40,
    "output_tokens": 40,
    "service_tier": "standard",
}


def message(**fields: Any) -> dict[str, Any]:
    told = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL["anthropic"]}
    content = [{"type": "text", "text": "Hello there, Ada!"}]
    return {
        **told,
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": MESSAGE_USAGE,
        **fields,
    }


def message_stream() -> str:
    def told(kind: str, **fields: Any) -> str:
        return event({"type": kind, **fields}, kind)

    begun = message(content=[], stop_reason=None, usage={**MESSAGE_USAGE, "output_tokens": 1})
    delta = {"type": "text_delta", "text": "tok "}
    return (
        told("message_start", message=begun)
        + told("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + told("content_block_delta", index=0, delta=delta) * CHUNKS
        + told("content_block_stop", index=0)
        + told("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=MESSAGE_USAGE)
        + told("message_stop")
    )


def answers() -> dict[tuple[str, bool], bytes]:
    """By the end of the path, and whether a stream is asked for."""
    made = {
        ("completions", False): chat(),
        ("completions", True): chat_stream(),
        ("responses", False): response(),
        ("messages", False): json.dumps(message()),
        ("messages", True): message_stream(),
    }
    return {kind: text.encode() for kind, text in made.items()}


def environment(peer: str, content: bool) -> dict[str, str]:
    """What turns content on or off; Anthropic's own spans are on only where they are measured, or left to vigilo."""
    native = {} if peer == "vigilo" else {"ANTHROPIC_OPEN_TELEMETRY": str(peer == "anthropic's own").lower()}
    chosen = {
        "anthropic's own": {"ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": "content" if content else "metadata_only"},
        "official": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY" if content else "NO_CONTENT"},
        "openllmetry": {"TRACELOOP_TRACE_CONTENT": str(content).lower(), "TRACELOOP_TELEMETRY": "false"},
        "openinference": {f"OPENINFERENCE_HIDE_{part}": str(not content).lower() for part in ("INPUTS", "OUTPUTS")},
        "logfire": {"LOGFIRE_SEND_TO_LOGFIRE": "false", "LOGFIRE_IGNORE_NO_CONFIG": "1"},
        "vigilo": {"VIGILO_CONTENT": "masked" if content else "off", "VIGILO_HOME": tempfile.mkdtemp()},
    }
    return {**native, **chosen.get(peer, {})}


def enable(peer: str, processor: BatchSpanProcessor, providers: dict[str, Any], content: bool) -> None:
    """Turns a peer on, as its documentation says."""
    if peer == "official":
        from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(**providers)
        AnthropicInstrumentor().instrument(**providers)
    elif peer == "openllmetry":
        from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(**providers)
        AnthropicInstrumentor().instrument(**providers)
    elif peer == "openinference":
        from openinference.instrumentation.anthropic import AnthropicInstrumentor
        from openinference.instrumentation.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(**providers)
        AnthropicInstrumentor().instrument(**providers)
    elif peer == "openlit":
        import openlit

        prices = Path(tempfile.mkdtemp()) / "prices.json"  # it would fetch its own from the network
        prices.write_text("{}")
        openlit.init(capture_message_content=content, pricing_json=str(prices))
    elif peer == "logfire":
        import logfire

        logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[processor])
        logfire.instrument_openai()
        logfire.instrument_anthropic()
    elif peer == "vigilo":
        import vigilo

        vigilo.instrument(**providers)


def drain(stream: Any) -> None:
    for _ in stream:
        pass


def calls(handler: Callable[[Any], Any]) -> dict[str, Callable[[], Any]]:
    """The kinds of calls that are measured, by name."""
    http = httpx.Client(transport=httpx.MockTransport(handler))
    of_openai = openai.OpenAI(base_url="http://provider/v1", api_key="any", http_client=http)
    of_anthropic = anthropic.Anthropic(base_url="http://provider", api_key="any", http_client=http)
    create, messages = of_openai.chat.completions.create, of_anthropic.messages.create
    chatting = {"model": MODEL["openai"], "messages": WITH_SYSTEM}
    streaming = {"stream": True, "stream_options": {"include_usage": True}}
    asking = {"model": MODEL["anthropic"], "max_tokens": 100, "messages": ASKED}
    return {
        "chat": lambda: create(**chatting, temperature=0.1),
        "chat stream": lambda: drain(create(**chatting, **streaming)),
        "responses": lambda: of_openai.responses.create(model=MODEL["openai"], input=QUESTION),
        "message": lambda: messages(**asking),
        "message stream": lambda: drain(messages(**asking, stream=True)),
    }


def handler() -> Callable[[Any], Any]:
    made = answers()

    def answer(request: Any) -> Any:
        streamed = b'"stream":true' in request.content.replace(b": ", b":")
        kind = "text/event-stream" if streamed else "application/json"
        body = made[request.url.path.rpartition("/")[2], streamed]
        return httpx.Response(200, headers={**HEADERS, "content-type": kind}, content=body)

    return answer


def cpu_us(call: Callable[[], Any], times: int) -> float:
    gc.collect()
    started = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - started) / times * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("--content", action="store_true")
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    chosen = parser.parse_args()
    os.environ.update(environment(chosen.peer, chosen.content))
    logging.disable(logging.CRITICAL)

    exporter, meter_provider, tracer_provider = Dropping(), MeterProvider([InMemoryMetricReader()]), TracerProvider()
    processor = BatchSpanProcessor(exporter, max_queue_size=65536)
    tracer_provider.add_span_processor(processor)
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)

    wall, cpu = time.perf_counter(), time.process_time()
    enable(
        chosen.peer, processor, {"tracer_provider": tracer_provider, "meter_provider": meter_provider}, chosen.content
    )
    enabled = {"wall_ms": (time.perf_counter() - wall) * 1e3, "cpu_ms": (time.process_time() - cpu) * 1e3}

    measured, made = {}, 0
    for kind, call in calls(handler()).items():
        times = max(chosen.calls // 8, 5) if "stream" in kind else chosen.calls
        warmup = max(times // 4, 5)
        for _ in range(warmup):
            call()
        measured[kind] = min(cpu_us(call, times) for _ in range(chosen.rounds))
        made += warmup + chosen.rounds * times
    processor.force_flush()
    versions = {"openai": openai.__version__, "anthropic": anthropic.__version__}
    print(
        "RESULT "
        + json.dumps({"cpu_us": measured, "enable": enabled, "spans_a_call": exporter.spans / made, "sdks": versions}),
        flush=True,
    )
    os._exit(0)  # some peers wait for a network at exit


if __name__ == "__main__":
    main()
