"""Attribute values as the text that the Collector's tables keep: ``Map(LowCardinality(String), String)``."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from json import JSONEncoder
from json.encoder import encode_basestring
from typing import Any, cast

_json = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def text(value: Any) -> str:
    """A value as text: strings as they are, ``true``/``false``, numbers as Python writes them, None as nothing.

    Bytes are written in base64 and sequences and mappings as compact JSON, as the Collector does. In that JSON numbers
    that are not finite are the strings ``nan``, ``inf`` and ``-inf``.

    Raises:
        ValueError: an integer has more digits than Python is willing to print.
        RecursionError: the value is nested too deep.
    """
    if isinstance(value, str):
        return str.__str__(value)  # of an enum's member its value
    if isinstance(value, bool):
        return _boolean(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if value is None:
        return ""
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode("ascii")
    try:
        return _json(value)
    except (TypeError, ValueError):
        plain = _plain(value)
        return plain if isinstance(plain, str) else _json(plain)


def texts(attributes: Mapping[str, Any] | None) -> dict[str, str]:
    """Attributes with each value as text."""
    if attributes is None:
        return {}
    # One copy is much cheaper than iterating the SDK's own mapping, which is written in Python.
    copied = attributes.copy() if hasattr(attributes, "copy") else dict(attributes)
    for key, value in copied.items():
        if value.__class__ is not str:
            copied[key] = _WRITERS.get(value.__class__, text)(value)
    return cast("dict[str, str]", copied)


def hex_trace_id(trace_id: int | None) -> str:
    """32 digits, or nothing where there is no trace."""
    return "%032x" % trace_id if trace_id else ""  # noqa: UP031 - takes half the time


def hex_span_id(span_id: int | None) -> str:
    """16 digits, or nothing where there is no span."""
    return "%016x" % span_id if span_id else ""  # noqa: UP031


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _array(values: tuple[Any, ...]) -> str:
    try:
        known = _ARRAYS.get(values)
        if known is not None:
            return known
        written = f"[{','.join(map(encode_basestring, values))}]"  # most are of strings, which need no walk
    except TypeError:
        return text(values)
    if len(_ARRAYS) < _MAX_ARRAYS and len(written) < _MAX_ARRAY_CHARS:
        _ARRAYS[values] = written
    return written


_ARRAYS: dict[tuple[str, ...], str] = {}
"""Short arrays of strings that were seen, such as the reasons why a model stopped. Of strings only, since an array of
numbers may equal another that is written differently."""
_MAX_ARRAYS = 500
_MAX_ARRAY_CHARS = 100

_WRITERS: dict[type, Callable[[Any], str]] = {int: repr, float: repr, bool: _boolean, tuple: _array}
"""The same as :func:`text`, found without asking one type after the other."""


def _plain(value: Any) -> Any:
    """The value in types that JSON has."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else float.__repr__(value)
    if isinstance(value, (bytes, bytearray)):
        return text(value)
    if isinstance(value, Mapping):
        return {text(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    return str(value)
