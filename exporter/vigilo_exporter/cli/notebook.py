"""``vigilo notebook doctor``: what is true of the platform that it runs on, in one block to paste."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vigilo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vigilo.notebook.place import Place
    from vigilo.settings import Settings

notebook = typer.Typer(no_args_is_help=True, help="Notebooks, on Colab, Kaggle and elsewhere.")

_PACKAGES: Final = (
    *("vigilo-otel", "opentelemetry-sdk", "ipython", "ipykernel", "jupyter-client", "nvidia-ml-py", "pynvml", "amdsmi"),
    *("psutil", "torch", "tensorflow", "jax", "keras", "scikit-learn", "numpy"),
)
_PREFIXES: Final = ("COLAB_", "KAGGLE_", "TBE_", "VERTEX_", "TPU_", "JUPYTERHUB_", "CUDA_VISIBLE", "NVIDIA_VISIBLE")
_FOLDERS: Final = ("/content", "/kaggle/working", "/kaggle/input", "/kaggle/temp", "/var/colab", "/opt/bin")
_DEVICES: Final = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/accel0", "/dev/vfio", "/dev/kfd", "/dev/dri")
_MOUNTS: Final = ("/", "/content/drive", "/kaggle/working", "/kaggle/input", "/dev/shm", "/tmp")  # noqa: S108 - told, not used
_LOOKS: Final = 5
_SAVE_BYTES: Final = 4 << 20
_WAIT_S: Final = 3.0
_PATIENCE_S: Final = 60.0


@notebook.callback()
def _group() -> None:
    """Keeps `doctor` a command of its own."""


@notebook.command()
def doctor(
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    write: Annotated[
        bool, typer.Option("--write", help="Also write 4 MiB where checkpoints go, to time it, and delete it again.")
    ] = False,
) -> None:
    """Platform, limits, clocks, memory, GPUs and folders as they are found here; `%vigilo doctor` in a notebook.

    Of the environment only names are told, never values.
    """
    if output_format not in ("text", "json"):
        raise ConfigError(f"--format is {output_format!r}; allowed is text, json")
    from vigilo.notebook.place import Place
    from vigilo.settings import load_settings

    found = examine(Place.here(), load_settings(), write=write)
    if output_format == "json":
        sys.stdout.write(json.dumps(found, indent=2, default=str) + "\n")
        return
    lines = ["```", "vigilo notebook doctor"]
    for part, facts in found.items():
        lines += ["", part, *(f"  {name}: {_shown(value)}" for name, value in facts.items())]
    sys.stdout.write("\n".join([*lines, "```"]) + "\n")


def examine(place: Place, settings: Settings, *, write: bool = False) -> dict[str, dict[str, Any]]:
    """All facts by part and name. A part that fails says so and leaves the others; nothing is changed but by ``write``.

    Args:
        place: the machine.
        settings: of the app.
        write: also writes to the folders of checkpoints.
    """
    parts: dict[str, Callable[[], Iterator[tuple[str, Any]]]] = {
        "machine": lambda: _machine(place),
        "packages": _packages,
        "platform": lambda: _platform(place, settings),
        "session": lambda: _session(place, settings),
        "memory": lambda: _memory(place),
        "GPUs": _gpus,
        "folders": lambda: _folders(place),
        "checkpoints": lambda: _checkpoints(place, settings, write),
    }
    found: dict[str, dict[str, Any]] = {}
    for part, look in parts.items():
        facts = found[part] = {}
        try:
            facts.update(look())
        except Exception as error:  # noqa: BLE001 - the other parts are what this is for
            # What other packages say in an error may quote anything; what the system says is a path and a reason.
            facts["failed"] = str(error) if isinstance(error, OSError) else type(error).__name__
    return found


def _machine(place: Place) -> Iterator[tuple[str, Any]]:
    yield "time", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(place.wall_s()))
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    yield "cpus", os.cpu_count()
    from vigilo.notebook.clocks import machine_age_s

    yield "/proc/uptime", (place.text("/proc/uptime") or "absent").split()[0]
    yield "age of the machine or container", _seconds(machine_age_s(place))
    yield "boot id", "there" if place.text("/proc/sys/kernel/random/boot_id") else "absent"
    yield "process 1", (place.text("/proc/1/comm") or "absent")
    yield "this process", f"{os.getpid()}, user {os.getuid() if hasattr(os, 'getuid') else '?'}"


def _packages() -> Iterator[tuple[str, Any]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _platform(place: Place, settings: Settings) -> Iterator[tuple[str, Any]]:
    from vigilo.notebook.platform import platform_of

    found = platform_of(place, settings)
    yield "name", " ".join(part for part in (found.name, found.variant) if part)
    yield "told by", found.source
    yield "variables that are set", sorted(name for name in place.environ if name.startswith(_PREFIXES))


def _session(place: Place, settings: Settings) -> Iterator[tuple[str, Any]]:
    """The session as a kernel that starts now would see it; nothing of it is written down."""
    from vigilo.notebook.session import Session

    session = Session(place, settings)
    status = session.status(_WAIT_S)
    for name in ("session", "idle", "accelerator", "drive", "internet"):
        yield name, status.get(name)
    for quota in status.get("quota") or ():
        yield f"quota of {quota['accelerator']}", quota
    for area in status.get("storage") or ():
        yield f"storage {area['area']}", area
    if session.platform.name == "kaggle":
        yield from _kaggle(place)


def _kaggle(place: Place) -> Iterator[tuple[str, Any]]:
    """What the quota of the week is asked with, and what comes of it: the client takes seconds."""
    from dataclasses import asdict

    from vigilo.checkpoint.places import within
    from vigilo.notebook.kaggle_quota import PATIENCE_S, NoAnswerError, answer_of_kaggle, has_credentials

    try:
        yield "kaggle client", version("kaggle")
    except PackageNotFoundError:
        yield "kaggle client", "absent"
    yield "kaggle credentials", "yes" if has_credentials(place) else "no"
    told: Any
    try:
        told = [asdict(quota) for quota in within(PATIENCE_S, partial(answer_of_kaggle, place))]
    except Exception as error:  # noqa: BLE001 - what is told of it is its name
        told = str(error) if isinstance(error, (NoAnswerError, TimeoutError)) else type(error).__name__
    yield "quota that kaggle tells", told


def _memory(place: Place) -> Iterator[tuple[str, Any]]:
    from dataclasses import asdict

    from vigilo.gauges.cgroup import limits
    from vigilo.gauges.host_memory import host_memory

    group = limits(place)
    yield "control group", asdict(group)
    memory = host_memory(place, group)
    yield "memory", asdict(memory) if memory is not None else None
    yield "groups", (place.text("/proc/self/cgroup") or "absent").replace("\n", " ")


def _gpus() -> Iterator[tuple[str, Any]]:
    from dataclasses import fields

    from vigilo import semconv
    from vigilo.gauges.snapshot import Snapshot, find_samplers

    snapshot = Snapshot(find_samplers, ttl_s=0.0, budget_s=10.0)
    try:
        began = time.perf_counter()
        devices = snapshot.devices()
        yield "first look, ms", round(1000 * (time.perf_counter() - began), 1)
        yield "devices", len(devices)
        if devices:
            times = []
            for _ in range(_LOOKS):
                began = time.perf_counter()
                devices = snapshot.devices()
                times.append(round(1000 * (time.perf_counter() - began), 2))
            yield "later looks, ms", times
        for number, device in enumerate(devices):
            told = {spec.name: getattr(device, spec.name) for spec in fields(device)}
            told["attributes"] = {k: v for k, v in device.attributes.items() if k != semconv.HW_SERIAL_NUMBER}
            yield f"device {number}", {name: value for name, value in told.items() if value not in (None, {})}
    finally:
        snapshot.close()


def _folders(place: Place) -> Iterator[tuple[str, Any]]:
    yield "root", str(place.root)
    yield "working folder", str(Path.cwd())
    yield "there", [name for name in _FOLDERS if place.path(name).exists()]
    yield "devices", [name for name in _DEVICES if place.path(name).exists()]
    rows = [line.split(" ") for line in (place.text("/proc/self/mounts") or "").splitlines()]
    mounts = {row[1].replace("\\040", " "): row[2] for row in rows if len(row) > 2}
    yield "mounts", {point: mounts[point] for point in _MOUNTS if point in mounts}
    yield "fuse mounts", sorted(point for point, kind in mounts.items() if kind.startswith("fuse"))


def _checkpoints(place: Place, settings: Settings, write: bool) -> Iterator[tuple[str, Any]]:
    from vigilo.checkpoint.places import Names, destinations, within

    for one in destinations(place, settings, Names("", "notebook")):
        folder = one.folder
        existing = within(_WAIT_S, partial(_nearest, folder))
        total, _, free = within(_WAIT_S, partial(place.disk, existing))
        yield str(folder), {"kind": one.kind, "free_bytes": free, "total_bytes": total}
        if write:
            yield f"{existing}: 4 MiB", within(_PATIENCE_S, partial(_timed_write, existing))


def _nearest(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _timed_write(folder: Path) -> dict[str, float]:
    """Milliseconds of each step of a save: a write, fsync, a rename, a fsync of the folder."""
    temporary, final = folder / f".vigilo-doctor-{os.getpid()}", folder / f".vigilo-doctor-{os.getpid()}.done"
    times: dict[str, float] = {}

    def timed(name: str, step: Callable[[], object]) -> None:
        began = time.perf_counter()
        try:
            step()
            times[f"{name}_ms"] = round(1000 * (time.perf_counter() - began), 1)
        except OSError as error:
            times[f"{name} fails with errno"] = float(error.errno or -1)

    try:
        with temporary.open("wb") as file:
            timed("write", lambda: file.write(b"\0" * _SAVE_BYTES))
            file.flush()
            timed("fsync", lambda: os.fsync(file.fileno()))
        timed("rename", lambda: temporary.rename(final))
        timed("fsync_folder", lambda: _sync(folder))
    finally:
        for path in (temporary, final):
            path.unlink(missing_ok=True)
    return times


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _seconds(value: float | None) -> str:
    return "not told" if value is None else f"{value:.0f} s"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value)) or "none"
    if isinstance(value, float):
        return f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else str(value)
