"""Gemini's API, on Google AI and on Vertex AI, as ``Request`` and ``Response``.

Shapes: the API reference of Google, "generateContent", "embedContent" (ai.google.dev) and Vertex AI's "predict" for
embeddings (2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Message, Part, Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, answer, count, finish_reason, read, text_part

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


def route(path: str) -> tuple[str | None, str]:
    """``models/gemini-2.5-flash:generateContent`` -> ``("gemini-2.5-flash", "generateContent")``.

    A path without a model gives None for it; anything else than a call of a model's method gives ``""`` for the method.
    """
    path = path.partition("?")[0]
    resource, _, method = path.rpartition(":")
    if not resource:
        return None, ""
    _, found, model = resource.rpartition("odels/")  # models/, tunedModels/
    return (model if found else None), method


def request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``:generateContent`` and ``:streamGenerateContent``; the model is in the path, not here."""
    config = body.get("generationConfig") or {}
    sent: dict[str, Any] = {}
    for name, attribute in _SENT.items():
        if (value := config.get(name)) is not None:
            sent[attribute] = value
    if stops := config.get("stopSequences"):
        sent[semconv.REQUEST_STOP_SEQUENCES] = list(stops)
    if (candidates := config.get("candidateCount")) not in (None, 1):
        sent[semconv.REQUEST_CHOICE_COUNT] = candidates
    if (output := _OUTPUT_TYPES.get(config.get("responseMimeType", ""))) is not None:
        sent[semconv.OUTPUT_TYPE] = output
    return Request(
        operation="generate_content",
        provider=origin.provider,
        model=None,
        parameters=sent,
        input=tuple(_message(message) for message in body.get("contents") or ()) if content else (),
        system=tuple(_parts(body.get("systemInstruction"))) if content else (),
        tools=tuple(_tools(body.get("tools"))) if content else (),
        server_address=origin.server_address,
        server_port=origin.server_port,
    )


def _message(source: Any) -> Message:
    return {"role": read(source, "role") or "user", "parts": _parts(source)}


def _parts(content: Any) -> list[Part]:
    return [_part(part) for part in read(content, "parts") or ()]


def _part(part: Any) -> Part:
    if (text := read(part, "text")) is not None:
        return {"type": "reasoning", "content": text} if read(part, "thought") else text_part(text)
    if (call := read(part, "functionCall")) is not None:
        arguments = read(call, "args")
        return {"type": "tool_call", "id": read(call, "id"), "name": read(call, "name"), "arguments": arguments}
    if (result := read(part, "functionResponse")) is not None:
        return {"type": "tool_call_response", "id": read(result, "id"), "response": read(result, "response")}
    if (data := read(part, "inlineData")) is not None:
        mime_type = read(data, "mimeType") or ""
        modality = mime_type.partition("/")[0]
        return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": read(data, "data")}
    if (file := read(part, "fileData")) is not None:
        modality = (read(file, "mimeType") or "").partition("/")[0]
        return {"type": "uri", "modality": modality, "uri": read(file, "fileUri")}
    kinds = part if isinstance(part, dict) else ()
    return {"type": next(iter(kinds), "generic")}


def _tools(tools: Any) -> list[Part]:
    found: list[Part] = []
    for tool in tools or ():
        declared = read(tool, "functionDeclarations")
        if declared is None:  # a tool of Google's own: {"googleSearch": {}}
            found += [{"type": name} for name in tool] if isinstance(tool, dict) else []
            continue
        for function in declared:
            known = {name: read(function, name) for name in ("name", "description", "parameters")}
            found.append({"type": "function", **{name: value for name, value in known.items() if value is not None}})
    return found


def usage(source: Any) -> Usage:
    """Token counts of ``usageMetadata``: thoughts lie beside the candidates, results of tools beside the prompt."""
    if source is None:
        return Usage()
    prompt, tool_results = count(source, "promptTokenCount"), count(source, "toolUsePromptTokenCount")
    candidates, thoughts = count(source, "candidatesTokenCount"), count(source, "thoughtsTokenCount")
    return Usage(
        input_tokens=None if prompt is None else prompt + (tool_results or 0),
        output_tokens=None if candidates is None and thoughts is None else (candidates or 0) + (thoughts or 0),
        cache_read_tokens=count(source, "cachedContentTokenCount"),
        input_audio_tokens=_audio(read(source, "promptTokensDetails")),
        output_reasoning_tokens=thoughts,
        output_audio_tokens=_audio(read(source, "candidatesTokensDetails")),
    )


