"""The steps of Google's interactions as parts of the conventions' messages: whole, and put together from a stream.

Shapes: the API reference of Google, "Interactions API", "Step" and "Content" (ai.google.dev, 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.capture.parse.endpoint import read, server_tool_call, server_tool_response, text_part

if TYPE_CHECKING:
    from vigilo.capture.call import Message, Part

_MODALITIES = {"image": "image", "audio": "audio", "video": "video", "document": "document"}


def input_message(item: Any) -> Message:
    """One item of an interaction's input: a text, a content, or an earlier step, of whoever said it."""
    if isinstance(item, str):
        return {"role": "user", "parts": [text_part(item)]}
    kind = read(item, "type")
    if kind in ("user_input", "model_output") or (role := read(item, "role")) is not None:
        said = read(item, "content")
        speaker = {"user_input": "user", "model_output": "assistant", "model": "assistant"}
        contents = [said] if isinstance(said, str) else said or ()
        parts = [text_part(one) if isinstance(one, str) else content_part(one) for one in contents]
        return {"role": speaker.get(kind or role, "user"), "parts": parts}
    if kind == "function_result":
        return {"role": "tool", "parts": step_part(item)}
    if kind in ("function_call", "thought") or str(kind).endswith(("_call", "_result")):
        return {"role": "assistant", "parts": step_part(item)}
    return {"role": "user", "parts": [content_part(item)]}


def step_part(step: Any) -> list[Part]:
    """The parts of one step; before there were steps, an output that is a content is a step of its own."""
    kind = read(step, "type")
    if kind in ("model_output", "user_input"):
        return [content_part(content) for content in read(step, "content") or ()]
    if kind == "thought":
        summary = [read(content, "text") for content in read(step, "summary") or ()]
        return [{"type": "reasoning", "content": "\n".join(text for text in summary if text)}] if any(summary) else []
    if kind == "function_call":
        return [_tool_call(read(step, "id"), read(step, "name"), plain(read(step, "arguments")))]
    if kind == "function_result":
        return [{"type": "tool_call_response", "id": read(step, "call_id"), "response": plain(read(step, "result"))}]
    if isinstance(kind, str) and kind.endswith("_call"):
        name = read(step, "name") or kind.removesuffix("_call")
        return [server_tool_call(read(step, "id"), name, plain(read(step, "arguments")))]
    if isinstance(kind, str) and kind.endswith("_result"):
        name = kind.removesuffix("_result")
        return [server_tool_response(read(step, "call_id"), name, plain(read(step, "result")))]
    return [content_part(step)]


def _tool_call(call_id: Any, name: Any, arguments: Any) -> Part:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def content_part(content: Any) -> Part:
    """A text, or something else given inline or by address."""
    kind = read(content, "type")
    if kind == "text":
        return text_part(read(content, "text") or "")
    modality = _MODALITIES.get(kind or "")
    if modality is None:
        return {"type": kind or "generic"}
    if (data := read(content, "data")) is not None:
        return {"type": "blob", "modality": modality, "mime_type": read(content, "mime_type"), "content": data}
    return {"type": "uri", "modality": modality, "uri": read(content, "uri")}


def plain(value: Any) -> Any:
    """A value of the SDK's own classes as JSON."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", exclude_none=True) if dump is not None else value


class StepFold:
    """Steps that come in pieces, by their index."""

    __slots__ = ("_content", "_steps", "called")

    def __init__(self, content: bool) -> None:
        self._content = content
        self._steps: dict[Any, _Step] = {}
        self.called = False
        """Whether a function of the app is to be called."""

    def start(self, event: Any) -> None:
        started = read(event, "step")
        started = read(event, "content") if started is None else started
        if read(started, "type") == "function_call":
            self.called = True
        if self._content:
            self._steps[read(event, "index")] = _Step(started)

    def delta(self, event: Any) -> None:
        delta = read(event, "delta")
        kind = read(delta, "type")
        if kind == "function_call":
            self.called = True
        if not self._content:
            return
        step = self._steps.get(read(event, "index"))
        if step is None:
            step = self._steps[read(event, "index")] = _Step(None)
        step.add(kind, delta)

    def parts(self) -> list[Part]:
        return [part for step in self._steps.values() for part in step.parts()]


class _Step:
    """One step: how it began, and the pieces of its text, its thoughts or its arguments."""

    __slots__ = ("_others", "_pieces", "_started", "_texts")

    def __init__(self, started: Any) -> None:
        self._started = started
        self._texts: list[str] = []
        self._pieces: list[str] = []
        self._others: list[Any] = []

    def add(self, kind: Any, delta: Any) -> None:
        if kind == "text":
            self._texts.append(read(delta, "text") or "")
        elif kind == "thought_summary":
            self._texts.append(read(read(delta, "content"), "text") or "")
        elif kind == "arguments_delta":
            self._pieces.append(read(delta, "arguments") or "")
        elif kind not in ("thought_signature", "text_annotation_delta"):
            self._others.append(delta)

    def parts(self) -> list[Part]:
        kind = read(self._started, "type")
        if kind == "thought":
            return [{"type": "reasoning", "content": "".join(self._texts)}] if self._texts else []
        if self._pieces:
            name = read(self._started, "name")
            call = _tool_call if kind == "function_call" else server_tool_call
            return [call(read(self._started, "id"), name, "".join(self._pieces))]
        parts = [text_part("".join(self._texts))] if self._texts else []
        parts += [part for other in self._others for part in step_part(other)]
        return parts or (step_part(self._started) if self._started is not None and kind != "text" else [])
