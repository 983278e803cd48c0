"""The wire of Gemini: content, whole and streamed, embeddings and token counting; on Google AI and on Vertex AI.

The rest of it stands in ``google_jobs`` and ``google_interactions``.

Shapes: the API reference of Google, "generateContent", "embedContent", "countTokens" (ai.google.dev), and Vertex AI's
"predict" for text embeddings (2026-11).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vigilo.testing import google_jobs as jobs
from vigilo.testing.completion import Completion, Prompt, Tool, complete, token_count
from vigilo.testing.google_interactions import interaction
from vigilo.testing.google_usage import usage_json
from vigilo.testing.rate_limit import no_headers
from vigilo.testing.wire import Answer, Call, Json, Provider, embedding, server_sent_event, streamed, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vigilo.testing.script import Failure

_FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_call": "STOP", "content_filter": "SAFETY"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MODELS = ("gemini-2.5-flash", "gemini-embedding-001")
# Google takes names in both spellings, and its SDK sends this one in the second.
_SCHEMAS = ("parameters", "parametersJsonSchema", "parameters_json_schema")
_DIMENSIONS = 32
"""Far fewer than the real models give: tests and demos have no use for 3072 numbers a text."""


def _model_of(path: str) -> str:
    """``/v1beta/models/gemini-2.5-flash:generateContent?alt=sse`` -> ``gemini-2.5-flash``."""
    return path.partition("?")[0].rpartition("/")[2].rpartition(":")[0]


def _read_prompt(call: Call) -> Prompt:
    contents: list[Json] = call.body.get("contents") or []
    config = call.body.get("generationConfig") or {}
    newest = max((n for n, c in enumerate(contents) if c.get("role", "user") == "user" and _text(c)), default=0)
    wants_json = config.get("responseMimeType") == "application/json"
    system = call.body.get("systemInstruction")
    mode = ((call.body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    declared = [one for tool in call.body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    return Prompt(
        model=_model_of(call.path),
        texts=(*((_text(system),) if system else ()), *(_text(c) + " ".join(_tool_results(c)) for c in contents)),
        last_user=_text(contents[newest]) if contents else "",
        tools=tuple(
            Tool(one["name"], next((one[name] for name in _SCHEMAS if one.get(name)), {}))
            for one in declared
            if mode != "NONE"
        ),
        tool_results=tuple(result for content in contents[newest:] for result in _tool_results(content)),
        schema=(config.get("responseSchema") or config.get("responseJsonSchema") or {}) if wants_json else None,
        thinking=bool((config.get("thinkingConfig") or {}).get("includeThoughts")),
        stream=call.path.partition("?")[0].endswith(":streamGenerateContent"),
        choices=config.get("candidateCount") or 1,
    )


def _text(content: Json) -> str:
    return " ".join(part["text"] for part in content.get("parts") or () if "text" in part)


def _tool_results(content: Json) -> list[str]:
    results = [part["functionResponse"] for part in content.get("parts") or () if "functionResponse" in part]
    return [" ".join(str(value) for value in (result.get("response") or {}).values()) for result in results]


def _generate_content(call: Call) -> Answer:
    prompt = _read_prompt(call)
    made = complete(prompt, call.reply)
    thought: list[Json] = [{"text": made.thinking, "thought": True}] if made.thinking else []
    calls: list[Json] = [
        {"functionCall": {"id": f"fc_{call.number:06}_{index}", "name": tool.name, "args": dict(tool.arguments)}}
        for index, tool in enumerate(made.tool_calls)
    ]
    if not prompt.stream:
        text: list[Json] = [{"text": made.text}] if made.text else []
        return whole(_response(call, prompt, made, thought + text + calls, last=True))
    steps = [
        *([thought] if thought else []),
        *([{"text": piece}] for piece in made.pieces),
        *([calls] if calls else []),
    ]
    steps = steps or [[]]
    chunks = [_response(call, prompt, made, parts, last=parts is steps[-1]) for parts in steps]
    if "alt=sse" not in call.path:
        return Answer(200, {"content-type": "application/json"}, json.dumps(chunks).encode())
    return streamed([server_sent_event(chunk) for chunk in chunks])


def _response(call: Call, prompt: Prompt, made: Completion, parts: list[Json], last: bool) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}}
    usage = usage_json(made.usage)
    if last:
        candidate["finishReason"] = _FINISH_REASONS.get(made.finish_reason, made.finish_reason)
    else:
        usage = {name: usage[name] for name in ("promptTokenCount", "promptTokensDetails")}
        usage["totalTokenCount"] = usage["promptTokenCount"]
    return {
        "candidates": [{**candidate, "index": index} for index in range(prompt.choices)],
        "usageMetadata": usage,
        "modelVersion": made.model,
        "responseId": f"vigilo{call.number:06}",
    }


def _batch_embed_contents(call: Call) -> Answer:
    texts = [_text(one["content"]) for one in call.body["requests"]]
    sizes = [one.get("outputDimensionality") for one in call.body["requests"]]
    vectors = [{"values": embedding(text, size or _DIMENSIONS)} for text, size in zip(texts, sizes, strict=True)]
    asked = _asked(call, texts)
    return whole({"embeddings": vectors, "usageMetadata": {"promptTokenCount": asked}})


def _embed_content(call: Call) -> Answer:
    text = _text(call.body["content"])
    size = call.body.get("outputDimensionality")
    size = size or (call.body.get("embedContentConfig") or {}).get("outputDimensionality") or _DIMENSIONS
    usage = {"promptTokenCount": _asked(call, [text])}
    return whole({"embedding": {"values": embedding(text, size)}, "usageMetadata": usage})


def _predict(call: Call) -> Answer:
    """Pictures of Imagen; embeddings on Vertex AI, whose token counts lie with each vector."""
    if "embedding" not in _model_of(call.path):
        return jobs.images(call)
    size = (call.body.get("parameters") or {}).get("outputDimensionality") or _DIMENSIONS
    predictions = []
    for instance in call.body["instances"]:
        text = instance["content"]
        statistics = {"token_count": _asked(call, [text]), "truncated": False}
        predictions.append({"embeddings": {"values": embedding(text, size), "statistics": statistics}})
    return whole({"predictions": predictions})


def _asked(call: Call, texts: list[str]) -> int:
    given = call.reply.usage.input_tokens if call.reply.usage else None
    return sum(map(token_count, texts)) if given is None else given


def _count_tokens(call: Call) -> Answer:
    made = complete(_read_prompt(call), call.reply)
    return whole({"totalTokens": made.usage.input_tokens})


def _models(call: Call) -> Answer:
    known: list[Any] = [{"name": f"models/{name}", "displayName": name, "version": "001"} for name in _MODELS]
    return whole({"models": known})


_BY_COLLECTION: dict[tuple[str, str], Callable[[Call], Answer]] = {
    ("GET", "models"): _models,
    ("POST", "interactions"): interaction,
    ("POST", "cachedContents"): jobs.create_cache,
    ("POST", "batchPredictionJobs"): jobs.create_job,
}
_BY_ITEM: dict[tuple[str, str], Callable[[Call], Answer]] = {
    ("GET", "interactions"): interaction,
    ("GET", "batches"): jobs.get_batch,
    ("GET", "batchPredictionJobs"): jobs.get_job,
}
_BY_VERB: dict[str, Callable[[Call], Answer]] = {
    "generateContent": _generate_content,
    "streamGenerateContent": _generate_content,
    "batchEmbedContents": _batch_embed_contents,
    "embedContent": _embed_content,
    "predict": _predict,
    "predictLongRunning": jobs.videos,
    "countTokens": _count_tokens,
    "computeTokens": jobs.compute_tokens,
    "batchGenerateContent": jobs.create_batch,
    "asyncBatchEmbedContent": jobs.create_batch,
}


def _route(method: str, path: str) -> Callable[[Call], Answer] | None:
    resource, _, last = path.rpartition("/")
    if method == "POST" and ":" in last:
        return _BY_VERB.get(last.rpartition(":")[2])
    return _BY_COLLECTION.get((method, last)) or _BY_ITEM.get((method, resource.rpartition("/")[2]))


def _failure(failed: Failure, number: int) -> Answer:
    status = _STATUSES.get(failed.status, "INTERNAL")
    error: Json = {"code": failed.status, "message": failed.message, "status": status}
    if failed.retry_after_s is not None:
        # Google says in the body when to come back, not in a header.
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        error["details"] = [{"@type": kind, "retryDelay": f"{failed.retry_after_s:g}s"}]
    return whole({"error": error}, failed.status)


def _headers(number: int) -> Mapping[str, str]:
    return {"server-timing": "gfet4t7; dur=12", "vary": "Origin, X-Origin, Referer"}


GOOGLE = Provider(_route, _failure, _headers, no_headers)