def _audio(details: Any) -> int | None:
    return next((count(part, "tokenCount") for part in details or () if read(part, "modality") == "AUDIO"), None)


def response(body: Any, content: bool) -> Response:
    """A whole ``GenerateContentResponse``."""
    fold = GenerateFold(content)
    fold.add(body)
    return fold.response()


class GenerateFold:
    """A stream of ``GenerateContentResponse``: texts are pieces, usage is cumulative, so the last one counts."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._id: str | None = None
        self._model: str | None = None
        self._usage: Any = None
        self._blocked: str | None = None
        self._reasons: dict[int, str] = {}
        self._parts: dict[int, list[Part]] = {}
        self._called: set[int] = set()

    def add(self, chunk: Any) -> None:
        self._id = read(chunk, "responseId") or self._id
        self._model = read(chunk, "modelVersion") or self._model
        self._blocked = read(read(chunk, "promptFeedback"), "blockReason") or self._blocked
        if (used := read(chunk, "usageMetadata")) is not None:
            self._usage = used
        for candidate in read(chunk, "candidates") or ():
            index = read(candidate, "index") or 0
            if reason := read(candidate, "finishReason"):
                self._reasons[index] = reason
            for part in read(read(candidate, "content"), "parts") or ():
                if read(part, "functionCall") is not None:
                    self._called.add(index)
                if self._content:
                    _join(self._parts.setdefault(index, []), _part(part))

    def response(self) -> Response:
        reasons = {index: self._reason(index) for index in sorted(self._reasons)}
        output = [answer("assistant", parts, reasons.get(index)) for index, parts in sorted(self._parts.items())]
        said = tuple(reason for reason in reasons.values() if reason)
        return Response(
            id=self._id,
            model=self._model,
            finish_reasons=said or (("content_filter",) if self._blocked else ()),
            usage=usage(self._usage),
            output=tuple(output),
        )

    def _reason(self, index: int) -> str | None:
        """Gemini stops with STOP also where it calls a function."""
        reason = finish_reason(self._reasons[index])
        return "tool_call" if reason == "stop" and index in self._called else reason


def _join(parts: list[Part], part: Part) -> None:
    """Adds a streamed part: text that goes on is joined, so that what is masked is whole."""
    if parts and part["type"] in ("text", "reasoning") and parts[-1]["type"] == part["type"]:
        parts[-1]["content"] += part["content"]
    else:
        parts.append(part)


def embeddings_request(origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``:batchEmbedContents``, ``:embedContent`` and Vertex AI's ``:predict``."""
    requests = body.get("requests") or (body,)
    dimensions = read(requests[0], "outputDimensionality") or read(body.get("parameters"), "outputDimensionality")
    return Request(
        operation="embeddings",
        provider=origin.provider,
        model=None,
        parameters={} if dimensions is None else {semconv.EMBEDDINGS_DIMENSION_COUNT: dimensions},
        server_address=origin.server_address,
        server_port=origin.server_port,
    )


def embeddings_response(body: Any, content: bool) -> Response:
    """Embeddings: tokens only. Google AI may give them in ``usageMetadata``, Vertex AI in each prediction."""
    used = usage(read(body, "usageMetadata"))
    if used.input_tokens is None:
        predictions = read(body, "predictions") or ()
        counts = [count(read(read(p, "embeddings"), "statistics"), "token_count") for p in predictions]
        if counts and None not in counts:
            used = Usage(input_tokens=sum(c for c in counts if c is not None))
    return Response(usage=used)


_GENERATE = Endpoint("generate_content", request, response, GenerateFold)
_EMBED = Endpoint("embeddings", embeddings_request, embeddings_response)

ENDPOINTS: dict[str, Endpoint] = {
    "generateContent": _GENERATE,
    "streamGenerateContent": _GENERATE,
    "embedContent": _EMBED,
    "batchEmbedContents": _EMBED,
}
"""By the method after the colon of the path. Vertex AI's ``predict`` serves other models too: see ``endpoint_of``."""


def endpoint_of(path: str) -> tuple[str | None, Endpoint | None]:
    """The model and the endpoint that a path calls; no endpoint for what is no call to a model."""
    model, method = route(path)
    if method == "predict" and model is not None and "embedding" in model:
        return model, _EMBED
    return model, ENDPOINTS.get(method)
