"""Anthropic's Messages API as ``Request`` and ``Response``.

Shapes: the API reference of Anthropic, "Create a Message" and "Streaming Messages" (2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Message, Part, Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, answer, count, fields, finish_reason, read, text_part

_SENT = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
}
_MODALITIES = {"image": "image", "document": "document"}


def request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /v1/messages``."""
    sent: dict[str, Any] = {}
    for name, attribute in _SENT.items():
        if (value := body.get(name)) is not None:
            sent[attribute] = value
    if stops := body.get("stop_sequences"):
        sent[semconv.REQUEST_STOP_SEQUENCES] = list(stops)
    if (effort := read(body.get("output_config"), "effort")) is not None:
        sent[semconv.REQUEST_REASONING_LEVEL] = effort
    return Request(
        operation="chat",
        provider=origin.provider,
        model=body.get("model"),
        parameters=sent,
        stream=bool(body.get("stream")),
        input=tuple(_message(message) for message in body.get("messages") or ()) if content else (),
        system=tuple(_parts(body.get("system"))) if content else (),
        tools=tuple(_tool(tool) for tool in body.get("tools") or ()) if content else (),
        server_address=origin.server_address,
        server_port=origin.server_port,
    )


def _message(source: Any) -> Message:
    return {"role": read(source, "role"), "parts": _parts(read(source, "content"))}


def _parts(content: Any) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [_part(block) for block in content]


def _part(block: Any) -> Part:
    """A content block of a request or an answer in the conventions' form."""
    kind = read(block, "type")
    if kind == "text":
        return text_part(read(block, "text"))
    if kind in ("thinking", "redacted_thinking"):
        # What is redacted is encrypted data of no use to a reader.
        return {"type": "reasoning", "content": read(block, "thinking") or ""}
    if kind in ("tool_use", "server_tool_use"):
        called = "tool_call" if kind == "tool_use" else "server_tool_call"
        return {"type": called, "id": read(block, "id"), "name": read(block, "name"), "arguments": read(block, "input")}
    if isinstance(kind, str) and kind.endswith("tool_result"):
        answered = "tool_call_response" if kind == "tool_result" else "server_tool_call_response"
        return {"type": answered, "id": read(block, "tool_use_id"), "response": _result(read(block, "content"))}
    if kind in _MODALITIES:
        return _media(_MODALITIES[kind], read(block, "source"))
    return {"type": kind or "generic"}


def _result(content: Any) -> Any:
    if isinstance(content, (list, tuple)):
        return [_part(block) for block in content]
    return content if isinstance(content, str) else read(content, "type")


def _media(modality: str, source: Any) -> Part:
    kind = read(source, "type")
    if kind == "base64":
        mime_type = read(source, "media_type")
        return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": read(source, "data")}
    if kind == "file":
        return {"type": "file", "modality": modality, "file_id": read(source, "file_id")}
    if kind == "text":
        return text_part(read(source, "data"))
    return {"type": "uri", "modality": modality, "uri": read(source, "url")}


def _tool(definition: Any) -> Part:
    known = {"description": read(definition, "description"), "parameters": read(definition, "input_schema")}
    given = {name: value for name, value in known.items() if value is not None}
    return {"type": read(definition, "type") or "function", "name": read(definition, "name"), **given}


def usage(source: Any) -> Usage:
    """Token counts of a ``usage`` object.

    Anthropic's ``input_tokens`` leaves cached tokens out; the total here contains them, as the conventions ask.
    """
    if source is None:
        return Usage()
    plain = count(source, "input_tokens")
    read_tokens, written = count(source, "cache_read_input_tokens"), count(source, "cache_creation_input_tokens")
    return Usage(
        input_tokens=None if plain is None else plain + (read_tokens or 0) + (written or 0),
        output_tokens=count(source, "output_tokens"),
        cache_read_tokens=read_tokens,
        cache_write_tokens=written,
        cache_write_1h_tokens=count(read(source, "cache_creation"), "ephemeral_1h_input_tokens"),
        output_reasoning_tokens=count(read(source, "output_tokens_details"), "thinking_tokens"),
    )


def response(body: Any, content: bool) -> Response:
    """A whole ``message``."""
    reason = finish_reason(read(body, "stop_reason"))
    blocks = read(body, "content") or ()
    return Response(
        id=read(body, "id"),
        model=read(body, "model"),
        finish_reasons=(reason,) if reason else (),
        usage=usage(read(body, "usage")),
        output=(answer("assistant", [_part(block) for block in blocks], reason),) if content else (),
        service_tier=read(read(body, "usage"), "service_tier"),
    )


class MessagesFold:
    """A stream of events: counts of the input come first, those of the output with ``message_delta`` near the end.

    The output count of ``message_start`` is a placeholder of a token or so, so a stream that breaks off has none.
    """

    def __init__(self, content: bool) -> None:
        self._content = content
        self._message: Any = None
        self._usage: dict[str, Any] = {}
        self._reason: str | None = None
        self._blocks: dict[int, tuple[Part, list[str]]] = {}

    def add(self, event: Any) -> None:
        told = fields(event)
        kind = told.get("type")
        if kind == "content_block_delta":
            if self._content and (block := self._blocks.get(told["index"])) is not None:
                delta = fields(told["delta"])
                if text := delta.get("text") or delta.get("partial_json") or delta.get("thinking"):
                    block[1].append(text)
        elif kind == "content_block_start":
            # Read now: the SDK's own helper goes on to write into the block it was given.
            self._blocks[read(event, "index")] = (_part(read(event, "content_block")), [])
        elif kind == "message_start":
            self._message = read(event, "message")
            self._note_usage(read(self._message, "usage"))
            self._usage["output_tokens"] = None
        elif kind == "message_delta":
            self._reason = read(read(event, "delta"), "stop_reason") or self._reason
            self._note_usage(read(event, "usage"))

    def _note_usage(self, source: Any) -> None:
        """Counts are cumulative: each one that is given replaces what was known."""
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
            "output_tokens_details",
            "service_tier",
        ):
            if (value := read(source, name)) is not None:
                self._usage[name] = value

    def response(self) -> Response:
        reason = finish_reason(self._reason)
        parts = [_streamed_part(part, pieces) for _, (part, pieces) in sorted(self._blocks.items())]
        return Response(
            id=read(self._message, "id"),
            model=read(self._message, "model"),
            finish_reasons=(reason,) if reason else (),
            usage=usage(self._usage or None),
            output=(answer("assistant", parts, reason),) if self._content and parts else (),
            service_tier=self._usage.get("service_tier"),
        )


def _streamed_part(part: Part, pieces: list[str]) -> Part:
    """A block whose text, thinking or JSON arguments came in pieces."""
    if not pieces:
        return part
    if part["type"] in ("text", "reasoning"):
        return {**part, "content": (part["content"] or "") + "".join(pieces)}
    return {**part, "arguments": "".join(pieces)}


MESSAGES = Endpoint("chat", request, response, MessagesFold)
_ENDPOINTS: dict[str, Endpoint] = {"/v1/messages": MESSAGES}


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """The endpoint of a request; None for listing, polling and what else is no call to a model."""
    return _ENDPOINTS.get(path) if method == "POST" else None
