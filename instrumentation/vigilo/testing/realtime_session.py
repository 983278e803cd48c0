"""One realtime connection on the wire: the events that a session gets, and those that answer them.

Shapes: the API reference of OpenAI, "Realtime client events" and "Realtime server events" (2026-11).
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed

from vigilo.testing.completion import Completion, Prompt, complete
from vigilo.testing.openai_usage import realtime_usage
from vigilo.testing.script import Reply

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

    from vigilo.testing.realtime import RealtimeServer
    from vigilo.testing.wire import Json

_SOUND = base64.b64encode(bytes(240)).decode()
_HEARD = "Hello there, can you hear me?"


@dataclass(frozen=True, slots=True)
class Failed:
    """A response that ends as failed, or with ``refused`` is never created."""

    code: str
    message: str
    refused: bool


def cut(connection: ServerConnection) -> None:
    """Drops a connection without a word."""
    with suppress(OSError):
        connection.socket.shutdown(socket.SHUT_RDWR)


class RealtimeSession:
    """One realtime connection: the events that it gets, and those that answer them."""

    def __init__(self, server: RealtimeServer, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None  # noqa: S101 - for the type checker: the handshake is over
        self._server = server
        self.socket = connection
        self._is_beta = request.headers.get("OpenAI-Beta") == "realtime=v1"
        query = parse_qs(urlsplit(request.path).query)
        model = (query.get("model") or query.get("deployment") or ["gpt-realtime"])[0]
        self._state: Json = {"id": "sess_000001", "object": "realtime.session", "type": "realtime", "model": model}
        self._said: list[str] = []
        self._active: dict[str, _Making] = {}
        self._items = 0

    def run(self) -> None:
        self.send("session.created", session=self._state)
        if self._is_beta:
            self.send("conversation.created", conversation={"id": "conv_000001", "object": "realtime.conversation"})
        with suppress(ConnectionClosed):
            for message in self.socket:
                event = json.loads(message)
                self._server.events.append(event)
                self._answer(event)
        for making in list(self._active.values()):
            making.stopped.set()

    def send(self, kind: str, **fields: object) -> None:
        with suppress(ConnectionClosed):
            self.socket.send(json.dumps({"type": kind, "event_id": "event_1", **fields}))

    def spoken(self, name: str) -> str:
        """The name of an event about text or sound: the beta says ``audio`` where today it is ``output_audio``."""
        return f"response.{name}" if self._is_beta else f"response.output_{name}"

    def finished(self, making: _Making) -> None:
        self._active.pop(making.id, None)

    def _answer(self, event: Json) -> None:
        kind = event["type"]
        if kind == "session.update":
            self._state |= event["session"]
            self.send("session.updated", session=self._state)
        elif kind == "conversation.item.create":
            item = {"id": self._item_id(), **event["item"]}
            self._said += [part["text"] for part in item.get("content") or () if "text" in part]
            self.send("conversation.item.created" if self._is_beta else "conversation.item.added", item=item)
        elif kind == "input_audio_buffer.commit":
            self._committed()
        elif kind == "response.cancel":
            for making in list(self._active.values()):
                making.stopped.set()
        elif kind == "response.create":
            self._create(event)

    def _item_id(self) -> str:
        self._items += 1
        return f"item_{self._items:06}"

    def _committed(self) -> None:
        item_id = self._item_id()
        self.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
        heard = ((self._state.get("audio") or {}).get("input") or {}).get("transcription")
        if heard or self._state.get("input_audio_transcription"):
            usage = {"type": "tokens", "input_tokens": 30, "output_tokens": 8, "total_tokens": 38}
            usage["input_token_details"] = {"audio_tokens": 30, "text_tokens": 0}
            kind = "conversation.item.input_audio_transcription.completed"
            self.send(kind, item_id=item_id, content_index=0, transcript=_HEARD, usage=usage)
        if (self._state.get("turn_detection") or {}).get("create_response"):
            self._create({})

    def _create(self, event: Json) -> None:
        wanted = event.get("response") or {}
        beside = wanted.get("conversation") == "none"
        number, step = self._server.take()
        busy = not beside and any(not making.beside for making in self._active.values())
        if busy:
            step = Failed("conversation_already_has_active_response", "A response is being made already.", True)
        if isinstance(step, Failed) and step.refused:
            told = {"type": "invalid_request_error", "code": step.code, "message": step.message, "param": "response"}
            self.send("error", error={**told, "event_id": event.get("event_id")})
            return
        making = _Making(self, number, step, {**self._state, **wanted}, " ".join(self._said), beside)
        self._active[making.id] = making
        threading.Thread(target=making.run, daemon=True).start()


class _Making:
    """One response while it is made."""

    def __init__(
        self, session: RealtimeSession, number: int, step: Reply | Failed, wanted: Json, said: str, beside: bool
    ) -> None:
        self.id = f"resp_{number:06}"
        self.beside = beside
        self.stopped = threading.Event()
        self._session = session
        self._step = step
        self._wanted = wanted
        self._made = complete(
            Prompt(model=wanted["model"], texts=(said,), last_user=said), step if isinstance(step, Reply) else Reply()
        )
        modalities = wanted.get("output_modalities") or wanted.get("modalities") or ["audio"]
        self._is_spoken = "audio" in modalities

    def run(self) -> None:
        send, made = self._session.send, self._made
        send("response.created", response=self._response("in_progress"))
        if isinstance(self._step, Failed):
            error = {"type": "server_error", "code": self._step.code, "message": self._step.message}
            self._done("failed", {"type": "failed", "error": error})
        elif made.tool_calls:
            self._call(made)
        elif self._say(made, self._step):
            self._done("completed", None)

    def _say(self, made: Completion, reply: Reply) -> bool:
        """Sends the pieces; false when it was stopped, which it then has told."""
        place = {"response_id": self.id, "item_id": f"item_{self.id}", "output_index": 0, "content_index": 0}
        name = self._session.spoken
        for index, piece in enumerate(made.pieces):
            if index == reply.drop_after_chunks:
                cut(self._session.socket)
                return False
            if index and self.stopped.wait(reply.chunk_delay_s):
                self._done("cancelled", {"type": "cancelled", "reason": "client_cancelled"}, made.pieces[:index])
                return False
            if self._is_spoken:
                self._session.send(name("audio_transcript.delta"), delta=piece, **place)
                self._session.send(name("audio.delta"), delta=_SOUND, **place)
            else:
                self._session.send(name("text.delta"), delta=piece, **place)
        return True

    def _call(self, made: Completion) -> None:
        for index, tool in enumerate(made.tool_calls):
            place = {"response_id": self.id, "item_id": f"item_{self.id}_{index}", "output_index": index}
            self._session.send(
                "response.function_call_arguments.delta", delta=json.dumps(dict(tool.arguments)), **place
            )
        self._done("completed", None)

    def _done(self, status: str, details: Json | None, pieces: tuple[str, ...] | None = None) -> None:
        self._session.finished(self)
        text = "".join(self._made.pieces if pieces is None else pieces)
        self._session.send("response.done", response=self._response(status, details, text))

    def _response(self, status: str, details: Json | None = None, text: str | None = None) -> Json:
        made = self._made
        output: list[Json] = []
        for index, tool in enumerate(made.tool_calls):
            known = {"id": f"item_{self.id}_{index}", "type": "function_call", "call_id": f"call_{index}"}
            output.append({**known, "name": tool.name, "arguments": json.dumps(dict(tool.arguments))})
        if text:
            spoken = (
                {"type": "output_audio", "transcript": text}
                if self._is_spoken
                else {"type": "output_text", "text": text}
            )
            output.append({"id": f"item_{self.id}", "type": "message", "role": "assistant", "content": [spoken]})
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": [] if text is None else output,
            "conversation_id": None if self.beside else "conv_000001",
            "metadata": self._wanted.get("metadata"),
            "usage": None if text is None else realtime_usage(made.usage),
        }
