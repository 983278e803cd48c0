"""Plain values as JSON and back, the same to the type: also tuples, sets, bytes, any keys, numpy's arrays.

Nothing in it can run code when it is read, which is why as much as possible is saved like this.
"""

from __future__ import annotations

import base64
import json
import sys
from collections import OrderedDict
from typing import Any, Final

_TAG: Final = "~"
_MAX_JSON_INT: Final = 2**63
_SEQUENCES: Final[dict[type, str]] = {tuple: "tuple", set: "set", frozenset: "frozenset"}
_TYPES: Final[dict[str, type]] = {name: kind for kind, name in _SEQUENCES.items()}


class NotPlain(TypeError):  # noqa: N818 - an answer, not a fault
    """A value is something else than plain; the message names its type."""


def dumps(value: object) -> bytes:
    """A plain value as JSON in UTF-8.

    Raises:
        NotPlain: it is not, or it holds itself.
    """
    try:
        return json.dumps(_encode(value), separators=(",", ":")).encode("utf-8")
    except RecursionError:
        raise NotPlain(f"a {type(value).__qualname__} that is too deep, or holds itself") from None


def loads(data: bytes) -> Any:
    """The value that :func:`dumps` wrote; ValueError where it is no such text."""
    try:
        return _decode(json.loads(data))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no plain value: {error}") from error


def is_plain(value: object) -> bool:
    """Whether :func:`dumps` takes it; as dear as doing so."""
    try:
        _encode(value)
    except (NotPlain, RecursionError):
        return False
    return True


def _encode(value: Any) -> Any:
    kind = type(value)  # exactly: a subclass would come back as something else
    if value is None or kind in (bool, str, float):
        return value
    if kind is int:
        return value if -_MAX_JSON_INT < value < _MAX_JSON_INT else {_TAG: "int", "v": hex(value)}
    if kind is list:
        return [_encode(one) for one in value]
    if kind is dict and _TAG not in value and all(type(key) is str for key in value):
        return {key: _encode(one) for key, one in value.items()}
    if kind in (dict, OrderedDict):
        pairs = [[_encode(key), _encode(one)] for key, one in value.items()]
        return {_TAG: "dict" if kind is dict else "ordered", "v": pairs}
    if kind in _SEQUENCES:
        return {_TAG: _SEQUENCES[kind], "v": [_encode(one) for one in value]}
    if kind in (bytes, bytearray):
        return {_TAG: kind.__name__, "v": base64.b64encode(value).decode("ascii")}
    if kind is complex:
        return {_TAG: "complex", "v": [value.real, value.imag]}
    return _encode_numpy(value)


def _encode_numpy(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic)):
        dtype = value.dtype
        if not dtype.hasobject and dtype.names is None and dtype.subdtype is None:
            data = base64.b64encode(numpy.ascontiguousarray(value).tobytes()).decode("ascii")
            kind = "array" if type(value) is numpy.ndarray else "number"
            return {_TAG: kind, "dtype": dtype.str, "shape": list(value.shape), "v": data}
    raise NotPlain(f"a {type(value).__module__}.{type(value).__qualname__}")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(one) for one in value]
    if not isinstance(value, dict):
        return value
    tag = value.get(_TAG)
    if tag is None:
        return {key: _decode(one) for key, one in value.items()}
    inner = value["v"]
    if tag in ("dict", "ordered"):
        pairs = [(_decode(key), _decode(one)) for key, one in inner]
        return dict(pairs) if tag == "dict" else OrderedDict(pairs)
    if tag in _TYPES:
        return _TYPES[tag](_decode(one) for one in inner)
    if tag == "int":
        return int(inner, 16)
    if tag == "complex":
        return complex(*inner)
    if tag in ("bytes", "bytearray"):
        data = base64.b64decode(inner, validate=True)
        return data if tag == "bytes" else bytearray(data)
    if tag in ("array", "number"):
        return _decode_numpy(value)
    raise ValueError(f"no plain value: {tag!r} is unknown")


def _decode_numpy(value: dict[str, Any]) -> Any:
    import numpy as np

    dtype = np.dtype(value["dtype"])
    if dtype.hasobject:
        raise ValueError("no plain value: an array of objects")
    data = base64.b64decode(value["v"], validate=True)
    array = np.frombuffer(bytearray(data), dtype=dtype).reshape(value["shape"])  # a bytearray: it can be written to
    return array if value[_TAG] == "array" else array[()]
