"""``vigilo.track``: the app says for whom and for what it makes calls."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from vigilo.capture import context
from vigilo.capture.context import Frame, Tracked
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

F = TypeVar("F", bound=Callable[..., Any])
_NO_TAGS: Mapping[str, str] = MappingProxyType({})
_ready = False


class track:  # noqa: N801 - used like a function: `with vigilo.track(user="ada"):` and `@vigilo.track(...)`
    """Says for whom and for what the LLM calls of a block, or of a function, are made.

    Works as a context manager and as a decorator of functions, coroutine functions, generators and async generators,
    and nests: an inner block takes over what it does not set itself, and adds to the tags. A block holds in the tasks
    and threads that are started in it, and in the jobs that are given to thread pools in it. One object may be used
    many times and by several tasks at once. Capture is on inside the block even where no instrumentor was installed.

    The values of a decorated generator hold for the calls that its body makes, and not for its reader.

    Args:
        user: the user's id; recorded as a keyed pseudonym unless ``VIGILO_USER_IDS=plain``.
        conversation: id of the conversation (``gen_ai.conversation.id``).
        session: id of the session (``session.id``).
        operation: the app's own label of what it does (``vigilo.operation``).
        tenant: whose user it is, where one app serves many customers: the same id in two tenants is two people. It goes
            into the user's pseudonym and nowhere else.
        tags: further labels, ``{"plan": "free"}``. One whose value is None is left out.

    ``None`` and the empty string say nothing.

    Raises:
        TypeError: an id is no str, int or UUID, or ``tags`` is no mapping of str to str or number.
        ValueError: the name of a tag is empty or holds a ``=``.
    """

    __slots__ = ("__weakref__", "_said")

    def __init__(
        self,
        *,
        user: str | int | UUID | None = None,
        conversation: str | int | UUID | None = None,
        session: str | int | UUID | None = None,
        operation: str | None = None,
        tenant: str | int | UUID | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        self._said = Tracked(
            _text("user", user),
            _text("conversation", conversation),
            _text("session", session),
            _text("operation", operation),
            _NO_TAGS if tags is None else _tags(tags),
            captures=True,
            tenant=_text("tenant", tenant),
        )

    def __enter__(self) -> track:
        if not _ready:
            get_ready()
        context.enter(self._said, self)
        return self

    def __exit__(self, *_: object) -> None:
        context.leave(self)

    async def __aenter__(self) -> track:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        context.leave(self)

    def __call__(self, function: F) -> F:
        if not callable(function) or isinstance(function, (type, staticmethod, classmethod)):
            raise TypeError(
                f"track decorates functions and methods, below @staticmethod and @classmethod; got "
                f"{function.__name__ if isinstance(function, type) else type(function).__name__}"
            )
        if _is(inspect.isasyncgenfunction, function):
            return cast("F", self._async_generator(function))
        if _is(inspect.isgeneratorfunction, function):
            return cast("F", self._generator(function))
        if _is(inspect.iscoroutinefunction, function):

            @wraps(function)
            async def tracked_coroutine(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await cast("Callable[..., Awaitable[Any]]", function)(*args, **kwargs)

            return cast("F", tracked_coroutine)

        @wraps(function)
        def tracked_call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast("F", tracked_call)

    def _generator(self, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        """A generator function too, since frameworks ask whether it is one."""

        @wraps(function)
        def tracked_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            body = function(*args, **kwargs)
            inside = context.inside(self._first_frame())
            value, error = None, None
            while True:
                try:
                    with inside:
                        item = body.send(value) if error is None else body.throw(error)
                except StopIteration as stop:
                    return stop.value
                finally:
                    value = error = None  # an error kept here would keep this frame, and that the error
                try:
                    value = yield item
                except BaseException as thrown:  # noqa: BLE001 - also GeneratorExit: it is the body's to handle
                    error = thrown

        return tracked_generator

    def _async_generator(self, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
        """As ``_generator``, awaiting each step."""

        @wraps(function)
        async def tracked_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            body = function(*args, **kwargs)
            inside = context.inside(self._first_frame())
            value, error = None, None
            while True:
                try:
                    with inside:
                        item = await (body.asend(value) if error is None else body.athrow(error))
                except StopAsyncIteration:
                    return
                finally:
                    value = error = None
                try:
                    value = yield item
                except BaseException as thrown:  # noqa: BLE001
                    error = thrown

        return tracked_generator

    def _first_frame(self) -> Frame:
        """The frame a generator's body starts in: inside of what is in force where its reading begins."""
        if not _ready:
            get_ready()
        return context.nested(self._said)


def get_ready() -> None:
    """At the first block of the process: capture is turned on for blocks, and threads take blocks over."""
    global _ready
    with internal_errors("turning capture on"):
        from vigilo.capture.sdks import install_all
        from vigilo.capture.threads import follow_threads
        from vigilo.policy.export.install import hold

        hold("track")
        follow_threads()
        install_all()
        _ready = True


def _is(kind: Callable[[object], bool], function: Callable[..., Any]) -> bool:
    """Whether a function, or the ``__call__`` of a callable object, is of a kind that ``inspect`` knows."""
    return kind(function) or kind(type(function).__call__)


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if type(value) is str:
        return value or None
    if isinstance(value, bool) or not isinstance(value, (str, int, UUID)):
        raise TypeError(f"track({name}=...) takes a str, an int or a UUID, got {type(value).__name__}")
    return _plain(value) or None


def _tags(tags: object) -> dict[str, str]:
    if type(tags) is not dict and not isinstance(tags, Mapping):
        raise TypeError(f'track(tags=...) takes a mapping such as {{"plan": "free"}}, got {type(tags).__name__}')
    plain = {}
    for name, value in tags.items():
        if type(name) is str and name and "=" not in name and type(value) is str:
            plain[name] = value
            continue
        if not isinstance(name, str):
            raise TypeError(f"track(tags=...): the name of a tag is a str, got {type(name).__name__}")
        if not name or "=" in name:
            raise ValueError(f"track(tags=...): the name of a tag is neither empty nor holds `=`, got {name!r}")
        if value is not None and not isinstance(value, (str, int, float, UUID)):
            raise TypeError(f"track(tags=...): `{name}` takes a str or a number, got {type(value).__name__}")
        if value is not None:
            plain[_plain(name)] = _plain(value)
    return plain


def _plain(value: str | float | UUID) -> str:
    """A member of an enumeration of strings counts as its value, which ``str`` of it would not be."""
    return str.__str__(value) if isinstance(value, str) else str(value)
