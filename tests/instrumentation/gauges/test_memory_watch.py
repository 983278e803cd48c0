"""The memory watch on memories that grow as fast as the test wants: its clock is an argument, its files are ours."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import types

import pytest
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from vigilo import semconv
from vigilo.gauges import memory_gauges, memory_watch, ring, snapshot
from vigilo.gauges.memory_watch import MemoryWatch
from vigilo.gauges.samples import DeviceSample
from vigilo.notebook.place import Place
from vigilo.settings import Settings

GIB = 1 << 30
MIB = 1 << 20


class Machine:
    """A container with 8 GiB, and a clock."""

    def __init__(self, root):
        self.root = root
        self.now_s = 5000.0
        self.wall_s = 1_800_000_000.0
        self.group = root / "sys/fs/cgroup"
        self.group.mkdir(parents=True)
        (self.group / "memory.max").write_text(f"{8 * GIB}\n")
        self.cached_bytes = 0
        (root / "proc").mkdir()
        (root / "proc/meminfo").write_text("MemTotal: 67108864 kB\nMemFree: 60000000 kB\nMemAvailable: 60000000 kB\n")
        self.place = Place(root, {}, lambda: self.wall_s, lambda: self.now_s)
        self.boot("1b2c")
        self.memory(GIB)
        self.kills(0)

    def boot(self, boot_id):
        path = self.root / "proc/sys/kernel/random/boot_id"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(boot_id)

    def memory(self, used_bytes, cached_bytes=0):
        (self.group / "memory.current").write_text(f"{used_bytes + cached_bytes}\n")
        if cached_bytes != self.cached_bytes:
            self.cached_bytes = cached_bytes
            (self.group / "memory.stat").write_text(f"anon {used_bytes}\ninactive_file {cached_bytes}\n")

    def kills(self, count):
        (self.group / "memory.events").write_text(f"oom 0\noom_kill {count}\n")


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "root")


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture
def watch(machine, settings):
    return MemoryWatch(settings, machine.place)


@pytest.fixture
def warned():
    """Warnings that a function of the app was called with, once all of them came."""
    got, take_back = [], []

    class Warned:
        def levels(self):
            for thread in threading.enumerate():
                if thread.name == "vigilo-memory":
                    thread.join(10)
            return [(one.area, one.level) for one in got]

        @property
        def last(self):
            self.levels()
            return got[-1]

    take_back.append(memory_watch.on_level(got.append))
    yield Warned()
    for undo in take_back:
        undo()


@pytest.fixture
def requests(monkeypatch):
    """Reasons for which a checkpoint was requested, as where the app has imported `vigilo.checkpoint`."""
    asked = []
    monkeypatch.setitem(sys.modules, "vigilo.checkpoint", types.SimpleNamespace(request=asked.append))
    return asked


@pytest.fixture
def events():
    """OpenTelemetry's log records of the watch."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_logs._internal, "_LOGGER_PROVIDER", provider)
        yield exporter
    provider.shutdown()


STEP_S = 5
"""Between two looks here: a forecast takes the highest of so many seconds anyhow."""


def leak(machine, watch, *, seconds, bytes_per_s, begin=2 * GIB):
    """Lets the container's memory grow; returns what was used at the end."""
    used = begin
    for _ in range(0, seconds, STEP_S):
        machine.now_s += STEP_S
        used += bytes_per_s * STEP_S
        machine.memory(used)
        watch.look(machine.now_s, [])
    return used


def rest(machine, watch, seconds, used):
    leak(machine, watch, seconds=seconds, bytes_per_s=0, begin=used)


def test_a_leak_in_a_container_is_told_before_the_end(machine, watch, warned, requests, caplog, events):
    caplog.set_level(logging.INFO, "vigilo")
    rest(machine, watch, 120, 2 * GIB)
    assert warned.levels() == []
    used = leak(machine, watch, seconds=560, bytes_per_s=10 * MIB)
    levels = [level for _, level in warned.levels()]
    assert "warn" in levels
    assert levels == sorted(set(levels), key=["watch", "warn", "critical"].index)  # each once, and upwards
    last = warned.last
    assert (last.area, last.device_id, last.limit_bytes) == ("host", "", 8 * GIB)
    assert last.used_bytes <= used
    assert 0 < last.confidence <= 1
    assert requests[0] == "memory"
    logged = [record for record in caplog.records if record.name == "vigilo"]
    assert [record.levelname for record in logged if "(warn)" in record.message] == ["WARNING"]
    assert "the memory of the container is full in about" in last.text
    told = [record.log_record for record in events.get_finished_logs()]
    assert [record.attributes[semconv.MEMORY_FORECAST_LEVEL] for record in told] == levels
    assert {record.event_name for record in told} == {semconv.MEMORY_FORECAST_EVENT}
    assert told[-1].attributes[semconv.MEMORY_AREA] == "host"


