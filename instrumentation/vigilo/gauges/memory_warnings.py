"""How a warning of the memory watch is told: log, event, the app's functions, a request for a checkpoint."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vigilo import semconv
from vigilo.errors import internal_errors, report_internal
from vigilo.loaded import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vigilo.gauges.forecast import Outlook

LOG_LEVELS: Final = {"watch": logging.INFO, "warn": logging.WARNING, "critical": logging.ERROR}
_log = logging.getLogger("vigilo")


@dataclass(frozen=True, slots=True)
class Warning_:  # noqa: N801 - `Warning` is Python's own
    """That a memory may run out. A newer one of the same memory has a higher level, or comes minutes later.

    Attributes:
        area: ``gpu`` or ``host``.
        device_id: the GPU's ``hw.id``, its UUID; empty for the host.
        name: the memory in words.
        level: ``watch``, ``warn`` or ``critical``, of :class:`vigilo.gauges.forecast.Outlook`.
        time_to_exhaustion_s: None where it is nearly full and does not grow.
        confidence: 0 to 1.
        used_bytes, limit_bytes: now.
        text: all of this in words.
    """

    area: str
    device_id: str
    name: str
    level: str
    time_to_exhaustion_s: float | None
    confidence: float
    used_bytes: int
    limit_bytes: int
    text: str


def warning_of(name: str, labels: Mapping[str, str], outlook: Outlook, used_bytes: int, limit_bytes: float) -> Warning_:
    """The warning of an outlook that has a level."""
    left_s, limit = outlook.time_to_exhaustion_s, int(limit_bytes)
    when = f"is full in about {_in_words(left_s)}" if left_s is not None else "is nearly full"
    unit, unit_bytes = ("GiB", 1 << 30) if limit >= 1 << 30 else ("MiB", 1 << 20)
    used = f"{used_bytes / unit_bytes:,.1f} of {limit / unit_bytes:,.1f} {unit} are used"
    return Warning_(
        area=labels[semconv.MEMORY_AREA],
        device_id=labels.get(semconv.HW_ID, ""),
        name=name,
        level=outlook.level,
        time_to_exhaustion_s=left_s,
        confidence=outlook.confidence,
        used_bytes=used_bytes,
        limit_bytes=limit,
        text=f"the {name} {when} ({outlook.level}): {used}",
    )


def tell(warning: Warning_, labels: Mapping[str, str], callbacks: tuple[Callable[[Warning_], None], ...]) -> None:
    """Logs it, emits it as an event, and has the app's functions called. Waits for none of them."""
    _log.log(LOG_LEVELS[warning.level], "vigilo: %s", warning.text)
    _emit(warning, labels)
    if callbacks:  # not in this thread, which has the next look to make
        thread = threading.Thread(target=_call, args=(callbacks, warning), name="vigilo-memory", daemon=True)
        with suppress(RuntimeError):  # no more threads, or the interpreter is about to exit
            thread.start()


def request_checkpoint() -> None:
    """Only where the app has checkpoints: nothing is imported for it. Asking is all, a safe point writes it."""
    with internal_errors("requesting a checkpoint"):
        if (checkpoint := loaded("vigilo.checkpoint")) is not None:
            checkpoint.request("memory")


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _emit(warning: Warning_, labels: Mapping[str, str]) -> None:
    """The same as an event, for who keeps OpenTelemetry's logs."""
    from opentelemetry._logs import LogRecord, SeverityNumber, get_logger

    severity = {"watch": SeverityNumber.INFO, "warn": SeverityNumber.WARN, "critical": SeverityNumber.ERROR}
    left_s = warning.time_to_exhaustion_s
    told: dict[str, str | float] = {
        **labels,
        semconv.MEMORY_FORECAST_LEVEL: warning.level,
        semconv.MEMORY_FORECAST_CONFIDENCE: warning.confidence,
        **({semconv.MEMORY_TIME_TO_EXHAUSTION: left_s} if left_s is not None else {}),
    }
    get_logger(semconv.SCOPE).emit(
        LogRecord(
            event_name=semconv.MEMORY_FORECAST_EVENT,
            severity_number=severity[warning.level],
            severity_text=severity[warning.level].name,
            body=warning.text,
            attributes=told,
        )
    )


def _call(callbacks: tuple[Callable[[Warning_], None], ...], warning: Warning_) -> None:
    for callback in callbacks:
        try:
            callback(warning)
        except Exception as error:  # noqa: BLE001 - the app's own function
            report_internal("calling a function of `on_level`", error)
