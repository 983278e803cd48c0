"""Finds secrets: keys, tokens, passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.policy.mask.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

HINTS: tuple[str, ...] = (
    *("pass", "pwd", "secret", "token", "key", "auth", "cred", "bearer", "basic", "cookie", "session", "sig", "login"),
    *("jwt", "otp", "://", "-u", "--user", "q~", "contrase", "senha", "parola", "парол", "密码", "密碼", "パスワード"),
)
"""A text holds no secret if its lower-cased form has none of these and the text no ``LONG_RUN``."""

LONG_RUN = "[0-9A-Za-z_-]{16}"
"""A regular expression, RE2's too. Every key that is known by its own form has such a run."""

# A key whose end is cut off is one too.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN[ A-Z0-9]{0,30}PRIVATE KEY(?: BLOCK)?-----[^-]*(?:-----END[ A-Z0-9]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)


def find_secrets(text: str, context: str = "") -> Iterator[Span]:
    """Secrets in order and apart from each other.

    Args:
        text: where to look.
        context: what stands before the text, such as the key of a JSON value.
    """
    if "PRIVATE KEY" in text:
        for found in _PRIVATE_KEY.finditer(text):
            yield Span(*found.span(), "[SECRET]")
