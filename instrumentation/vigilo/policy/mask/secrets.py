"""Finds secrets: keys, tokens, passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

# A key whose end is cut off is one too.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN[ A-Z0-9]{0,30}PRIVATE KEY(?: BLOCK)?-----[^-]*(?:-----END[ A-Z0-9]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)


def find_secrets(text: str) -> Iterator[Span]:
    """Secrets in order and apart from each other."""
    if "PRIVATE KEY" in text:
        for found in _PRIVATE_KEY.finditer(text):
            yield Span(*found.span(), "[SECRET]")
