"""OpenAI's Responses API over a websocket: the events of its streams, for one response after the other.

Shapes: the API reference of OpenAI, "Responses over WebSocket" (2026-11). A connection may have lanes, named by
``stream_id``, in which responses are made side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo.capture.parse.endpoint import read
from vigilo.capture.parse.openai_responses import LAST_EVENTS, ResponsesFold, request

if TYPE_CHECKING:
    from vigilo.capture.call import Request, Response
    from vigilo.capture.parse.endpoint import Json, Origin


class ResponsesSession:
    """What the events of a connection so far mean for the responses that are made on it."""

    def __init__(self, model: str | None = None) -> None:
        """``model``: the one that the address of the connection named; most name none."""
        self._model = model
        self._latest: dict[str | None, str] = {}

    def sends(self, event: Any, content: bool) -> None:
        """Notes an event of the client's."""
        self._model = read(event, "model") or self._model

    def receives(self, event: Json, content: bool) -> None:
        """Notes an event of the server's."""
        if event.get("type") == "response.created":
            self._latest[event.get("stream_id")] = event["response"]["id"]

    def request(self, origin: Origin, event: Any, content: bool) -> Request:
        """The request of a ``response.create``; None for a response that follows another by itself."""
        body = event if event is None or isinstance(event, dict) else event.to_dict()
        return request(origin, {"model": self._model, **(body or {}), "stream": True}, content)

    def fold(self, content: bool) -> ResponsesFold:
        """Starts putting a response together."""
        return ResponsesFold(content)

    def tag(self, event: Any) -> Any:
        """What a ``response.create`` and the response that is created for it have in common: the lane."""
        return read(event, "stream_id")

    def response_id(self, event: Json) -> str | None:
        """The response that an event of the server's is about: most events tell only their lane."""
        told: str | None = read(event.get("response"), "id") or self._latest.get(event.get("stream_id"))
        return told

    def is_last(self, kind: str) -> bool:
        """Whether an event of this kind ends its response."""
        return kind in LAST_EVENTS

    def is_refusal(self, error: Any) -> bool:
        """Whether an error is about a response: there is nothing else on such a connection."""
        return True

    def transcription(self, origin: Origin, event: Json, content: bool) -> tuple[Request, Response] | None:
        """None: nothing is transcribed here."""
        return None
