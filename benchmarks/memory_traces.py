"""GPU memory over time, made up: leaks of many kinds that end in an exhausted memory, and use that only looks so.

One look a second, forty minutes at most. A kind and a seed give the same trace each time.
``benchmarks/oom_forecast.py`` measures forecasts with it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 2400
MIB = 1024**2
SIZES_MIB = (8192, 15360, 24576, 40960, 81920)
SEGMENT_MIB = 20  # what torch's cache takes from the driver at once


@dataclass(frozen=True)
class Trace:
    """A memory over time, in bytes, up to the second before it was exhausted (``oom_at``) if it was.

    ``used``: as the driver tells it. ``reserved``, ``peak_allocated``: as torch does; the peak since the last look.
    """

    kind: str
    seed: int
    total: int
    used: list[int]
    reserved: list[int]
    peak_allocated: list[int]
    oom_at: int | None


@dataclass
class Device:
    """A GPU and what runs on it. ``caching``: whether what was freed stays with the process, as torch keeps it.

    Demand is given in shares of ``room_mib``, what the process can have: at 1 and more the memory is exhausted.
    """

    dice: random.Random
    caching: bool = True
    total_mib: int = 0
    context_mib: float = 0.0
    overhead: float = 1.0
    level: float = field(init=False)  # what it settles at
    begins: int = field(init=False)  # the second from which on something grows

    def __post_init__(self) -> None:
        dice = self.dice
        self.total_mib = dice.choice(SIZES_MIB)
        self.context_mib = dice.uniform(300, 700)
        self.overhead = dice.uniform(1.02, 1.12)
        self.level = dice.uniform(0.25, 0.6)
        self.begins = dice.randint(120, 400)

    @property
    def room_mib(self) -> float:
        return (self.total_mib - self.context_mib) / self._overhead

    @property
    def _overhead(self) -> float:
        return self.overhead if self.caching else 1.0

    def settled(self, level: float | None = None) -> list[float]:
        """Demand that goes up in a few steps, one for each part that is loaded, and then stays."""
        dice, top = self.dice, self.level if level is None else level
        until = dice.randint(20, 90)
        steps = sorted(dice.uniform(0, until) for _ in range(dice.randint(2, 5)))
        demand = []
        for second in range(SECONDS):
            share = 1.0 if second >= until else sum(step <= second for step in steps) / (len(steps) + 1)
            demand.append(top * share * (1 + dice.gauss(0, 0.004)))
        return demand

    def trace(self, kind: str, seed: int, demand: list[float]) -> Trace:
        """What is seen of a demand."""
        used, reserved, peaks, held, oom_at = [], [], [], 0.0, None
        for second, share in enumerate(demand):
            peak = max(0.0, share) * self.room_mib
            needed = math.ceil(peak * self._overhead / SEGMENT_MIB) * SEGMENT_MIB
            held = max(held, needed) if self.caching else needed
            if self.context_mib + held > self.total_mib:
                oom_at = second
                break
            seen = min(self.total_mib, self.context_mib + held + abs(self.dice.gauss(0, 2)))
            used.append(int(seen * MIB))
            reserved.append(int(held * MIB))
            peaks.append(int(min(peak, held) * MIB))
        return Trace(kind, seed, self.total_mib * MIB, used, reserved, peaks, oom_at)

    def leaking(self, demand: list[float], grown: Callable[[int], float]) -> list[float]:
        """``grown``: what leaked so many seconds after it began, as a share of what was free."""
        free = 1 - self.level
        return [
            share + free * grown(second - self.begins) if second > self.begins else share
            for second, share in enumerate(demand)
        ]


def _even(dice: random.Random, least_s: float, most_s: float) -> Callable[[int], float]:
    takes_s = dice.uniform(least_s, most_s)
    return lambda second: second / takes_s


def leak_slow(on: Device) -> list[float]:
    return on.leaking(on.settled(), _even(on.dice, 700, 1300))


def leak_fast(on: Device) -> list[float]:
    return on.leaking(on.settled(), _even(on.dice, 60, 180))


def leak_nocache(on: Device) -> list[float]:
    """Noisy: what is freed goes back to the driver at once."""
    on.caching = False
    noisy = [share + on.dice.gauss(0, 0.02) for share in on.settled()]
    return on.leaking(noisy, _even(on.dice, 300, 1000))


def leak_saw(on: Device) -> list[float]:
    """Up and down in cycles, each a little higher."""
    on.caching = False
    cycle, height = on.dice.randint(20, 90), on.dice.uniform(0.1, 0.25)
    demand = on.settled(0.7 * on.level)
    teeth = [height * (s % cycle) / cycle if s > on.begins / 2 else 0.0 for s in range(SECONDS)]
    grown = _even(on.dice, 600, 1200)
    return on.leaking([share + tooth for share, tooth in zip(demand, teeth, strict=True)], grown)


def leak_stair(on: Device) -> list[float]:
    """The same amount again and again: one epoch, one more copy."""
    every, step = on.dice.randint(15, 60), on.dice.uniform(0.02, 0.06)
    return on.leaking(on.settled(), lambda second: second // every * step / (1 - on.level))


def leak_accel(on: Device) -> list[float]:
    takes_s = on.dice.uniform(500, 1100)
    return on.leaking(on.settled(), lambda second: (second / takes_s) ** 2)


def leak_hidden(on: Device) -> list[float]:
    """An early peak made torch's cache large; the leak beneath is not seen from outside until it has filled that."""
    demand = on.leaking(on.settled(), _even(on.dice, 500, 1000))
    at, peak = on.dice.randint(60, 110), on.dice.uniform(0.85, 0.93)
    demand[at : at + 4] = [peak] * 4
    return demand


