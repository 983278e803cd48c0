"""The responses that are being made on one websocket, each of them one call."""

from __future__ import annotations

import json
import re
import weakref
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from vigilo.capture.hook import admit_late, sending
from vigilo.capture.parse.endpoint import read
from vigilo.capture.streams import StreamEnd
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.capture.call import Request, Response
    from vigilo.capture.parse.endpoint import Fold, Origin
    from vigilo.capture.recorder import Recorder, Recording

_SOUND = re.compile(rb'"type"\s*:\s*"response\.(?:output_)?audio\.delta"')
_RESPONSE_ID = re.compile(rb'"response_id"\s*:\s*"([^"\\]+)"')
_HEAD = 200
"""Within so many bytes stands the type of an event that is mostly sound, and need not be taken apart."""
_SOUND_CHUNK = {"type": "response.output_audio.delta"}


class Session(Protocol):
    """How the events of one kind of connection are read."""

    def sends(self, event: Any, content: bool) -> None:
        """Notes an event of the client's."""

    def receives(self, event: Any, content: bool) -> None:
        """Notes an event of the server's."""

    def request(self, origin: Origin, event: Any, content: bool) -> Request:
        """The request of a ``response.create``; None for a response that the server began by itself."""
        ...

    def fold(self, content: bool) -> Fold:
        """Starts putting a response together."""
        ...

    def tag(self, event: Any) -> Any:
        """What a ``response.create`` and the response that is created for it have in common, if anything."""

    def response_id(self, event: Any) -> str | None:
        """The response that an event of the server's is about."""

    def is_last(self, kind: str) -> bool:
        """Whether an event of this kind ends its response."""
        ...

    def is_refusal(self, error: Any) -> bool:
        """Whether an error that names no event is about the last response that was asked for."""
        ...

    def transcription(self, origin: Origin, event: Any, content: bool) -> tuple[Request, Response] | None:
        """A call of another model that an event tells of."""


class _Live:
    """A response that was asked for or is being made; the fold that it has around the response's own."""

    __slots__ = ("_error", "_fold", "add", "end", "event_id", "tag")

    def __init__(self, recording: Recording, fold: Fold, event_id: str | None, tag: Any) -> None:
        self._fold = fold
        self._error: tuple[str, str] | None = None
        self.add = fold.add
        self.end = StreamEnd(recording, self)
        self.event_id = event_id
        self.tag = tag

    def refuse(self, error: Any) -> None:
        """Ends it with the error that came instead of it."""
        self._error = (read(error, "code") or read(error, "type") or "error", read(error, "message") or "")
        self.end.end()

    def response(self) -> Response:
        told = self._fold.response()
        return told if self._error is None else replace(told, error=self._error)


