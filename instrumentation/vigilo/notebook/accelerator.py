"""Which accelerator the session has: GPUs as the driver tells them, TPUs as the bus does.

Nothing here loads a library of a TPU: on a machine with a GPU that can take the process down. Variables prove nothing:
images for TPUs set theirs on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vigilo import semconv
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vigilo.gauges.samples import DeviceSample
    from vigilo.notebook.place import Place

GOOGLE = "0x1ae0"
"""Google's number as a maker of PCI devices (pci-ids.ucw.cz)."""
TPUS = {
    "0x0027": "TPU v2 or v3",
    "0x005e": "TPU v4",
    "0x0062": "TPU v5p",
    "0x0063": "TPU v5e",
    "0x006f": "TPU v6e",
    "0x0076": "TPU7x",
}
"""Its numbers for TPUs, as JAX knows them (jax/_src/hardware_utils.py); its network cards have others."""


@dataclass(frozen=True)
class Accelerator:
    """What there is.

    Attributes:
        type: ``gpu``, ``tpu`` or ``none``.
        devices: pairs of id and name, in a fixed order; ids of TPUs are their places on the bus.
    """

    type: str = "none"
    devices: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the devices, sorted."""
        return sorted(name for _, name in self.devices)


def look_at_accelerator(place: Place, gpus: Callable[[], Sequence[DeviceSample]] | None = None) -> Accelerator:
    """Finds GPUs first, then TPUs.

    Args:
        place: the machine.
        gpus: what the samplers of GPUs see; by default the snapshot that this process shares.
    """
    found: tuple[tuple[str, str], ...] = ()
    with internal_errors("looking for GPUs"):
        found = tuple(sorted(_sampled(gpus or _snapshot)))
    found = found or tuple(sorted(_driver_gpus(place)))
    if found:
        return Accelerator("gpu", found)
    found = tuple(sorted(_tpus(place)))
    return Accelerator("tpu", found) if found else Accelerator()


def _snapshot() -> Sequence[DeviceSample]:
    try:
        from vigilo.gauges.snapshot import shared_snapshot
    except ImportError:
        return ()
    return shared_snapshot().devices()


def _sampled(gpus: Callable[[], Sequence[DeviceSample]]) -> Iterator[tuple[str, str]]:
    samples = gpus()
    ids = {sample.id for sample in samples}
    for sample in samples:
        # A part of a GPU is no other accelerator than the GPU; a lost one is still there, and told elsewhere.
        if sample.attributes.get(semconv.HW_PARENT) not in ids:
            yield sample.id, sample.attributes.get(semconv.HW_MODEL) or sample.attributes.get(semconv.HW_NAME) or "GPU"


def _driver_gpus(place: Place) -> Iterator[tuple[str, str]]:
    """What NVIDIA's driver says in /proc, which needs no library."""
    folder = place.path("/proc/driver/nvidia/gpus")
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        said = place.text(f"/proc/driver/nvidia/gpus/{path.name}/information") or ""
        facts = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        yield facts.get("GPU UUID", path.name).strip(), facts.get("Model", "NVIDIA GPU").strip()


def _tpus(place: Place) -> Iterator[tuple[str, str]]:
    folder = place.path("/sys/bus/pci/devices")
    found = False
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        device = f"/sys/bus/pci/devices/{path.name}"
        name = TPUS.get((place.text(f"{device}/device") or "").lower())
        if name is not None and (place.text(f"{device}/vendor") or "").lower() == GOOGLE:
            found = True
            yield path.name, name
    # A TPU that is too new for the table, or in a sandbox without a bus.
    for path in sorted(place.path("/dev").glob("accel[0-9]*")) if not found else ():
        yield path.name, "TPU"
