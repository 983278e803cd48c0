"""OpenAI's legacy Completions as ``Request`` and ``Response``; vLLM and its kin still serve them.

Shapes: the API reference of OpenAI, "Create completion" (2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Message, Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, answer, fields, finish_reason, read, sent, text_part
from vigilo.capture.parse.estimate import CHARS_PER_TOKEN, chat_tokens
from vigilo.capture.parse.openai_chat import usage
from vigilo.capture.parse.openai_request import asked, said, several, stops

_SENT = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "seed": semconv.REQUEST_SEED,
}


def request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /completions``."""
    parameters = {**sent(body, _SENT), **stops(body), **several(body)}
    return asked("text_completion", origin, body, parameters, input=_prompts(body.get("prompt")) if content else ())


def _prompts(prompt: Any) -> tuple[Message, ...]:
    """The prompt is a text or a list of texts; one given as token numbers says nothing to a reader."""
    texts = [prompt] if isinstance(prompt, str) else prompt or ()
    return tuple(message for text in texts if isinstance(text, str) for message in said(text))


def response(body: Any, content: bool) -> Response:
    """A whole ``text_completion``."""
    choices = read(body, "choices") or ()
    reasons = [finish_reason(read(choice, "finish_reason")) for choice in choices]
    return Response(
        id=read(body, "id"),
        model=read(body, "model"),
        finish_reasons=tuple(reason for reason in reasons if reason),
        usage=usage(read(body, "usage")),
        output=tuple(
            answer("assistant", [text_part(read(choice, "text"))], reason)
            for choice, reason in zip(choices, reasons, strict=True)
        )
        if content
        else (),
        attributes=_fingerprint(body),
    )


def _fingerprint(body: Any) -> dict[str, Any]:
    fingerprint = read(body, "system_fingerprint")
    return {semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: fingerprint} if fingerprint else {}


class CompletionsFold:
    """A stream of ``text_completion``, each with a piece of the text; usage comes as in a stream of chat."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._first: Any = None
        self._usage: Any = None
        self._chars = 0
        self._reasons: dict[int, str] = {}
        self._texts: dict[int, list[str]] = {}

    def add(self, chunk: Any) -> bool:
        if self._first is None:
            self._first = chunk
        told = fields(chunk)
        if (used := told.get("usage")) is not None:
            self._usage = used
        choices = told.get("choices")
        if not choices:
            return used is not None
        for choice in choices:
            told = fields(choice)
            index = told.get("index") or 0
            if reason := told.get("finish_reason"):
                self._reasons[index] = reason
            if text := told.get("text"):
                self._chars += len(text)
                if self._content:
                    self._texts.setdefault(index, []).append(text)
        return False

    @property
    def chars(self) -> int:
        """Characters of text so far."""
        return self._chars

    def response(self) -> Response:
        reasons = {index: finish_reason(reason) for index, reason in sorted(self._reasons.items())}
        return Response(
            id=read(self._first, "id"),
            model=read(self._first, "model"),
            finish_reasons=tuple(reason for reason in reasons.values() if reason),
            usage=usage(self._usage),
            output=tuple(
                answer("assistant", [text_part("".join(texts))], reasons.get(index))
                for index, texts in sorted(self._texts.items())
            ),
            attributes=_fingerprint(self._first),
        )


def estimate(body: Json, fold: Any) -> Usage:
    """A guess at the tokens of a stream that nobody counted."""
    return Usage(input_tokens=chat_tokens(body.get("prompt")), output_tokens=round(fold.chars / CHARS_PER_TOKEN))


COMPLETIONS = Endpoint("text_completion", request, response, CompletionsFold, usage_on_request=True, estimate=estimate)
