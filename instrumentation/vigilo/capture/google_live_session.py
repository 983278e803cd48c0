"""One session of Google's live API, and the recording of each turn in it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vigilo.capture.hook import admit_late, sending
from vigilo.capture.parse import google_live as live
from vigilo.capture.streams import StreamEnd
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from vigilo.capture.call import Message, Request
    from vigilo.capture.parse.endpoint import Origin
    from vigilo.capture.recorder import Recorder

_SOUND_AND_PICTURES = tuple(f'{{"realtime_input": {{"{kind}"' for kind in ("audio", "video", "mediaChunks", "media"))
_CLOSED_IN_ORDER = (1000, 1001)
"""Codes of the websocket protocol (RFC 6455, 7.4.1): done, and going away."""


class LiveSession:
    """Follows one session. A turn begins when the client asks, or else with the first message that answers.

    Who talks to the model by sound does not say where a question ends, so what is told as the time to the first chunk
    is then the time since sound was sent last.
    """

    def __init__(self, recorder: Recorder, origin: Origin, request: Request) -> None:
        """``request``: what is known before the session is set up."""
        self.request = request
        self._recorder = recorder
        self._origin = origin
        self._content = recorder.wants_content
        self._turn: StreamEnd | None = None
        self._asked: list[Message] = []
        self._sent_s: float | None = None

    def opened(self, session_id: str | None) -> None:
        """The session stands; its id, where the provider gives one, is that of the conversation."""
        self.request = replace(self.request, conversation_id=session_id)

    def failed_to_open(self, error: BaseException, started_s: float) -> None:
        """There is no session, and so no turn: the attempt is told as a call that failed."""
        with internal_errors("recording a session that failed to open"):
            self._recorder.begin(self.request, started_s).fail(error)

    def sends(self, message: str | bytes) -> sending:
        """Notes a message of the client; around its sending, which a gate may refuse where it asks for an answer."""
        with internal_errors("reading a message of a live session"):
            text = message if isinstance(message, str) else message.decode()
            if text.startswith(_SOUND_AND_PICTURES):
                self._sent_s = time.perf_counter()
            else:
                return sending(self._asks(json.loads(text)))
        return sending(None)

    def _asks(self, body: dict[str, Any]) -> Any:
        """The recording of the turn that a message begins, if any."""
        if (setup := body.get("setup")) is not None:
            self.request = live.request(self._origin, setup, self._content)
            return None
        if self._content:
            self._asked += live.sent_messages(body)
        if self._turn is not None and self._turn.recording.ended:
            self._turn = None  # the gate refused it, or nobody read on for too long
        # While the model answers, a message interrupts it: the server ends that turn first.
        if self._turn is not None or not live.asks_for_answer(body):
            return None
        return self._begin(None).recording

    def _begin(self, started_s: float | None) -> StreamEnd:
        request = replace(self.request, input=tuple(self._asked))
        self._asked.clear()
        self._turn = StreamEnd(self._recorder.begin(request, started_s), live.TurnFold(self._content))
        return self._turn

    def received(self, message: Any) -> None:
        """Notes a message of the server."""
        with internal_errors("reading a message of a live session"):
            turn = self._turn
            if turn is not None and turn.recording.ended:
                turn = self._turn = None  # the gate refused it, or nobody read on for too long
            if self._content and (text := live.heard(message)):
                self._hears(turn, text)
            if turn is None:
                if not live.begins_turn(message):
                    return
                turn = self._begin(self._sent_s)
                admit_late(turn.recording)
            self._sent_s = None
            turn.takes(message)
            if live.ends_turn(message):
                self._turn = None
                turn.end()

    def _hears(self, turn: StreamEnd | None, text: str) -> None:
        """The provider tells what it heard in pieces, before the answer or along with it."""
        if turn is None:
            self._asked.append(live.spoken(text))
        else:
            request = turn.recording.request
            turn.recording.request = replace(request, input=(*request.input, live.spoken(text)))

    def broken(self, error: BaseException) -> None:
        """The connection is gone, or a message cannot be read."""
        if self._turn is None:
            return
        turn, self._turn = self._turn, None
        with internal_errors("ending a turn"):
            received = getattr(error, "rcvd", None)  # of the websocket's own error, which older SDKs let through
            if getattr(received or error, "code", None) in _CLOSED_IN_ORDER:
                turn.end("close")
            else:
                turn.fail(error)

    def closed(self) -> None:
        """The app has left the session."""
        if self._turn is not None:
            turn, self._turn = self._turn, None
            with internal_errors("ending a turn"):
                turn.end("close")
