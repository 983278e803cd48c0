"""Gemini's ``generateContent``, whole and streamed, on Google AI and on Vertex AI.

Shapes: the API reference of Google, "generateContent" (ai.google.dev, 2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Request, Response
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, answer, finish_reason, sent
from vigilo.capture.parse.google_content import Said, grounding, message, parts, tools
from vigilo.capture.parse.google_usage import service_tier, usage

_SENT = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "topP": semconv.REQUEST_TOP_P,
    "topK": semconv.REQUEST_TOP_K,
    "maxOutputTokens": semconv.REQUEST_MAX_TOKENS,
    "frequencyPenalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presencePenalty": semconv.REQUEST_PRESENCE_PENALTY,
    "seed": semconv.REQUEST_SEED,
}
_OUTPUT_TYPES = {"application/json": "json", "text/plain": "text"}
_MODALITIES = {"TEXT": "text", "IMAGE": "image", "AUDIO": "speech"}
# Beyond the words that every provider has: why Google alone stops.
_REASONS = {
    "FINISH_REASON_UNSPECIFIED": None,
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
_NO_CONTENT: Json = {}


def request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``:generateContent`` and ``:streamGenerateContent``, with what the path says in the body."""
    return Request(
        operation="generate_content",
        provider=origin.provider,
        model=body.get("model"),
        parameters=parameters(body.get("generationConfig") or {}),
        input=tuple(message(source) for source in body.get("contents") or ()) if content else (),
        system=tuple(parts(body.get("systemInstruction"))) if content else (),
        tools=tools(body.get("tools")) if content else (),
        stream=body.get("stream", False),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def parameters(config: Json) -> dict[str, Any]:
    """What the caller set in a ``generationConfig``, by attribute name."""
    told = sent(config, _SENT)
    if stops := config.get("stopSequences"):
        told[semconv.REQUEST_STOP_SEQUENCES] = list(stops)
    if (candidates := config.get("candidateCount")) not in (None, 1):
        told[semconv.REQUEST_CHOICE_COUNT] = candidates
    if (output := _output_type(config)) is not None:
        told[semconv.OUTPUT_TYPE] = output
    if (level := _thinking_level(config.get("thinkingConfig") or {})) is not None:
        told[semconv.REQUEST_REASONING_LEVEL] = level
    return told


def _thinking_level(config: Json) -> str | None:
    """The word for how much to think; a budget in tokens is none. The SDK sends its own name of the field."""
    level = config.get("thinkingLevel") or config.get("thinking_level")
    word = str(getattr(level, "value", level)).lower()
    return None if level is None or word.endswith("unspecified") else word


def _output_type(config: Json) -> str | None:
    """What was asked for besides text, if anything: the modality, else the format of the text."""
    modalities = [str(getattr(one, "value", one)) for one in config.get("responseModalities") or ()]
    other = next((one for one in modalities if one != "TEXT"), None)
    if other is not None:
        return _MODALITIES.get(other)
    return _OUTPUT_TYPES.get(config.get("responseMimeType") or "") or ("text" if modalities else None)


def response(body: Any, content: bool) -> Response:
    """A whole ``GenerateContentResponse``."""
    fold = GenerateFold(content)
    if isinstance(body, dict):
        fold.add(body)
    return fold.response()


class GenerateFold:
    """A stream of ``GenerateContentResponse``: texts are pieces, usage is cumulative, so the last one counts."""

    __slots__ = ("_blocked", "_candidates", "_content", "_first", "_model", "_usage")

    def __init__(self, content: bool) -> None:
        self._content = content
        self._first: Json | None = None
        self._model: str | None = None
        self._usage: Json | None = None
        self._blocked: str | None = None
        self._candidates: dict[int, _Candidate] = {}

    def add(self, chunk: Any) -> None:
        get = chunk.get
        if self._first is None:
            self._first = chunk
        if (used := get("usageMetadata")) is not None:
            self._usage = used
        if (model := get("modelVersion")) is not None:
            self._model = model
        for source in get("candidates") or ():
            index = source.get("index") or 0
            candidate = self._candidates.get(index)
            if candidate is None:
                candidate = self._candidates[index] = _Candidate(self._content)
            candidate.add(source)
        if (feedback := get("promptFeedback")) is not None:
            self._blocked = feedback.get("blockReason") or self._blocked

    def response(self) -> Response:
        ordered = [candidate for _, candidate in sorted(self._candidates.items())]
        reasons = tuple(reason for candidate in ordered if (reason := candidate.reason()))
        return Response(
            id=(self._first or {}).get("responseId"),
            model=self._model,
            finish_reasons=reasons or (("content_filter",) if self._blocked else ()),
            usage=usage(self._usage),
            output=tuple(candidate.message() for candidate in ordered) if self._content else (),
            service_tier=service_tier(self._usage),
        )


class _Candidate:
    """One answer, as far as it came."""

    __slots__ = ("_called", "_content", "_grounding", "_reason", "_said")

    def __init__(self, content: bool) -> None:
        self._content = content
        self._reason: str | None = None
        self._called = False
        self._grounding: Json | None = None
        self._said = Said()

    def add(self, source: Json) -> None:
        get = source.get
        for part in (get("content") or _NO_CONTENT).get("parts") or ():
            if "functionCall" in part:
                self._called = True
            if self._content:
                self._said.add(part)
        if reason := get("finishReason"):
            self._reason = reason
        if "groundingMetadata" in source or "urlContextMetadata" in source:
            self._grounding = source

    def reason(self) -> str | None:
        """Gemini stops with STOP also where it calls a function."""
        word = self._reason
        reason = _REASONS[word] if word in _REASONS else finish_reason(word)
        return "tool_call" if reason == "stop" and self._called else reason

    def message(self) -> Any:
        searched = grounding(self._grounding) if self._grounding is not None else []
        return answer("assistant", searched + self._said.parts(), self.reason())


GENERATE = Endpoint("generate_content", request, response, GenerateFold)
