"""How well an exhausted GPU memory is forecast: vigilo, beside a threshold and a straight line.

    python benchmarks/oom_forecast.py [--first 5000] [--seeds 30] [--kinds leak_slow,plateau]
    python benchmarks/oom_forecast.py --traces FILE    # of another generator

A file holds JSON lines: kind, seed, oom_at, and in MiB total, used, reserved and alloc (torch's peak since the last).

A forecast alarms from `warn` on. For a leak, recall is the share of traces that were alarmed of 30 s or more before the
end and were still alarmed of at the end; lead is how long before the end that alarm began. jump_oom, which nothing
announces, is not in the sum. False is each alarm on a trace that does not end, and, told apart as early, each one
that was over before a leak ended and began more than two horizons before that.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import memory_traces
from memory_traces import Trace

from vigilo.gauges.forecast import Forecast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    class Alarm(Protocol):
        """What is measured: says after each look of a trace whether it alarms."""

        def look(self, trace: Trace, second: int) -> bool: ...


HORIZON_S, MIN_LEAD_S = 300, 30


class Vigilo:
    """``torch``: with what torch's allocator tells as well."""

    def __init__(self, total: int, torch: bool = False) -> None:
        self.forecast, self.torch = Forecast(total, HORIZON_S), torch

    def look(self, trace: Trace, second: int) -> bool:
        used = trace.used[second]
        if self.torch:
            outlook = self.forecast.add(
                second,
                used,
                reserved_bytes=trace.reserved[second],
                peak_allocated_bytes=trace.peak_allocated[second],
            )
        else:
            outlook = self.forecast.add(second, used)
        return outlook.level in ("warn", "critical")


class Threshold:
    """More than 90 % for five seconds."""

    def __init__(self, total: int) -> None:
        self.least, self.looks = 0.9 * total, 0

    def look(self, trace: Trace, second: int) -> bool:
        self.looks = self.looks + 1 if trace.used[second] > self.least else 0
        return self.looks >= 5


class Line:
    """A straight line through the last minute (least squares) meets the limit within the horizon."""

    WINDOW = 60

    def __init__(self, total: int) -> None:
        self.total, self.window = total, deque[int](maxlen=self.WINDOW)
        self.least = total / 30720  # growth in a second that counts: half a MiB on a T4
        self.squares = self.WINDOW * (self.WINDOW**2 - 1) / 12

    def look(self, trace: Trace, second: int) -> bool:
        used = trace.used[second]
        self.window.append(used)
        if len(self.window) < self.WINDOW:
            return False
        middle = (self.WINDOW - 1) / 2
        slope = sum((at - middle) * one for at, one in enumerate(self.window)) / self.squares
        return slope > self.least and (self.total - used) / slope < HORIZON_S


METHODS: dict[str, Callable[[int], Alarm]] = {
    "vigilo": Vigilo,
    "vigilo + torch": lambda total: Vigilo(total, torch=True),
    "threshold 90 %": Threshold,
    "line of 60 s": Line,
}


@dataclass
class Score:
    """Of one method on traces of one kind, or on several."""

    traces: int = 0
    leads_s: list[int] = field(default_factory=list)
    false: int = 0
    hours: float = 0.0
    looks: int = 0
    took_s: float = 0.0

    def take(self, trace: Trace, alarm: Alarm) -> None:
        began = time.perf_counter()
        alarmed = [alarm.look(trace, second) for second in range(len(trace.used))]
        self.took_s += time.perf_counter() - began
        self.looks += len(alarmed)
        self.traces += 1
        episodes, end = list(_episodes(alarmed)), trace.oom_at
        if end is None:
            self.false += len(episodes)
            self.hours += len(alarmed) / 3600
            return
        timely = [(first, last) for first, last in episodes if end - first <= 2 * HORIZON_S or last >= end - 1]
        self.false += len(episodes) - len(timely)
        self.hours += max(0, len(alarmed) - 2 * HORIZON_S) / 3600
        at_end = [first for first, last in timely if last >= end - 10]
        if at_end and end - at_end[0] >= MIN_LEAD_S:
            self.leads_s.append(end - at_end[0])

    @property
    def recall(self) -> float:
        return len(self.leads_s) / self.traces

    @property
    def lead_p50_s(self) -> float:
        return statistics.median(self.leads_s) if self.leads_s else 0.0

    @property
    def false_per_hour(self) -> float:
        return self.false / self.hours if self.hours else 0.0


