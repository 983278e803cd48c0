"""Models of frameworks, known by what they can do. torch and Keras themselves are too large to be test dependencies."""

import errno
import importlib
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.instrumentation.checkpoint.conftest import mount_drive

from vigilo.checkpoint import CheckpointError, states
from vigilo.checkpoint.keeping import list_checkpoints


@pytest.fixture
def torch(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "torch_like"))
    yield importlib.import_module("torch")
    del sys.modules["torch"]
    importlib.invalidate_caches()


class Module:
    """A model with tied weights, on some device."""

    def __init__(self, torch, value, device="cuda:0"):
        self.torch = torch
        weight = torch.Tensor(np.full((2, 3), float(value)), device)
        self.state = OrderedDict(embedding=weight, head=weight)

    def state_dict(self):
        return OrderedDict((name, tensor.detach()) for name, tensor in self.state.items())

    def load_state_dict(self, state):
        for name, tensor in state.items():
            self.state[name].copy_(tensor)


def formats_of(folder):
    return {item.name: item.format for item in list_checkpoints(folder)[0].manifest.items}


def test_a_model_and_its_optimizer(torch, make_engine, folder):
    model, optimizer = Module(torch, 1), Module(torch, 2)
    first = make_engine()
    first.register("model", model)
    first.register("optimizer", optimizer)
    first.save()
    assert formats_of(folder) == {"model": "torch", "optimizer": "torch", "_random": "plain"}
    torch.set_rng_state(torch.tensor([7, 7]))
    other, second = Module(torch, 0), make_engine()
    second.register("model", other)
    second.resume(strict=False)
    assert other.state["head"].array.tolist() == [[1.0] * 3] * 2
    assert torch.get_rng_state().tolist() == [1, 2, 3]


def test_what_is_written_behind_a_step_is_a_copy_and_tied_weights_are_one(torch, make_engine, wait_until):
    model, engine = Module(torch, 1, "cpu"), make_engine()
    engine.register("model", model)
    engine.save()
    engine.request("session")
    engine.step()
    model.state["head"].array[...] = 9
    wait_until(lambda: not engine.status()["writing"])
    engine.resume()
    assert model.state["head"].array.tolist() == [[1.0] * 3] * 2
    from vigilo.checkpoint.formats import _Tensors

    copied = _Tensors(torch).take(model.state_dict(), copy=True)
    assert copied["head"] is copied["embedding"]


def test_a_state_that_weights_only_would_refuse_needs_trust(torch, make_engine, folder):
    class Odd(Module):
        def state_dict(self):
            return {**super().state_dict(), "when": Path("x")}

        def load_state_dict(self, state):
            self.when = state.pop("when")
            super().load_state_dict(state)

    model, engine = Odd(torch, 3), make_engine()
    engine.register("model", model)
    engine.save()
    assert formats_of(folder)["model"] == "torch-pickle"
    with pytest.raises(CheckpointError, match="trust"):
        engine.resume()
    engine.resume(trust=True)
    assert model.when == Path("x")


@pytest.mark.parametrize("kind", ["key", "class"])
def test_keys_and_kinds_of_tensors_that_weights_only_would_refuse_need_trust(torch, make_engine, folder, kind):
    class Odd(Module):
        def state_dict(self):
            tensor = torch.Tensor(np.full(2, 3.0))
            odd = {np.int64(3): tensor} if kind == "key" else {"mask": torch.Masked(np.full(2, 3.0))}
            return {"odd": odd, **super().state_dict()}

        def load_state_dict(self, state):
            self.odd = state.pop("odd")
            super().load_state_dict(state)

    model, engine = Odd(torch, 3), make_engine()
    engine.register("model", model)
    engine.save()
    with pytest.raises(CheckpointError, match="trust"):
        engine.resume()
    engine.resume(trust=True)
    assert next(iter(model.odd.values())).tolist() == [3.0, 3.0]


def test_the_versions_of_modules_come_back(torch, make_engine):
    class Versioned(Module):
        def state_dict(self):
            state = super().state_dict()
            state._metadata = OrderedDict({"": {"version": 2}})
            return state

        def load_state_dict(self, state):
            self.versions = state._metadata
            super().load_state_dict(state)

    model, engine = Versioned(torch, 3), make_engine()
    engine.register("model", model)
    engine.save()
    engine.resume()
    assert model.versions == {"": {"version": 2}}


def test_a_disk_that_is_full_under_torch_is_a_full_disk(torch, make_engine, place, tmp_path, monkeypatch):
    """Torch ends its archive after the error, and raises another one of that: the next place is tried all the same."""
    from vigilo.checkpoint import writing

    drive = mount_drive(place)
    force = writing.Sink.write

    def full(sink, data):
        if str(drive) not in sink._file.name:
            sink._file = FullFile()
        return force(sink, data)

    class FullFile:
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.Sink, "write", full)
    model, engine = Module(torch, 3), make_engine(checkpoint_dir=None)
    engine.register("model", model)
    saved = engine.save()
    assert [one.why for one in saved.missed] == ["No space left on device"]
    assert saved.places[0].path.is_relative_to(drive)


