"""One NVIDIA device: what it is asked in a look, and what becomes of questions that it does not answer.

A look takes at most :data:`MAX_CALLS` calls of NVML. Calls are not free: those that reach the GPU's own processor wait
for a lock that the app's CUDA calls wait for too (github.com/flightlessmango/MangoHud, pull request 1307).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from vigilo import semconv
from vigilo.gauges.questions import SHORT_PAUSE_S, Lost, NoAnswer, Question
from vigilo.gauges.samples import DeviceSample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_CALLS: Final = 4
"""Of NVML for each look at one device. Memory and utilization always; what else there is to ask takes turns."""
FRESH_S: Final = 1.0
"""Memory and utilization that were looked at for peaks so lately are not asked for again."""
RARELY_S: Final = 30.0
"""Seconds at least between questions that take long: processes (milliseconds), counts of errors."""

# Numbers of nvml.h: nvmlReturn_t, nvmlFieldValue_t and nvmlTemperatureThresholds_t.
UNSUPPORTED: Final = frozenset({3, 13, 25, 26})  # not supported, no such function, no such version, deprecated
LOST: Final = frozenset({1, 9, 15, 16, 18, 28})  # not initialized, no driver, lost, reset required, mismatch, no GPU
INVALID_ARGUMENT, UNKNOWN = 2, 999
GONE: Final = frozenset({INVALID_ARGUMENT, 6, UNKNOWN})
"""Not found, unknown: of a device that answered before it is the end."""
NOT_AVAILABLE: Final = 0xFFFFFFFFFFFFFFFF
_ENERGY, _POWER, _SENT, _RECEIVED = 83, 186, 197, 198
_CORRECTED, _UNCORRECTED, _REMAP_PENDING, _REMAP_FAILED = 3, 4, 144, 145
_OFTEN: Final = (_POWER, _ENERGY, _SENT, _RECEIVED)
_RARELY: Final = (_CORRECTED, _UNCORRECTED, _REMAP_PENDING, _REMAP_FAILED)
_VALUES: Final = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
_ULONGLONG: Final = 3


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Asks NVML.

    Raises:
        NoAnswer: it gave an error.
        Lost: one after which nothing will be answered.
    """
    try:
        return function(*arguments)
    except (AttributeError, TypeError) as error:  # an older binding, of the package `pynvml`
        raise NoAnswer(13, is_final=True) from error
    except Exception as error:
        # What the binding raises where the driver is older than the function, without a code.
        code = getattr(error, "value", 13 if type(error).__name__ == "NVMLLibraryMismatchError" else None)
        if not isinstance(code, int):
            raise
        if code in LOST:
            raise Lost(code) from error
        raise NoAnswer(code, is_final=code in UNSUPPORTED) from error


