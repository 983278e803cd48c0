"""The wire of Anthropic: messages, whole and streamed, and token counting; also on Vertex AI and Amazon Bedrock.

Shapes: the API reference of Anthropic, "Messages", "Streaming", "Count tokens", "Errors", "Rate limits" (2026-11).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vigilo.testing import anthropic_batches as batches
from vigilo.testing import anthropic_bedrock as bedrock
from vigilo.testing.completion import Completion, Prompt, Tool, complete
from vigilo.testing.rate_limit import anthropic_headers
from vigilo.testing.wire import Answer, Call, Json, Provider, server_sent_event, streamed, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vigilo.capture.call import Usage
    from vigilo.testing.script import Failure

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_call": "tool_use", "content_filter": "refusal"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_MODELS = (("claude-haiku-4-5", "Claude Haiku 4.5"), ("claude-sonnet-4-5", "Claude Sonnet 4.5"))
_SIGNATURE = "dmlnaWxvLXRlc3Rpbmc="


def _read_prompt(call: Call) -> Prompt:
    body, path = call.body, call.path.partition("?")[0]
    messages: list[Json] = body["messages"]
    # Tool results are messages of the user's too, so the question is the newest message with a text.
    newest = max((n for n, m in enumerate(messages) if m["role"] == "user" and _text(m["content"])), default=0)
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    system = (_text(body["system"]),) if body.get("system") else ()
    return Prompt(
        # Bedrock and Vertex have the model in the path.
        model=body.get("model") or bedrock.asked_model(path) or path.rpartition("/models/")[2].partition(":")[0],
        texts=(*system, *(_text(m["content"]) + " ".join(_tool_results(m["content"])) for m in messages)),
        last_user=_text(messages[newest]["content"]) if messages else "",
        tools=tuple(
            Tool(tool["name"], tool["input_schema"])
            for tool in body.get("tools") or ()
            if "input_schema" in tool and (body.get("tool_choice") or {}).get("type") != "none"
        ),
        tool_results=tuple(result for m in messages[newest:] for result in _tool_results(m["content"])),
        schema=form.get("schema") or {} if form else None,
        thinking=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        stream=bool(body.get("stream")) or bedrock.is_streamed(path),
    )


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content or () if part.get("type") == "text")


def _tool_results(content: Any) -> list[str]:
    if isinstance(content, str):
        return []
    return [_text(part.get("content")) for part in content if part.get("type") == "tool_result"]


def _usage_json(usage: Usage, service_tier: str | None = None) -> Json:
    """Anthropic counts cached tokens beside ``input_tokens``, where ours contain them."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    for_an_hour = usage.cache_write_1h_tokens or 0
    known: Json = {
        "input_tokens": (usage.input_tokens or 0) - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written - for_an_hour,
            "ephemeral_1h_input_tokens": for_an_hour,
        },
        "output_tokens": usage.output_tokens or 0,
        "service_tier": service_tier or "standard",
    }
    if usage.output_reasoning_tokens is not None:
        known["output_tokens_details"] = {"thinking_tokens": usage.output_reasoning_tokens}
    return known


def _messages(call: Call) -> Answer:
    prompt = _read_prompt(call)
    made = complete(prompt, call.reply)
    message = _message(made, call.number)
    if bedrock.is_bedrock(call.path):
        message["model"] = bedrock.plain_model(made.model)
        return bedrock.streamed(_events(message, made), made.usage) if prompt.stream else whole(message)
    if not prompt.stream:
        return whole(message)
    return streamed([server_sent_event(event, event["type"]) for event in _events(message, made)])


def _message(made: Completion, number: int) -> Json:
    return {
        "id": f"msg_{number:06}",
        "type": "message",
        "role": "assistant",
        "model": made.model,
        "content": _blocks(made, number),
        "stop_reason": _STOP_REASONS.get(made.finish_reason, made.finish_reason),
        "stop_sequence": None,
        "usage": _usage_json(made.usage, made.service_tier),
    }