def _episodes(alarmed: list[bool]) -> Iterator[tuple[int, int]]:
    """From when to when it alarmed: the first second and the one after the last."""
    began = None
    for second, is_on in enumerate([*alarmed, False]):
        if is_on and began is None:
            began = second
        elif not is_on and began is not None:
            yield began, second
            began = None


def total(scores: list[Score]) -> Score:
    summed = Score()
    for one in scores:
        summed.traces += one.traces
        summed.leads_s += one.leads_s
        summed.false += one.false
        summed.hours += one.hours
        summed.looks += one.looks
        summed.took_s += one.took_s
    return summed


def read(path: str) -> Iterator[Trace]:
    """Traces of a file, which tells memory in MiB."""

    def in_bytes(values: list[float]) -> list[int]:
        return [int(value * memory_traces.MIB) for value in values]

    with open(path, encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            used, reserved, peaks = (in_bytes(one[name]) for name in ("used", "reserved", "alloc"))
            limit = int(one["total"] * memory_traces.MIB)
            yield Trace(one["kind"], one["seed"], limit, used, reserved, peaks, one["oom_at"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=5000, help="seed of the first trace of each kind")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--kinds", default=",".join(memory_traces.KINDS))
    parser.add_argument("--traces")
    asked = parser.parse_args()
    kinds = asked.kinds.split(",")
    seeds = range(asked.first, asked.first + asked.seeds)
    traces = read(asked.traces) if asked.traces else (memory_traces.trace(kind, n) for kind in kinds for n in seeds)
    scores: dict[str, dict[str, Score]] = {}
    for trace in traces:
        if trace.kind not in kinds:
            continue
        for name, method in METHODS.items():
            scores.setdefault(trace.kind, {}).setdefault(name, Score()).take(trace, method(trace.total))
    if not scores:
        sys.exit("No traces: --kinds or --seeds leave none.")
    _print(scores)


def _print(scores: dict[str, dict[str, Score]]) -> None:
    leaks = [kind for kind in scores if kind in memory_traces.LEAK_KINDS]
    quiet = [kind for kind in scores if kind in memory_traces.QUIET_KINDS]
    print(f"{'leaks: recall, lead p50':24}" + "".join(f"{name:>20}" for name in METHODS))
    for kind in leaks:
        print(f"{kind:24}" + "".join(f"{one.recall:12.1%}{one.lead_p50_s:6.0f} s" for one in scores[kind].values()))
    print("without alarm: false alarms an hour")
    for kind in quiet:
        print(f"{kind:24}" + "".join(f"{one.false_per_hour:18.2f}/h" for one in scores[kind].values()))
    print("all")
    for name in METHODS:
        counted = total([scores[kind][name] for kind in leaks if kind not in memory_traces.UNPREDICTABLE])
        still = total([scores[kind][name] for kind in quiet])
        took = total([scores[kind][name] for kind in scores])
        cost = 1e6 * took.took_s / took.looks
        told = f"{name:24}"
        if counted.traces:
            told += f"recall {counted.recall:6.1%}, lead p50 {counted.lead_p50_s:3.0f} s, early {counted.false:3d}, "
        if still.traces:
            told += f"false alarms {still.false_per_hour:5.3f}/h, "
        print(f"{told}{cost:5.1f} us a look")


if __name__ == "__main__":
    main()
