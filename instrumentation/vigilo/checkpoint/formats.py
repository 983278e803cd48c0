"""How a value lies in a file: which formats there are, which one fits, and which of them can run code when read."""

from __future__ import annotations

import io
import pickle
import sys
from collections import OrderedDict
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from vigilo.checkpoint import plain
from vigilo.checkpoint.results import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN, NUMPY, TORCH, TORCH_PICKLE, JOBLIB, PICKLE, KERAS, FILE = (
    "plain",
    "numpy",
    "torch",
    "torch-pickle",
    "joblib",
    "pickle",
    "keras",
    "file",
)
SUFFIXES: Final = {
    PLAIN: ".json",
    NUMPY: ".npy",
    TORCH: ".pt",
    TORCH_PICKLE: ".pt",
    JOBLIB: ".joblib",
    PICKLE: ".pkl",
    KERAS: ".weights.h5",  # Keras looks at the end of the name
    FILE: "",
}
CHOICES: Final = (PLAIN, NUMPY, TORCH, JOBLIB, PICKLE, KERAS)
"""What ``register(format=...)`` may ask for."""
NEED_TRUST: Final = frozenset({TORCH_PICKLE, JOBLIB, PICKLE})
_PLAIN_LIMIT_BYTES: Final = 1_000_000
"""Arrays beyond go into ``.npy`` where they are alone: base64 makes them a third larger."""
_WEIGHTS_ONLY: Final = (type(None), bool, int, float, complex, str, bytes)
"""What ``torch.load(weights_only=True)`` takes beside tensors and containers of them
(torch/_weights_only_unpickler.py)."""


class Encoded(NamedTuple):
    """A value on its way to a file: in which format, and what writes it."""

    format: str
    write: Callable[[IO[bytes]], object]


def encode(value: Any, asked: str | None, *, copy: bool) -> Encoded:
    """Chooses the format of a value.

    Args:
        value: to be written.
        asked: the format to take; None for the first that fits, those before others that cannot run code.
        copy: the value may change before it is written, so what is written is copied or made now.

    Raises:
        CheckpointError: it does not fit the format that was asked for.
    """
    chosen = asked or _fitting(value)
    if chosen == PLAIN:
        try:
            data = plain.dumps(value)
        except plain.NotPlain as error:
            if asked:
                raise CheckpointError(f"{error} is not plain: leave `format` out, or give `pickle`") from error
            chosen = PICKLE
        else:
            return Encoded(PLAIN, lambda file: file.write(data))
    if chosen == NUMPY:
        return _encode_array(value, copy=copy)
    if chosen == TORCH:
        return _encode_tensors(value, copy=copy)
    write = _write_joblib if chosen == JOBLIB else _write_pickle
    if not copy:
        return Encoded(chosen, lambda file: write(value, file))
    made = io.BytesIO()
    write(value, made)
    return Encoded(chosen, lambda file: file.write(made.getbuffer()))


def read(path: Path, format: str, *, trust: bool) -> Any:
    """The value in a file. Formats that only their objects read (``keras``, ``file``) give the path.

    Raises:
        CheckpointError: it can run code and ``trust`` is False, or the format is unknown.
        Exception: whatever the format's reader raises for a file that is broken.
    """
    if format in NEED_TRUST and not trust:
        raise CheckpointError(
            f"{path.name} is a pickle, which can run any code as it is loaded: "
            "resume(trust=True) if you know who wrote it"
        )
    if format == PLAIN:
        return plain.loads(path.read_bytes())
    if format == NUMPY:
        import numpy as np

        return np.load(path, allow_pickle=False)
    if format in (TORCH, TORCH_PICKLE):
        return import_module("torch").load(path, map_location="cpu", weights_only=not trust)
    if format == JOBLIB:
        return import_module("joblib").load(path)
    if format == PICKLE:
        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301 - only with trust
    if format in (KERAS, FILE):
        return path
    raise CheckpointError(f"{path.name} has the unknown format {format!r}: a newer vigilo wrote it")


