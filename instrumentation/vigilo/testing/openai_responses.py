"""The wire of OpenAI's Responses API, whole and streamed.

Shapes: the API reference of OpenAI, "Create a model response" and "Streaming events" (2026-11).
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from vigilo.testing.completion import Completion, Prompt, Tool, complete
from vigilo.testing.openai_usage import responses_usage
from vigilo.testing.wire import Answer, Call, Json, server_sent_event, streamed, whole

_ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _read_prompt(body: Json) -> Prompt:
    given = body.get("input") or ""
    items: list[Json] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    newest = max((index for index, item in enumerate(items) if item.get("role") == "user"), default=0)
    form = (body.get("text") or {}).get("format") or {}
    instructions = (body["instructions"],) if body.get("instructions") else ()
    return Prompt(
        model=body["model"],
        texts=(*instructions, *(_text(item.get("content") or item.get("output")) for item in items)),
        last_user=_text(items[newest].get("content")) if items else "",
        tools=tuple(
            Tool(tool["name"], tool.get("parameters") or {})
            for tool in body.get("tools") or ()
            if tool.get("type") == "function" and body.get("tool_choice") != "none"
        ),
        tool_results=tuple(
            _text(item.get("output")) for item in items[newest:] if item.get("type") == "function_call_output"
        ),
        schema={"json_object": {}, "json_schema": form.get("schema") or {}}.get(form.get("type", "")),
        thinking=bool((body.get("reasoning") or {}).get("summary")),
        stream=bool(body.get("stream")),
    )


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text") or "" for part in content or ())


def responses(call: Call) -> Answer:
    """``POST /responses``."""
    prompt = _read_prompt(call.body)
    made = complete(prompt, call.reply)
    items = _items(made, call.number)
    finished = _response(call, made, items)
    if prompt.stream:
        return streamed(_events(call, made, items, finished))
    return whole({**_response(call, made, None), "status": "queued"} if call.body.get("background") else finished)


def fetch(call: Call) -> Answer:
    """``GET /responses/ID``: a background response is there at once, unless the finish reason is another status."""
    made = complete(Prompt(model="gpt-4o-mini", texts=("Hello there",), last_user="Hello there"), call.reply)
    status = call.reply.finish_reason or "completed"
    body = {**call.body, "background": True}
    known = _response(replace(call, body=body), made, _items(made, call.number) if status in _ENDED else None)
    return whole({**known, "id": _asked_for(call), "status": status})


def cancel(call: Call) -> Answer:
    """``POST /responses/ID/cancel``: it is cancelled before it was begun."""
    made = complete(Prompt(model="gpt-4o-mini", texts=(), last_user=""), call.reply)
    body = {**call.body, "background": True}
    return whole({**_response(replace(call, body=body), made, None), "id": _asked_for(call), "status": "cancelled"})


def _asked_for(call: Call) -> str:
    parts = call.path.partition("?")[0].split("/")
    return parts[parts.index("responses") + 1]


def compact(call: Call) -> Answer:
    """``POST /responses/compact``."""
    made = complete(_read_prompt(call.body), call.reply)
    item = {"id": f"cmp_{call.number:06}", "type": "compaction", "encrypted_content": "b3BhcXVl"}
    about = {"id": f"resp_{call.number:06}", "object": "response.compaction", "created_at": int(time.time())}
    return whole({**about, "output": [item], "usage": responses_usage(made.usage)})


def input_tokens(call: Call) -> Answer:
    """``POST /responses/input_tokens``."""
    made = complete(_read_prompt(call.body), call.reply)
    return whole({"object": "response.input_tokens", "input_tokens": made.usage.input_tokens})


def _response(call: Call, made: Completion, items: list[Json] | None) -> Json:
    """The response object; ``items`` is None while the answer is still being made."""
    body = call.body
    reason = _INCOMPLETE.get(made.finish_reason)
    conversation = body.get("conversation")
    return {
        "id": f"resp_{call.number:06}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress" if items is None else ("incomplete" if reason else "completed"),
        "error": None,
        "incomplete_details": {"reason": reason} if reason and items is not None else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": made.model,
        "output": items or [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "background": bool(body.get("background")),
        "conversation": {"id": conversation} if isinstance(conversation, str) else conversation,
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "service_tier": made.service_tier or "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None if items is None else responses_usage(made.usage),
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _items(made: Completion, number: int) -> list[Json]:
    items: list[Json] = []
    if made.thinking:
        summary = [{"type": "summary_text", "text": made.thinking}]
        items.append({"id": f"rs_{number:06}", "type": "reasoning", "summary": summary})
    if made.text or not made.tool_calls:
        items.append({"id": f"msg_{number:06}", "type": "message", "status": "completed", "role": "assistant"})
        items[-1]["content"] = [_part(made.text)]
    for index, tool in enumerate(made.tool_calls):
        known = {"type": "function_call", "status": "completed", "name": tool.name}
        arguments = json.dumps(dict(tool.arguments))
        ids = {"id": f"fc_{number:06}_{index}", "call_id": f"call_{number:06}_{index}"}
        items.append({**ids, **known, "arguments": arguments})
    return items


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class _Events:
    """Events of one stream, numbered as they come."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def add(self, kind: str, **fields: Any) -> None:
        self.sent.append(server_sent_event({"type": kind, "sequence_number": len(self.sent), **fields}, kind))


def _events(call: Call, made: Completion, items: list[Json], finished: Json) -> list[bytes]:
    events = _Events()
    started = _response(call, made, None)
    events.add("response.created", response=started)
    events.add("response.in_progress", response=started)
    for index, item in enumerate(items):
        if item["type"] == "message":
            _message_events(events, index, item, made.pieces)
        elif item["type"] == "function_call":
            _function_call_events(events, index, item)
        else:
            events.add("response.output_item.added", output_index=index, item={**item, "summary": []})
            events.add("response.output_item.done", output_index=index, item=item)
    events.add(f"response.{finished['status']}", response=finished)
    return events.sent


def _message_events(events: _Events, index: int, item: Json, pieces: tuple[str, ...]) -> None:
    empty = {**item, "status": "in_progress", "content": []}
    part = item["content"][0]
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    events.add("response.output_item.added", output_index=index, item=empty)
    events.add("response.content_part.added", **place, part=_part(""))
    for piece in pieces:
        events.add("response.output_text.delta", **place, delta=piece, logprobs=[])
    events.add("response.output_text.done", **place, text=part["text"], logprobs=[])
    events.add("response.content_part.done", **place, part=part)
    events.add("response.output_item.done", output_index=index, item=item)


def _function_call_events(events: _Events, index: int, item: Json) -> None:
    place = {"item_id": item["id"], "output_index": index}
    started = {**item, "status": "in_progress", "arguments": ""}
    events.add("response.output_item.added", output_index=index, item=started)
    events.add("response.function_call_arguments.delta", **place, delta=item["arguments"])
    done = {"name": item["name"], "arguments": item["arguments"]}
    events.add("response.function_call_arguments.done", **place, **done)
    events.add("response.output_item.done", output_index=index, item=item)
