"""Modules that the app has in use: nothing is imported only to be asked whether it has something to tell."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def loaded(name: str) -> Any:
    """The module, where something else has imported it, and None otherwise.

    Where another thread is importing it right now, it waits until that is done: ``sys.modules`` has modules that are
    not yet complete.
    """
    return import_module(name) if name in sys.modules else None
