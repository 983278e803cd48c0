"""OpenAI's Chat Completions as ``Request`` and ``Response``.

Shapes: the API reference of OpenAI, "Create chat completion" and "Chat completion chunk" (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vigilo import semconv
from vigilo.capture.call import Message, Part, Request, Response, Usage
from vigilo.capture.parse import openai_dialects as dialects
from vigilo.capture.parse.endpoint import (
    Endpoint,
    Json,
    Origin,
    answer,
    blob_or_uri,
    count,
    fields,
    finish_reason,
    read,
    sent,
    text_part,
)
from vigilo.capture.parse.estimate import CHARS_PER_TOKEN, chat_tokens
from vigilo.capture.parse.openai_request import asked, several, stops

_SENT = {  # as the caller sent them; the value goes on the span unchanged
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "seed": semconv.REQUEST_SEED,
    "reasoning_effort": semconv.REQUEST_REASONING_LEVEL,
    "service_tier": semconv.OPENAI_REQUEST_SERVICE_TIER,
}
OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /chat/completions``."""
    api: dict[str, Any] = {semconv.OPENAI_API_TYPE: "chat_completions"} if origin.provider == "openai" else {}
    parameters = {**api, **sent(body, _SENT), **stops(body), **several(body)}
    if "audio" in (body.get("modalities") or ()):
        parameters[semconv.OUTPUT_TYPE] = "speech"
    elif (output := OUTPUT_TYPES.get(read(body.get("response_format"), "type"))) is not None:
        parameters[semconv.OUTPUT_TYPE] = output
    return asked(
        "chat",
        origin,
        body,
        parameters,
        input=tuple(message(m) for m in body.get("messages") or ()) if content else (),
        tools=tuple(tool(t) for t in body.get("tools") or ()) if content else (),
    )


def message(source: Any) -> Message:
    """One message of the conversation in the conventions' form."""
    role = read(source, "role")
    if role == "tool":
        response = {
            "type": "tool_call_response",
            "id": read(source, "tool_call_id"),
            "response": read(source, "content"),
        }
        return {"role": role, "parts": [response]}
    parts = dialects.thoughts_of(source) + content_parts(read(source, "content"))
    if (audio := read(source, "audio")) is not None:  # an earlier answer that was spoken
        parts.append({"type": "file", "modality": "audio", "file_id": read(audio, "id")})
    parts += [tool_call(call) for call in read(source, "tool_calls") or ()]
    return {"role": role, "parts": parts}


def content_parts(content: Any) -> list[Part]:
    """The parts of a message's ``content``: one text, or a list of typed parts."""
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [_content_part(part) for part in content]


def _content_part(part: Any) -> Part:
    kind = read(part, "type")
    if kind in ("text", "refusal"):
        return text_part(read(part, kind))
    if kind == "thinking":
        return dialects.thinking_part(part)
    if kind == "image_url":
        return blob_or_uri("image", read(read(part, "image_url"), "url"))
    if kind == "input_audio":
        audio = read(part, "input_audio")
        mime_type = f"audio/{read(audio, 'format')}"
        return {"type": "blob", "modality": "audio", "mime_type": mime_type, "content": read(audio, "data")}
    if kind == "file":
        file = read(part, "file")
        if read(file, "file_id"):
            return {"type": "file", "modality": "document", "file_id": read(file, "file_id")}
        return blob_or_uri("document", read(file, "file_data"))
    return {"type": kind or "generic"}


def tool_call(call: Any) -> Part:
    """A tool call; ``arguments`` stays the text the model wrote, which need not be valid JSON."""
    function = read(call, "function") or read(call, "custom")
    arguments = read(function, "arguments")
    return {
        "type": "tool_call",
        "id": read(call, "id"),
        "name": read(function, "name"),
        "arguments": read(function, "input") if arguments is None else arguments,
    }


def tool(definition: Any) -> Part:
    """A tool definition, whether nested under its type (Chat Completions) or flat (Responses)."""
    kind = read(definition, "type") or "function"
    inner = read(definition, kind)
    inner = inner if isinstance(inner, Mapping) else definition
    known = ("name", "description", "parameters")
    return {"type": kind, **{name: read(inner, name) for name in known if read(inner, name) is not None}}


def usage(source: Any) -> Usage:
    """Token counts of a ``usage`` object; an absent object is all unknown, not zero."""
    if source is None:
        return Usage()
    prompt, completion = read(source, "prompt_tokens_details"), read(source, "completion_tokens_details")
    return Usage(
        input_tokens=count(source, "prompt_tokens"),
        output_tokens=dialects.made(source),
        cache_read_tokens=dialects.cached(source, prompt),
        cache_write_tokens=count(prompt, "cache_write_tokens"),
        input_audio_tokens=count(prompt, "audio_tokens"),
        input_image_tokens=count(prompt, "image_tokens"),
        output_reasoning_tokens=count(completion, "reasoning_tokens"),
        output_audio_tokens=count(completion, "audio_tokens"),
    )


def response(body: Any, content: bool) -> Response:
    """A whole ``chat.completion``."""
    choices = read(body, "choices") or ()
    reasons = tuple(reason for choice in choices if (reason := finish_reason(read(choice, "finish_reason"))))
    output = tuple(_answer(choice) for choice in choices) if content else ()
    return Response(
        id=read(body, "id"),
        model=read(body, "model"),
        finish_reasons=reasons,
        usage=usage(read(body, "usage")),
        output=output,
        service_tier=read(body, "service_tier"),
        cost_usd=dialects.cost_usd(read(body, "usage")),
        error=dialects.told_error(body, choices),
        attributes=_response_attributes(body),
    )


