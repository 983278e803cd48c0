from __future__ import annotations

import pytest

from vigilo.gauges.samples import DeviceSample
from vigilo.notebook.accelerator import Accelerator, look_at_accelerator
from vigilo.notebook.place import Place


def none():
    return []


def sample(number, **attributes):
    return DeviceSample(id=f"GPU-{number}", attributes=attributes)


def test_nothing(tmp_path):
    assert look_at_accelerator(Place(tmp_path), none) == Accelerator()


def test_what_the_samplers_see(tmp_path):
    seen = [
        sample(2, **{"hw.model": "Tesla T4"}),
        sample(1, **{"hw.name": "NVIDIA L4"}),
        sample(3),
        sample("mig", **{"hw.model": "A100 1g", "hw.parent": "GPU-1"}),
    ]
    accelerator = look_at_accelerator(Place(tmp_path), lambda: seen)
    assert accelerator.type == "gpu"
    assert accelerator.devices == (("GPU-1", "NVIDIA L4"), ("GPU-2", "Tesla T4"), ("GPU-3", "GPU"))
    assert accelerator.names == ["GPU", "NVIDIA L4", "Tesla T4"]


def test_nvidias_driver_without_its_library(tmp_path):
    folder = tmp_path / "proc/driver/nvidia/gpus/0000:00:04.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t Tesla T4\nIRQ:   \t 11\nGPU UUID: \t GPU-abc\nVideo BIOS: 90.04\n")
    assert look_at_accelerator(Place(tmp_path), none).devices == (("GPU-abc", "Tesla T4"),)
    (folder / "information").unlink()
    assert look_at_accelerator(Place(tmp_path), none).devices == (("0000:00:04.0", "NVIDIA GPU"),)


def pci(root, at, vendor, device):
    folder = root / "sys/bus/pci/devices" / at
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(vendor + "\n")
    (folder / "device").write_text(device + "\n")


def test_tpus_by_the_bus(tmp_path):
    pci(tmp_path, "0000:00:04.0", "0x1ae0", "0x0063")
    pci(tmp_path, "0000:00:05.0", "0x1ae0", "0x0063")
    pci(tmp_path, "0000:00:06.0", "0x1ae0", "0x0042")  # Google's network card
    pci(tmp_path, "0000:00:07.0", "0x8086", "0x0063")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "accel0").touch()
    accelerator = look_at_accelerator(Place(tmp_path, {"COLAB_TPU_1VM": "1"}), none)
    assert accelerator == Accelerator("tpu", (("0000:00:04.0", "TPU v5e"), ("0000:00:05.0", "TPU v5e")))


def test_tpus_that_are_not_in_the_table(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "accel0").touch()
    assert look_at_accelerator(Place(tmp_path), none) == Accelerator("tpu", (("accel0", "TPU"),))


@pytest.mark.parametrize("name", ["TPU_NAME", "COLAB_TPU_1VM", "PJRT_DEVICE", "TPU_ACCELERATOR_TYPE", "COLAB_GPU"])
def test_variables_prove_nothing(tmp_path, name):
    assert look_at_accelerator(Place(tmp_path, {name: "1"}), none).type == "none"


def test_samplers_that_fail_hurt_nobody(tmp_path, monkeypatch):
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    assert look_at_accelerator(Place(tmp_path), lambda: 1 / 0) == Accelerator()
