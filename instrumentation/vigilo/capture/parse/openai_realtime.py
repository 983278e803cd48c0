"""OpenAI's Realtime API as ``Request`` and ``Response``: events of a session in which responses are made.

Shapes: the API reference of OpenAI, "Realtime client events" and "Realtime server events" (2026-11), and those of the
beta, which names some events and fields differently. The sound itself is left out; its transcripts are text.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.call import Message, Part, Request, Response, Usage
from vigilo.capture.parse.endpoint import (
    answer,
    blob_or_uri,
    count,
    finish_reason,
    read,
    server_tool_call,
    text_part,
)
from vigilo.capture.parse.openai_audio import transcript
from vigilo.capture.parse.openai_chat import tool
from vigilo.capture.parse.openai_request import asked, said

if TYPE_CHECKING:
    from vigilo.capture.parse.endpoint import Json, Origin

_HEARD_MAX = 100
"""Messages that are kept for the next response; a session may run for an hour without one."""
_MAX_TOKENS = ("max_output_tokens", "max_response_output_tokens")
_MODALITIES = ("output_modalities", "modalities")
_ACTIVE_ALREADY = "conversation_already_has_active_response"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_TEXTS = frozenset(
    f"response.{kind}.delta" for kind in ("output_text", "text", "output_audio_transcript", "audio_transcript")
)


class RealtimeSession:
    """What the events of a session so far mean for the responses that are made in it.

    Fields that the caller set count as sent; those that only the server tells (its defaults) do not.
    """

    def __init__(self, model: str | None = None) -> None:
        """``model``: the one that the address of the connection named."""
        self.model = model
        self._sent: dict[str, Any] = {}
        self._told: Any = None
        self._conversation_id: str | None = None
        self._heard: deque[Message] = deque(maxlen=_HEARD_MAX)

    def sends(self, event: Any, content: bool) -> None:
        """Notes an event of the client's."""
        kind = read(event, "type")
        if kind == "session.update":
            self._sent.update(_all_fields(read(event, "session")))
        elif content and kind == "conversation.item.create":
            self._heard.extend(_messages((read(event, "item"),)))

    def receives(self, event: Json, content: bool) -> None:
        """Notes an event of the server's."""
        kind = event.get("type")
        if kind in ("session.created", "session.updated"):
            self._told = event.get("session")
            self.model = read(self._told, "model") or self.model
        elif kind == "conversation.created":
            self._conversation_id = read(event.get("conversation"), "id")
        elif kind == "response.created":
            self._conversation_id = read(event.get("response"), "conversation_id") or self._conversation_id
        elif content and kind == _TRANSCRIBED:
            self._heard.extend(said(event.get("transcript")))

    def request(self, origin: Origin, event: Any, content: bool) -> Request:
        """The request of a ``response.create``; None for a response that the server began by itself, hearing a pause.

        A response that is made beside the conversation is asked with its own input, and leaves what was heard to the
        next one in the conversation.
        """
        own = _all_fields(read(event, "response"))
        sent = {**self._sent, **own}
        parameters = _parameters(sent)
        instructions, tools = sent.get("instructions"), sent.get("tools")
        heard: tuple[Message, ...] = ()
        if content and own.get("input") is not None:
            heard = tuple(_messages(own["input"]))
        elif content:
            heard = tuple(self._heard)
        if own.get("conversation") != "none":
            self._heard.clear()
        return asked(
            "chat",
            origin,
            {"model": self.model, "stream": True},
            parameters,
            conversation_id=self._conversation_id or read(self._told, "id"),
            input=heard,
            system=(text_part(instructions),) if content and instructions else (),
            tools=tuple(tool(definition) for definition in tools or ()) if content else (),
        )

    def fold(self, content: bool) -> ResponseFold:
        """Starts putting a response together."""
        return ResponseFold(content, self)

    def tag(self, event: Any) -> Any:
        """What a ``response.create`` and the response that is created for it have in common."""
        return read(read(event, "response"), "metadata") or None

    def response_id(self, event: Json) -> str | None:
        """The response that an event of the server's is about."""
        told: str | None = event.get("response_id") or read(event.get("response"), "id")
        return told

    def is_last(self, kind: str) -> bool:
        """Whether an event of this kind ends its response."""
        return kind == "response.done"

    def is_refusal(self, error: Any) -> bool:
        """Whether an error that names no event is about the last response that was asked for."""
        return read(error, "code") == _ACTIVE_ALREADY or str(read(error, "param")).partition(".")[0] == "response"

    def transcription(self, origin: Origin, event: Json, content: bool) -> tuple[Request, Response] | None:
        """The call that put the user's sound into words, as its event tells: a model of its own, paid apart."""
        if event.get("type") != _TRANSCRIBED or event.get("usage") is None:
            return None
        chosen = read(read(read(self._told, "audio"), "input"), "transcription")
        chosen = chosen or read(self._told, "input_audio_transcription")
        request = asked(
            "transcription",
            origin,
            {"model": read(chosen, "model")},
            conversation_id=self._conversation_id or read(self._told, "id"),
        )
        return request, transcript({"text": event.get("transcript"), "usage": event["usage"]}, content)


