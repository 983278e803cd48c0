"""As much of torch as checkpoints touch, over numpy: tensors, state dicts, and a loader that takes weights only."""

import pickle
from contextlib import nullcontext as no_grad

import numpy as np

__all__ = ["Tensor", "cuda", "get_rng_state", "load", "no_grad", "save", "set_rng_state", "tensor", "uint8"]
__version__ = "0-like"
uint8 = "uint8"


class Size(tuple):
    __slots__ = ()


class Tensor:
    def __init__(self, array, device="cpu"):
        self.array, self.device = np.asarray(array), device

    shape = property(lambda self: Size(self.array.shape))
    dtype = property(lambda self: self.array.dtype)

    def detach(self):
        return Tensor(self.array, self.device)

    def cpu(self):
        return self.detach() if self.device == "cpu" else Tensor(self.array.copy())

    def clone(self):
        return Tensor(self.array.copy(), self.device)

    def stride(self):
        return self.array.strides

    def data_ptr(self):
        return self.array.__array_interface__["data"][0]

    def copy_(self, other):
        self.array[...] = other.array

    def tolist(self):
        return self.array.tolist()

    def __reduce__(self):
        return _rebuild, (self.array.tobytes(), self.array.dtype.str, self.array.shape)


def _rebuild(data, dtype, shape):
    return Tensor(np.frombuffer(bytearray(data), dtype).reshape(shape))


def tensor(values, dtype=None):
    return Tensor(np.array(values, dtype))


class Masked(Tensor):
    """A kind of tensor that stays what it is."""

    def detach(self):
        return Masked(self.array, self.device)

    def __reduce__(self):
        return Masked, (self.array, self.device)


class _WeightsOnly(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in {(__name__, "_rebuild"), (__name__, "Size"), ("collections", "OrderedDict")}:
            raise pickle.UnpicklingError(f"Weights only load failed: {module}.{name}")
        return super().find_class(module, name)


def save(value, file):
    """As torch's archive does, it is ended also after an error, which the error of that takes the place of."""
    try:
        pickle.dump(value, file)
    except OSError:
        raise RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0") from None


def load(path, map_location, weights_only):
    assert map_location == "cpu"
    with open(path, "rb") as file:
        return (_WeightsOnly if weights_only else pickle.Unpickler)(file).load()


_state = [1, 2, 3]


def get_rng_state():
    return tensor(_state, "uint8")


def set_rng_state(state):
    _state[:] = state.tolist()


class cuda:  # noqa: N801 - a module in torch
    @staticmethod
    def is_initialized():
        return False

    is_available = is_initialized


class distributed:  # noqa: N801 - a module in torch
    rank = None

    @staticmethod
    def is_available():
        return True

    @classmethod
    def is_initialized(cls):
        return cls.rank is not None

    @classmethod
    def get_rank(cls):
        return cls.rank
