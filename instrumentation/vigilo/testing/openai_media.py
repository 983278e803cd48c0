"""The wire of OpenAI's images and sound.

Shapes: the API reference of OpenAI, "Images", "Image streaming", "Audio" and their streaming events (2026-11).
"""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

from vigilo.testing.completion import Completion, Prompt, complete
from vigilo.testing.openai_usage import audio_usage, image_usage
from vigilo.testing.wire import Answer, Call, Json, server_sent_event, streamed, whole

if TYPE_CHECKING:
    from collections.abc import Callable

_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # a PNG of 1x1
)
_SOUND = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(118)
"""The head of an MP3 file and silence."""
_HEARD = "Hello there, can you hear me?"
_HEARD_S = 2.5


def _complete(call: Call, text: str) -> Completion:
    return complete(Prompt(model=call.body.get("model") or "", texts=(text,), last_user=text), call.reply)


def images(kind: str) -> Callable[[Call], Answer]:
    """``POST /images/...``; ``kind`` is the first word of its streaming events."""

    def serve(call: Call) -> Answer:
        body = call.body
        usage = image_usage(_complete(call, body.get("prompt") or "").usage)
        about = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
        if body.get("stream"):
            told = {**about, "b64_json": _PIXEL, "created_at": int(time.time())}
            events = [
                _event(f"{kind}.partial_image", partial_image_index=index, **told)
                for index in range(body.get("partial_images") or 0)
            ]
            return streamed([*events, _event(f"{kind}.completed", usage=usage, **told)])
        made = [{"b64_json": _PIXEL} for _ in range(body.get("n") or 1)]
        return whole({"created": int(time.time()), "data": made, **about, "usage": usage})

    return serve


def transcription(call: Call) -> Answer:
    """``POST /audio/transcriptions``: in the format that is asked for; the whisper models are paid by the second."""
    body = call.body
    form, speaker = body.get("response_format") or "json", {"start": 0.0, "end": _HEARD_S, "speaker": "A"}
    made = _complete(call, call.reply.text or _HEARD)
    text = call.reply.text or _HEARD
    by_second = body["model"].startswith("whisper") and call.reply.usage is None
    usage = {"type": "duration", "seconds": _HEARD_S} if by_second else audio_usage(made.usage)
    if body.get("stream"):
        pieces = [_event("transcript.text.delta", delta=f"{word} ") for word in text.split()]
        if form == "diarized_json":
            pieces = [_event("transcript.text.segment", id="seg_0", text=text, **speaker)]
        return streamed([*pieces, _event("transcript.text.done", text=text, usage=usage)])
    if form in ("text", "srt", "vtt"):
        return Answer(200, {"content-type": "text/plain; charset=utf-8"}, f"{text}\n".encode())
    told: Json = {"text": text, "usage": usage}
    if form == "verbose_json":
        told |= {"task": "transcribe", "language": "english", "duration": _HEARD_S, "segments": [], "words": []}
    if form == "diarized_json":
        told |= {"task": "transcribe", "duration": _HEARD_S, "segments": [{"id": "seg_0", "text": text, **speaker}]}
    return whole(told)


def translation(call: Call) -> Answer:
    """``POST /audio/translations``: it tells no usage, and the length of the sound only when it is verbose."""
    text = call.reply.text or _HEARD
    if call.body.get("response_format") == "verbose_json":
        return whole({"task": "translate", "language": "english", "duration": _HEARD_S, "text": text, "segments": []})
    return whole({"text": text})


def speech(call: Call) -> Answer:
    """``POST /audio/speech``: sound, or events with pieces of it."""
    usage = _complete(call, call.body["input"]).usage
    if call.body.get("stream_format") != "sse":
        return Answer(200, {"content-type": "audio/mpeg"}, _SOUND)
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    counted = {"input_tokens": asked, "output_tokens": said, "total_tokens": asked + said}
    sound = base64.b64encode(_SOUND).decode()
    return streamed([_event("speech.audio.delta", audio=sound), _event("speech.audio.done", usage=counted)])


def _event(kind: str, **fields: object) -> bytes:
    return server_sent_event({"type": kind, **fields}, kind)
