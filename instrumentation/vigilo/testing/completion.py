"""From a prompt to what the model says: the scripted reply, and a lifelike one where nothing was scripted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from vigilo.capture.call import Usage
from vigilo.testing.script import Reply, ToolCall

Json = dict[str, Any]

# The first that is found in the user's newest message: what is to be done before what it is about.
_ANSWERS = (
    (r"\bsummar", "In short: the order is late, and the customer asks for news by mail or phone."),
    (r"\btranslat", "Merci beaucoup pour votre patience."),
    (r"\bdraft\b", "Your refund is on its way and reaches you within five working days."),
    (r"\btitle\b", "Lisbon in a day"),
    (r"\breceipt\b", "The receipt is on its way to your inbox."),
    (r"\brefund", "I have opened a refund for you; the money is back on your card within five working days."),
    (r"\bweather\b", "It is mild with a light breeze, and it stays dry until the evening."),
    (
        r"\b(plan|trip|itinerary)\b",
        "Start early at the river, have lunch in the old town and keep the hills for sunset.",
    ),
    (r"\bwhen\b", "It will be with you on Thursday before noon."),
    (r"\b(order|parcel|delivery)\b", "I am sorry for the wait; your order left our warehouse this morning."),
    (r"\bcapital\b", "The capital of France is Paris, and Paris is on the Seine."),
    (r"\b(hello|hi|hey)\b", "Hello! I am glad you are here. What can I do for you today?"),
)
_EXAMPLES = {
    "city": "Paris",
    "location": "Paris",
    "country": "France",
    "name": "Ada",
    "date": "2026-01-15",
    "unit": "celsius",
}
_ANY_JSON: Json = {"type": "object", "properties": {"answer": {"type": "boolean"}}}
_THOUGHT = "The question is clear, so I answer it in one sentence."
_TOKENS_PER_MESSAGE = 3


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the prompt offers, with the JSON schema of its arguments."""

    name: str
    schema: Json


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a request asks for, whichever provider it was sent to.

    ``texts`` are all texts of the conversation with the system prompt; ``last_user`` is the newest of the user's;
    ``tool_results`` are those that came after it. ``schema``: JSON is wanted, of this schema; {} for any JSON.
    """

    model: str
    texts: tuple[str, ...]
    last_user: str
    tools: tuple[Tool, ...] = ()
    tool_results: tuple[str, ...] = ()
    schema: Json | None = None
    thinking: bool = False
    stream: bool = False
    choices: int = 1


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model says, with nothing left open. ``pieces`` put together are ``text``; usage counts are set."""

    text: str
    pieces: tuple[str, ...]
    tool_calls: tuple[ToolCall, ...]
    thinking: str | None
    usage: Usage
    model: str
    finish_reason: str
    service_tier: str | None = None


def complete(prompt: Prompt, reply: Reply) -> Completion:
    """The reply with everything it leaves open made from the prompt: the same prompt gives the same completion."""
    calls = reply.tool_calls
    if calls is None:
        wanted = reply.text is None and prompt.tools and not prompt.tool_results
        calls = (tool_call(prompt.tools[0], prompt.last_user),) if wanted else ()
    text = reply.text if reply.text is not None else ("" if calls else answer(prompt))
    thinking = reply.thinking if reply.thinking is not None else (_THOUGHT if prompt.thinking else None)
    said = [text, thinking or "", *(f"{call.name} {json.dumps(dict(call.arguments))}" for call in calls)]
    return Completion(
        text=text,
        pieces=pieces(text, reply.chunks),
        tool_calls=tuple(calls),
        thinking=thinking,
        usage=_usage(reply.usage or Usage(), prompt, sum(map(token_count, said)), thinking),
        model=reply.model or prompt.model,
        finish_reason=reply.finish_reason or ("tool_call" if calls else "stop"),
        service_tier=reply.service_tier,
    )


def answer(prompt: Prompt) -> str:
    """A text that suits the newest message of the user."""
    if prompt.schema is not None:
        return json.dumps(example(prompt.schema or _ANY_JSON, prompt.last_user))
    if prompt.tool_results:
        return f"I looked it up for you: {prompt.tool_results[-1]}"
    for pattern, text in _ANSWERS:
        if re.search(pattern, prompt.last_user, re.IGNORECASE):
            return text
    return f"I have noted this for you: {' '.join(prompt.last_user.split()[:12])}"


def tool_call(tool: Tool, asked: str) -> ToolCall:
    """A call of a tool with arguments that its schema allows."""
    arguments = example(tool.schema, asked)
    return ToolCall(tool.name, arguments if isinstance(arguments, dict) else {})


def example(schema: Json, asked: str, name: str = "") -> Any:
    """A value that a JSON schema allows; words of an enum and places ("in Lisbon") that were asked about win."""
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if allowed := schema.get("enum"):
        return next((word for word in allowed if str(word).lower() in asked.lower()), allowed[0])
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    kind = str(kind or ("object" if "properties" in schema else "string")).lower()  # Google writes types in capitals
    if kind == "object":
        return {key: example(value, asked, key) for key, value in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [example(schema.get("items") or {}, asked, name)]
    if kind == "string" and name in ("city", "location") and (place := re.search(r"\bin ([A-Z]\w+)", asked)):
        return place[1]
    return {"integer": 1, "number": 1.5, "boolean": True, "null": None}.get(kind, _EXAMPLES.get(name, "example"))


def token_count(text: str) -> int:
    """Tokens of a text: about four for every three words, as English has with today's tokenizers."""
    return -(-len(text.split()) * 4 // 3)


def pieces(text: str, count: int | None) -> tuple[str, ...]:
    """Cuts a text for streaming: after each word, or into ``count`` pieces of nearly the same length."""
    if count is None:
        return tuple(re.findall(r"\S+\s*|\s+", text))
    count = min(count, len(text))
    return tuple(text[len(text) * n // count : len(text) * (n + 1) // count] for n in range(count))


def _usage(given: Usage, prompt: Prompt, said_tokens: int, thinking: str | None) -> Usage:
    asked = sum(token_count(text) + _TOKENS_PER_MESSAGE for text in prompt.texts)
    asked += sum(token_count(json.dumps(tool.schema)) for tool in prompt.tools)
    reasoning = given.output_reasoning_tokens
    if reasoning is None and thinking:
        reasoning = token_count(thinking)
    return replace(
        given,
        input_tokens=asked if given.input_tokens is None else given.input_tokens,
        output_tokens=said_tokens * prompt.choices if given.output_tokens is None else given.output_tokens,
        output_reasoning_tokens=reasoning,
    )