def _all_fields(source: Any) -> dict[str, Any]:
    """The fields of JSON, or those of an SDK's object that were set."""
    if source is None or isinstance(source, dict):
        return source or {}
    fields: dict[str, Any] = source.to_dict()
    return fields


def _parameters(sent: Json) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if (temperature := sent.get("temperature")) is not None:
        parameters[semconv.REQUEST_TEMPERATURE] = float(temperature)
    for name in _MAX_TOKENS:
        if isinstance(most := sent.get(name), int):  # or "inf"
            parameters[semconv.REQUEST_MAX_TOKENS] = most
    for name in _MODALITIES:
        if modalities := sent.get(name):
            parameters[semconv.OUTPUT_TYPE] = "speech" if "audio" in modalities else "text"
    return parameters


def _messages(items: Any) -> list[Message]:
    """Items of the conversation as messages; a reference to one that was heard before adds nothing."""
    messages = (_message(item) for item in items)
    return [message for message in messages if message["parts"]]


def _message(item: Any) -> Message:
    kind = read(item, "type")
    if kind == "message":
        parts = [part for part in map(_content_part, read(item, "content") or ()) if part is not None]
        return {"role": read(item, "role") or "user", "parts": parts}
    if kind == "function_call_output":
        response = {"type": "tool_call_response", "id": read(item, "call_id"), "response": read(item, "output")}
        return {"role": "tool", "parts": [response]}
    return {"role": "assistant", "parts": [_output_part(item)] if kind == "function_call" else []}


def _content_part(part: Any) -> Part | None:
    """A part that can be read: text, the words of a sound, or a picture."""
    kind = read(part, "type")
    if kind in ("input_text", "output_text", "text"):
        return text_part(read(part, "text"))
    if kind == "input_image":
        return blob_or_uri("image", read(part, "image_url"))
    words = read(part, "transcript")
    return text_part(words) if words else None


def _output_part(item: Any) -> Part:
    kind = read(item, "type")
    if kind == "function_call":
        return {
            "type": "tool_call",
            "id": read(item, "call_id"),
            "name": read(item, "name"),
            "arguments": read(item, "arguments"),
        }
    return server_tool_call(read(item, "id"), read(item, "name") or kind, read(item, "arguments"))


def usage(source: Any) -> Usage:
    """Token counts of a response's ``usage``; an absent object is all unknown, not zero."""
    if source is None:
        return Usage()
    given, made = read(source, "input_token_details"), read(source, "output_token_details")
    cached = read(given, "cached_tokens_details")
    return Usage(
        input_tokens=count(source, "input_tokens"),
        output_tokens=count(source, "output_tokens"),
        cache_read_tokens=count(given, "cached_tokens"),
        input_audio_tokens=count(given, "audio_tokens"),
        input_image_tokens=count(given, "image_tokens"),
        output_audio_tokens=count(made, "audio_tokens"),
        cache_audio_read_tokens=count(cached, "audio_tokens"),
        cache_image_read_tokens=count(cached, "image_tokens"),
    )


def response(body: Any, content: bool, model: str | None = None) -> Response:
    """A ``realtime.response`` as ``response.done`` tells it; ``model`` is the session's."""
    items = read(body, "output") or ()
    reason = _finish_reason(body, items)
    parts: list[Part] = []
    for item in items if content else ():
        if read(item, "type") == "message":
            parts += [part for part in map(_content_part, read(item, "content") or ()) if part is not None]
        else:
            parts.append(_output_part(item))
    return Response(
        id=read(body, "id"),
        model=model,
        finish_reasons=(reason,) if reason else (),
        usage=usage(read(body, "usage")),
        output=(answer("assistant", parts, reason),) if parts else (),
        error=failure(body),
    )


def _finish_reason(body: Any, items: Any) -> str | None:
    status = read(body, "status")
    if status == "incomplete":
        return finish_reason(read(read(body, "status_details"), "reason")) or "length"
    if status == "completed" and any(read(item, "type") == "function_call" for item in items):
        return "tool_call"
    return {"in_progress": None, "failed": "error"}.get(status, finish_reason(status))


def failure(body: Any) -> tuple[str, str] | None:
    """Code and message of a response that failed; None for one that did not."""
    if read(body, "status") != "failed":
        return None
    error = read(read(body, "status_details"), "error")
    return read(error, "code") or read(error, "type") or "failed", read(error, "message") or "the response failed"


class ResponseFold:
    """The events of one response: the last carries all of it; text is kept for a response that breaks off."""

    def __init__(self, content: bool, session: RealtimeSession) -> None:
        self._content = content
        self._session = session
        self._response: Any = None
        self._texts: list[str] = []

    def add(self, event: Json) -> None:
        kind = event.get("type")
        if kind in _TEXTS:
            if self._content:
                self._texts.append(event["delta"])
        elif kind in ("response.created", "response.done"):
            self._response = event.get("response")

    def response(self) -> Response:
        known = response(self._response, self._content, self._session.model)
        if known.output or not self._texts:
            return known
        text = text_part("".join(self._texts))
        reason = known.finish_reasons[0] if known.finish_reasons else None
        return replace(known, output=(answer("assistant", [text], reason),))
