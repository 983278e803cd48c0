"""Who calls and what for: what is in force at a call, said by ``track`` blocks and by the incoming request.

Two stores hold it. ``track`` blocks live in a context variable of vigilo's own, so that entering and leaving them never
moves the spans of the app. What an incoming request says arrives in OpenTelemetry's context, because that is where
web frameworks' instrumentors put what a propagator extracts. Frames link the two, so that the inner one wins.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

from opentelemetry import context as otel_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vigilo.capture.balance import balance


class Tracked(NamedTuple):
    """What is said about the calls in force. A tuple, because one is made for every block that is entered."""

    user: str | None = None
    conversation: str | None = None
    session: str | None = None
    operation: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    user_is_pseudonym: bool = False
    """``user`` is an id that vigilo made of a client it does not know; it tells nobody and is recorded as it is."""
    captures: bool = False
    """Somebody in the app said it with ``track``, which turns capture on; an incoming request alone does not."""
    tenant: str | None = None
    """Whose ``user`` it is: the same id in two tenants is two people. It is recorded in the pseudonym only."""
    balances: tuple[balance, ...] = ()
    """What counts the calls that begin here."""

    def within(self, outer: Tracked) -> Tracked:
        """What is in force when this is said inside of ``outer``: what it leaves out is taken over, tags are added."""
        has_user = self.user is not None
        if self.user_is_pseudonym and outer.user is not None and not outer.user_is_pseudonym:
            has_user = False  # somebody unknown gives way to somebody known
        return Tracked(
            self.user if has_user else outer.user,
            outer.conversation if self.conversation is None else self.conversation,
            outer.session if self.session is None else self.session,
            outer.operation if self.operation is None else self.operation,
            {**outer.tags, **self.tags} if self.tags and outer.tags else self.tags or outer.tags,
            self.user_is_pseudonym if has_user else outer.user_is_pseudonym,
            self.captures or outer.captures,
            outer.tenant if self.tenant is None else self.tenant,
            tuple(dict.fromkeys(self.balances + outer.balances)) if self.balances else outer.balances,
        )


class Frame:
    """One entered block, or one incoming request; a frame is never entered twice, a ``track`` object may be."""

    __slots__ = ("left_early", "outer", "owner", "tracked")

    def __init__(self, tracked: Tracked, owner: object = None, outer: Frame | None = None) -> None:
        """``owner``: who leaves it, None where nobody does; ``outer``: what lies around it in the variable."""
        self.tracked = tracked
        self.owner = owner
        self.outer = outer
        self.left_early = False


_frame: ContextVar[Frame | None] = ContextVar("vigilo-track", default=None)
_INCOMING = otel_context.create_key("vigilo-incoming")


def in_force() -> Frame | None:
    """The innermost frame; None outside of all."""
    own = _frame.get()
    incoming = cast("Frame | None", otel_context.get_value(_INCOMING))
    if incoming is None or (own is not None and incoming.outer is not own):
        return own
    return incoming


def current() -> Tracked | None:
    """What is in force here, taken together; None where nobody said anything."""
    frame = in_force()
    return None if frame is None else frame.tracked


def balances() -> tuple[balance, ...]:
    """What counts a call that begins here."""
    frame = in_force()
    return () if frame is None else frame.tracked.balances


def nested(said: Tracked, owner: object = None, outer: Frame | None = None) -> Frame:
    """A new frame that says ``said`` inside of what is in force."""
    around = in_force()
    return Frame(said if around is None else said.within(around.tracked), owner, outer)


def enter(said: Tracked, owner: object) -> None:
    """Puts a block of ``owner`` in force."""
    _frame.set(nested(said, owner, _frame.get()))


def leave(owner: object) -> None:
    """Ends the innermost block of ``owner`` that was entered here; does nothing where it was entered elsewhere.

    No token of the context variable is kept: a token cannot be used in another context, and generators and async
    frameworks do leave blocks in another context than they enter them in.
    """
    frame = _frame.get()
    if frame is not None and frame.owner is owner:
        outer, frame.outer = frame.outer, None  # contexts that were copied inside must not keep all outer ones alive
        while outer is not None and outer.left_early:
            outer = outer.outer
        _frame.set(outer)
        return
    # Two generators, each with a block of its own, may end in any order: the inner block is in force until it ends.
    while frame is not None:
        if frame.owner is owner and not frame.left_early:
            frame.left_early = True
            return
        frame = frame.outer


def with_incoming(said: Tracked, context: otel_context.Context) -> otel_context.Context:
    """``context`` with what an incoming request says, inside of the blocks that the server runs in."""
    own = _frame.get()
    frame = Frame(said if own is None else said.within(own.tracked), outer=own)
    return otel_context.set_value(_INCOMING, frame, context)


def arrive(said: Tracked) -> None:
    """Puts what an incoming request says in force right here, for the rest of the task that handles it."""
    _frame.set(nested(said, None, _frame.get()))


class inside:  # noqa: N801 - used like a function; a class, because it stands on the app's path
    """Runs a step of something that has frames of its own: the body of a generator, a job in another thread.

    Between two steps the frames that the first one left in force are kept, and the reader has its own back.
    """

    __slots__ = ("_frame", "_reader")

    def __init__(self, frame: Frame | None) -> None:
        self._frame = frame

    def __enter__(self) -> None:
        self._reader = _frame.get()
        _frame.set(self._frame)

    def __exit__(self, *_: object) -> None:
        self._frame = _frame.get()
        _frame.set(self._reader)
