"""What a collection of the gauges of GPUs and of the host costs, beside its peers, on the same two GPUs of a script.

    python benchmarks/gauge_cost.py                   # the first run makes an environment for each
    python benchmarks/gauge_cost.py --only vigilo     # some of them
    python benchmarks/gauge_cost.py --envs DIR        # environments elsewhere than in the user's cache folder
    python benchmarks/gauge_cost.py --real            # this machine's own GPUs; their calls cannot be counted

Needs Linux and a C compiler: the library that stands in the place of NVIDIA's is that of the tests
(tests/instrumentation/gauges/nvml). It answers at once, so the times are those of Python alone, and the calls are what
counts on a GPU: there each costs 2 to 140 us, and more while the GPU works. One of the two GPUs tells neither its power
nor its utilization: what is told of them all the same is invented.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import platformdirs
from peers import python_of

HERE = Path(__file__).parent
SCRIPTED_GPU = HERE.parent / "tests" / "instrumentation" / "gauges" / "scripted_gpu.py"
UNTOLD = ("utilization", "encoder", "decoder", "power", "power_limit", "field.186")
ROWS = (  # name, environment, kind of the worker
    ("vigilo: GPUs", "vigilo", "vigilo_gpu"),
    ("vigilo: GPUs, once a second for peaks", "vigilo", "vigilo_ring"),
    ("OpenLIT: GPUs", "openlit", "openlit_gpu"),
    ("vigilo: host and process", "vigilo", "vigilo_host"),
    ("OpenTelemetry's SDK alone, as many points", "vigilo", "floor"),
    ("system-metrics: as it comes", "system_metrics", "system_metrics"),
    ("system-metrics: no connections, no threads", "system_metrics", "system_metrics_less"),
)


def scripted_gpu() -> Any:
    """The module of the tests that compiles the library."""
    spec = importlib.util.spec_from_file_location("scripted_gpu", SCRIPTED_GPU)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(kind: str, python: Path, environment: dict[str, str], rounds: int) -> dict[str, float] | None:
    """One run of the worker; None, with its last words, when it failed."""
    done = subprocess.run(
        [python, HERE / "gauge_cost_worker.py", kind, str(rounds)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not told:
        print(f"{kind} failed:\n{done.stderr[-1000:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(told[-1].removeprefix("RESULT "))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What a collection of gauges costs.")
    cache = platformdirs.user_cache_path("vigilo") / "benchmarks"
    parser.add_argument("--envs", type=Path, default=cache, help=f"where the environments are kept ({cache})")
    parser.add_argument("--only", help="names of environments, separated by commas")
    parser.add_argument("--rounds", type=int, default=15, help="collections of each; one a second")
    parser.add_argument("--real", action="store_true", help="the GPUs of this machine instead of the script's")
    chosen = parser.parse_args()
    module = scripted_gpu()
    names = chosen.only.split(",") if chosen.only else [env for _, env, _ in ROWS]
    print(f"{'a collection':<44}{'NVML calls':>12}{'CPU ms':>9}{'wall ms':>9}{'points':>8}{'invented':>10}")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "gpus.txt"
        lines = module.TWO_T4.splitlines()
        kept = [line for line in lines if not line.startswith(tuple(f"gpu1.{name} " for name in UNTOLD))]
        script.write_text("\n".join([*kept, "gpu1.fail.nvmlDeviceGetUtilizationRates 4", ""]), "utf-8")
        environment = {**os.environ, "VIGILO_HOME": str(Path(folder) / "home")}
        if not chosen.real:
            environment |= {"LD_LIBRARY_PATH": str(module.build(Path(folder))), "SCRIPTED_NVML": str(script)}
        for name, env, kind in ROWS:
            if env not in names:
                continue
            try:
                found = measure(
                    kind, python_of(env, chosen.envs, "gauge_cost_requirements"), environment, chosen.rounds
                )
            except subprocess.CalledProcessError:
                print(f"{name}: cannot be installed", file=sys.stderr)
                continue
            if found is not None:
                print(
                    f"{name:<44}{found['calls']:>12.1f}{found['cpu_ms']:>9.2f}{found['wall_ms']:>9.2f}"
                    f"{found['points']:>8.0f}{found['invented']:>10.0f}"
                )


if __name__ == "__main__":
    main()
