"""The wire of OpenAI: chat completions and embeddings, and the routes, errors and headers of all its endpoints.

Shapes: the API reference of OpenAI, "Chat Completions", "Embeddings", "Models", "Error codes", "Rate limits" (2026-11).
"""

from __future__ import annotations

import base64
import json
import re
import struct
import time
from typing import TYPE_CHECKING, Any

from vigilo.testing import openai_batches, openai_completions, openai_media, openai_responses
from vigilo.testing.completion import Completion, Prompt, Tool, complete, token_count
from vigilo.testing.openai_usage import chat_usage
from vigilo.testing.rate_limit import openai_headers
from vigilo.testing.wire import Answer, Call, Json, Provider, embedding, server_sent_event, streamed, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vigilo.testing.script import Failure, ToolCall

_FINISH_REASONS = {"tool_call": "tool_calls"}
_ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_MODELS = ("gpt-4o-mini", "gpt-4o", "text-embedding-3-small")
_DIMENSIONS = 32
"""Far fewer than the real models give: tests and demos have no use for 1536 numbers a text."""


def _read_prompt(body: Json) -> Prompt:
    messages: list[Json] = body["messages"]
    newest = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=0)
    form = body.get("response_format") or {}
    return Prompt(
        model=body["model"],
        texts=tuple(_text(message.get("content")) for message in messages),
        last_user=_text(messages[newest].get("content")) if messages else "",
        tools=tuple(
            Tool(tool["function"]["name"], tool["function"].get("parameters") or {})
            for tool in body.get("tools") or ()
            if tool.get("type") == "function" and body.get("tool_choice") != "none"
        ),
        tool_results=tuple(_text(m.get("content")) for m in messages[newest:] if m["role"] in ("tool", "function")),
        schema={
            "json_object": {},
            "json_schema": (form.get("json_schema") or {}).get("schema") or {},
        }.get(form.get("type", "")),
        stream=bool(body.get("stream")),
        choices=body.get("n") or 1,
    )


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text") or "" for part in content or ())


def _chat(call: Call) -> Answer:
    prompt = _read_prompt(call.body)
    made = complete(prompt, call.reply)
    base = {
        "id": f"chatcmpl-{call.number:06}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": made.model,
        "service_tier": made.service_tier or "default",
        "system_fingerprint": "fp_0a1b2c3d4e",
    }
    if prompt.stream:
        with_usage = bool((call.body.get("stream_options") or {}).get("include_usage"))
        return streamed(_chat_events({**base, "object": "chat.completion.chunk"}, made, prompt.choices, with_usage))
    message: Json = {"role": "assistant", "content": made.text or None, "refusal": None, "annotations": []}
    if made.tool_calls:
        message["tool_calls"] = [_tool_call(tool, index, call.number) for index, tool in enumerate(made.tool_calls)]
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(made)}
        for index in range(prompt.choices)
    ]
    return whole({**base, "choices": choices, "usage": chat_usage(made.usage)})


def _finish_reason(made: Completion) -> str:
    return _FINISH_REASONS.get(made.finish_reason, made.finish_reason)


def _tool_call(tool: ToolCall, index: int, number: int) -> Json:
    function = {"name": tool.name, "arguments": json.dumps(dict(tool.arguments))}
    return {"id": f"call_{number:06}_{index}", "type": "function", "function": function}


