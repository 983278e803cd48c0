"""Who calls and what for: ``vigilo.track`` and what is in force at a call."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from opentelemetry import context as otel_context

from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from contextvars import Token

_KEY = otel_context.create_key("vigilo-track")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Tracked:
    """What ``track`` blocks say about the calls inside; None: nothing was said."""

    user: str | None = None
    conversation: str | None = None
    session: str | None = None
    operation: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


NOBODY = Tracked()


def current() -> Tracked | None:
    """What the innermost ``track`` block in force says, with what it took over from outer blocks; None outside."""
    return cast("Tracked | None", otel_context.get_value(_KEY))


class track:  # noqa: N801 - used like a function: `with vigilo.track(user="ada"):` and `@vigilo.track(...)`
    """Says for whom and for what the LLM calls of a block, or of a function, are made.

    Works as a context manager and as a decorator, on sync and async code alike, and nests: an inner block takes over
    what it does not set itself, and adds to the tags. Capture is on inside the block even where no instrumentor was
    installed.

    Args:
        user: the user's id; recorded as a keyed pseudonym unless ``VIGILO_USER_IDS=plain``.
        conversation: id of the conversation (``gen_ai.conversation.id``).
        session: id of the session (``session.id``).
        operation: the app's own label of what it does (``vigilo.operation``).
        tags: further labels, ``{"plan": "free"}``.
    """

    def __init__(
        self,
        *,
        user: str | None = None,
        conversation: str | None = None,
        session: str | None = None,
        operation: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._said: dict[str, Any] = {
            name: str(value)
            for name, value in (
                ("user", user),
                ("conversation", conversation),
                ("session", session),
                ("operation", operation),
            )
            if value is not None
        }
        self._tags = {str(name): str(value) for name, value in (tags or {}).items()}
        self._tokens: list[Token[otel_context.Context]] = []

    def __enter__(self) -> track:
        with internal_errors("turning capture on"):
            from vigilo.capture.sdks import install_all

            install_all()
        outer = current() or NOBODY
        said = {name: self._said.get(name, getattr(outer, name)) for name in Tracked.__slots__ if name != "tags"}
        tracked = Tracked(**said, tags={**outer.tags, **self._tags})
        self._tokens.append(otel_context.attach(otel_context.set_value(_KEY, tracked)))
        return self

    def __exit__(self, *_: object) -> None:
        otel_context.detach(self._tokens.pop())

    async def __aenter__(self) -> track:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __call__(self, function: F) -> F:
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            # A generator's body runs in its reader's context: entering here would leak the block to the reader.
            raise TypeError("track cannot decorate a generator function: use `with vigilo.track(...)` inside it")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def tracked_coroutine(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await cast("Callable[..., Awaitable[Any]]", function)(*args, **kwargs)

            return cast("F", tracked_coroutine)

        @wraps(function)
        def tracked_call(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return cast("F", tracked_call)

    def _again(self) -> track:
        """A block of its own for one call of a decorated function: several threads and tasks may be in it at once."""
        return track(**self._said, tags=self._tags)
