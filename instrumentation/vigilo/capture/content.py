"""What of a call's messages may leave the process, and where it goes: spans, events, a completion hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.completion_hooks import load_completion_hook
from vigilo.policy.mask import mask_messages, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vigilo.capture.call import Request, Response
    from vigilo.settings import Settings


class Content:
    """The user's choice of content. ``wanted``: messages are worth reading at all."""

    def __init__(self, settings: Settings) -> None:
        self.wanted = settings.content != "off"
        self.hook = load_completion_hook(settings.completion_hook) if self.wanted else None
        self.on_events = settings.operation_events == "on" or (
            settings.operation_events == "auto" and self.wanted and settings.content_on != "spans"
        )
        self._on_spans = self.wanted and settings.content_on != "events"
        self._in_events = self.wanted and settings.content_on != "spans"
        self._content = settings.content
        self._max_chars = settings.content_max_chars

    def masked(self, request: Request, response: Response) -> Mapping[str, Sequence[Any]]:
        """The messages by attribute name, fit to leave the process; nothing where content is off."""
        if not self.wanted:
            return {}
        told = (
            (semconv.INPUT_MESSAGES, request.input),
            (semconv.OUTPUT_MESSAGES, response.output),
            (semconv.SYSTEM_INSTRUCTIONS, request.system),
            (semconv.TOOL_DEFINITIONS, request.tools),
        )
        return {
            name: mask_messages(messages, content=self._content, max_chars=self._max_chars)
            for name, messages in told
            if messages
        }

    def for_span(self, masked: Mapping[str, Sequence[Any]]) -> dict[str, str]:
        """Span attributes: the conventions have messages as JSON there."""
        return {name: to_json(messages) for name, messages in masked.items()} if self._on_spans else {}

    def for_event(self, masked: Mapping[str, Sequence[Any]]) -> Mapping[str, Any]:
        """Event attributes: the conventions have messages as structures there."""
        return masked if self._in_events else {}
