"""Masks messages value by value, so that their JSON stays JSON and roles, types and ids stay what they are."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from time import thread_time
from typing import TYPE_CHECKING, Any

from vigilo.errors import report_internal
from vigilo.policy.mask.clip import mask_clip
from vigilo.policy.mask.spans import REDACTED
from vigilo.policy.mask.text import without_surrogates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vigilo.policy.mask.numbering import Numbers

MAX_DEPTH = 24
MAX_VALUES = 20_000
MAX_TOTAL_CHARS = 262_144
MAX_INNER_JSON_CHARS = 262_144
MAX_KEY_CHARS = 128
MAX_CPU_S = 0.03
"""Hard texts in many values would take ten times that. CPU time, so that a busy machine does not cut ordinary ones."""
_WORK_PER_LOOK = 4096  # characters, and as many for each value as a short one costs: reading the clock takes 0.5 us
_WORK_PER_VALUE = 64

STRUCTURE = frozenset(
    {"role", "type", "id", "name", "call_id", "tool_call_id", "finish_reason", "mime_type", "modality", "file_id"}
)
"""Keys of messages and their parts whose values say what they are."""
_JSON_BEGINS = re.compile(r"[ \t\r\n]{0,64}[\[{]")
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.:/+-]{0,127}", re.ASCII)
_MIN_NUMBER = 1_000_000  # the least that can be a phone number
_SCALARS = (bool, type(None))


@dataclass(slots=True)
class _Walk:
    """One way through a value: how texts are masked, and what may still be kept, a bound on work and on size."""

    max_chars: int
    numbers: Numbers | None = None
    values: int = MAX_VALUES
    chars: int = MAX_TOTAL_CHARS
    _work: int = 0
    _until_s: float = field(default_factory=lambda: thread_time() + MAX_CPU_S)

    def spend(self, chars: int) -> None:
        """A value of so many characters was masked."""
        self.chars -= chars
        self._work += chars + _WORK_PER_VALUE
        if self._work >= _WORK_PER_LOOK:
            self._work = 0
            if thread_time() > self._until_s:
                self.chars = 0

    def spent(self) -> bool:
        return self.values <= 0 or self.chars <= 0


def mask_json(value: Any, max_chars: int, numbers: Numbers | None = None) -> Any:
    """A JSON value with every text in it masked and cut to ``max_chars``, keys of objects included.

    A text that is itself a JSON object or array, such as the arguments of a tool call, is masked value by value and
    stays JSON. Numbers are read as they would be written; bytes become ``[BYTES n]``. The roles, types, names and ids
    of messages and their parts stay. What lies deeper than ``MAX_DEPTH``, or beyond ``MAX_VALUES``,
    ``MAX_TOTAL_CHARS`` or ``MAX_CPU_S``, is left out with a note. With ``numbers`` values are told apart,
    ``[EMAIL_1]``. Never raises: what cannot be masked becomes ``[REDACTED]``.
    """
    try:
        return _masked(value, _Walk(max_chars, numbers), structural=True)
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking messages", error)
        return REDACTED


def messages_json(messages: Sequence[Mapping[str, Any]], *, content: str, max_chars: int) -> str:
    """Messages, or parts of one, as compact JSON for an attribute; arguments as those of :func:`mask_messages`."""
    return to_json(mask_messages(messages, content=content, max_chars=max_chars))


def mask_messages(
    messages: Sequence[Mapping[str, Any]], *, content: str, max_chars: int, numbers: Numbers | None = None
) -> Any:
    """Messages, or parts of one, as JSON values that may leave the process. Never raises.

    Args:
        messages: oldest first, in the conventions' form.
        content: ``masked``, or ``full``: as they are, neither masked nor cut.
        max_chars: the most characters kept of each text when masked.
        numbers: tells masked values apart by numbers, ``[EMAIL_1]``.

    Returns:
        A list of messages; ``[REDACTED]`` instead where masking failed.
    """
    try:
        if content == "full":
            return list(messages)
        walk, kept = _Walk(max_chars, numbers), []
        # The newest messages say most, so it is the oldest that give way when all are too much.
        for message in reversed(messages):
            if walk.spent():
                break
            kept.append(_masked(message, walk, structural=True))
        if left_out := len(messages) - len(kept):
            kept.append({"role": "system", "parts": [{"type": "text", "content": f"…[+{left_out} messages]"}]})
        return kept[::-1]
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking messages", error)
        return REDACTED


def to_json(value: Any) -> str:
    """A JSON value as compact text that any exporter can encode. Never raises."""
    try:
        return without_surrogates(_dumped(value))
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("writing messages", error)
        return json.dumps(REDACTED)


def is_json(text: str) -> bool:
    """Whether a text looks like a JSON object or array, and is short enough to be read as one."""
    return len(text) <= MAX_INNER_JSON_CHARS and _JSON_BEGINS.match(text) is not None


def is_identifier(text: str) -> bool:
    """Whether a role, type, name or id looks like one."""
    return _IDENTIFIER.fullmatch(text) is not None


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_not_json, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), default=_not_json)


def _finite(value: Any) -> Any:
    """The value with ``nan`` and ``inf``, which JSON does not have, as texts."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _not_json(value: Any) -> str:
    """What stands for a value that JSON does not know. Its text is not taken: who knows what an object prints."""
    return f"[BYTES {len(value)}]" if isinstance(value, (bytes, bytearray, memoryview)) else f"[{type(value).__name__}]"


