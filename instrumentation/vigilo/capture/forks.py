"""Which process something was begun in: a forked process must not end what its parent is about to end."""

from __future__ import annotations

import os

count = 0
"""How often the processes that led to this one were forked: what was begun with another count is the parent's."""


def _after_fork_in_child() -> None:
    global count
    count += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
