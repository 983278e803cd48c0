"""Completion hooks: what ``opentelemetry-util-genai`` lets users plug in, such as its upload of messages to a bucket.

A hook is an entry point of the group ``opentelemetry_genai_completion_hook``, a callable without arguments that returns
an object with ``on_completion`` (``opentelemetry.util.genai.completion_hook`` of ``opentelemetry-util-genai`` 1.3b0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.errors import internal_errors, report_internal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GROUP = "opentelemetry_genai_completion_hook"


class CompletionHook:
    """A user's hook, which gets messages as the types of ``opentelemetry-util-genai``, masked like everywhere else."""

    def __init__(self, on_completion: Callable[..., object]) -> None:
        self._on_completion = on_completion

    def __call__(self, masked: Mapping[str, Sequence[Any]], span: Any, log_record: Any) -> None:
        """Calls the hook while the span still takes attributes; whatever it raises is logged, not passed on."""
        with internal_errors("calling the completion hook"):
            from opentelemetry.util.genai import types

            self._on_completion(
                inputs=[_message(types, types.InputMessage, m) for m in masked.get(semconv.INPUT_MESSAGES, ())],
                outputs=[_message(types, types.OutputMessage, m) for m in masked.get(semconv.OUTPUT_MESSAGES, ())],
                system_instruction=[_part(types, part) for part in masked.get(semconv.SYSTEM_INSTRUCTIONS, ())],
                tool_definitions=[_tool(types, tool) for tool in masked.get(semconv.TOOL_DEFINITIONS, ())] or None,
                span=span,
                log_record=log_record,
            )


def load_completion_hook(name: str) -> CompletionHook | None:
    """The hook of this name; None, and a line in the log that says why, when there is none that works."""
    if not name:
        return None
    import logging
    from importlib.metadata import entry_points

    log = logging.getLogger("vigilo")
    found = entry_points(group=GROUP)
    hook = next((entry for entry in found if entry.name == name), None)
    if hook is None:
        known = ", ".join(sorted(entry.name for entry in found)) or "none; pip install opentelemetry-util-genai"
        log.error("vigilo: there is no completion hook `%s`; installed are: %s", name, known)
        return None
    try:
        import opentelemetry.util.genai.types  # noqa: F401 - fails here and not at every call

        return CompletionHook(hook.load()().on_completion)
    except Exception as error:  # noqa: BLE001 - somebody else's hook must not keep the app from starting
        report_internal(f"loading the completion hook `{name}`", error)
        return None


def _message(types: Any, kind: Any, message: Any) -> Any:
    told = message if isinstance(message, dict) else {"role": "", "parts": [{"type": "text", "content": str(message)}]}
    fields = {"role": told.get("role") or "", "parts": [_part(types, part) for part in told.get("parts") or ()]}
    return kind(**fields, **({"finish_reason": told["finish_reason"]} if "finish_reason" in told else {}))


def _part(types: Any, part: Any) -> Any:
    if not isinstance(part, dict):
        return types.TextPart(content=str(part))
    kind, told = part.get("type"), {name: value for name, value in part.items() if name != "type"}
    if kind == "text":
        return types.TextPart(content=told.get("content") or "")
    if kind == "reasoning":
        return types.ReasoningPart(content=told.get("content") or "")
    if kind == "tool_call":
        return types.ToolCallRequestPart(
            arguments=told.get("arguments"), name=told.get("name") or "", id=told.get("id")
        )
    if kind == "tool_call_response":
        return types.ToolCallResponsePart(response=told.get("response"), id=told.get("id"))
    if kind == "server_tool_call":
        called = told.get("server_tool_call")
        return types.ServerToolCallPart(name=told.get("name") or "", server_tool_call=called, id=told.get("id"))
    if kind == "server_tool_call_response":
        answer = told.get("server_tool_call_response")
        return types.ServerToolCallResponsePart(server_tool_call_response=answer, id=told.get("id"))
    if kind == "uri":
        return types.UriPart(mime_type=told.get("mime_type"), modality=told.get("modality") or "", uri=told.get("uri"))
    return types.GenericPart(type=str(kind or "generic"))


def _tool(types: Any, tool: Any) -> Any:
    if isinstance(tool, dict) and tool.get("type") == "function":
        return types.FunctionToolDefinition(
            name=tool.get("name") or "", description=tool.get("description"), parameters=tool.get("parameters")
        )
    told = tool if isinstance(tool, dict) else {}
    return types.GenericToolDefinition(name=told.get("name") or "", type=told.get("type") or "")
