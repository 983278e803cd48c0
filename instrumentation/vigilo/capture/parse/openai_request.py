"""What the requests of all of OpenAI's endpoints have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.capture.call import NOTHING, Message, Part, Request, Usage
from vigilo.capture.parse.endpoint import text_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vigilo.capture.parse.endpoint import Json, Origin


def asked(
    operation: str,
    origin: Origin,
    body: Json,
    parameters: Mapping[str, Any] | None = None,
    *,
    input: tuple[Message, ...] = (),
    system: tuple[Part, ...] = (),
    tools: tuple[Part, ...] = (),
    conversation_id: str | None = None,
    billed: Usage = NOTHING,
    billed_as: str | None = None,
) -> Request:
    """A request to ``origin``: model and stream as the body tells them, the rest as given."""
    return Request(
        operation=operation,
        provider=origin.provider,
        model=body.get("model"),
        parameters=dict(parameters or {}),
        stream=bool(body.get("stream")),
        conversation_id=conversation_id,
        input=input,
        system=system,
        tools=tools,
        server_address=origin.server_address,
        server_port=origin.server_port,
        account=origin.account,
        billed=billed,
        billed_as=billed_as,
    )


def several(body: Json) -> dict[str, Any]:
    """How many answers are wanted, where it is not one."""
    return {semconv.REQUEST_CHOICE_COUNT: wanted} if (wanted := body.get("n")) not in (None, 1) else {}


def stops(body: Json) -> dict[str, Any]:
    """The stop sequences as a list: a single one may be sent as a string."""
    if (stop := body.get("stop")) is None:
        return {}
    return {semconv.REQUEST_STOP_SEQUENCES: [stop] if isinstance(stop, str) else list(stop)}


def said(text: Any) -> tuple[Message, ...]:
    """Text that the user gave, as one message; nothing for no text."""
    return ({"role": "user", "parts": [text_part(text)]},) if text else ()