def _fitting(value: Any) -> str:
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and type(value) is numpy.ndarray and value.nbytes > _PLAIN_LIMIT_BYTES:
        return PICKLE if value.dtype.hasobject else NUMPY
    if torch is not None and _holds_tensor(value, torch.Tensor):
        return TORCH
    if hasattr(value, "get_params") and hasattr(value, "fit"):
        return JOBLIB
    return PLAIN


def _holds_tensor(value: Any, tensor: type) -> bool:
    if isinstance(value, dict):
        return any(_holds_tensor(one, tensor) for one in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_tensor(one, tensor) for one in value)
    return isinstance(value, tensor)


def _encode_array(value: Any, *, copy: bool) -> Encoded:
    import numpy as np

    array = np.array(value) if copy else np.asarray(value)
    if array.dtype.hasobject:
        raise CheckpointError("an array of objects is no array of numbers: leave `format` out, or give `pickle`")
    return Encoded(NUMPY, lambda file: np.save(file, array, allow_pickle=False))


def _encode_tensors(value: Any, *, copy: bool) -> Encoded:
    torch = sys.modules.get("torch")
    if torch is None:
        raise CheckpointError("the format `torch` is for what torch made, and torch is not loaded")
    tensors = _Tensors(torch)
    taken = tensors.take(value, copy=copy)
    return Encoded(TORCH if tensors.weights_only else TORCH_PICKLE, lambda file: torch.save(taken, file))


class _Tensors:
    """Goes through a state: copies its tensors to the host, and finds what torch would need a pickle for."""

    def __init__(self, torch: Any) -> None:
        self._tensor, self._size = torch.Tensor, getattr(torch, "Size", tuple)
        self._also = tuple(kind for name in ("dtype", "device") if isinstance(kind := getattr(torch, name, None), type))
        self._copies: dict[Any, Any] = {}
        self.weights_only = True

    def take(self, value: Any, *, copy: bool) -> Any:
        if isinstance(value, self._tensor):
            return self._take_tensor(value, copy=copy)
        kind = type(value)
        if kind in (dict, OrderedDict):
            made: Any = kind((self.take(key, copy=copy), self.take(one, copy=copy)) for key, one in value.items())
            if hasattr(value, "_metadata"):  # the versions of modules, which their loading goes by
                made._metadata = value._metadata
            return made
        if kind in (list, tuple):
            return kind(self.take(one, copy=copy) for one in value)
        if kind not in (*_WEIGHTS_ONLY, self._size, *self._also):
            self.weights_only = False
            return pickle.loads(pickle.dumps(value)) if copy else value  # noqa: S301 - what we dumped just now
        return value

    def _take_tensor(self, tensor: Any, *, copy: bool) -> Any:
        if type(tensor).__name__ == "DTensor":
            raise CheckpointError(SHARDED)
        bare = tensor.detach()
        if type(bare) is not self._tensor:  # its class is none that torch reads without a pickle
            self.weights_only = False
        if not copy:
            return bare
        key = self._key(bare)
        if key not in self._copies:
            # The clone of what is on the host already; `cpu()` copies the rest.
            host = bare.cpu()
            self._copies[key] = host.clone() if host is bare or _same_place(host, bare) else host
        return self._copies[key]

    def _key(self, tensor: Any) -> Any:
        """Tied weights are the same memory seen by several tensors: one copy for all."""
        try:
            place = tensor.data_ptr()
            if place:
                return place, tuple(tensor.shape), tuple(tensor.stride()), str(tensor.dtype), str(tensor.device)
        except Exception:  # noqa: BLE001 - sparse and other kinds have no such place
            return object()
        return object()


SHARDED: Final = (
    "its parts lie in several processes (FSDP or DTensor), and only together they are a checkpoint: "
    "save it with torch.distributed.checkpoint, or give `save` and `load`"
)


def _same_place(one: Any, other: Any) -> bool:
    try:
        return bool(one.data_ptr() == other.data_ptr())
    except Exception:  # noqa: BLE001 - sparse and other kinds: copied once more than needed
        return True


def _write_joblib(value: Any, file: IO[bytes]) -> None:
    import_module("joblib").dump(value, file)


def _write_pickle(value: Any, file: IO[bytes]) -> None:
    pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
