"""The attempts that google-genai makes by itself, which whoever paces calls takes over."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vigilo.capture.parse.endpoint import read
from vigilo.errors import internal_errors

_BY_DEFAULT = 5
"""Attempts of the SDK where it is to retry and nobody says how often (``_RETRY_ATTEMPTS``, 1.32 and later)."""


def retries_of(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """How many attempts after the first the app allows the SDK.

    Args:
        client: the SDK's own client.
        args: what the SDK passes after the body: the options of the request.
        kwargs: the same by name.
    """
    with internal_errors("reading how often a request is made again"):
        options = read(_options(args, kwargs), "retry_options") or read(
            getattr(client, "_http_options", None), "retry_options"
        )
        if options is None:
            return 0
        attempts = read(options, "attempts")
        return _BY_DEFAULT - 1 if attempts is None else max(attempts - 1, 0)
    return 0


def alone(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same with options by which the SDK makes one attempt only."""
    with internal_errors("taking over the retries of a request"):
        options, changed = _options(args, kwargs), None
        if options is None or isinstance(options, dict):
            changed = {**(options or {}), "retry_options": {"attempts": 1}}
        else:
            once = import_module("google.genai.types").HttpRetryOptions(attempts=1)
            changed = options.model_copy(update={"retry_options": once})
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "http_options": changed})
    return args, kwargs


def _options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs.get("http_options")
