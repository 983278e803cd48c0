"""What a look at an accelerator gives, whoever looks: NVML, amdsmi, or a sampler of another package."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLERS_GROUP = "vigilo_gpu_sampler"
"""Entry points of other packages: each gives a class without arguments that is a :class:`Sampler`."""


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """One look at one device. What the device does not tell, or may not, is None: absent, never 0.

    Attributes:
        id: stays the same as long as the device is the same: the UUID.
        attributes: of every point of the device: ``hw.id``, ``hw.name``, ``hw.vendor``, ... The same mapping each time.
        state: ``ok``, ``degraded``, ``failed`` (it was there before and does not answer).
        memory_used_bytes, memory_limit_bytes: of the device's memory, all of it.
        memory_free_bytes: what may still be had; less than the difference where the driver keeps some for itself, so
            an allocation fails when this is 0.
        utilization: 0 to 1, of the time that a kernel ran.
        encoder_utilization, decoder_utilization: 0 to 1.
        power_w, energy_j: drawn now; since the driver was loaded.
        temperature_c: of the GPU.
        temperature_limits_c: by ``hw.limit_type``: ``throttled``, ``critical``.
        fan_ratio: 0 to 1.
        io_received_bytes, io_transmitted_bytes: over its bus since it was first looked at.
        errors: counts by ``error.type``: ``corrected``, ``uncorrected``.
        processes: memory in bytes by PID, None where it is not told; only where it was asked for.
    """

    id: str
    attributes: Mapping[str, str]
    state: str = "ok"
    memory_used_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_free_bytes: int | None = None
    utilization: float | None = None
    encoder_utilization: float | None = None
    decoder_utilization: float | None = None
    power_w: float | None = None
    energy_j: float | None = None
    temperature_c: float | None = None
    temperature_limits_c: Mapping[str, float] = field(default_factory=dict)
    fan_ratio: float | None = None
    io_received_bytes: int | None = None
    io_transmitted_bytes: int | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
    processes: Mapping[int, int | None] = field(default_factory=dict)


class Sampler(Protocol):
    """Looks at all devices of one kind. For one thread at a time; every method may block as long as the driver does."""

    def open(self) -> bool:
        """Finds the devices; says whether there are any. Asked again at most once a minute while there are none."""

    def sample(self, *, memory_only: bool = False) -> list[DeviceSample]:
        """All devices now, those that were lost with the state ``failed``.

        Args:
            memory_only: only memory and utilization: what is looked at once a second.
        """

    def close(self) -> None:
        """Lets go of the driver."""
