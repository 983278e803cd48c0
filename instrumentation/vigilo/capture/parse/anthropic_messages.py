"""Anthropic's Messages API as ``Request`` and ``Response``, whole and streamed.

Shapes: the API reference of Anthropic, "Create a Message", "Streaming Messages" and "Count tokens" (2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Part, Request, Response
from vigilo.capture.parse.anthropic_content import is_compaction, message, part, parts, tool
from vigilo.capture.parse.anthropic_usage import USAGE_FIELDS, billed, price_tier, told_usage, usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, answer, count, fields, finish_reason, read, sent

_SENT = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "service_tier": semconv.ANTHROPIC_REQUEST_SERVICE_TIER,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
}


def request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /v1/messages``. ``metadata`` names the app's user to Anthropic and is not taken."""
    return Request(
        operation="chat",
        provider=origin.provider,
        model=body.get("model"),
        parameters=_parameters(body),
        stream=bool(body.get("stream")),
        input=tuple(message(one) for one in body.get("messages") or ()) if content else (),
        system=tuple(parts(body.get("system"))) if content else (),
        tools=tuple(tool(one) for one in body.get("tools") or ()) if content else (),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def _parameters(body: Json) -> dict[str, Any]:
    parameters = sent(body, _SENT)
    if stops := body.get("stop_sequences"):
        parameters[semconv.REQUEST_STOP_SEQUENCES] = list(stops)
    config = body.get("output_config")
    if (effort := read(config, "effort")) is not None:
        parameters[semconv.REQUEST_REASONING_LEVEL] = effort
    if (read(config, "format") or body.get("output_format")) is not None:
        parameters[semconv.OUTPUT_TYPE] = "json"
    if (thinking := body.get("thinking")) is not None:
        parameters[semconv.ANTHROPIC_THINKING_TYPE] = read(thinking, "type")
        if (budget := count(thinking, "budget_tokens")) is not None:
            parameters[semconv.ANTHROPIC_THINKING_BUDGET_TOKENS] = budget
    return parameters


def response(body: Any, content: bool) -> Response:
    """A whole ``message``."""
    reason = finish_reason(read(body, "stop_reason"))
    blocks = read(body, "content") or ()
    used, model = read(body, "usage"), read(body, "model")
    return Response(
        id=read(body, "id"),
        model=model,
        finish_reasons=(reason,) if reason else (),
        usage=usage(used),
        billed=billed(model, used),
        output=(answer("assistant", [part(block) for block in blocks], reason),) if content else (),
        service_tier=price_tier(used),
        attributes=_attributes(read(body, "stop_reason"), used, any(map(is_compaction, blocks))),
    )


def _attributes(stop_reason: Any, used: Any, compacted: bool) -> dict[str, Any]:
    told = told_usage(used)
    if isinstance(stop_reason, str):
        told[semconv.ANTHROPIC_STOP_REASON] = stop_reason
    if compacted:
        told[semconv.CONVERSATION_COMPACTED] = True
    return told


class MessagesFold:
    """A stream of events: counts of the input come first, those of the output with ``message_delta`` near the end.

    The output count of ``message_start`` is a placeholder of a token or so, so a stream that breaks off has none.
    """

    def __init__(self, content: bool) -> None:
        self._content = content
        self._message: Any = None
        self._usage: dict[str, Any] = {}
        self._reason: str | None = None
        self._compacted = False
        self._blocks: dict[int, tuple[Part, list[str]]] = {}

    def add(self, event: Any) -> None:
        told = fields(event)
        kind = told.get("type")
        if kind == "content_block_delta":
            if self._content and (block := self._blocks.get(told["index"])) is not None:
                delta = fields(told["delta"])
                text = delta.get("text") or delta.get("partial_json") or delta.get("thinking") or delta.get("content")
                if text:
                    block[1].append(text)
        elif kind == "content_block_start":
            begun = told["content_block"]
            self._compacted = self._compacted or is_compaction(begun)
            if self._content:
                # Read now: the SDK's own helper goes on to write into the block it was given.
                self._blocks[told["index"]] = (part(begun), [])
        elif kind == "message_start":
            self._message = told["message"]
            self._note_usage(read(self._message, "usage"))
            self._usage.pop("output_tokens", None)
            self._usage.pop("output_tokens_details", None)
        elif kind == "message_delta":
            self._reason = read(told["delta"], "stop_reason") or self._reason
            self._note_usage(told.get("usage"))

    def _note_usage(self, source: Any) -> None:
        """Counts are cumulative: each one that is given replaces what was known."""
        for name in USAGE_FIELDS:
            if (value := read(source, name)) is not None:
                self._usage[name] = value

    def response(self) -> Response:
        reason = finish_reason(self._reason)
        used, model = self._usage or None, read(self._message, "model")
        streamed = [_streamed_part(begun, pieces) for _, (begun, pieces) in sorted(self._blocks.items())]
        return Response(
            id=read(self._message, "id"),
            model=model,
            finish_reasons=(reason,) if reason else (),
            usage=usage(used),
            billed=billed(model, used),
            output=(answer("assistant", streamed, reason),) if streamed else (),
            service_tier=price_tier(used),
            attributes=_attributes(self._reason, used, self._compacted),
        )


def _streamed_part(begun: Part, pieces: list[str]) -> Part:
    """A block whose text, thinking or JSON arguments came in pieces."""
    if not pieces:
        return begun
    text = "".join(pieces)
    if begun["type"] in ("text", "reasoning", "compaction"):
        return {**begun, "content": (begun.get("content") or "") + text}
    if begun["type"] == "server_tool_call":
        return {**begun, "server_tool_call": {**begun["server_tool_call"], "arguments": text}}
    return {**begun, "arguments": text}


def count_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /v1/messages/count_tokens``. The call that it is made for tells the messages."""
    return Request(
        operation="count_tokens",
        provider=origin.provider,
        model=body.get("model"),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def count_response(body: Any, content: bool) -> Response:
    """The answer of counting: nobody used these tokens, so they are no usage."""
    counted = count(body, "input_tokens")
    return Response(attributes={} if counted is None else {semconv.COUNTED_INPUT_TOKENS: counted})


MESSAGES = Endpoint("chat", request, response, MessagesFold)
COUNT_TOKENS = Endpoint("count_tokens", count_request, count_response)
