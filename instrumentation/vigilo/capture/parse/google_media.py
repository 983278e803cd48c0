"""Pictures and films of Google: Imagen by ``:predict``, Veo by ``:predictLongRunning``.

Neither counts tokens. Shapes: the API reference of Vertex AI, "Imagen API" and "Veo API" (cloud.google.com, 2026-11).
"""

from __future__ import annotations

from typing import Any

from vigilo import semconv
from vigilo.capture.call import Message, Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, text_part


def image_request(origin: Origin, body: Json, content: bool) -> Request:
    """A picture that is to be made, or changed where pictures are sent along."""
    given = any(isinstance(one, dict) and ("referenceImages" in one or "image" in one) for one in _instances(body))
    return _request("image_edit" if given else "image_generation", "image", origin, body, content)


def video_request(origin: Origin, body: Json, content: bool) -> Request:
    """A film that is to be made. The call only starts that: its answer is the name of an operation to ask for."""
    return _request("video_generation", "video", origin, body, content)


def _request(operation: str, output: str, origin: Origin, body: Json, content: bool) -> Request:
    sent: dict[str, Any] = {semconv.OUTPUT_TYPE: output}
    wanted = body.get("parameters") or {}
    if (samples := wanted.get("sampleCount")) not in (None, 1):
        sent[semconv.REQUEST_CHOICE_COUNT] = samples
    if (seed := wanted.get("seed")) is not None:
        sent[semconv.REQUEST_SEED] = seed
    return Request(
        operation=operation,
        provider=origin.provider,
        model=body.get("model"),
        parameters=sent,
        input=_prompts(body) if content else (),
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
    )


def _instances(body: Json) -> list[Any]:
    return body.get("instances") or []


def _prompts(body: Json) -> tuple[Message, ...]:
    prompts = [one.get("prompt") for one in _instances(body) if isinstance(one, dict)]
    return tuple({"role": "user", "parts": [text_part(prompt)]} for prompt in prompts if isinstance(prompt, str))


def image_response(body: Any, content: bool) -> Response:
    """Pictures are not taken; one that was not made is told as filtered."""
    if not isinstance(body, dict):
        return Response()
    made = body.get("predictions") or []
    filtered = not made or any("raiFilteredReason" in one for one in made if isinstance(one, dict))
    images = sum(1 for one in made if isinstance(one, dict) and "raiFilteredReason" not in one)
    return Response(
        finish_reasons=("content_filter",) if filtered else ("stop",), usage=Usage(output_images=images or None)
    )


def operation_response(body: Any, content: bool) -> Response:
    """The name of an operation that goes on."""
    return Response(id=body.get("name") if isinstance(body, dict) else None)


IMAGES = Endpoint("image_generation", image_request, image_response)
VIDEOS = Endpoint("video_generation", video_request, operation_response)
