"""OpenAI's Responses API as ``Request`` and ``Response``.

Shapes: the API reference of OpenAI, "Create a model response" and "Streaming events" (2026-11).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.call import Message, Part, Request, Response, Usage
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
    server_tool_call,
    text_part,
)
from vigilo.capture.parse.once import Once
from vigilo.capture.parse.openai_chat import OUTPUT_TYPES, tool
from vigilo.capture.parse.openai_request import asked

_SENT = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "previous_response_id": semconv.REQUEST_PREVIOUS_RESPONSE_ID,
    "service_tier": semconv.OPENAI_REQUEST_SERVICE_TIER,
}
_ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})
LAST_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_TEXT_EVENTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_counted = Once()

if TYPE_CHECKING:
    from collections.abc import Mapping


def request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /responses``."""
    parameters = {**_api(origin), **sent(body, _SENT)}
    if (effort := read(body.get("reasoning"), "effort")) is not None:
        parameters[semconv.REQUEST_REASONING_LEVEL] = effort
    if (output := OUTPUT_TYPES.get(read(read(body.get("text"), "format"), "type"))) is not None:
        parameters[semconv.OUTPUT_TYPE] = output
    return _asked("chat", origin, body, content, parameters)


def _api(origin: Origin) -> dict[str, Any]:
    return {semconv.OPENAI_API_TYPE: "responses"} if origin.provider == "openai" else {}


def _asked(operation: str, origin: Origin, body: Json, content: bool, parameters: Mapping[str, Any]) -> Request:
    instructions = body.get("instructions")
    return asked(
        operation,
        origin,
        body,
        parameters,
        conversation_id=_conversation_id(body),
        input=_input(body.get("input")) if content else (),
        system=(text_part(instructions),) if content and isinstance(instructions, str) and instructions else (),
        tools=tuple(tool(t) for t in body.get("tools") or ()) if content else (),
    )


def _conversation_id(body: Any) -> str | None:
    conversation = read(body, "conversation")
    return conversation if isinstance(conversation, str) else read(conversation, "id")


def _input(source: Any) -> tuple[Message, ...]:
    if isinstance(source, str):
        return ({"role": "user", "parts": [text_part(source)]},)
    return tuple(_input_item(item) for item in source or ())


def _input_item(item: Any) -> Message:
    kind = read(item, "type")
    if kind in (None, "message"):
        content = read(item, "content")
        parts = [text_part(content)] if isinstance(content, str) else [_content_part(part) for part in content or ()]
        return {"role": read(item, "role") or "user", "parts": parts}
    if isinstance(kind, str) and kind.endswith("_call_output"):
        response = {"type": "tool_call_response", "id": read(item, "call_id"), "response": read(item, "output")}
        return {"role": "tool", "parts": [response]}
    return {"role": "assistant", "parts": [_output_part(item)]}


def _content_part(part: Any) -> Part:
    kind = read(part, "type")
    if kind in ("input_text", "output_text"):
        return text_part(read(part, "text"))
    if kind == "refusal":
        return text_part(read(part, "refusal"))
    if kind == "input_image":
        return blob_or_uri("image", read(part, "image_url") or read(part, "file_id"))
    if kind == "input_file" and read(part, "file_id"):
        return {"type": "file", "modality": "document", "file_id": read(part, "file_id")}
    if kind == "input_file":
        return blob_or_uri("document", read(part, "file_data") or read(part, "file_url"))
    return {"type": kind or "generic"}


def _output_part(item: Any) -> Part:
    """An item of the output that is no message: a call of a function or of a tool of the provider's, or reasoning."""
    kind = read(item, "type")
    if kind in ("function_call", "custom_tool_call"):
        arguments = read(item, "arguments" if kind == "function_call" else "input")
        return {"type": "tool_call", "id": read(item, "call_id"), "name": read(item, "name"), "arguments": arguments}
    if kind == "reasoning":
        summary = "\n".join(read(part, "text") or "" for part in read(item, "summary") or ())
        return {"type": "reasoning", "content": summary}
    return server_tool_call(read(item, "id"), read(item, "name") or kind, _told_of_tool(item))


def _told_of_tool(item: Any) -> Any:
    """What a tool of OpenAI's was asked: each kind of call has a field of its own for it."""
    told = (read(item, field) for field in ("arguments", "action", "queries", "code"))
    asked: Any = next((value for value in told if value is not None), None)
    return asked.to_dict() if hasattr(asked, "to_dict") else asked


def usage(source: Any) -> Usage:
    """Token counts of a ``usage`` object; an absent object is all unknown, not zero."""
    if source is None:
        return Usage()
    given, made = read(source, "input_tokens_details"), read(source, "output_tokens_details")
    return Usage(
        input_tokens=count(source, "input_tokens"),
        output_tokens=count(source, "output_tokens"),
        cache_read_tokens=count(given, "cached_tokens"),
        cache_write_tokens=count(given, "cache_write_tokens"),
        output_reasoning_tokens=count(made, "reasoning_tokens"),
    )


