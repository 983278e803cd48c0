"""What of a call's messages may leave the process, and where it goes: spans, events, a completion hook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.completion_hooks import load_completion_hook
from vigilo.policy.mask import mask_clip, mask_messages, to_json
from vigilo.policy.mask.labels import mask_label
from vigilo.policy.mask.numbering import Numbers, numbers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vigilo.capture.call import Request, Response
    from vigilo.settings import Settings


_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Content:
    """The user's choice of content.

    ``wanted``: messages are worth reading at all. ``is_numbered``: values that are masked are told apart.
    """

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
        self.is_numbered = settings.content == "masked" and settings.placeholders == "numbered"

    def numbers(self, conversation: str | None) -> Numbers:
        """The numbers by which masked values of a conversation, or of one call without any, are told apart."""
        return numbers_of(conversation)

    def parameters(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a call was made with, or what came back beside the answer: its texts masked, and no content where off.

        Stop sequences are content: pieces of what the caller expects to be written.
        """
        if self._content == "full":
            return told
        shown: dict[str, Any] | None = None
        for name, value in told.items():
            masked = value
            if isinstance(value, str):
                # A provider's ids look like keys, and must be the ones that the answers had.
                is_id = name == semconv.REQUEST_PREVIOUS_RESPONSE_ID and _ID.fullmatch(value)
                masked = value if is_id else mask_label(value)
            elif name == semconv.REQUEST_STOP_SEQUENCES:
                masked = [mask_clip(str(text), self._max_chars) for text in value] if self.wanted else None
            if masked != value:
                shown = dict(told) if shown is None else shown
                shown[name] = masked
        return told if shown is None else {name: value for name, value in shown.items() if value is not None}

    def masked(
        self, request: Request, response: Response, numbers: Numbers | None = None
    ) -> Mapping[str, Sequence[Any]]:
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
            name: mask_messages(messages, content=self._content, max_chars=self._max_chars, numbers=numbers)
            for name, messages in told
            if messages
        }

    def for_span(self, masked: Mapping[str, Sequence[Any]]) -> dict[str, str]:
        """Span attributes: the conventions have messages as JSON there."""
        return {name: to_json(messages) for name, messages in masked.items()} if self._on_spans else {}

    def for_event(self, masked: Mapping[str, Sequence[Any]]) -> Mapping[str, Any]:
        """Event attributes: the conventions have messages as structures there."""
        return masked if self._in_events else {}
