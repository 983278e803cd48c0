"""Recorded traffic of the providers: what was sent, what came back, and what the answer itself says about the call.

The facts are read here by plain code on the recorded bodies, and never by vigilo's parsers: they are what those are
measured against. Formats of cassettes: those of VCR.py, of pytest-recording and of vcrpy's httpx stub.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_COMPANIES = {"api.openai.com": "openai", "api.anthropic.com": "anthropic"}


@dataclass(frozen=True)
class Interaction:
    """One request and its answer.

    ``query`` begins with ``?``, or is empty; ``sent`` is the JSON body, or raw bytes; {} for none.
    """

    company: str
    vertex: bool
    method: str
    path: str
    query: str
    sent: Any
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return (gzip.decompress(self.body) if self.body[:2] == b"\x1f\x8b" else self.body).decode()

    @property
    def streamed(self) -> bool:
        return self.text.startswith(("data:", "event:"))


@dataclass(frozen=True)
class Facts:
    """What a recorded answer says; None: it does not say."""

    model: str | None = None
    id: str | None = None
    reasons: tuple[str, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    parts: dict[str, int] = field(default_factory=dict)


def read_cassette(path: Path) -> list[Interaction]:
    return [_interaction(entry) for entry in yaml.safe_load(path.read_text("utf-8"))["interactions"]]


def _interaction(entry: dict[str, Any]) -> Interaction:
    request, response = entry["request"], entry["response"]
    address = urlsplit(request["uri"])
    body = _body(response)
    return Interaction(
        company=_COMPANIES.get(address.hostname, "google"),
        vertex=address.hostname.endswith("aiplatform.googleapis.com"),
        method=request["method"],
        path=address.path,
        query=f"?{address.query}" if address.query else "",
        sent=_sent(request),
        status=response.get("status_code") or response["status"]["code"],
        headers=_headers(response["headers"], body),
        body=body,
    )


def _sent(request: dict[str, Any]) -> Any:
    body = request.get("parsed_body", request.get("body")) or {}
    if isinstance(body, dict):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body.encode() if isinstance(body, str) else body


def _body(response: dict[str, Any]) -> bytes:
    if (parsed := response.get("parsed_body")) is not None:
        return json.dumps(parsed).encode()
    body = response["content"] if "content" in response else response["body"]["string"]
    return body.encode() if isinstance(body, str) else body


def _headers(recorded: dict[str, list[str]], body: bytes) -> dict[str, str]:
    """As recorded, but true: some recorders unzip the body, and some leave the type of it out."""
    headers = {name.lower(): values[0] if isinstance(values, list) else values for name, values in recorded.items()}
    if body[:2] != b"\x1f\x8b":
        headers.pop("content-encoding", None)
    stream = body.startswith((b"data:", b"event:"))
    headers.setdefault("content-type", "text/event-stream" if stream else "application/json")
    return headers


def _answers(interaction: Interaction) -> list[Any]:
    """The JSON of a whole answer, or of each event of a streamed one."""
    if not interaction.streamed:
        return [json.loads(interaction.text)]
    lines = [line.removeprefix("data:").strip() for line in interaction.text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def _parts(**counts: int | None) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _chat(answers: list[Any]) -> Facts:
    usage = next((a["usage"] for a in reversed(answers) if a.get("usage")), {})
    reasons = {c["index"]: c["finish_reason"] for a in answers for c in a["choices"] if c.get("finish_reason")}
    return Facts(
        model=answers[0]["model"],
        id=answers[0]["id"],
        reasons=tuple({"tool_calls": "tool_call"}.get(reasons[n], reasons[n]) for n in sorted(reasons)),
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        parts=_parts(
            cache_read=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
            reasoning=(usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
        ),
    )


def _responses(answers: list[Any]) -> Facts:
    last = answers[-1]
    body = last.get("response", last)
    assert body["status"] == "completed"
    called = any(item["type"] == "function_call" for item in body["output"])
    usage = body["usage"]
    return Facts(
        model=body["model"],
        id=body["id"],
        reasons=("tool_call" if called else "stop",),
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        parts=_parts(
            cache_read=(usage.get("input_tokens_details") or {}).get("cached_tokens"),
            cache_write=(usage.get("input_tokens_details") or {}).get("cache_write_tokens"),
            reasoning=(usage.get("output_tokens_details") or {}).get("reasoning_tokens"),
        ),
    )


def _embeddings(answers: list[Any]) -> Facts:
    (body,) = answers
    return Facts(model=body["model"], input_tokens=body["usage"]["prompt_tokens"])


def _unsaid(answers: list[Any]) -> Facts:
    """An answer that names no model and counts nothing that is used."""
    assert not any("usage" in answer or "model" in answer for answer in answers)
    return Facts()


def _messages(answers: list[Any]) -> Facts:
    started = answers[0].get("message", answers[0])
    usage = dict(started["usage"])
    reason = started["stop_reason"]
    for event in answers[1:]:
        if event["type"] == "message_delta":
            usage.update(event["usage"])
            reason = event["delta"]["stop_reason"]
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    return Facts(
        model=started["model"],
        id=started["id"],
        reasons=({"end_turn": "stop", "tool_use": "tool_call", "max_tokens": "length"}[reason],),
        input_tokens=usage["input_tokens"] + read + written,
        output_tokens=usage["output_tokens"],
        parts=_parts(
            cache_read=read,
            cache_write=written,
            reasoning=(usage.get("output_tokens_details") or {}).get("thinking_tokens"),
        ),
    )


def _generate(answers: list[Any]) -> Facts:
    usage = next(a["usageMetadata"] for a in reversed(answers) if "usageMetadata" in a)
    candidates = [a["candidates"][0] for a in answers]
    called = any("functionCall" in part for c in candidates for part in c.get("content", {}).get("parts", ()))
    reason = next(c["finishReason"] for c in reversed(candidates) if "finishReason" in c)
    return Facts(
        model=answers[0]["modelVersion"],
        id=answers[0].get("responseId"),
        reasons=("tool_call" if called else {"STOP": "stop", "MAX_TOKENS": "length"}[reason],),
        input_tokens=usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0),
        output_tokens=usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0),
        parts=_parts(
            cache_read=usage.get("cachedContentTokenCount"),
            reasoning=usage.get("thoughtsTokenCount"),
            audio_input=sum(p["tokenCount"] for p in usage["promptTokensDetails"] if p["modality"] == "AUDIO"),
        ),
    )


def _interactions(answers: list[Any]) -> Facts:
    body = answers[-1].get("interaction", answers[-1])
    usage = body["usage"]
    return Facts(
        model=body["model"],
        id=body["id"],
        reasons=({"completed": "stop", "incomplete": "length"}[body["status"]],),
        input_tokens=usage["total_input_tokens"] + usage["total_tool_use_tokens"],
        output_tokens=usage["total_output_tokens"] + usage["total_thought_tokens"],
        parts=_parts(cache_read=usage["total_cached_tokens"], reasoning=usage["total_thought_tokens"]),
    )


_CALLS = (
    (r"/v1/chat/completions", "chat", _chat),
    (r"/v1/responses", "chat", _responses),
    (r"/v1/embeddings", "embeddings", _embeddings),
    (r"/v1/images/generations", "image_generation", _unsaid),
    (r"/v1/messages", "chat", _messages),
    (r"/v1/messages/count_tokens", "count_tokens", _unsaid),
    (r"/v1/responses/input_tokens", "count_tokens", _unsaid),
    (r".*:(?:generateContent|streamGenerateContent)", "generate_content", _generate),
    (r"/v1beta/interactions", "generate_content", _interactions),
)
"""Paths that are called with POST -> the operation's name, and how its answers are read."""

_NO_CALLS = (
    r"/v1/files(?:/[^/]+)?",
    r"/v1/realtime/client_secrets",  # a key for a browser: the session comes later, and from there
    r"/v1/threads(?:/.+)?",  # the Assistants API, which OpenAI has shut down
    r"/v1/assistants/[^/]+",
)
"""Paths that are no call to a model, or none that vigilo tells of."""


def operation_and_facts(interaction: Interaction) -> tuple[str, Facts] | None:
    """What must be recorded of an interaction; None: nothing. Of an error there is nothing to say but the operation.

    Raises:
        LookupError: the path is of neither kind, so somebody has to say which.
    """
    if any(re.fullmatch(path, interaction.path) for path in _NO_CALLS):
        return None
    for path, operation, read in _CALLS:
        if interaction.method == "POST" and re.fullmatch(path, interaction.path):
            return operation, Facts() if interaction.status >= 400 else read(_answers(interaction))
    raise LookupError(f"nobody has said whether {interaction.method} {interaction.path} calls a model")
