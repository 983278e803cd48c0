"""What vigilo raises, and the guard that keeps telemetry from raising anything else.

``VigiloError``
├── ``ConfigError``        a setting or a file of settings is wrong
├── ``MissingExtraError``  an optional part is not installed
└── ``StoreError``         stored telemetry cannot be read or written
"""

from __future__ import annotations

import os

_reported: set[tuple[str, str]] = set()


class VigiloError(Exception):
    """Root of vigilo's own errors; the message says what to do. Wrong arguments are ``ValueError`` or ``TypeError``."""


class ConfigError(VigiloError):
    """A setting is unknown or its value is not allowed."""


class MissingExtraError(VigiloError):
    """A part of vigilo needs a package that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part of vigilo: pip install 'vigilo-otel[{extra}]'")


class StoreError(VigiloError):
    """Stored telemetry cannot be read or written."""


class internal_errors:  # noqa: N801 - used like a function; a class, because it stands on the app's path
    """Swallows and logs any ``Exception`` of our own, so that telemetry never raises into the app.

    Each distinct failure is logged once a process. Content never reaches the log: only the type of the exception and
    where it was raised are written. With ``VIGILO_RAISE_INTERNAL=1`` the exception is raised instead, which our own
    tests use so that swallowing never hides a fault.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if not isinstance(error, Exception) or os.environ.get("VIGILO_RAISE_INTERNAL") == "1":
            return False
        report_internal(self._doing, error)
        return True


def report_internal(doing: str, error: BaseException) -> None:
    """Logs a failure of our own once per place and type, without its message: that may quote the app's data."""
    kind = type(error).__qualname__
    if (doing, kind) in _reported:
        return
    _reported.add((doing, kind))
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    import logging  # not at import time: that would be half of what `import vigilo` costs

    where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame is not None else "unknown place"
    log = logging.getLogger("vigilo")
    log.error("vigilo: %s failed with %s at %s; the app goes on (reported once)", doing, kind, where)