def _batched(call: Call) -> Json:
    return _message(complete(_read_prompt(call), call.reply), call.number)


def _blocks(made: Completion, number: int) -> list[Json]:
    blocks: list[Json] = []
    if made.thinking:
        blocks.append({"type": "thinking", "thinking": made.thinking, "signature": _SIGNATURE})
    if made.text:
        blocks.append({"type": "text", "text": made.text})
    for index, tool in enumerate(made.tool_calls):
        known = {"type": "tool_use", "id": f"toolu_{number:06}_{index}", "name": tool.name}
        blocks.append({**known, "input": dict(tool.arguments)})
    return blocks


def _events(message: Json, made: Completion) -> list[Json]:
    def event(kind: str, **fields: Any) -> Json:
        return {"type": kind, **fields}

    # At the start one token is counted as made; the true number comes with the end.
    begun = {**message["usage"], "output_tokens": 1}
    begun.pop("output_tokens_details", None)
    empty = {**message, "content": [], "stop_reason": None, "usage": begun}
    events = [event("message_start", message=empty)]
    for index, block in enumerate(message["content"]):
        started, deltas = _block_deltas(block, made.pieces)
        events.append(event("content_block_start", index=index, content_block=started))
        if not index:
            events.append(event("ping"))
        events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=index))
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    # `service_tier` and the split of the cache are said at the start only.
    final = {name: n for name, n in message["usage"].items() if name not in ("service_tier", "cache_creation")}
    return [*events, event("message_delta", delta=delta, usage=final), event("message_stop")]


def _block_deltas(block: Json, pieces: tuple[str, ...]) -> tuple[Json, list[Json]]:
    """A content block as it begins, and what is then added to it."""
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    if block["type"] == "thinking":
        thought = {"type": "thinking_delta", "thinking": block["thinking"]}
        return {**block, "thinking": "", "signature": ""}, [
            thought,
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    text = json.dumps(block["input"])
    middle = len(text) // 2
    parts = ("", text[:middle], text[middle:])
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]


def _count_tokens(call: Call) -> Answer:
    made = complete(_read_prompt(call), call.reply)
    return whole({"input_tokens": made.usage.input_tokens})


def _models(call: Call) -> Answer:
    data = [
        {"type": "model", "id": name, "display_name": title, "created_at": "2025-10-01T00:00:00Z"}
        for name, title in _MODELS
    ]
    return whole({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})


def _route(method: str, path: str) -> Callable[[Call], Answer] | None:
    if method == "GET":
        if "/messages/batches/" in path:
            return batches.results(_batched) if path.endswith("/results") else batches.get
        return _models if path.endswith("/models") else None
    if path.endswith("/messages/batches"):
        return batches.create
    if path.endswith(("/messages/count_tokens", "/count-tokens:rawPredict")):
        return _count_tokens
    if path.endswith(("/messages", ":rawPredict", ":streamRawPredict")) or bedrock.is_bedrock(path):
        return _messages
    return None


def _failure(failed: Failure, number: int) -> Answer:
    error = {"type": _ERRORS.get(failed.status, "api_error"), "message": failed.message}
    headers = {} if failed.retry_after_s is None else {"retry-after": f"{failed.retry_after_s:g}"}
    return whole({"type": "error", "error": error, "request_id": _request_id(number)}, failed.status, headers)


def _request_id(number: int) -> str:
    return f"req_011{number:021}"


def _headers(number: int) -> Mapping[str, str]:
    limits = {"requests": 4000, "tokens": 480_000, "input-tokens": 400_000, "output-tokens": 80_000}
    known = {"request-id": _request_id(number), "anthropic-organization-id": "00000000-0000-0000-0000-000000000000"}
    for name, limit in limits.items():
        known[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        known[f"anthropic-ratelimit-{name}-remaining"] = str(limit - 1)
        known[f"anthropic-ratelimit-{name}-reset"] = "2030-01-01T00:00:00Z"
    return known


ANTHROPIC = Provider(_route, _failure, _headers, anthropic_headers)
