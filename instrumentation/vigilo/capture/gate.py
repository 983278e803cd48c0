"""The gate: what may refuse a call, asked once a call, right before its first byte is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from vigilo.capture.call import Request

Guard: TypeAlias = Callable[[Request], object]
"""Looks at a call that is about to be sent, retries included; what it raises, the app gets, and nothing is sent."""

_guards: tuple[Guard, ...] = ()


def add_guard(guard: Guard) -> None:
    """Asks ``guard`` before each call from now on, after the ones that are there. Adding it again changes nothing."""
    global _guards
    if guard not in _guards:
        _guards = (*_guards, guard)


def remove_guard(guard: Guard) -> None:
    """Asks ``guard`` no more."""
    global _guards
    _guards = tuple(kept for kept in _guards if kept != guard)


def check(request: Request) -> None:
    """Asks every guard.

    Raises:
        Exception: the first refusal, as the guard raised it.
    """
    for guard in _guards:
        guard(request)
