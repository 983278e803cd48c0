"""What Gemini is told and says, as the conventions' messages: contents, parts, tools and grounding.

Shapes: the API reference of Google, "Content", "Part", "Tool" and "GroundingMetadata" (ai.google.dev, 2026-11). Google
reads names in both spellings, and its SDKs send some of them in the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.capture.parse.endpoint import Json, server_tool_call, server_tool_response, text_part

if TYPE_CHECKING:
    from vigilo.capture.call import Message, Part

_SCHEMAS = ("parameters", "parametersJsonSchema", "parameters_json_schema")


def message(source: Json) -> Message:
    """One of ``contents``; Google calls the assistant ``model``, and leaves the role of a single message out."""
    return {"role": source.get("role") or "user", "parts": parts(source)}


def parts(content: Json | None) -> list[Part]:
    """The parts of a ``Content``."""
    return [part(source) for source in (content or {}).get("parts") or ()]


def part(source: Json) -> Part:
    """One part; a kind that is not known keeps its name and nothing else."""
    if (text := source.get("text")) is not None:
        return {"type": "reasoning", "content": text} if source.get("thought") else text_part(text)
    for kind, read_part in _KINDS.items():
        if (found := source.get(kind)) is not None:
            return read_part(found)
    return {"type": next(iter(source), "generic")}


def function_call(call: Json) -> Part:
    """A ``FunctionCall``: a call of one of the app's own tools."""
    return {"type": "tool_call", "id": call.get("id"), "name": call.get("name"), "arguments": call.get("args")}


def function_response(result: Json) -> Part:
    """A ``FunctionResponse``: what one of the app's own tools returned."""
    return {"type": "tool_call_response", "id": result.get("id"), "response": result.get("response")}


def _blob(data: Json) -> Part:
    mime_type = data.get("mimeType") or ""
    return {
        "type": "blob",
        "modality": mime_type.partition("/")[0],
        "mime_type": mime_type,
        "content": data.get("data"),
    }


def _file(file: Json) -> Part:
    modality = (file.get("mimeType") or "").partition("/")[0]
    return {"type": "uri", "modality": modality, "uri": file.get("fileUri")}


def _code(code: Json) -> Part:
    return server_tool_call(
        code.get("id"), "code_execution", {"language": code.get("language"), "code": code.get("code")}
    )


def _code_result(result: Json) -> Part:
    gave = {"outcome": result.get("outcome"), "output": result.get("output")}
    return server_tool_response(result.get("id"), "code_execution", gave)


def _server_call(call: Json) -> Part:
    return server_tool_call(call.get("id"), str(call.get("toolType") or "").lower(), call.get("args"))


def _server_response(result: Json) -> Part:
    return server_tool_response(result.get("id"), str(result.get("toolType") or "").lower(), result.get("response"))


_KINDS = {
    "functionCall": function_call,
    "functionResponse": function_response,
    "inlineData": _blob,
    "fileData": _file,
    "executableCode": _code,
    "codeExecutionResult": _code_result,
    "toolCall": _server_call,
    "toolResponse": _server_response,
}


def grounding(candidate: Json) -> list[Part]:
    """Searches and pages of a grounded answer, which Google tells beside its parts."""
    found: list[Part] = []
    searched = candidate.get("groundingMetadata") or {}
    for name, field in (("google_search", "webSearchQueries"), ("retrieval", "retrievalQueries")):
        if queries := searched.get(field):
            found.append(server_tool_call(None, name, {"queries": list(queries)}))
    if pages := (candidate.get("urlContextMetadata") or {}).get("urlMetadata"):
        urls = [page.get("retrievedUrl") for page in pages]
        found.append(server_tool_call(None, "url_context", {"urls": urls}))
    return found


def tools(source: Any) -> tuple[Part, ...]:
    """Tool definitions as sent; a tool of Google's own, ``{"googleSearch": {}}``, has only its name."""
    found: list[Part] = []
    for tool in source or ():
        declared = tool.get("functionDeclarations")
        if declared is None:
            found += [{"type": name} for name in tool]
            continue
        for function in declared:
            schema = next((function[name] for name in _SCHEMAS if function.get(name)), None)
            known = {"name": function.get("name"), "description": function.get("description"), "parameters": schema}
            found.append({"type": "function", **{name: value for name, value in known.items() if value is not None}})
    return tuple(found)


class Said:
    """The parts of one answer, in the order in which their pieces come.

    Pieces of a text that goes on are joined at the end, so that what is masked is whole.
    """

    __slots__ = ("_kind", "_parts", "_pieces")

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._pieces: list[str] = []
        self._kind = ""

    def text(self, piece: str, kind: str = "text") -> None:
        """Adds a piece of text; ``kind`` is ``text`` or ``reasoning``."""
        if kind != self._kind:
            self._close()
            self._kind = kind
        self._pieces.append(piece)

    def add(self, source: Json) -> None:
        """Adds a part as Google sent it."""
        if (text := source.get("text")) is not None:
            self.text(text, "reasoning" if source.get("thought") else "text")
        else:
            self.put(part(source))

    def put(self, told: Part) -> None:
        """Adds a part as it is."""
        self._close()
        self._parts.append(told)

    def _close(self) -> None:
        if self._pieces:
            self._parts.append({"type": self._kind, "content": "".join(self._pieces)})
            self._pieces = []
        self._kind = ""

    def parts(self) -> list[Part]:
        """All parts so far."""
        self._close()
        return self._parts
