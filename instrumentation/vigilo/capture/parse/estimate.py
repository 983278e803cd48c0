"""Token counts where the provider gave none: a rule of thumb, always marked as an estimate.

Four characters of ASCII make a token, and one and a half of any other script: near for English prose, low for code.
"""

from __future__ import annotations

from typing import Any

CHARS_PER_TOKEN = 4
_OTHER_CHARS_PER_TOKEN = 1.5
_PER_MESSAGE = 4
"""Tokens that frame a message: its role and its marks."""
_MAX_DEPTH = 12


def text_tokens(text: str) -> float:
    """About how many tokens a text has."""
    if text.isascii():
        return len(text) / CHARS_PER_TOKEN
    plain = len(text.encode("ascii", "ignore"))
    return plain / CHARS_PER_TOKEN + (len(text) - plain) / _OTHER_CHARS_PER_TOKEN


def chat_tokens(messages: Any) -> int:
    """About how many tokens the messages of a request, or the text of its prompt, have."""
    if isinstance(messages, str):
        return round(text_tokens(messages)) or 1
    return round(sum(_PER_MESSAGE + _tokens(message, 0) for message in messages or ())) or 1


def _tokens(value: Any, depth: int) -> float:
    if isinstance(value, str):
        # Inline images and sounds are no text; what they cost is not told by their size.
        return 0 if value.startswith("data:") else text_tokens(value)
    if depth >= _MAX_DEPTH:
        return 0
    if isinstance(value, dict):
        told = (item for name, item in value.items() if name not in ("role", "type", "id", "tool_call_id", "data"))
        return sum(_tokens(item, depth + 1) for item in told)
    if isinstance(value, (list, tuple)):
        return sum(_tokens(item, depth + 1) for item in value)
    return 0