def test_reading_a_large_data_set_is_no_leak(machine, watch, warned):
    """The cache of files fills the container to its limit, and is given back when the memory is needed."""
    rest(machine, watch, 120, 2 * GIB)
    for cached in range(0, 6 * GIB, 10 * MIB * STEP_S):
        machine.now_s += STEP_S
        machine.memory(2 * GIB, cached)
        watch.look(machine.now_s, [])
    assert warned.levels() == []


def test_a_warning_that_stays_is_told_once_and_saved_again_now_and_then(machine, tmp_path, warned, requests):
    watch = MemoryWatch(Settings(home=tmp_path / "home", oom_horizon_s=1800.0), machine.place)
    rest(machine, watch, 120, 2 * GIB)
    warned_s = 0
    while machine.now_s < 6200:
        begin = machine.now_s
        leak(machine, watch, seconds=STEP_S, bytes_per_s=5 * MIB, begin=2 * GIB + int(5 * MIB * (begin - 5120)))
        (memory,) = watch.memories()
        warned_s += STEP_S if memory.outlook.level in ("warn", "critical") else 0
    assert warned_s > memory_watch.REQUEST_EVERY_S  # so long that one save at its beginning would be too old
    levels = [level for _, level in warned.levels()]
    assert len(levels) == len(set(levels))
    assert 2 <= len(requests) <= warned_s // memory_watch.REQUEST_EVERY_S + len(levels)


def test_a_new_leak_after_a_quiet_time_is_told_again(machine, watch, warned):
    rest(machine, watch, 120, GIB)
    leak(machine, watch, seconds=650, bytes_per_s=10 * MIB, begin=GIB)
    before = warned.levels()
    rest(machine, watch, 1200, GIB)
    leak(machine, watch, seconds=680, bytes_per_s=10 * MIB, begin=GIB)
    again = warned.levels()[len(before) :]
    assert "warn" in {level for _, level in before}
    assert {"warn", "critical"} & {level for _, level in again}


def gpu(device_id="GPU-1b2c", used=2 * GIB, limit=15 * GIB):
    return DeviceSample(
        device_id, {semconv.HW_ID: device_id, semconv.HW_NAME: "Tesla T4"}, "ok", used, limit, utilization=0.9
    )


def grow(machine, watch, seconds, bytes_per_s, begin=2 * GIB, **others):
    """Lets the memory of the first of two GPUs grow."""
    for second in range(0, seconds, STEP_S):
        machine.now_s += STEP_S
        used = begin + bytes_per_s * second
        watch.look(machine.now_s, [gpu(used=used, **others), gpu("GPU-3d4e", GIB)])


def test_a_leak_on_a_gpu_is_told_with_its_id(machine, watch, warned, requests):
    grow(machine, watch, 120, 0)
    grow(machine, watch, 620, 20 * MIB)
    assert {area for area, _ in warned.levels()} == {"gpu"}
    assert warned.last.device_id == "GPU-1b2c"
    assert "Tesla T4" in warned.last.text
    assert requests
    assert [memory.labels.get(semconv.HW_ID) for memory in watch.memories()] == [None, "GPU-1b2c", "GPU-3d4e"]


def test_what_the_driver_keeps_for_itself_is_not_to_be_had(machine, watch):
    sample = DeviceSample("GPU-1", {}, "ok", 2 * GIB, 15 * GIB, memory_free_bytes=12 * GIB)
    watch.look(machine.now_s, [sample])
    assert watch.memories()[1].used_bytes == 3 * GIB


