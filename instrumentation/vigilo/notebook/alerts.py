"""Tells what is about to run out: each kind once a level, by log, event and function, and asks for a checkpoint."""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from vigilo import semconv
from vigilo.errors import internal_errors
from vigilo.loaded import loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.notebook.place import Place

LEVELS = ("", "watch", "warn", "critical")
REQUESTS = ("session", "idle", "disk", "output", "quota")
"""Kinds that checkpoints are asked for."""
CALM_S = 600.0
"""How long a level must be lower before it is told again when it is reached."""
KEPT = 50
_SEVERITIES = {"watch": logging.INFO, "warn": logging.WARNING, "critical": logging.ERROR}
_log = logging.getLogger("vigilo")


class Alert(NamedTuple):
    """What a rule found.

    Attributes:
        kind: session, idle, quota, disk, output, drive, internet, accelerator or restart.
        level: watch, warn or critical; empty: all is well.
        message: for people: what happens, and what to do.
        save: ask for a checkpoint.
    """

    kind: str
    level: str
    message: str = ""
    save: bool = False


class Alerts:
    """What was told so far. For one thread; :attr:`told` may be read by others.

    Args:
        place: the machine, for its clocks.
        may_log: whether lines may go to the log now; those that may not wait for :meth:`log_waiting`.
    """

    def __init__(self, place: Place, may_log: Callable[[], bool] = lambda: True) -> None:
        self.told: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.callbacks: list[Callable[[dict[str, Any]], None]] = []
        self._place, self._may_log = place, may_log
        self._waiting: deque[tuple[int, str, str]] = deque(maxlen=KEPT)
        self._highest: dict[str, int] = {}
        self._calm_since_s: dict[str, float] = {}

    def look(self, alert: Alert) -> None:
        """Tells it where its level is higher than what was told of its kind."""
        rank, highest = LEVELS.index(alert.level), self._highest.get(alert.kind, 0)
        if rank >= highest:
            self._calm_since_s.pop(alert.kind, None)
        if rank > highest:
            self._highest[alert.kind] = rank
            self._tell(alert)
        elif rank < highest:
            since_s = self._calm_since_s.setdefault(alert.kind, self._place.monotonic_s())
            if self._place.monotonic_s() - since_s >= CALM_S:
                self._highest[alert.kind] = rank
                del self._calm_since_s[alert.kind]

    def over(self, kind: str) -> None:
        """It is all well again for certain: the next level is told at once."""
        self._highest.pop(kind, None)
        self._calm_since_s.pop(kind, None)

    def happened(self, alert: Alert) -> None:
        """Tells what has happened, each time."""
        self._tell(alert)

    def log_waiting(self) -> None:
        """Logs the lines that had to wait. For any thread."""
        with suppress(IndexError):
            while True:
                _log.log(*self._waiting.popleft())

    def _tell(self, alert: Alert) -> None:
        entry = {
            "kind": alert.kind,
            "level": alert.level,
            "message": alert.message,
            "at_s": self._place.wall_s(),
        }
        self.told.append(entry)
        self._log(_SEVERITIES[alert.level], "vigilo: %s", alert.message)
        with internal_errors("telling a warning of the notebook"):
            _emit(alert)
        if alert.save and alert.kind in REQUESTS:
            with internal_errors("asking for a checkpoint"):
                # Where nobody has imported it, nothing is registered to be saved.
                if (checkpoint := loaded("vigilo.checkpoint")) is not None:
                    checkpoint.request(alert.kind)
        for callback in list(self.callbacks):
            try:
                callback(dict(entry))
            except Exception as error:  # noqa: BLE001 - the app's own function
                raised = "vigilo: a function that is told warnings of the notebook raised %s"
                self._log(logging.ERROR, raised, type(error).__name__)

    def _log(self, severity: int, text: str, about: str) -> None:
        if self._may_log():
            _log.log(severity, text, about)
        else:
            self._waiting.append((severity, text, about))


def _emit(alert: Alert) -> None:
    from opentelemetry._logs import LogRecord, SeverityNumber, get_logger

    number = {"watch": SeverityNumber.INFO, "warn": SeverityNumber.WARN}.get(alert.level, SeverityNumber.ERROR)
    get_logger(semconv.SCOPE).emit(
        LogRecord(
            event_name=semconv.NOTEBOOK_WARNING_EVENT,
            severity_number=number,
            severity_text=number.name,
            body=alert.message,
            attributes={semconv.NOTEBOOK_WARNING_KIND: alert.kind},
        )
    )
