"""What the server was told to answer: replies, failures and recorded bodies that wait for their calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vigilo.capture.call import Usage


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One HTTP request as it came in: header names in lower case, a JSON body parsed, any other body as bytes."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that the model asks for."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers. Whatever is None is made from the prompt.

    Attributes:
        text: the answer; "" for none.
        tool_calls: tools to call; () for none even if the prompt offers tools.
        thinking: the model's reasoning, sent where the provider shows it.
        usage: token counts in vigilo's sense (totals contain their parts); a count that is None is made from the words.
        model: name of the answering model.
        service_tier: the tier that the answer says it was served in, where it says so; the standard one by default.
        finish_reason: ``stop``, ``length``, ``tool_call`` or ``content_filter``, sent in the provider's own word; any
            other word is sent as it is.
        chunks: in how many pieces a stream sends the text; one a word by default.
        chunk_delay_s: pause before each event of a stream but the first.
        delay_s: pause before the answer.
        drop_after_chunks: cuts the connection after that many events of a stream, or in the middle of a whole answer.
    """

    text: str | None = None
    tool_calls: Sequence[ToolCall] | None = None
    thinking: str | None = None
    usage: Usage | None = None
    model: str | None = None
    service_tier: str | None = None
    finish_reason: str | None = None
    chunks: int | None = None
    chunk_delay_s: float = 0.0
    delay_s: float = 0.0
    drop_after_chunks: int | None = None


class ReplyFields(TypedDict, total=False):
    """The fields of ``Reply`` but the text, as keyword arguments."""

    tool_calls: Sequence[ToolCall] | None
    thinking: str | None
    usage: Usage | None
    model: str | None
    service_tier: str | None
    finish_reason: str | None
    chunks: int | None
    chunk_delay_s: float
    delay_s: float
    drop_after_chunks: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer in the provider's own shape."""

    status: int
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer that is sent as it is."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Step: TypeAlias = Reply | Failure | Recorded


@dataclass(slots=True)
class _Waiting:
    step: Step
    match: str
    times: int


class Script:
    """Steps in the order they were given; each call takes the first one that is meant for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []

    def add(self, step: Step, match: str, times: int) -> None:
        if times < 1:
            raise ValueError(f"times is {times}; a step is taken at least once")
        with self._lock:
            self._waiting.append(_Waiting(step, match, times))

    def take(self, path: str, body: str) -> Step | None:
        """The step for a call with this path and body, used up by one; None when nothing is scripted for it."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.match in path or waiting.match in body:
                    waiting.times -= 1
                    if not waiting.times:
                        self._waiting.remove(waiting)
                    return waiting.step
        return None

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