def _answer(choice: Any) -> Message:
    said = read(choice, "message")
    parts = dialects.thoughts_of(said) + content_parts(read(said, "content"))
    if read(said, "refusal"):
        parts.append(text_part(read(said, "refusal")))
    if transcript := read(read(said, "audio"), "transcript"):
        parts.append(text_part(transcript))
    parts += [tool_call(call) for call in read(said, "tool_calls") or ()]
    return answer(read(said, "role") or "assistant", parts, finish_reason(read(choice, "finish_reason")))


def _response_attributes(body: Any) -> dict[str, Any]:
    known = {
        semconv.OPENAI_RESPONSE_SERVICE_TIER: read(body, "service_tier"),
        semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: read(body, "system_fingerprint"),
    }
    return {name: value for name, value in known.items() if value is not None}


class ChatFold:
    """A stream of ``chat.completion.chunk``: the last chunk that carries a field wins.

    Usage comes in a chunk of its own without choices, and only when the caller asked with ``include_usage``.
    """

    def __init__(self, content: bool) -> None:
        self._content = content
        self._first: Any = None
        self._id: str | None = None
        self._usage: Any = None
        self._chars = 0
        self._service_tier: str | None = None
        self._reasons: dict[int, str] = {}
        self._texts: dict[int, list[str]] = {}
        self._thoughts = dialects.Thoughts()
        self._calls: dict[tuple[int, int], _CallPieces] = {}

    def add(self, chunk: Any) -> bool:
        told = fields(chunk)
        if not self._id:  # Azure's first chunk has none
            self._first, self._id = chunk, told.get("id")
        if (used := told.get("usage")) is not None:
            self._usage = used
        if tier := told.get("service_tier"):
            self._service_tier = tier
        choices = told.get("choices")
        if not choices:
            return used is not None
        for choice in choices:
            told = fields(choice)
            if reason := told.get("finish_reason"):
                self._reasons[told.get("index") or 0] = reason
                self._usage = self._usage or dialects.stray_usage(chunk, choice)
            if (delta := told.get("delta")) is not None:
                said = fields(delta)
                if isinstance(text := said.get("content"), str) and text:
                    self._chars += len(text)
                elif calls := said.get("tool_calls"):
                    self._chars += _chars_of(calls)
                else:
                    self._chars += self._thoughts.add(told.get("index") or 0, delta, keep=self._content)
                if self._content:
                    self._add_delta(told.get("index") or 0, said)
        return False

    @property
    def chars(self) -> int:
        """Characters of text and of calls of tools so far."""
        return self._chars

    def _add_delta(self, index: int, delta: Mapping[str, Any]) -> None:
        texts = self._texts.setdefault(index, [])
        text = delta.get("content") or delta.get("refusal") or read(delta.get("audio"), "transcript")
        if isinstance(text, str) and text:
            texts.append(text)
        for call in delta.get("tool_calls") or ():
            pieces = self._calls.setdefault((index, read(call, "index") or 0), _CallPieces())
            pieces.add(call)

    def response(self) -> Response:
        reasons = {index: finish_reason(reason) for index, reason in sorted(self._reasons.items())}
        output = []
        for index, texts in sorted(self._texts.items()):
            parts = self._thoughts.parts(index)
            parts += [text_part("".join(texts))] if texts else []
            parts += [pieces.part() for (of, _), pieces in sorted(self._calls.items()) if of == index]
            if parts or index in reasons:
                output.append(answer("assistant", parts, reasons.get(index)))
        attributes = _response_attributes(self._first)
        if self._service_tier:
            attributes[semconv.OPENAI_RESPONSE_SERVICE_TIER] = self._service_tier
        return Response(
            id=self._id or None,
            model=read(self._first, "model"),
            finish_reasons=tuple(reason for reason in reasons.values() if reason),
            usage=usage(self._usage),
            output=tuple(output),
            service_tier=self._service_tier,
            cost_usd=dialects.cost_usd(self._usage),
            attributes=attributes,
        )


def _chars_of(calls: Any) -> int:
    functions = [read(call, "function") for call in calls]
    return sum(len(read(f, "name") or "") + len(read(f, "arguments") or "") for f in functions)


class _CallPieces:
    """A tool call whose name comes in its first chunk and whose arguments come in pieces."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.arguments: list[str] = []

    def add(self, call: Any) -> None:
        function = read(call, "function") or read(call, "custom")
        self.id = self.id or read(call, "id")
        self.name = self.name or read(function, "name")
        if text := read(function, "arguments") or read(function, "input"):
            self.arguments.append(text)

    def part(self) -> Part:
        return {"type": "tool_call", "id": self.id, "name": self.name, "arguments": "".join(self.arguments)}


def estimate(body: Json, fold: Any) -> Usage:
    """A guess at the tokens of a stream that nobody counted."""
    return Usage(input_tokens=chat_tokens(body.get("messages")), output_tokens=round(fold.chars / CHARS_PER_TOKEN))


CHAT = Endpoint("chat", request, response, ChatFold, usage_on_request=True, estimate=estimate)