def test_a_pickle_that_says_it_is_weights_is_refused_by_torch(torch, make_engine, folder):
    import os
    import pickle
    from dataclasses import replace

    from vigilo.checkpoint.manifest import MANIFEST, StoredFile, file_sha256

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(folder / "pwned"),)

    model, engine = Module(torch, 3), make_engine()
    engine.register("model", model)
    engine.save()
    found = list_checkpoints(folder)[0]
    path = found.path / "model.pt"
    path.write_bytes(pickle.dumps(Evil()))
    files = (StoredFile("model.pt", path.stat().st_size, file_sha256(path)),)
    items = tuple(replace(i, files=files) if i.name == "model" else i for i in found.manifest.items)
    (found.path / MANIFEST).write_bytes(replace(found.manifest, items=items).dumps())
    with pytest.raises(CheckpointError, match="Weights only"):
        engine.resume()
    assert not (folder / "pwned").exists()


def test_a_scheduler_of_plain_values_is_plain(make_engine, folder):
    class Scheduler:
        def state_dict(self):
            return {"last_epoch": 3, "_last_lr": [0.1], "milestones": {2: 1}}

        def load_state_dict(self, state):
            self.got = state

    scheduler, engine = Scheduler(), make_engine()
    engine.register("scheduler", scheduler)
    engine.save()
    assert formats_of(folder)["scheduler"] == "plain"
    engine.resume()
    assert scheduler.got == scheduler.state_dict()


def test_wrappers_are_left_out(torch, make_engine):
    class DataParallel:
        def __init__(self, module):
            self.module = module

    class OptimizedModule:
        def __init__(self, module):
            self._orig_mod = module

    model = Module(torch, 4)
    wrapped = OptimizedModule(DataParallel(model))
    assert states.unwrapped(wrapped) is model
    engine, other = make_engine(), Module(torch, 0)
    engine.register("model", wrapped)
    engine.save()
    engine.register("model", other)
    engine.resume()
    assert other.state["head"].array[0, 0] == 4


def test_a_model_that_lies_in_several_processes_is_refused(make_engine):
    class FullyShardedDataParallel:
        pass

    class Own(FullyShardedDataParallel):
        pass

    with pytest.raises(CheckpointError, match=r"torch\.distributed\.checkpoint"):
        make_engine().register("model", Own())


def test_only_the_first_rank_saves(torch, make_engine, folder):
    torch.distributed.rank = 1
    engine, model = make_engine(), Module(torch, 1)
    engine.register("model", model)
    engine.request("session")
    assert engine.step() == 1
    with pytest.raises(CheckpointError, match="rank 0"):
        engine.save()
    assert not folder.exists()
    torch.distributed.rank = 0
    engine.save()
    assert engine.resume().step == 1


@pytest.fixture
def keras():
    """A model of a package that is called keras; it writes and reads its file by itself, as Keras does."""
    module = ModuleType("keras")

    class Optimizer:
        built = False

        def build(self, variables):
            self.built = len(variables)

    class Model:
        def __init__(self, weights):
            self.weights, self.optimizer, self.trainable_variables = weights, Optimizer(), [1, 2]

        def save_weights(self, path):
            assert path.endswith(".weights.h5")
            Path(path).write_text(repr(self.weights))

        def load_weights(self, path):
            assert self.optimizer.built
            self.weights = eval(Path(path).read_text())

    Model.__module__ = "keras.src.models.model"
    module.Model = Model
    return module


def test_a_model_of_keras(keras, make_engine, folder):
    model, engine = keras.Model([1, 2]), make_engine()
    engine.register("model", model)
    engine.request("session")
    engine.step()
    assert formats_of(folder)["model"] == "keras"
    other = keras.Model([0])
    engine.register("model", other)
    engine.resume()
    assert (other.weights, other.optimizer.built) == ([1, 2], 2)


def test_objects_of_the_app_are_pickled_and_come_back_in_place(make_engine, folder):
    from tests.instrumentation.checkpoint import test_frameworks

    mine, engine = test_frameworks.Counter(), make_engine()
    mine.n = 5
    engine.register("mine", mine)
    engine.save()
    assert formats_of(folder)["mine"] == "pickle"
    other = test_frameworks.Counter()
    engine.register("mine", other)
    engine.resume(trust=True)
    assert other.n == 5


class Counter:
    n = 0


def test_an_array_of_another_shape_is_refused(make_engine):
    engine, array = make_engine(), np.zeros(3)
    engine.register("array", array)
    engine.save()
    other = np.zeros(4)
    engine.register("array", other)
    with pytest.raises(CheckpointError, match="cannot take"):
        engine.resume()


def test_large_arrays_are_not_plain(make_engine, folder):
    array, engine = np.arange(400_000.0), make_engine()
    engine.register("array", array)
    engine.save()
    assert formats_of(folder)["array"] == "numpy"
    array[:] = 0
    engine.resume()
    assert array[-1] == 399_999