def test_devices_that_tell_no_memory_are_left_out(machine, watch):
    lost = DeviceSample("GPU-1", {semconv.HW_ID: "GPU-1"}, "failed")
    watch.look(machine.now_s, [lost, DeviceSample("GPU-2", {}, "ok", 5, None), DeviceSample("GPU-3", {}, "ok", 5, 0)])
    assert [memory.labels for memory in watch.memories()] == [{semconv.MEMORY_AREA: "host"}]


def test_a_device_that_is_gone_is_forgotten(machine, watch):
    watch.look(machine.now_s, [gpu()])
    machine.now_s += 601
    watch.look(machine.now_s, [])
    assert [memory.labels[semconv.MEMORY_AREA] for memory in watch.memories()] == ["host"]


def test_another_limit_is_another_memory(machine, watch):
    grow(machine, watch, 3, 0)
    first = watch.memories()[1].forecast
    grow(machine, watch, 3, 0, limit=24 * GIB)
    second = watch.memories()[1].forecast
    assert (first.limit_bytes, second.limit_bytes) == (15 * GIB, 24 * GIB)


def torch_module(stats, uuid):
    """What the watch asks torch for, as torch names it."""
    nested = {
        "allocated_bytes": {"all": {"current": stats["allocated"], "peak": stats["peak"]}},
        "reserved_bytes": {"all": {"current": stats["reserved"]}},
    }
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 1,
        memory_stats_as_nested_dict=lambda _: {**nested, "num_alloc_retries": stats["retries"], "num_ooms": 0},
        get_device_properties=lambda _: types.SimpleNamespace(uuid=uuid),
    )
    return types.SimpleNamespace(cuda=cuda)


@pytest.mark.parametrize("uuid", ["1b2c", None, "of HIP"])
def test_a_rescued_allocation_of_torch_is_critical(machine, watch, warned, monkeypatch, uuid):
    stats = {"allocated": 3 * GIB, "peak": 4 * GIB, "reserved": 6 * GIB, "retries": 0}
    monkeypatch.setitem(sys.modules, "torch", torch_module(stats, uuid))
    for _ in range(30):
        machine.now_s += STEP_S
        watch.look(machine.now_s, [gpu(used=7 * GIB)])
    assert warned.levels() == []
    stats["retries"] = 1
    monkeypatch.setitem(sys.modules, "torch", torch_module(stats, uuid))
    machine.now_s += 1.0
    watch.look(machine.now_s, [gpu(used=7 * GIB)])
    assert warned.levels() == [("gpu", "critical")]


def test_a_function_of_the_app_that_fails_stops_nobody(machine, watch, warned, caplog):
    def fail(_):
        raise ValueError("no")

    undo = memory_watch.on_level(fail)
    rest(machine, watch, 120, 2 * GIB)
    leak(machine, watch, seconds=560, bytes_per_s=10 * MIB)
    assert warned.levels()
    undo()
    undo()


def test_it_is_told_in_metrics(machine, watch, monkeypatch):
    monkeypatch.setattr(memory_watch, "_watch", watch)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    for _ in range(2):
        memory_gauges.tell_memory(provider.get_meter("test"), provider)

    def points():
        data = reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics if data else []
        return {metric.name: list(metric.data.data_points) for metric in metrics if list(metric.data.data_points)}

    rest(machine, watch, 120, 2 * GIB)
    assert points() == {}  # absent while nothing grows, never 0
    leak(machine, watch, seconds=500, bytes_per_s=10 * MIB)
    told = points()
    (left,) = told[semconv.MEMORY_TIME_TO_EXHAUSTION]
    assert 0 < left.value < 600
    assert dict(left.attributes) == {semconv.MEMORY_AREA: "host"}
    assert 0 < told[semconv.MEMORY_FORECAST_CONFIDENCE][0].value <= 1
    warnings = told[semconv.MEMORY_FORECAST_WARNINGS]
    assert {point.attributes[semconv.MEMORY_FORECAST_LEVEL] for point in warnings} >= {"warn"}
    assert {point.value for point in warnings} == {1}
    provider.shutdown()


