"""What every provider's parser gives: how one endpoint's requests, answers and streams are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vigilo import semconv

if TYPE_CHECKING:
    from vigilo.capture.call import Message, Part, Request, Response, Usage

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call goes: the conventions' provider name, host and port of the server, and whose account it is."""

    provider: str
    server_address: str | None = None
    server_port: int | None = None
    account: str | None = None


class Fold(Protocol):
    """Puts a streamed answer together. ``add`` runs once a chunk on the app's path, so it only notes what it needs."""

    def add(self, chunk: Any) -> bool | None:
        """Notes a chunk; true for one that only counts tokens."""
        ...

    def response(self) -> Response:
        """The answer as far as it came; called once, however the stream ended."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one endpoint of a provider's API is read.

    ``operation`` is the conventions' name for what it does. ``request(origin, body, content)`` takes the JSON body as
    sent; ``content`` says whether messages are wanted. ``response(answer, content)`` takes the whole answer, as JSON or
    as the SDK's object; what is no JSON comes as text, bytes or the SDK's object. ``fold(content)`` starts putting a
    stream together; None where the endpoint cannot stream.

    ``usage_on_request``: a stream counts its tokens only when the caller asks for it. ``counts(answer)``, where there
    is one, says whether the answer to a question that is asked again and again (is it done yet?) is worth a span; such
    a call is recorded after its answer, which ``request`` then gets as the body, and errors of it are not recorded.
    ``estimate(body, fold)`` guesses the tokens of a stream whose end, which would have counted them, never came.
    """

    operation: str
    request: Callable[[Origin, Json, bool], Request]
    response: Callable[[Any, bool], Response]
    fold: Callable[[bool], Fold] | None = None
    usage_on_request: bool = False
    counts: Callable[[Any], bool] | None = None
    estimate: Callable[[Json, Any], Usage | None] | None = None


Route = Callable[[str, str], Endpoint | None]
"""Method, in upper case, and path without its query -> the endpoint; None for what is no call to a model."""


_DOUBLES = frozenset(
    {
        semconv.REQUEST_TEMPERATURE,
        semconv.REQUEST_TOP_P,
        semconv.REQUEST_TOP_K,
        semconv.REQUEST_FREQUENCY_PENALTY,
        semconv.REQUEST_PRESENCE_PENALTY,
    }
)


def sent(body: Json, names: Mapping[str, str]) -> dict[str, Any]:
    """What the body has of ``names`` (field -> attribute); a field that is null was not sent.

    Values are as the caller sent them, but for whole numbers where the conventions want a double.
    """
    return {
        attribute: float(value) if type(value) is int and attribute in _DOUBLES else value
        for name, attribute in names.items()
        if (value := body.get(name)) is not None
    }


def read(source: Any, name: str) -> Any:
    """A field of a JSON object or of an SDK's object by the same name; None when it is absent."""
    if isinstance(source, dict):  # not Mapping: that check costs more than all the rest, and runs for every chunk
        return source.get(name)
    return getattr(source, name, None)


def fields(source: Any) -> Mapping[str, Any]:
    """All fields of a JSON object or of an SDK's object, those included that its version has not heard of."""
    if isinstance(source, dict):
        return source
    unheard = getattr(source, "__pydantic_extra__", None)
    return {**source.__dict__, **unheard} if unheard else source.__dict__


def count(source: Any, name: str) -> int | None:
    """A token count; None when it is absent or no number."""
    value = read(source, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text_part(text: Any) -> Part:
    """A part that is plain text."""
    return {"type": "text", "content": text}


def server_tool_call(call_id: Any, name: Any, arguments: Any = None) -> Part:
    """A call of a tool that the provider runs itself; ``arguments`` as the provider tells them, None where it does not.

    Shape: ``ServerToolCallPart`` of the conventions.
    """
    called = {"type": name} if arguments is None else {"type": name, "arguments": arguments}
    return {"type": "server_tool_call", "id": call_id, "name": name, "server_tool_call": called}


def server_tool_response(call_id: Any, name: Any, result: Any) -> Part:
    """What a tool that the provider runs itself gave. Shape: ``ServerToolCallResponsePart`` of the conventions."""
    return {
        "type": "server_tool_call_response",
        "id": call_id,
        "server_tool_call_response": {"type": name, "result": result},
    }


def answer(role: str, parts: Sequence[Part], finish_reason: str | None) -> Message:
    """One message of an answer; an answer that broke off has the finish reason ``""``."""
    return {"role": role, "parts": list(parts), "finish_reason": finish_reason or ""}


_FINISH_REASONS: dict[str, str] = {
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "tool_use": "tool_call",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
}


def finish_reason(word: Any) -> str | None:
    """A provider's word for why it stopped, in the conventions' words; one that is not known stays, in lower case."""
    if not isinstance(word, str) or not word:
        return None
    known = word.lower()
    return _FINISH_REASONS.get(known, known)


def blob_or_uri(modality: str, address: Any) -> Part:
    """An image, file or sound given by address: inline data is a blob, anything else a reference."""
    if isinstance(address, str) and address.startswith("data:"):
        mime_type = address[5:].partition(";")[0]
        return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": address}
    return {"type": "uri", "modality": modality, "uri": address}
