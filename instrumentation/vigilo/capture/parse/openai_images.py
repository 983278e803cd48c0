"""OpenAI's image endpoints as ``Request`` and ``Response``.

Shapes: the API reference of OpenAI, "Create image", "Create image edit", "Create image variation" and "Image
streaming" (2026-11). The images themselves are left out: an image is megabytes, and its address is gone in an hour.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from vigilo import semconv
from vigilo.capture.call import Request, Response, Usage
from vigilo.capture.parse.endpoint import Endpoint, Json, Origin, answer, count, read, text_part
from vigilo.capture.parse.openai_request import asked, said, several


def request(operation: str, origin: Origin, body: Json, content: bool) -> Request:
    """The request of ``POST /images/...``; the images that are edited are no part of the JSON body."""
    parameters = {semconv.OUTPUT_TYPE: "image", **several(body)}
    return asked(
        operation,
        origin,
        body,
        parameters,
        input=said(body.get("prompt")) if content else (),
        billed_as=_price_name(body),
    )


def _price_name(body: Json) -> str | None:
    """``dall-e-3/hd/1024x1792``: the DALL-E models are paid by the image, and by its quality and size."""
    model = body.get("model")
    if not isinstance(model, str) or not model.startswith("dall-e-"):
        return None
    quality, size = body.get("quality"), body.get("size")
    quality = "standard" if quality in (None, "auto") else quality
    return f"{model}/{quality}/{'1024x1024' if size in (None, 'auto') else size}"


def usage(source: Any) -> Usage:
    """Token counts of a ``usage`` object; models that are paid by the image have none.

    Output is images unless the details say otherwise: events of a stream have no details of their output.
    """
    if source is None:
        return Usage()
    given, made = read(source, "input_tokens_details"), read(source, "output_tokens_details")
    output = count(source, "output_tokens")
    return Usage(
        input_tokens=count(source, "input_tokens"),
        output_tokens=output,
        input_image_tokens=count(given, "image_tokens"),
        output_image_tokens=output if made is None else count(made, "image_tokens"),
    )


def response(body: Any, content: bool) -> Response:
    """A whole list of images: what the prompt was made into, where the model tells."""
    images = read(body, "data") or ()
    prompts = [revised for image in images if (revised := read(image, "revised_prompt"))] if content else []
    used = read(body, "usage")
    return Response(
        usage=Usage(output_images=len(images)) if used is None and images else usage(used),
        output=tuple(answer("assistant", [text_part(revised)], "stop") for revised in prompts),
    )


class ImagesFold:
    """A stream of partial images; the event of the complete one counts the tokens."""

    def __init__(self, content: bool) -> None:
        self._usage: Any = None

    def add(self, event: Any) -> None:
        if (used := read(event, "usage")) is not None:
            self._usage = used

    def response(self) -> Response:
        return Response(usage=usage(self._usage))


GENERATIONS = Endpoint("image_generation", partial(request, "image_generation"), response, ImagesFold)
EDITS = Endpoint("image_edit", partial(request, "image_edit"), response, ImagesFold)