def leak_poisson(on: Device) -> list[float]:
    """At random moments by random amounts: about every 25 seconds, as one user of an app after the other does."""
    mean = on.dice.uniform(0.016, 0.033)
    leaked, total = [], 0.0
    for _ in range(SECONDS):
        if on.dice.random() < 1 / 25:
            total += on.dice.expovariate(1 / mean)
        leaked.append(total)
    return on.leaking(on.settled(), lambda second: leaked[second] / (1 - on.level))


def jump_oom(on: Device) -> list[float]:
    """A single allocation that is too large; nothing announces it."""
    at = on.dice.randint(500, SECONDS - 100)
    return [1.2 if second >= at else share for second, share in enumerate(on.settled())]


def plateau(on: Device) -> list[float]:
    return on.settled(min(0.93, on.level * on.dice.uniform(1, 1.5)))


def plateau_97(on: Device) -> list[float]:
    """All of the memory taken at the start, as JAX, TensorFlow and vLLM do."""
    on.overhead, at = 1.0, on.dice.randint(20, 60)
    top = on.dice.uniform(0.955, 0.975)
    return [top if second >= at else 0.0 for second in range(SECONDS)]


def warm_ramp(on: Device) -> list[float]:
    """A long time of loading, then high and flat."""
    takes_s, top = on.dice.randint(40, 240), on.dice.uniform(0.8, 0.94)
    return [min(top, top * second / takes_s) + on.dice.gauss(0, 0.0002) for second in range(SECONDS)]


def saw_steady(on: Device) -> list[float]:
    on.caching = False
    cycle, height = on.dice.randint(20, 300), on.dice.uniform(0.2, 0.5)
    return [min(0.93, 0.35 + height * (s % cycle) / cycle) if s > 60 else 0.0 for s in range(SECONDS)]


def phase_steps(on: Device) -> list[float]:
    """A few phases, each of another size."""
    on.caching = False
    demand = on.settled()
    for at in sorted(on.dice.randrange(200, SECONDS) for _ in range(4)):
        demand[at:] = [on.dice.uniform(0.2, 0.9)] * (SECONDS - at)
    return demand


def log_saturate(on: Device) -> list[float]:
    """Sequences of random length: the largest one so far grows ever slower."""
    top, takes_s = on.dice.uniform(0.8, 0.93), on.dice.uniform(60, 400)
    demand, most = [], 0.0
    for second in range(SECONDS):
        if second >= 40:
            filled = top * (1 - 0.5 * math.exp((40 - second) / takes_s))
            most = max(most, filled * on.dice.uniform(0.9, 1))
        demand.append(most)
    return demand


def notebook_cells(on: Device) -> list[float]:
    """Cells run by hand: each takes something, some free something."""
    on.caching = False
    demand, now = [0.0] * SECONDS, 0.1
    for at in sorted(on.dice.randrange(SECONDS) for _ in range(14)):
        freed = now > 0.75 or on.dice.random() < 0.25
        now = now * on.dice.uniform(0.3, 0.7) if freed else now + on.dice.uniform(0.02, 0.1)
        demand[at:] = [min(now, 0.9)] * (SECONDS - at)
    return demand


def leak_no_oom(on: Device) -> list[float]:
    """A leak that would take hours."""
    return [share + 0.12 * max(0, s - on.begins) / SECONDS for s, share in enumerate(on.settled(0.6 * on.level))]


def eval_bumps(on: Device) -> list[float]:
    """Every few minutes an evaluation needs more for a while."""
    on.caching = False
    every = on.dice.randint(120, 400)
    lasts, times = every * on.dice.uniform(0.1, 0.4), on.dice.uniform(1.2, 1.6)
    demand = on.settled()
    return [min(0.93, share * times) if s % every > every - lasts else share for s, share in enumerate(demand)]


def second_model(on: Device) -> list[float]:
    """Another model is loaded, layer by layer, and fits."""
    takes_s, share = on.dice.randint(30, 200), on.dice.uniform(0.5, 0.85)
    on.begins = on.dice.randint(400, 1200)
    return [min(0.93, one) for one in on.leaking(on.settled(), lambda second: share * min(1.0, second / takes_s))]


LEAKS = (leak_slow, leak_fast, leak_nocache, leak_saw, leak_stair, leak_accel, leak_hidden, leak_poisson, jump_oom)
QUIET = (
    plateau,
    plateau_97,
    warm_ramp,
    saw_steady,
    phase_steps,
    log_saturate,
    notebook_cells,
    leak_no_oom,
    eval_bumps,
    second_model,
)
KINDS = {kind.__name__: kind for kind in (*LEAKS, *QUIET)}
LEAK_KINDS = tuple(kind.__name__ for kind in LEAKS)
QUIET_KINDS = tuple(kind.__name__ for kind in QUIET)
UNPREDICTABLE = ("jump_oom",)


def trace(kind: str, seed: int) -> Trace:
    """The trace of a kind and a seed; KeyError for a kind that is not there."""
    device = Device(random.Random(f"{kind} {seed}"))
    return device.trace(kind, seed, KINDS[kind](device))
