"""OpenAI's audio endpoints as ``Request`` and ``Response``.

Shapes: the API reference of OpenAI, "Create transcription", "Create translation" and "Create speech" with their
streaming events (2026-11). The sound itself is left out.
"""

from __future__ import annotations

import json
import math
from typing import Any

from vigilo import semconv
from vigilo.capture.call import NOTHING, Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, answer, count, read, sent, text_part
from vigilo.capture.parse.openai_request import asked, said

_SENT = {"temperature": semconv.REQUEST_TEMPERATURE}


def transcription_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /audio/transcriptions``; its prompt is a hint how names and words are written."""
    return asked("transcription", origin, body, sent(body, _SENT), input=_hint(body, content))


def translation_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /audio/translations``."""
    return asked("translation", origin, body, sent(body, _SENT), input=_hint(body, content))


def _hint(body: Json, content: bool) -> Any:
    return said(body.get("prompt")) if content else ()


def speech_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /audio/speech``: the text to be said, and how."""
    instructions = body.get("instructions")
    return asked(
        "speech",
        origin,
        body,
        {semconv.OUTPUT_TYPE: "speech"},
        input=said(body.get("input")) if content else (),
        system=(text_part(instructions),) if content and instructions else (),
        billed=Usage(input_characters=len(text)) if isinstance(text := body.get("input"), str) else NOTHING,
    )


def usage(source: Any) -> Usage:
    """Counts of a ``usage`` object: tokens, or seconds for models that are paid by the length of the sound."""
    given = read(source, "input_token_details")
    return Usage(
        input_tokens=count(source, "input_tokens"),
        output_tokens=count(source, "output_tokens"),
        input_audio_tokens=count(given, "audio_tokens"),
        input_audio_seconds=None if (seconds := read(source, "seconds")) is None else float(seconds),
    )


def transcript(body: Any, content: bool) -> Response:
    """A transcript or translation: as an object, or as bare text where text or subtitles were asked for."""
    if isinstance(body, (str, bytes)):
        return Response(output=_heard(_text(body)) if content else ())
    used, length = usage(read(body, "usage")), read(body, "duration")
    if used == NOTHING and length is not None:
        used = Usage(input_audio_seconds=float(math.floor(float(length) + 0.5)))  # billed to the nearest second
    return Response(
        usage=used,
        output=_heard(_lines(body)) if content else (),
        attributes={} if used.input_audio_seconds is not None else _seconds(length),
    )


def _text(body: str | bytes) -> str:
    return body if isinstance(body, str) else body.decode("utf-8", "replace")


def _heard(text: str | None) -> Any:
    return (answer("assistant", [text_part(text)], "stop"),) if text else ()


def _lines(body: Any) -> str | None:
    """The text; where speakers are told apart, a line each time somebody speaks."""
    spoken = [segment for segment in read(body, "segments") or () if read(segment, "speaker")]
    if not spoken:
        text: str | None = read(body, "text")
        return text
    return "\n".join(f"{read(segment, 'speaker')}: {read(segment, 'text')}" for segment in spoken)


def _seconds(seconds: Any) -> dict[str, Any]:
    """Length of the sound; older models tell it as a string."""
    return {semconv.USAGE_AUDIO_INPUT_SECONDS: float(seconds)} if seconds else {}


class TranscriptFold:
    """A stream of events: pieces of the text, or what each speaker said, and at the end the text and the usage."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._pieces: list[str] = []
        self._spoken: list[Any] = []
        self._done: Any = None

    def add(self, event: Any) -> None:
        kind = read(event, "type")
        if kind == "transcript.text.done":
            self._done = event
        elif self._content and kind == "transcript.text.delta":
            self._pieces.append(read(event, "delta") or "")
        elif self._content and kind == "transcript.text.segment":
            self._spoken.append(event)

    def response(self) -> Response:
        text = read(self._done, "text") or "".join(self._pieces)
        used = read(self._done, "usage")
        return Response(
            usage=usage(used),
            output=_heard(_lines({"text": text, "segments": self._spoken})) if self._content else (),
        )


def speech(body: Any, content: bool) -> Response:
    """The sound says nothing about tokens; as server-sent events its last event does."""
    sound = body if isinstance(body, (str, bytes)) else read(body, "content")
    if not isinstance(sound, (str, bytes)):
        return Response()
    start = sound[:6] if isinstance(sound, str) else sound[:6].decode("ascii", "replace")
    if not start.startswith(("data:", "event:")):
        return Response()
    for line in reversed(_text(sound).splitlines()):
        if line.startswith("data:") and "speech.audio.done" in line:
            return Response(usage=usage(read(json.loads(line[5:]), "usage")))
    return Response()


class SpeechFold:
    """A stream of events: pieces of the sound, and at the end the usage."""

    def __init__(self, content: bool) -> None:
        self._usage: Any = None

    def add(self, event: Any) -> None:
        if read(event, "type") == "speech.audio.done":
            self._usage = read(event, "usage")

    def response(self) -> Response:
        return Response(usage=usage(self._usage))


TRANSCRIPTIONS = Endpoint("transcription", transcription_request, transcript, TranscriptFold)
TRANSLATIONS = Endpoint("translation", translation_request, transcript)
SPEECH = Endpoint("speech", speech_request, speech, SpeechFold)