class Device:
    """One GPU, or one MIG device of a GPU.

    Args:
        nvml: the module ``pynvml``.
        handle: NVML's.
        attributes: of all its points.
        limits_c: temperatures by ``hw.limit_type``.
        processes: whether to ask for those that use its memory.
    """

    def __init__(
        self,
        nvml: Any,
        handle: Any,
        device_id: str,
        attributes: Mapping[str, str],
        limits_c: Mapping[str, float] | None = None,
        *,
        processes: bool = False,
    ) -> None:
        self.id, self.attributes = device_id, attributes
        self._nvml, self._handle, self._limits_c = nvml, handle, limits_c or {}
        self._cycle, self._calls, self._looked_s = 0, 0, float("-inf")
        self._memory_v2, self._answered = True, False
        self._fields = {field: Question(dict) for field in _OFTEN + _RARELY}
        self._rarely_s = float("-inf")
        self._state, self._errors = "ok", dict[str, int]()
        self._older: set[int] = set()
        self._io: dict[int, tuple[int, int]] = {}
        self._memory = Question(self._ask_memory, pause_s=SHORT_PAUSE_S)
        self._utilization = Question(self._ask_utilization, pause_s=SHORT_PAUSE_S)
        self._processes: list[Question] = []
        self._in_turns: list[Question] = []
        if semconv.HW_PARENT not in attributes:
            self._in_turns = [
                Question(self._ask_fields, weight=4),
                Question(self._ask_temperature, weight=4),
                Question(self._share("encoder_utilization", nvml.nvmlDeviceGetEncoderUtilization)),
                Question(self._share("decoder_utilization", nvml.nvmlDeviceGetDecoderUtilization)),
                Question(self._share("fan_ratio", nvml.nvmlDeviceGetFanSpeed)),
            ]
        if processes:
            # The binding calls NVML twice for a list: for its size, and for what is in it.
            self._processes = [
                Question(self._listed(function), weight=4, calls=2, every_s=RARELY_S)
                for function in (
                    nvml.nvmlDeviceGetComputeRunningProcesses,
                    nvml.nvmlDeviceGetGraphicsRunningProcesses,
                )
            ]
            self._in_turns += self._processes

    def sample(self, memory_only: bool) -> DeviceSample:
        """A look at it.

        Raises:
            Lost: it does not answer any more.
        """
        self._calls = 0
        if memory_only:
            self._look()
            return DeviceSample(
                self.id, self.attributes, self._state, **self._memory.answer, **self._utilization.answer
            )
        self._cycle += 1
        if monotonic() - self._looked_s > FRESH_S:
            self._look()
            self._looked_s = float("-inf")  # what is told is what is now, unless peaks are looked for
        for question in self._next(MAX_CALLS - self._calls):
            question.put(self._cycle)
        answers: dict[str, Any] = {"temperature_limits_c": self._limits_c, "errors": dict(self._errors)}
        for one in (self._memory, self._utilization, *self._in_turns):
            answers.update(one.answer)
        lists = (one.answer.get("processes", {}) for one in self._processes)
        answers["processes"] = {pid: used for listed in lists for pid, used in listed.items()}
        return DeviceSample(self.id, self.attributes, self._state, **answers)

    def _look(self) -> None:
        self._looked_s = monotonic()
        for question in (self._memory, self._utilization):
            if question.may_be_asked():
                question.put(self._cycle)

    def _next(self, calls: int) -> list[Question]:
        """Whose turn it is: what waited longest, by its weight, as far as there are calls for it."""
        left = [question for question in self._in_turns if question.may_be_asked()]
        left.sort(key=lambda question: (question.asked_in - self._cycle) * question.weight)
        chosen = []
        for question in left:
            if question.calls <= calls:
                chosen.append(question)
                calls -= question.calls
        return chosen

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self._calls += 1
        return call(function, self._handle, *arguments)

    def _ask_memory(self) -> Mapping[str, Any]:
        """Of the second version, as ``nvidia-smi`` shows it: the first counts what the driver reserves as used."""
        memory: Any = None
        if self._memory_v2:
            version = getattr(self._nvml, "nvmlMemory_v2", 0x02000028)
            try:
                memory = self._call(self._nvml.nvmlDeviceGetMemoryInfo, version)
            except NoAnswer as error:
                if self._answered and error.code in GONE - {UNKNOWN}:
                    raise Lost(error.code) from error
                if not error.is_final and error.code != UNKNOWN:  # older than driver 510, or in WSL
                    raise
        if memory is None:
            try:
                memory = self._call(self._nvml.nvmlDeviceGetMemoryInfo)
            except NoAnswer as error:
                if self._answered and error.code in GONE:
                    raise Lost(error.code) from error
                raise
            self._memory_v2 = False
        self._answered = True
        return {
            "memory_used_bytes": int(memory.used),
            "memory_limit_bytes": int(memory.total),
            "memory_free_bytes": int(memory.free),
        }

    def _ask_utilization(self) -> Mapping[str, Any]:
        return {"utilization": self._call(self._nvml.nvmlDeviceGetUtilizationRates).gpu / 100}

    def _ask_temperature(self) -> Mapping[str, Any]:
        return {"temperature_c": float(self._call(self._nvml.nvmlDeviceGetTemperature, 0))}

    def _share(self, name: str, function: Callable[..., Any]) -> Callable[[], Mapping[str, Any]]:
        def ask() -> Mapping[str, Any]:
            percent = self._call(function)
            return {name: (percent[0] if isinstance(percent, list) else percent) / 100}

        return ask

    def _listed(self, function: Callable[..., Any]) -> Callable[[], Mapping[str, Any]]:
        """Processes, by the driver's PIDs, which in a container may be the host's."""

        def ask() -> Mapping[str, Any]:
            processes: dict[int, int | None] = {}
            for one in self._call(function):
                used = one.usedGpuMemory
                processes[int(one.pid)] = None if used is None or used == NOT_AVAILABLE else int(used)
            return {"processes": processes}

        return ask

    # Several values in one call

    def _ask_fields(self) -> Mapping[str, Any]:
        rarely = monotonic() - self._rarely_s >= RARELY_S
        fields = [field for field in _OFTEN + _RARELY * rarely if self._fields[field].may_be_asked()]
        try:
            values = self._read(fields)
        except NoAnswer as error:
            if error.is_final:
                self._ask_one_by_one(_POWER, _ENERGY)
            raise
        if rarely:
            self._rarely_s = monotonic()
            self._errors |= {
                name: int(values[field][0])
                for name, field in (("corrected", _CORRECTED), ("uncorrected", _UNCORRECTED))
                if field in values
            }
            worn = any(values.get(field, (0,))[0] for field in (_REMAP_PENDING, _REMAP_FAILED))
            self._state = "degraded" if worn else "ok"
        if _POWER in fields and not self._fields[_POWER].may_be_asked():
            self._ask_one_by_one(_POWER)
        told: dict[str, Any] = {}
        if _POWER in values:
            told["power_w"] = values[_POWER][0] / 1000
        if _ENERGY in values:
            told["energy_j"] = values[_ENERGY][0] / 1000
        for name, field in (("io_transmitted_bytes", _SENT), ("io_received_bytes", _RECEIVED)):
            moved = self._moved(field, *values[field]) if field in values else None
            if moved is not None:
                told[name] = moved
        return told

    def _read(self, fields: list[int]) -> dict[int, tuple[float, int]]:
        """Values that were told, with their types; remembers which were not."""
        values: dict[int, tuple[float, int]] = {}
        for value in self._call(self._nvml.nvmlDeviceGetFieldValues, fields) if fields else ():
            field, code = int(value.fieldId), int(value.nvmlReturn)
            if code in LOST:
                raise Lost(code)
            if code or not 0 <= value.valueType < len(_VALUES):
                # Drivers that do not know a field answer that the argument is invalid.
                self._fields[field].refuse(for_ever=code in (0, INVALID_ARGUMENT, *UNSUPPORTED))
            else:
                values[field] = getattr(value.value, _VALUES[value.valueType]), int(value.valueType)
        return values

    def _moved(self, field: int, count: float, kind: int) -> int | None:
        """Bytes since the first look. A counter that goes back, or has 32 bits, wraps within seconds: it is useless."""
        first, last = self._io.setdefault(field, (int(count), int(count)))
        if count < last or kind != _ULONGLONG:
            self._fields[field].refuse(for_ever=True)
            return None
        self._io[field] = first, int(count)
        return int(count) - first

    def _ask_one_by_one(self, *fields: int) -> None:
        """Asks for power and energy in the older way, where their fields are not known."""
        nvml = self._nvml
        older = {
            _POWER: Question(self._thousandth("power_w", nvml.nvmlDeviceGetPowerUsage), weight=4),
            _ENERGY: Question(self._thousandth("energy_j", nvml.nvmlDeviceGetTotalEnergyConsumption)),
        }
        self._in_turns += [older[field] for field in fields if field not in self._older]
        self._older.update(fields)

    def _thousandth(self, name: str, function: Callable[..., Any]) -> Callable[[], Mapping[str, Any]]:
        return lambda: {name: self._call(function) / 1000}
