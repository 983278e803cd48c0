"""Google's Interactions API, the successor of ``generateContent`` whose conversations are kept by the server.

Shapes: the API reference of Google, "Interactions API" and "Streaming interactions" (ai.google.dev, 2026-11). Until
May 2026 an interaction had ``outputs``, and its stream ``content.*`` events, where there are steps now.
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Message, Part, Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, answer, count, read, sent
from vigilo.capture.parse.google_steps import StepFold, input_message, step_part
from vigilo.capture.parse.google_usage import modality_tokens

_SENT = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "thinking_level": semconv.REQUEST_REASONING_LEVEL,
}
_OUTPUT_TYPES = {"application/json": "json", "text/plain": "text", "audio": "speech", "image": "image", "text": "text"}
_REASONS = {
    "completed": "stop",
    "incomplete": "length",
    "requires_action": "tool_call",
    "failed": "error",
}
_GOES_ON = ("in_progress", "queued")


def request(origin: Origin, body: Json, content: bool) -> Request:
    """A new interaction. With an agent it is no call of a model, but of the agent, which calls models as it likes."""
    agent = body.get("agent")
    sent = _parameters(body)
    if agent:
        sent[semconv.AGENT_NAME] = agent
    return Request(
        operation="invoke_agent" if agent else "generate_content",
        provider=origin.provider,
        model=body.get("model"),
        parameters=sent,
        stream=bool(body.get("stream")),
        input=_input(body.get("input")) if content else (),
        system=_system(body.get("system_instruction")) if content else (),
        tools=tuple(body.get("tools") or ()) if content else (),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def _parameters(body: Json) -> dict[str, Any]:
    config = body.get("generation_config") or {}
    told = sent(config, _SENT)
    if stops := config.get("stop_sequences"):
        told[semconv.REQUEST_STOP_SEQUENCES] = list(stops)
    if (output := _output_type(body)) is not None:
        told[semconv.OUTPUT_TYPE] = output
    if previous := body.get("previous_interaction_id"):
        told[semconv.REQUEST_PREVIOUS_RESPONSE_ID] = previous
    return told


def _output_type(body: Json) -> str | None:
    """What was asked for, in whichever of its three places the API had for that."""
    if modalities := [str(one).lower() for one in body.get("response_modalities") or ()]:
        return _OUTPUT_TYPES.get(next((one for one in modalities if one != "text"), "text"))
    wanted = body.get("response_format") or {}
    if isinstance(wanted, list):
        wanted = wanted[0] if wanted else {}
    mime_type = body.get("response_mime_type") or wanted.get("mime_type")
    return _OUTPUT_TYPES.get(mime_type or "") or _OUTPUT_TYPES.get(wanted.get("type") or "")


def _input(source: Any) -> tuple[Message, ...]:
    """A text, one content, or a list of contents or of steps."""
    if isinstance(source, list):
        return tuple(input_message(item) for item in source)
    return () if source is None else (input_message(source),)


def _system(source: Any) -> tuple[Part, ...]:
    return ({"type": "text", "content": source},) if isinstance(source, str) else ()


def fetch_request(origin: Origin, body: Json, content: bool) -> Request:
    """An interaction that ran in the background and is fetched; ``body`` is the interaction itself."""
    return Request(
        operation="fetch_response",
        provider=origin.provider,
        model=body.get("model"),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def goes_on(interaction: Any) -> bool:
    """Whether an interaction runs on in the background: its tokens are told to who fetches it later."""
    return read(interaction, "status") in _GOES_ON


def usage(source: Any) -> Usage:
    """Token counts: thoughts lie beside the output, and results of tools beside the input."""
    if source is None:
        return Usage()
    asked, tools = count(source, "total_input_tokens"), count(source, "total_tool_use_tokens")
    said = count(source, "total_output_tokens")
    thoughts = count(source, "total_thought_tokens")
    if thoughts is None:
        thoughts = count(source, "total_reasoning_tokens")
    asked_by, said_by = read(source, "input_tokens_by_modality"), read(source, "output_tokens_by_modality")
    cached_by = read(source, "cached_tokens_by_modality")
    return Usage(
        input_tokens=None if asked is None else asked + (tools or 0),
        output_tokens=None if said is None and thoughts is None else (said or 0) + (thoughts or 0),
        cache_read_tokens=count(source, "total_cached_tokens"),
        output_reasoning_tokens=thoughts,
        input_audio_tokens=modality_tokens(asked_by, "audio", "tokens"),
        input_image_tokens=modality_tokens(asked_by, "image", "tokens"),
        output_audio_tokens=modality_tokens(said_by, "audio", "tokens"),
        output_image_tokens=modality_tokens(said_by, "image", "tokens"),
        cache_audio_read_tokens=_cached(cached_by, "audio"),
        cache_image_read_tokens=_cached(cached_by, "image"),
        input_video_tokens=modality_tokens(asked_by, "video", "tokens"),
    )


def _cached(details: Any, modality: str) -> int | None:
    return (modality_tokens(details, modality, "tokens") or 0) if details else None


def response(body: Any, content: bool) -> Response:
    """An interaction as it stands."""
    steps = read(body, "steps") or read(body, "outputs") or ()
    reason = _reason(read(body, "status"), any(read(step, "type") == "function_call" for step in steps))
    parts = [part for step in steps for part in step_part(step)] if content else []
    return Response(
        id=read(body, "id") or None,
        model=read(body, "model"),
        finish_reasons=(reason,) if reason else (),
        usage=usage(read(body, "usage")),
        output=(answer("assistant", parts, reason),) if parts else (),
        service_tier=read(body, "service_tier"),
    )


def _reason(status: Any, called: bool) -> str | None:
    """Why it stopped; a status that no other provider has a word for stays, and one that goes on is no reason."""
    if not isinstance(status, str) or status in _GOES_ON:
        return None
    return "tool_call" if called and status == "completed" else _REASONS.get(status, status)


class InteractionFold:
    """A stream of events of one interaction: the last one has the usage, the steps come in pieces before it."""

    __slots__ = ("_content", "_interaction", "_last", "_steps")

    def __init__(self, content: bool) -> None:
        self._content = content
        self._interaction: Any = None
        self._last: Any = None
        self._steps = StepFold(content)

    def add(self, chunk: Any) -> None:
        kind = read(chunk, "event_type")
        if kind in ("step.delta", "content.delta"):
            self._steps.delta(chunk)
        elif kind in ("step.start", "content.start"):
            self._steps.start(chunk)
        elif (interaction := read(chunk, "interaction")) is not None:
            self._interaction = interaction
        elif kind == "error":
            self._last = read(chunk, "error")

    def response(self) -> Response:
        told = response(self._interaction, self._content) if self._interaction is not None else Response()
        status = "failed" if self._last is not None else read(self._interaction, "status")
        reason = _reason(status, self._steps.called)
        parts = self._steps.parts()
        output = (answer("assistant", parts, reason),) if parts else told.output
        code = read(self._last, "code")
        return Response(
            id=told.id,
            model=told.model,
            finish_reasons=(reason,) if reason else (),
            usage=told.usage,
            output=output,
            service_tier=told.service_tier,
            attributes={semconv.ERROR_TYPE: str(code)} if code is not None else {},
        )


CREATE = Endpoint("generate_content", request, response, InteractionFold)
FETCH = Endpoint("fetch_response", fetch_request, response, InteractionFold)


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """The endpoint of a request by its path, ``/v1beta/interactions``."""
    return CREATE if method == "POST" and path.rstrip("/").endswith("/interactions") else None
