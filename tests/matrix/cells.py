"""The matrix as data: every endpoint of every SDK, in every style in which it can be called.

A cell names a method of a client by its path (``chat.completions.with_raw_response.create``), what is passed, and what
the app does with the result. Whether an SDK has the method, and takes the arguments, is asked of the SDK when it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Expected:
    """What the spans of a cell say. ``tokens``: input and output; None where the provider does not count them."""

    operation: str
    provider: str
    model: str | None
    tokens: tuple[int | None, int | None]
    spans: int = 1


Answered = Literal["reply", "error status", "429, then a reply"]


class Fresh:
    """An argument that is another one each time it is passed: an id of which the tokens are counted once."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def next(self) -> str:
        return f"{self._prefix}{uuid4().hex}"


@dataclass(frozen=True)
class Cell:
    """One call of one endpoint in one style.

    ``client`` names a client of ``clients.py``; ``use`` takes what the method returned, and is a coroutine function for
    a client that is async. ``answered``: with what the provider answers; ``copied``: the call goes through
    ``with_options()``.
    """

    client: str
    endpoint: str
    style: str
    is_async: bool
    method: str
    arguments: Mapping[str, Any]
    use: Callable[[Any], Any]
    expected: Expected
    answered: Answered = "reply"
    copied: bool = False
    polled: bool = False

    def passed(self) -> dict[str, Any]:
        return {name: value.next() if isinstance(value, Fresh) else value for name, value in self.arguments.items()}

    @property
    def row(self) -> str:
        return f"{self.client}: {self.endpoint}"

    @property
    def column(self) -> str:
        return f"{self.style}, async" if self.is_async else self.style

    def __str__(self) -> str:
        return f"{self.row} - {self.column}"


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of an SDK, from which its cells are made.

    ``method`` is the path of the method; ``arguments`` what every style passes; ``stream`` what a streamed call passes
    besides, None where the endpoint cannot stream. ``helper`` and ``parse`` are paths of the SDK's methods for that.
    ``counted``: what asks for token counts where the app may read the bytes, and vigilo asks for nothing by itself.
    ``binary``: the answer is no JSON, so there is nothing to parse. ``polled``: a question that is asked until the
    answer counts, so that errors and attempts before are not told.
    """

    client: str
    name: str
    method: str
    arguments: Mapping[str, Any]
    expected: Expected
    stream: Mapping[str, Any] | None = None
    counted: Mapping[str, Any] = field(default_factory=dict)
    helper: str | None = None
    parse: str | None = None
    parse_arguments: Mapping[str, Any] = field(default_factory=dict)
    binary: bool = False
    polled: bool = False

    @property
    def has_copies(self) -> bool:
        return not self.client.startswith("Gemini")

    def through(self, part: str) -> str:
        """``chat.completions.create`` -> ``chat.completions.PART.create``."""
        resource, _, verb = self.method.rpartition(".")
        return f"{resource}.{part}.{verb}"
