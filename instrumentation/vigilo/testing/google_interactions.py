"""The wire of Google's Interactions API: steps, whole and streamed, and interactions that run in the background.

Shapes: the API reference of Google, "Interactions API" and "Streaming interactions" (ai.google.dev, 2026-11).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vigilo.testing.completion import Completion, Prompt, Tool, complete
from vigilo.testing.wire import Answer, Call, Json, server_sent_event, streamed, whole

if TYPE_CHECKING:
    from vigilo.capture.call import Usage

_STATUSES = {"stop": "completed", "length": "incomplete", "tool_call": "requires_action"}
_NOW = "2026-11-21T12:00:00Z"
_FETCHED: Json = {"model": "gemini-2.5-flash", "input": "Hello there"}


def interaction(call: Call) -> Answer:
    """``POST /interactions``, and ``GET /interactions/ID`` for one that has ended meanwhile.

    The reply's finish reason may be any status of an interaction, ``in_progress`` for one that runs on.
    """
    fetched = call.path.partition("?")[0].rpartition("/")[2]
    is_new = fetched == "interactions"
    body = call.body if is_new else _FETCHED
    prompt = _read_prompt(body)
    made = complete(prompt, call.reply)
    status = _STATUSES.get(made.finish_reason, made.finish_reason)
    if is_new and body.get("background") and call.reply.finish_reason is None:
        status = "in_progress"
    told = _interaction(f"v1_{call.number:06}" if is_new else fetched, body, made, status)
    goes_on = status in ("in_progress", "queued")
    steps = [] if goes_on else _steps(made, call.number)
    if body.get("stream") or "stream=true" in call.path.lower():
        return _streamed(told, made, steps, goes_on=goes_on)
    return whole({**told, "steps": steps} if goes_on else {**told, "steps": steps, "usage": _usage_json(made.usage)})


def _read_prompt(body: Json) -> Prompt:
    given = body["input"]
    items = given if isinstance(given, list) else [given]
    texts = [text for item in items if (text := _text(item))]
    tools = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    results = [item for item in items if isinstance(item, dict) and item.get("type") == "function_result"]
    system = body.get("system_instruction")
    return Prompt(
        model=body.get("model") or body["agent"],
        texts=(*((system,) if system else ()), *texts),
        last_user=texts[-1] if texts else "",
        tools=tuple(Tool(tool["name"], tool.get("parameters") or {}) for tool in tools),
        tool_results=tuple(str(item.get("result")) for item in results),
        thinking=(body.get("generation_config") or {}).get("thinking_summaries") == "auto",
        stream=bool(body.get("stream")),
    )


def _text(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item.get("content"), list):
        return " ".join(filter(None, map(_text, item["content"])))
    return str(item.get("text") or item.get("content") or "")


def _interaction(interaction_id: str, body: Json, made: Completion, status: str) -> Json:
    told = {"id": interaction_id, "object": "interaction", "status": status, "service_tier": "standard"}
    who = {"agent": body["agent"]} if "agent" in body else {"model": made.model}
    previous = {name: body[name] for name in ("previous_interaction_id",) if name in body}
    return {**told, **who, **previous, "created": _NOW, "updated": _NOW}


def _steps(made: Completion, number: int) -> list[Json]:
    steps: list[Json] = []
    if made.thinking:
        steps.append({"type": "thought", "signature": "c2ln", "summary": [{"type": "text", "text": made.thinking}]})
    for index, tool in enumerate(made.tool_calls):
        called = {"id": f"fc_{number:06}_{index}", "name": tool.name, "arguments": dict(tool.arguments)}
        steps.append({"type": "function_call", **called})
    if made.text:
        steps.append({"type": "model_output", "content": [{"type": "text", "text": made.text}]})
    return steps


def _usage_json(usage: Usage) -> Json:
    """Thoughts lie beside the output here, where ours contain them."""
    asked, said, thoughts = usage.input_tokens or 0, usage.output_tokens or 0, usage.output_reasoning_tokens or 0
    others = [("audio", usage.input_audio_tokens), ("image", usage.input_image_tokens)]
    kinds = [(kind, count) for kind, count in others if count is not None]
    text = asked - sum(count for _, count in kinds)
    return {
        "total_tokens": asked + said,
        "total_input_tokens": asked,
        "input_tokens_by_modality": [{"modality": k, "tokens": n} for k, n in (("text", text), *kinds)],
        "total_cached_tokens": usage.cache_read_tokens or 0,
        "total_output_tokens": said - thoughts,
        "total_tool_use_tokens": 0,
        "total_thought_tokens": thoughts,
    }


def _streamed(told: Json, made: Completion, steps: list[Json], *, goes_on: bool) -> Answer:
    created = {name: told[name] for name in ("id", "object", "model", "agent") if name in told}
    events = [_event("interaction.created", interaction={**created, "status": "in_progress"})]
    events.append(_event("interaction.status_update", interaction_id=told["id"], status="in_progress"))
    for index, step in enumerate(steps):
        events += _step_events(index, step, made)
    if not goes_on:
        events.append(_event("interaction.completed", interaction={**told, "usage": _usage_json(made.usage)}))
    return streamed([*events, server_sent_event("[DONE]", "done")])


def _step_events(index: int, step: Json, made: Completion) -> list[bytes]:
    kind = step["type"]
    if kind == "model_output":
        started: Json = {"type": kind}
        deltas: list[Json] = [{"type": "text", "text": piece} for piece in made.pieces]
    elif kind == "thought":
        started = {"type": kind}
        deltas = [{"type": "thought_summary", "content": step["summary"][0]}]
    else:
        started = {**step, "arguments": {}}
        deltas = [{"type": "arguments_delta", "arguments": json.dumps(step["arguments"])}]
    return [
        _event("step.start", index=index, step=started),
        *(_event("step.delta", index=index, delta=delta) for delta in deltas),
        _event("step.stop", index=index),
    ]


def _event(kind: str, **fields: Any) -> bytes:
    return server_sent_event({**fields, "event_type": kind}, kind)
