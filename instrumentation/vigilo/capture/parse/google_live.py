"""Google's live API: sessions over a websocket, in which the model answers turn by turn.

What the client sends is read as it goes over the wire, what comes back as the SDK's objects: sound in particular is not
taken apart twice. Shapes: the API reference of Google, "Live API: WebSockets" (ai.google.dev, 2026-11).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.call import Message, Part, Request, Response, Usage
from vigilo.capture.parse import google_generate
from vigilo.capture.parse.endpoint import Json, Origin, answer, count, finish_reason, read, text_part
from vigilo.capture.parse.google_content import Said, function_response, message, part
from vigilo.capture.parse.google_tokens import model_name
from vigilo.capture.parse.google_usage import service_tier

if TYPE_CHECKING:
    from collections.abc import Sequence


def request(origin: Origin, setup: Json, content: bool) -> Request:
    """What the first message of a session sets up: every turn is asked with that."""
    asked = google_generate.request(origin, setup, content)
    return replace(asked, model=model_name(setup.get("model")), stream=True)


def sent_messages(body: Json) -> list[Message]:
    """What a message of the client says to the model: contents, results of tools, or a text in real time."""
    if (contents := body.get("client_content")) is not None:
        return [message(turn) for turn in contents.get("turns") or ()]
    if (results := body.get("tool_response")) is not None:
        return [{"role": "tool", "parts": [function_response(one) for one in results.get("functionResponses") or ()]}]
    text = (body.get("realtime_input") or {}).get("text")
    return [] if text is None else [spoken(text)]


def spoken(text: str) -> Message:
    """What the user said, typed or as the provider heard it."""
    return {"role": "user", "parts": [text_part(text)]}


def asks_for_answer(body: Json) -> bool:
    """Whether the model answers to a message of the client, as far as the client can know."""
    if (contents := body.get("client_content")) is not None:
        done = contents.get("turnComplete", contents.get("turn_complete"))
        return done is not False
    realtime = body.get("realtime_input") or {}
    return "tool_response" in body or "text" in realtime or "activityEnd" in realtime


def begins_turn(received: Any) -> bool:
    """Whether a message of the server belongs to an answer."""
    content = read(received, "server_content")
    names = ("model_turn", "output_transcription", "generation_complete", "turn_complete", "interrupted")
    answered = content is not None and any(read(content, name) for name in names)
    return answered or read(received, "tool_call") is not None or read(received, "usage_metadata") is not None


def ends_turn(received: Any) -> bool:
    """Whether an answer is complete with a message. A call of tools completes it: the model waits for their results."""
    if read(received, "tool_call") is not None:
        return True
    return bool(read(read(received, "server_content"), "turn_complete"))


def heard(received: Any) -> str | None:
    """What the provider heard the user say, where a message tells it."""
    text: str | None = read(read(read(received, "server_content"), "input_transcription"), "text")
    return text


class TurnFold:
    """The messages of one turn. Usage is cumulative within it, so the last one counts."""

    __slots__ = ("_called", "_content", "_go_away", "_interrupted", "_kinds", "_reason", "_said", "_usage")

    def __init__(self, content: bool) -> None:
        self._content = content
        self._said = Said()
        self._kinds: set[str] = set()
        self._usage: Any = None
        self._reason: str | None = None
        self._called = self._interrupted = self._go_away = False

    def add(self, chunk: Any) -> None:
        if (used := read(chunk, "usage_metadata")) is not None:
            self._usage = used
        if (content := read(chunk, "server_content")) is not None:
            self._add_content(content)
        if (called := read(chunk, "tool_call")) is not None:
            self._called = True
            if self._content:
                for call in read(called, "function_calls") or ():
                    self._said.put(_call(call))
        if read(chunk, "go_away") is not None:
            self._go_away = True

    def _add_content(self, content: Any) -> None:
        if read(content, "interrupted"):
            self._interrupted = True
        if read(content, "turn_complete"):
            self._reason = _word(read(content, "turn_complete_reason")) or "stop"
        if not self._content:
            return
        for one in read(read(content, "model_turn"), "parts") or ():
            self._add_part(one)
        if text := read(read(content, "output_transcription"), "text"):
            self._said.text(text)

    def _add_part(self, source: Any) -> None:
        if (text := read(source, "text")) is not None:
            self._said.text(text, "reasoning" if read(source, "thought") else "text")
        elif (data := read(source, "inline_data")) is not None:
            # Sound comes in hundreds of pieces: that there was some is told once, its bytes never.
            mime_type = read(data, "mime_type") or ""
            if mime_type not in self._kinds:
                self._kinds.add(mime_type)
                self._said.put({"type": "blob", "modality": mime_type.partition("/")[0], "mime_type": mime_type})
        elif (dump := getattr(source, "model_dump", None)) is not None:
            self._said.put(part(dump(mode="json", by_alias=True, exclude_none=True)))

    def response(self) -> Response:
        reason = "tool_call" if self._called else "interrupted" if self._interrupted else self._reason
        parts = self._said.parts()
        return Response(
            finish_reasons=(reason,) if reason else (),
            usage=usage(self._usage),
            output=(answer("assistant", parts, reason),) if parts else (),
            service_tier=_tier(self._usage),
            attributes={semconv.LIVE_GO_AWAY: True} if self._go_away else {},
        )


def _call(call: Any) -> Part:
    return {"type": "tool_call", "id": read(call, "id"), "name": read(call, "name"), "arguments": read(call, "args")}


def _word(reason: Any) -> str | None:
    word = finish_reason(getattr(reason, "value", reason))
    return None if word is None or word.endswith("unspecified") else word


def usage(source: Any) -> Usage:
    """Token counts of the SDK's ``UsageMetadata``, which says ``response`` where others say ``candidates``."""
    if source is None:
        return Usage()
    prompt, tools = count(source, "prompt_token_count"), count(source, "tool_use_prompt_token_count")
    said, thoughts = count(source, "response_token_count"), count(source, "thoughts_token_count")
    asked_by, said_by = read(source, "prompt_tokens_details"), read(source, "response_tokens_details")
    return Usage(
        input_tokens=None if prompt is None else prompt + (tools or 0),
        output_tokens=None if said is None and thoughts is None else (said or 0) + (thoughts or 0),
        cache_read_tokens=count(source, "cached_content_token_count"),
        output_reasoning_tokens=thoughts,
        input_audio_tokens=_modality(asked_by, "AUDIO"),
        input_image_tokens=_modality(asked_by, "IMAGE"),
        output_audio_tokens=_modality(said_by, "AUDIO"),
        output_image_tokens=_modality(said_by, "IMAGE"),
        cache_audio_read_tokens=_cached(read(source, "cache_tokens_details"), "AUDIO"),
        cache_image_read_tokens=_cached(read(source, "cache_tokens_details"), "IMAGE"),
        input_video_tokens=_modality(asked_by, "VIDEO"),
    )


def _cached(details: Sequence[Any] | None, modality: str) -> int | None:
    return (_modality(details, modality) or 0) if details else None


def _modality(details: Sequence[Any] | None, modality: str) -> int | None:
    for detail in details or ():
        if read(detail, "modality") == modality:
            return count(detail, "token_count")
    return None


def _tier(used: Any) -> str | None:
    return service_tier({"serviceTier": _value(used, "service_tier"), "trafficType": _value(used, "traffic_type")})


def _value(source: Any, name: str) -> Any:
    found = read(source, name)
    return getattr(found, "value", found)