class Calls:
    """Follows the events of one connection, in both directions.

    Responses are told apart by their id: several may be made at once. A ``response.create`` has none yet; it belongs
    to the next response that is created with the same tag.
    """

    def __init__(self, recorder: Callable[[], Recorder | None], origin: Origin, session: Session) -> None:
        """``recorder``: who watches the client of the connection now."""
        self._recorder = recorder
        self._origin = origin
        self._session = session
        self._asked: list[_Live] = []
        self._live: dict[str, _Live] = {}
        self._connected = False
        self._committed_s: dict[str, float] = {}

    def follow(self, connection: object) -> None:
        """Ends what is still open when the connection is dropped; must not be what keeps it alive."""
        self._connected = True
        weakref.finalize(connection, self.end, "drop").atexit = False

    def await_connection(self, manager: object) -> None:
        """Ends what was asked for when the manager is dropped before it connected."""
        weakref.finalize(manager, self._end_unconnected).atexit = False

    def _end_unconnected(self) -> None:
        if not self._connected:
            self.end("drop")

    def send(self, event: Any) -> _Sending:
        """Around the sending of an event."""
        return _Sending(self, event)

    def begin(self, event: Any) -> Recording | None:
        """Notes an event of the client's; the recording of a response that it asks for.

        Args:
            event: None for a response that the server begins by itself.
        """
        recorder = self._recorder()
        if recorder is None:
            return None
        content = recorder.wants_content
        if event is not None:
            self._session.sends(event, content)
            if read(event, "type") != "response.create":
                return None
        return recorder.begin(self._session.request(self._origin, event, content))

    def asked(self, recording: Recording, event: Any) -> _Live:
        """Waits for the response that ``recording`` is of."""
        live = self._follow(recording, event)
        self._asked.append(live)
        return live

    def unasked(self, live: _Live, error: BaseException) -> None:
        """The event that asked could not be sent."""
        if live in self._asked:
            self._asked.remove(live)
        live.end.fail(error)

    def _follow(self, recording: Recording, event: Any) -> _Live:
        recorder = self._recorder()
        content = recorder is not None and recorder.wants_content
        return _Live(recording, self._session.fold(content), read(event, "event_id"), self._session.tag(event))

    def received(self, message: bytes | str) -> None:
        """Notes an event of the server's. Runs on the app's path, for each piece of sound too."""
        with internal_errors("reading an event"):
            data = message.encode() if isinstance(message, str) else message
            if _SOUND.search(data, 0, _HEAD) and (found := _RESPONSE_ID.search(data)):
                if (live := self._live.get(found[1].decode())) is not None:
                    live.end.takes(_SOUND_CHUNK)
                return
            self._received(json.loads(data))

    def _received(self, event: Any) -> None:
        kind = event.get("type") or ""
        if kind.startswith("response.") and kind.endswith(".delta"):
            if (live := self._live.get(self._session.response_id(event) or "")) is not None:
                live.end.takes(event)
            return
        recorder = self._recorder()
        self._session.receives(event, recorder is not None and recorder.wants_content)
        if kind == "response.created":
            self._created(event)
        elif self._session.is_last(kind):
            if (live := self._live.pop(self._session.response_id(event) or "", None)) is not None:
                live.add(event)
                live.end.end()
        elif kind == "error":
            self._refused(event)
        elif kind == "input_audio_buffer.committed":
            self._committed_s[event["item_id"]] = perf_counter()
        elif recorder is not None:
            self._transcribed(recorder, event)

    def _created(self, event: Any) -> None:
        live = self._asked_with(self._session.tag(event))
        if live is None:
            recording = self.begin(None)
            if recording is None:
                return
            live = self._follow(admit_late(recording), None)
        live.add(event)
        self._live[event["response"]["id"]] = live

    def _asked_with(self, tag: Any) -> _Live | None:
        same = next((live for live in self._asked if live.tag == tag), None)
        if same is None and tag is None and self._asked:
            same = self._asked[0]  # a server that does not repeat it
        if same is not None:
            self._asked.remove(same)
        return same

    def _refused(self, event: Any) -> None:
        """An error says which event caused it only where the client gave that event an id."""
        error = event.get("error") or event
        caused_by = read(error, "event_id")
        for live in list(self._asked):
            if live.event_id == caused_by if caused_by else self._session.is_refusal(error):
                self._asked.remove(live)
                live.refuse(error)
                return
        made = self._live.pop(self._session.response_id(event) or "", None)
        if made is not None:
            made.refuse(error)

    def _transcribed(self, recorder: Recorder, event: Any) -> None:
        told = self._session.transcription(self._origin, event, recorder.wants_content)
        if told is not None:
            request, response = told
            begun = recorder.begin(request, self._committed_s.pop(event.get("item_id"), None))
            admit_late(begun).finish(response)

    def end(self, by: str) -> None:
        """Ends what is open: the connection was closed (``close``) or dropped (``drop``)."""
        for live in self._let_go():
            live.end.end(by)

    def fail(self, error: BaseException) -> None:
        """Ends what is open, because the connection broke."""
        for live in self._let_go():
            live.end.fail(error)

    def _let_go(self) -> list[_Live]:
        open_now = [*self._live.values(), *self._asked]
        self._live.clear()
        self._asked.clear()
        self._committed_s.clear()
        return open_now


class _Sending:
    """Around the sending of an event: one that asks for a response is a call that begins, if the gate lets it."""

    __slots__ = ("_around", "_calls", "_event", "_live")

    def __init__(self, calls: Calls, event: Any) -> None:
        self._calls = calls
        self._event = event

    def __enter__(self) -> None:
        recording = self._begin()
        self._around = sending(recording)
        self._around.__enter__()  # raises what the gate says
        self._follow(recording)

    async def __aenter__(self) -> None:
        recording = self._begin()
        self._around = sending(recording)
        await self._around.__aenter__()
        self._follow(recording)

    def _begin(self) -> Recording | None:
        self._live: _Live | None = None
        with internal_errors("starting to record a response"):
            self._event = _client_event(self._event)
            return self._calls.begin(self._event) if self._event is not None else None
        return None

    def _follow(self, recording: Recording | None) -> None:
        if recording is not None:
            with internal_errors("following a response"):
                self._live = self._calls.asked(recording, self._event)

    async def __aexit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self.__exit__(kind, error, None)

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is not None and self._live is not None:
            self._calls.unasked(self._live, error)
        self._around.__exit__(kind, error, None)


def _client_event(event: Any) -> Any:
    """The event that is sent, as JSON or the SDK's object; None for sound, of which there is much and nothing told."""
    if isinstance(event, (str, bytes)):
        head = event[:_HEAD] if isinstance(event, str) else event[:_HEAD].decode("utf-8", "replace")
        return None if "input_audio_buffer.append" in head else json.loads(event)
    if read(event, "type") == "input_audio_buffer.append":
        return None
    if not isinstance(event, dict):
        return event
    # Marks of "not given" are dropped when the event is sent.
    return {name: value for name, value in event.items() if type(value).__name__ not in ("NotGiven", "Omit")}
