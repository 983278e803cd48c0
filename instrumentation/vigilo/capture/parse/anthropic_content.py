"""Anthropic's content blocks and tools in the conventions' form.

Shapes: the API reference of Anthropic, "Create a Message", and the guides of its server tools (2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.capture.parse.endpoint import read, server_tool_call, server_tool_response, text_part

if TYPE_CHECKING:
    from vigilo.capture.call import Message, Part

_MODALITIES = {"image": "image", "document": "document"}
_SERVER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})
_TOLD_OF_RESULTS = ("title", "url", "text", "stdout", "stderr", "return_code", "error_code", "file_id")
"""What a reader can use of a server tool's result; the rest is encrypted for the model's next turn."""


def message(source: Any) -> Message:
    """One message of a request."""
    return {"role": read(source, "role"), "parts": parts(read(source, "content"))}


def parts(content: Any) -> list[Part]:
    """The parts of ``content``: one text, or a list of blocks."""
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [part(block) for block in content]


def part(block: Any) -> Part:
    """A content block of a request or an answer."""
    kind = read(block, "type")
    if kind == "text":
        return text_part(read(block, "text"))
    if kind in ("thinking", "redacted_thinking"):
        # What is redacted is encrypted data of no use to a reader.
        return {"type": "reasoning", "content": read(block, "thinking") or ""}
    if kind == "tool_use":
        return {
            "type": "tool_call",
            "id": read(block, "id"),
            "name": read(block, "name"),
            "arguments": read(block, "input"),
        }
    if kind in _SERVER_CALLS:
        return server_tool_call(read(block, "id"), read(block, "name"), read(block, "input"))
    if kind == "tool_result":
        return {"type": "tool_call_response", "id": read(block, "tool_use_id"), "response": _said(block)}
    if isinstance(kind, str) and kind.endswith("tool_result"):
        name = kind.removesuffix("_tool_result")
        return server_tool_response(read(block, "tool_use_id"), name, _result(read(block, "content")))
    if kind in _MODALITIES:
        return _media(_MODALITIES[kind], read(block, "source"))
    if kind == "container_upload":
        return {"type": "file", "modality": "document", "file_id": read(block, "file_id")}
    if kind == "search_result":
        known = {"title": read(block, "title"), "source": read(block, "source")}
        return {"type": kind, **known, "content": parts(read(block, "content"))}
    if kind == "compaction":
        summary = read(block, "content")
        return {"type": "compaction", **({} if summary is None else {"content": summary})}
    return {"type": kind or "generic"}


def is_compaction(block: Any) -> bool:
    """Whether a block tells that the conversation so far was replaced by a summary."""
    return bool(read(block, "type") == "compaction")


def _said(block: Any) -> Any:
    content = read(block, "content")
    return content if content is None or isinstance(content, str) else parts(content)


def _result(content: Any) -> Any:
    """The result of a tool that ran at the provider: a text, an object or a list of these."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)):
        return [_result(item) for item in content]
    known = {name: value for name in _TOLD_OF_RESULTS if (value := read(content, name)) is not None}
    return {"type": read(content, "type"), **known}


def _media(modality: str, source: Any) -> Part:
    kind = read(source, "type")
    if kind == "base64":
        mime_type = read(source, "media_type")
        return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": read(source, "data")}
    if kind == "file":
        return {"type": "file", "modality": modality, "file_id": read(source, "file_id")}
    if kind == "text":
        return text_part(read(source, "data"))
    if kind == "content":  # a document made of blocks
        inner = read(source, "content")
        return {"type": modality, "content": inner if isinstance(inner, str) else parts(inner)}
    return {"type": "uri", "modality": modality, "uri": read(source, "url")}


def tool(definition: Any) -> Part:
    """A tool definition; ``custom`` is Anthropic's word for a function of the app."""
    kind = read(definition, "type")
    known = {"description": read(definition, "description"), "parameters": read(definition, "input_schema")}
    given = {name: value for name, value in known.items() if value is not None}
    return {"type": "function" if kind in (None, "custom") else kind, "name": read(definition, "name"), **given}