def _masked(value: Any, walk: _Walk, *, structural: bool, key: str = "", depth: int = 0) -> Any:
    walk.values -= 1
    if isinstance(value, str):
        masked = _masked_text(value, walk, key, depth)
        walk.spend(len(masked))
        return masked
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, (int, float)):
        return _masked_number(value, walk, key)
    if depth >= MAX_DEPTH or walk.spent():
        return "…"
    if isinstance(value, dict):
        return _masked_object(value, walk, structural, depth)
    if isinstance(value, (list, tuple)):
        items: list[Any] = []
        for item in value:
            if walk.spent():
                items.append(f"…[+{len(value) - len(items)} items]")
                break
            items.append(_masked(item, walk, structural=structural, key=key, depth=depth + 1))
        return items
    return _not_json(value)


def _masked_object(value: dict[Any, Any], walk: _Walk, structural: bool, depth: int) -> Any:
    masked: dict[str, Any] = {}
    for raw_key, item in value.items():
        if walk.spent():
            masked["…"] = f"[+{len(value) - len(masked)} items]"
            break
        key = str(raw_key) if isinstance(raw_key, (str, int, float)) else _not_json(raw_key)
        if structural and key in STRUCTURE and isinstance(item, str) and is_identifier(item):
            masked[key] = item
            continue
        shown = _distinct(mask_clip(key, MAX_KEY_CHARS, "", walk.numbers), masked)
        walk.spend(len(shown))
        # Only messages and their parts have a structure of ours: what lies in arguments or answers is the app's.
        inside = structural and key == "parts"
        masked[shown] = _masked(item, walk, structural=inside, key=key, depth=depth + 1)
    return masked


def _distinct(key: str, taken: dict[str, Any]) -> str:
    """Two keys that are masked alike must not swallow each other's values."""
    if key not in taken:
        return key
    return next(f"{key} {number}" for number in range(2, len(taken) + 3) if f"{key} {number}" not in taken)


def _masked_text(text: str, walk: _Walk, key: str, depth: int) -> str:
    if depth < MAX_DEPTH and is_json(text):
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            return _dumped(_masked(inner, walk, structural=False, key=key, depth=depth + 1))
    if walk.chars <= 0:
        return f"…[+{len(text)} chars]"
    return mask_clip(text, walk.max_chars, _context(key), walk.numbers)


def _masked_number(value: float, walk: _Walk, key: str) -> Any:
    if -_MIN_NUMBER < value < _MIN_NUMBER:
        return value
    if not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    written = repr(value)
    masked = mask_clip(written, len(written) + 16, _context(key), walk.numbers)
    return value if masked == written else masked


def _context(key: str) -> str:
    """The key before its value: ``phone`` makes a phone number of bare digits, as it would in running text."""
    return f"{key[-40:]}: " if key else ""