def _chat_events(base: Json, made: Completion, choices: int, with_usage: bool) -> list[bytes]:
    if with_usage:
        base = {**base, "usage": None}

    def each_choice(delta: Json, finish_reason: str | None = None) -> list[bytes]:
        choice = {"delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return [server_sent_event({**base, "choices": [{"index": index, **choice}]}) for index in range(choices)]

    events = each_choice({"role": "assistant", "content": None if made.tool_calls else "", "refusal": None})
    for piece in made.pieces:
        events += each_choice({"content": piece})
    for index, tool in enumerate(made.tool_calls):
        sent = _tool_call(tool, index, int(base["id"].rpartition("-")[2]))
        arguments = sent["function"]["arguments"]
        sent["function"] = {**sent["function"], "arguments": ""}
        events += each_choice({"tool_calls": [{"index": index, **sent}]})
        middle = len(arguments) // 2
        for part in (arguments[:middle], arguments[middle:]):
            events += each_choice({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    events += each_choice({}, _finish_reason(made))
    if with_usage:
        events.append(server_sent_event({**base, "choices": [], "usage": chat_usage(made.usage)}))
    return [*events, server_sent_event("[DONE]")]


def _embeddings(call: Call) -> Answer:
    given = call.body["input"]
    texts = [given] if isinstance(given, str) else [text if isinstance(text, str) else str(text) for text in given]
    vectors = [embedding(text, call.body.get("dimensions") or _DIMENSIONS) for text in texts]
    in_base64 = call.body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if in_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    asked = call.reply.usage.input_tokens if call.reply.usage else None
    if asked is None:
        asked = sum(map(token_count, texts))
    usage = {"prompt_tokens": asked, "total_tokens": asked}
    return whole({"object": "list", "data": data, "model": call.reply.model or call.body["model"], "usage": usage})


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _models(call: Call) -> Answer:
    data = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "openai"} for name in _MODELS]
    return whole({"object": "list", "data": data})


_ENDPOINTS: dict[tuple[str, str], Callable[[Call], Answer]] = {
    ("POST", "/chat/completions"): _chat,
    ("POST", "/completions"): openai_completions.completions,
    ("POST", "/responses"): openai_responses.responses,
    ("POST", "/responses/compact"): openai_responses.compact,
    ("POST", "/responses/input_tokens"): openai_responses.input_tokens,
    ("POST", "/embeddings"): _embeddings,
    ("POST", "/images/generations"): openai_media.images("image_generation"),
    ("POST", "/images/edits"): openai_media.images("image_edit"),
    ("POST", "/images/variations"): openai_media.images("image_edit"),
    ("POST", "/audio/transcriptions"): openai_media.transcription,
    ("POST", "/audio/translations"): openai_media.translation,
    ("POST", "/audio/speech"): openai_media.speech,
    ("POST", "/moderations"): openai_batches.moderation,
    ("POST", "/batches"): openai_batches.create_batch,
    ("GET", "/batches/ID"): openai_batches.get_batch,
    ("GET", "/responses/ID"): openai_responses.fetch,
    ("POST", "/responses/ID/cancel"): openai_responses.cancel,
    ("POST", "/files"): openai_batches.upload,
    ("GET", "/models"): _models,
}
_ID = re.compile(r"(/(?:batches|responses))/(?:batch|resp)_\w+")


def _route(method: str, path: str) -> Callable[[Call], Answer] | None:
    """Endpoints by the end of their path, so that Azure's ``/openai/deployments/NAME/chat/completions`` is one too."""
    parts = _ID.sub(r"\1/ID", path).split("/")
    ends = ("/" + "/".join(parts[at:]) for at in range(1, len(parts)))
    return next((serve for end in ends if (serve := _ENDPOINTS.get((method, end)))), None)


def _failure(failed: Failure, number: int) -> Answer:
    kind, code = _ERRORS.get(failed.status, ("server_error", None))
    headers = {}
    if failed.retry_after_s is not None:
        headers = {"retry-after": f"{failed.retry_after_s:g}", "retry-after-ms": f"{failed.retry_after_s * 1000:g}"}
    error = {"message": failed.message, "type": kind, "param": None, "code": code}
    return whole({"error": error}, failed.status, headers)


def _headers(number: int) -> Mapping[str, str]:
    return {
        "x-request-id": f"req_{number:032x}",
        "openai-organization": "vigilo-testing",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-limit-tokens": "2000000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-remaining-tokens": "1999900",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-reset-tokens": "3ms",
    }


OPENAI = Provider(_route, _failure, _headers, openai_headers)
