"""Neighbours that wrapped a client's ``request`` before vigilo did.

OpenInference and logfire put their wrapper on the client's class and keep the method that was there: the SDK's own,
where they came first. vigilo's hook lies on the base class and would be passed by, and with it the gate. So it goes
around their wrapper as well, for calls that are theirs to record.
"""

from __future__ import annotations

from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from vigilo.capture.neighbours import NEIGHBOURS, below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vigilo.capture.patches import Patches

    Method = Callable[..., Any]


def wrap_first_comers(base: type, name: str, hook: Callable[[Method], Method], patches: Patches) -> None:
    """Puts ``hook`` around each neighbour's wrapper of a method that the subclasses of ``base`` inherit."""
    for client in _subclasses(base):
        theirs = client.__dict__.get(name)
        if theirs is not None and (package := _package(theirs)) is not None:
            patches.put(client, name, partial(_around, hook, package))


def _around(hook: Callable[[Method], Method], package: str, theirs: Any) -> Method:
    def inner(client: Any, *args: Any, **kwargs: Any) -> Any:
        return theirs.__get__(client, type(client))(*args, **kwargs)  # bound, as wrapt's wrappers want to be called

    hooked = hook(wraps(theirs)(inner))
    if iscoroutinefunction(hooked):

        @wraps(theirs)
        async def async_request(client: Any, *args: Any, **kwargs: Any) -> Any:
            token = below.set(package)
            try:
                return await hooked(client, *args, **kwargs)
            finally:
                below.reset(token)

        return async_request

    @wraps(theirs)
    def request(client: Any, *args: Any, **kwargs: Any) -> Any:
        token = below.set(package)
        try:
            return hooked(client, *args, **kwargs)
        finally:
            below.reset(token)

    return request


def _package(method: Any) -> str | None:
    """The neighbour whose wrapper a method is; None also where vigilo's own lies below it."""
    found = None
    while method is not None:
        module = _module(method)
        if module.startswith("vigilo."):
            return None
        found = found or next((near.package for near in NEIGHBOURS if near.wraps and near.has(module)), None)
        method = getattr(method, "__wrapped__", None)
    return found


def _module(method: Any) -> str:
    """Where the code of a function, or of the wrapper that ``wrapt`` calls, comes from: ``__module__`` is copied."""
    code = getattr(method, "_self_wrapper", method)
    known: str = getattr(code, "__globals__", {}).get("__name__") or type(code).__module__
    return known


def _subclasses(base: type) -> Iterator[type]:
    client: type
    for client in base.__subclasses__():
        yield client
        yield from _subclasses(client)
