"""The instruments ``notebook.*``: what is known of the session when metrics are collected. Nothing is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Observation

from vigilo import semconv
from vigilo.errors import internal_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.metrics import CallbackOptions, Meter

Known = dict[str, Any]
"""What :meth:`vigilo.notebook.session.Session.status` gives."""


def tell_session(meter: Meter, known: Callable[[], Known | None]) -> None:
    """Makes the instruments.

    Args:
        meter: theirs.
        known: gives what is known, None where this process has nothing to tell: one that was forked.
    """
    once = _Once(known)
    for name, unit, description, read in _GAUGES:
        meter.create_observable_gauge(name, [once.told(name, read)], unit=unit, description=description)
    for name, unit, description, read in _COUNTERS:
        meter.create_observable_counter(name, [once.told(name, read)], unit=unit, description=description)


class _Once:
    """What is known, read once for all instruments of one collection: until one of them asks again."""

    def __init__(self, known: Callable[[], Known | None]) -> None:
        self._known = known
        self._status: Known | None = None
        self._asked: set[str] | None = None

    def told(self, name: str, read: Callable[[Known], Iterable[Observation]]) -> Callable[..., list[Observation]]:
        def observe(_: CallbackOptions) -> list[Observation]:
            with internal_errors("reading the session for metrics"):
                if self._asked is None or name in self._asked:
                    self._asked, self._status = set(), self._known()
                self._asked.add(name)
                return list(read(self._status)) if self._status is not None else []
            return []

        return observe


def _one(part: str, key: str, *, source: bool = False) -> Callable[[Known], Iterator[Observation]]:
    def read(status: Known) -> Iterator[Observation]:
        value = status[part][key]
        if value is not None:
            yield Observation(value, {semconv.NOTEBOOK_SOURCE: status[part]["source"]} if source else None)

    return read


def _flag(part: str, key: str) -> Callable[[Known], Iterator[Observation]]:
    return lambda status: (Observation(int(value)) for value in [status[part][key]] if value is not None)


def _quota(key: str, source: str) -> Callable[[Known], Iterator[Observation]]:
    def read(status: Known) -> Iterator[Observation]:
        for quota in status["quota"]:
            if quota[key] is not None:
                labels = {semconv.NOTEBOOK_ACCELERATOR: quota["accelerator"], semconv.NOTEBOOK_SOURCE: quota[source]}
                yield Observation(quota[key], labels)

    return read


def _storage(key: str) -> Callable[[Known], Iterator[Observation]]:
    def read(status: Known) -> Iterator[Observation]:
        for area in status["storage"]:
            if area[key] is not None:
                yield Observation(area[key], {semconv.NOTEBOOK_STORAGE_AREA: area["area"]})

    return read


def _drive_mounted(status: Known) -> Iterator[Observation]:
    # Only Colab mounts Drive; elsewhere a 0 would look like a fault.
    if status["platform"]["name"] == "colab":
        yield Observation(int(status["drive"]["mounted"]))


_GAUGES = (
    (semconv.NOTEBOOK_SESSION_UPTIME, "s", "How long the session has lasted", _one("session", "uptime_s")),
    (
        semconv.NOTEBOOK_SESSION_LIMIT,
        "s",
        "How long the session may last",
        _one("session", "limit_s", source=True),
    ),
    (
        semconv.NOTEBOOK_SESSION_REMAINING,
        "s",
        "How long the session may still last",
        _one("session", "remaining_s", source=True),
    ),
    (semconv.NOTEBOOK_IDLE_TIME, "s", "Time since a cell ran", _one("idle", "idle_s")),
    (
        semconv.NOTEBOOK_IDLE_LIMIT,
        "s",
        "Time without a running cell after which the session may end",
        _one("idle", "limit_s", source=True),
    ),
    (semconv.NOTEBOOK_CELL_BUSY, "1", "Whether a cell runs", _flag("idle", "busy")),
    (semconv.NOTEBOOK_QUOTA_USAGE, "s", "Time with an accelerator this week", _quota("used_s", "source")),
    (
        semconv.NOTEBOOK_QUOTA_LIMIT,
        "s",
        "Time that one may have an accelerator a week",
        _quota("limit_s", "limit_source"),
    ),
    (semconv.NOTEBOOK_STORAGE_USAGE, "By", "What files take", _storage("used_bytes")),
    (semconv.NOTEBOOK_STORAGE_LIMIT, "By", "What files may take", _storage("limit_bytes")),
    (semconv.NOTEBOOK_DRIVE_MOUNTED, "1", "Whether Google Drive is mounted and answers", _drive_mounted),
    (semconv.NOTEBOOK_INTERNET_UP, "1", "Whether the internet is reached", _flag("internet", "up")),
)
_COUNTERS = (
    (
        semconv.NOTEBOOK_KERNEL_RESTARTS,
        "{restart}",
        "Restarts of the kernel on this machine",
        _one("restarts", "count"),
    ),
    (
        semconv.NOTEBOOK_ACCELERATOR_CHANGES,
        "{change}",
        "Changes of the accelerator",
        _one("accelerator", "changes"),
    ),
)