def test_what_the_kernel_killed_is_found_by_the_next_process(machine, settings, caplog):
    caplog.set_level(logging.WARNING, "vigilo")
    killed = MemoryWatch(settings, machine.place)
    killed.look(machine.now_s, [])
    assert killed.kills.found is None
    machine.wall_s += 3600
    machine.kills(2)
    next_one = MemoryWatch(settings, machine.place)
    next_one.look(machine.now_s, [])
    found = next_one.kills.found
    assert (found.kills, found.before_start) == (2, True)
    assert found.since == "2027-01-15T08:00:00+00:00"
    assert [record.message for record in caplog.records] == [
        "vigilo: memory ran out: the kernel has killed 2 processes here, at some time since 2027-01-15T08:00:00+00:00"
    ]
    third = MemoryWatch(settings, machine.place)
    third.look(machine.now_s, [])
    assert third.kills.found is None  # told once


def test_a_worker_that_is_killed_beside_us_is_told(machine, watch, caplog):
    watch.look(machine.now_s, [])
    machine.kills(1)
    for _ in range(3):
        watch.look(machine.now_s, [])
    assert (watch.kills.found.kills, watch.kills.found.before_start) == (1, False)
    assert [record.message for record in caplog.records] == [
        "vigilo: memory ran out: the kernel has killed a process here"
    ]


@pytest.mark.parametrize("what", ["booted", "another container", "fewer"])
def test_counts_of_elsewhere_are_not_compared(machine, settings, what):
    machine.kills(1)
    MemoryWatch(settings, machine.place).look(machine.now_s, [])
    machine.kills(5)
    if what == "booted":
        machine.boot("9f8e")
    elif what == "another container":
        (machine.root / "proc/sys/kernel/hostname").write_text("c0ffee")
    else:
        machine.kills(0)
    after = MemoryWatch(settings, machine.place)
    after.look(machine.now_s, [])
    assert after.kills.found is None


@pytest.mark.parametrize("kept", ["", "[]", '{"kills": 1}', "\x00"])
def test_a_torn_file_of_kills_is_as_good_as_none(machine, settings, kept):
    settings.home.mkdir()
    (settings.home / "oom_kills.json").write_text(kept)
    machine.kills(5)
    after = MemoryWatch(settings, machine.place)
    after.look(machine.now_s, [])
    assert after.kills.found is None
    assert sorted(path.name for path in settings.home.iterdir()) == ["oom_kills.json"]


def test_a_home_that_cannot_be_written_keeps_the_watch_going(machine, tmp_path):
    (tmp_path / "file").write_text("")
    watch = MemoryWatch(Settings(home=tmp_path / "file" / "home"), machine.place)
    watch.look(machine.now_s, [])
    assert watch.memories()


@pytest.fixture
def own_process():
    yield
    memory_watch.release()
    memory_watch.release("other")
    ring.forget()
    snapshot.forget()


def test_there_is_one_watch_until_all_have_let_go(machine, settings, own_process):
    first = memory_watch.watch_memory(settings, machine.place)
    assert memory_watch.watch_memory(settings, holder="other") is first
    until_s = time.monotonic() + 30
    while not first.memories() and time.monotonic() < until_s:
        time.sleep(0.01)
    assert first.memories()
    memory_watch.release("other")
    assert memory_watch.current_watch() is first
    memory_watch.release()
    assert memory_watch.current_watch() is None


@pytest.mark.parametrize("off", [{"oom_forecast": False}, {"peak_interval_s": 0.0}])
def test_there_is_none_where_the_settings_want_none(machine, tmp_path, off):
    assert memory_watch.watch_memory(Settings(home=tmp_path, **off), machine.place) is None


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_none_and_starts_none(machine, settings, own_process):
    memory_watch.watch_memory(settings, machine.place)
    child = os.fork()
    if child == 0:
        alone = memory_watch.current_watch() is None and memory_watch.watch_memory(settings) is None
        os._exit(0 if alone else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert memory_watch.current_watch() is not None


def test_it_imports_neither_torch_nor_psutil_nor_numpy(tmp_path):
    """On Linux: it works where no extra of vigilo is installed."""
    program = """
    import sys
    import time
    for name in ("psutil", "torch", "numpy", "pynvml"):
        sys.modules[name] = None
    from vigilo.gauges.memory_watch import watch_memory
    from vigilo.settings import app_settings
    watch = watch_memory(app_settings())
    until_s = time.monotonic() + 30
    while not watch.memories() and time.monotonic() < until_s:
        time.sleep(0.02)
    print([memory.name for memory in watch.memories()])
    """
    environ = {**os.environ, "VIGILO_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=environ, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in ("['memory of the host']", "['memory of the container']")