def response(body: Any, content: bool) -> Response:
    """A whole ``response``, or the one that a stream's last event carries."""
    items = read(body, "output") or ()
    reason = _finish_reason(body, items)
    tier = read(body, "service_tier")
    return Response(
        id=read(body, "id"),
        model=read(body, "model"),
        finish_reasons=(reason,) if reason else (),
        usage=_with_searches(usage(read(body, "usage")), items),
        output=(answer("assistant", _output_parts(items), reason),) if content and items else (),
        service_tier=tier,
        error=_failure(body),
        attributes={semconv.OPENAI_RESPONSE_SERVICE_TIER: tier} if tier else {},
    )


def _with_searches(used: Usage, items: Any) -> Usage:
    """Calls of OpenAI's own search are paid by the piece; opening a page that was found is not."""
    web = files = 0
    for item in items:
        kind = read(item, "type")
        if kind == "web_search_call":
            web += read(read(item, "action"), "type") in (None, "search")
        elif kind == "file_search_call":
            files += 1
    return replace(used, web_searches=web or None, file_searches=files or None) if web or files else used


def _failure(body: Any) -> tuple[str, str] | None:
    """Code and message of a response that failed: it comes as an answer, not as an error."""
    if read(body, "status") != "failed":
        return None
    error = read(body, "error")
    return read(error, "code") or "failed", read(error, "message") or "the response failed"


def _finish_reason(body: Any, items: Any) -> str | None:
    status = read(body, "status")
    if status == "incomplete":
        return finish_reason(read(read(body, "incomplete_details"), "reason")) or "length"
    if status == "completed" and any(read(item, "type") in ("function_call", "custom_tool_call") for item in items):
        return "tool_call"
    if status in ("queued", "in_progress"):
        return None
    return {"failed": "error"}.get(status, finish_reason(status))


def _output_parts(items: Any) -> list[Part]:
    parts: list[Part] = []
    for item in items:
        if read(item, "type") == "message":
            parts += [_content_part(part) for part in read(item, "content") or ()]
        else:
            parts.append(_output_part(item))
    return parts


class ResponsesFold:
    """A stream of events: the last one carries the whole response; text is kept for streams that break off."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._started: Any = None
        self._ended: Any = None
        self._texts: list[str] = []

    def add(self, event: Any) -> None:
        told = fields(event)
        kind = told.get("type")
        if kind in _TEXT_EVENTS:
            if self._content:
                self._texts.append(told["delta"])
        elif kind in LAST_EVENTS:
            self._ended = told.get("response")
        elif self._started is None and kind == "response.created":
            self._started = told.get("response")

    def response(self) -> Response:
        if self._ended is not None:
            return created(self._ended, self._content)
        output = (answer("assistant", [text_part("".join(self._texts))], None),) if self._texts else ()
        return Response(id=read(self._started, "id"), model=read(self._started, "model"), output=output)


def ended_in_background(body: Any) -> bool:
    """Whether a response was made in the background and has come to its end, told for the first time."""
    return bool(read(body, "background")) and read(body, "status") in _ENDED and _counted.first(read(body, "id"))


def created(body: Any, content: bool) -> Response:
    """The answer to ``POST /responses``: one that is made in the background may be there already, and is counted."""
    ended_in_background(body)
    return response(body, content)


def fetch_request(origin: Origin, body: Json, content: bool) -> Request:
    """A response that was made in the background, as it was fetched: what it was asked lies on the span that did."""
    return asked("fetch_response", origin, body, _api(origin), conversation_id=_conversation_id(body))


def compact_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /responses/compact``."""
    return _asked("compaction", origin, body, content, {**_api(origin), **sent(body, _SENT)})


def compact_response(body: Any, content: bool) -> Response:
    """A compaction: its tokens. It repeats the user's messages, so it adds nothing to read."""
    return Response(id=read(body, "id"), usage=usage(read(body, "usage")))


def input_tokens_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /responses/input_tokens``."""
    return _asked("count_tokens", origin, body, content, _api(origin))


def input_tokens_response(body: Any, content: bool) -> Response:
    """A count: tokens that were not used, so they are no usage."""
    counted = count(body, "input_tokens")
    return Response(attributes={} if counted is None else {semconv.COUNTED_INPUT_TOKENS: counted})


class FetchFold(ResponsesFold):
    """A stream that is taken up again: its tokens count unless somebody has told of them before."""

    def response(self) -> Response:
        if self._ended is None:
            return super().response()
        told = response(self._ended, self._content)
        return told if ended_in_background(self._ended) else replace(told, usage=Usage())


RESPONSES = Endpoint("chat", request, created, ResponsesFold)
BACKGROUND = Endpoint("fetch_response", fetch_request, response, FetchFold, counts=ended_in_background)
COMPACT = Endpoint("compaction", compact_request, compact_response)
INPUT_TOKENS = Endpoint("count_tokens", input_tokens_request, input_tokens_response)
