"""What of an object is saved, and how it gets that back: known by what the object can do, and nothing is imported."""

from __future__ import annotations

import random
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from vigilo.checkpoint.formats import JOBLIB, KERAS, SHARDED
from vigilo.checkpoint.results import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_WRAPPERS: Final = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}
"""torch's wrappers and where the model is: saved without them, a state fits the model with and without."""
_KERAS_PACKAGES: Final = ("keras", "tf_keras", "tensorflow")


def unwrapped(obj: Any) -> Any:
    """The model inside ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel``.

    Raises:
        CheckpointError: it is an FSDP model, of which each process has a part.
    """
    for _ in range(4):
        names = {kind.__name__ for kind in type(obj).__mro__}
        if names & {"FullyShardedDataParallel", "FSDPModule"}:
            raise CheckpointError(SHARDED)
        inner = next((_WRAPPERS[name] for name in names & _WRAPPERS.keys()), None)
        if inner is None or not hasattr(obj, inner):
            break
        obj = getattr(obj, inner)
    return obj


def is_keras(obj: Any) -> bool:
    """Whether it is a model of Keras, of any of its packages."""
    return hasattr(obj, "save_weights") and any(
        kind.__module__.split(".")[0] in _KERAS_PACKAGES for kind in type(obj).__mro__
    )


def has_state_dict(obj: Any) -> bool:
    """Whether it speaks torch's protocol, as models, optimizers, schedulers and scalers do."""
    return callable(getattr(obj, "state_dict", None)) and callable(getattr(obj, "load_state_dict", None))


def usual_format(obj: Any) -> str | None:
    """The format that the kind of object asks for; None where the value decides."""
    if is_keras(obj):
        return KERAS
    if hasattr(obj, "get_params") and hasattr(obj, "fit") and not has_state_dict(obj):
        return JOBLIB
    return None


def take(obj: Any) -> Any:
    """The value to save for an object: its state, or itself."""
    if has_state_dict(obj):
        return obj.state_dict()
    if isinstance(obj, random.Random):
        return obj.getstate()
    generator = getattr(obj, "bit_generator", None)
    if generator is not None:  # numpy.random.Generator
        return generator.state
    return obj


def give(obj: Any, value: Any) -> bool:
    """Puts a saved value back into an object; False where it cannot be changed in place."""
    if has_state_dict(obj):
        obj.load_state_dict(value)
    elif isinstance(obj, random.Random):
        obj.setstate(value)
    elif getattr(obj, "bit_generator", None) is not None:
        obj.bit_generator.state = value
    elif isinstance(obj, list):
        obj[:] = value
    elif isinstance(obj, (dict, set)):
        if obj is not value:
            obj.clear()
            obj.update(value)
    elif isinstance(obj, bytearray):
        obj[:] = value
    else:
        return _give_array(obj, value) or _give_attributes(obj, value)
    return True


def _give_array(obj: Any, value: Any) -> bool:
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and isinstance(obj, torch.Tensor):
        with torch.no_grad():
            obj.copy_(value)
        return True
    if numpy is None or type(obj) is not numpy.ndarray:
        return False
    if obj.shape != value.shape or obj.dtype != value.dtype:
        raise CheckpointError(
            f"an array of {obj.dtype} {obj.shape} cannot take one of {value.dtype} {value.shape}: "
            "register it with `get` and `load`"
        )
    obj[...] = value
    return True


def _give_attributes(obj: Any, value: Any) -> bool:
    """An estimator or another object that was pickled as a whole: it gets the other's attributes."""
    if type(obj) is not type(value) or not hasattr(obj, "__dict__") or isinstance(obj, (type, FunctionType)):
        return False
    obj.__dict__.clear()
    obj.__dict__.update(value.__dict__)
    return True


def load_keras(model: Any, path: Path) -> None:
    """Weights and, where the model is compiled, its optimizer's state."""
    optimizer, variables = getattr(model, "optimizer", None), getattr(model, "trainable_variables", None)
    build: Callable[[Any], object] | None = getattr(optimizer, "build", None)
    if build is not None and variables and not getattr(optimizer, "built", True):
        build(variables)  # otherwise Keras skips what it has no variables for yet, and says so only in a warning
    model.load_weights(str(path))


def take_random_states() -> dict[str, Any]:
    """The states of the global random generators that are loaded: Python's, numpy's, torch's on host and devices."""
    states: dict[str, Any] = {"python": random.getstate()}
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and hasattr(numpy, "random"):
        states["numpy"] = numpy.random.get_state()
    if torch is not None and hasattr(torch, "get_rng_state"):
        states["torch"] = bytes(torch.get_rng_state().tolist())
        cuda = getattr(torch, "cuda", None)
        if cuda is not None and cuda.is_initialized():
            states["cuda"] = [bytes(state.tolist()) for state in cuda.get_rng_state_all()]
    return states


def give_random_states(states: dict[str, Any]) -> None:
    """Puts them back, as far as their libraries are loaded now and there are as many devices."""
    random.setstate(states["python"])
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and "numpy" in states:
        numpy.random.set_state(states["numpy"])
    if torch is not None and "torch" in states:
        torch.set_rng_state(torch.tensor(list(states["torch"]), dtype=torch.uint8))
        if "cuda" in states and torch.cuda.is_available() and torch.cuda.device_count() == len(states["cuda"]):
            torch.cuda.set_rng_state_all([torch.tensor(list(one), dtype=torch.uint8) for one in states["cuda"]])
