"""An outage of the server as the shipper sees it: how long to pause, and what the log is told, once."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

from vigilo_exporter.clickhouse.database import ClickHouseError
from vigilo_exporter.clickhouse.refusals import EVERYTHING_WAITS, ITS_TABLE_WAITS, of_a_view
from vigilo_exporter.shipping.destination import SchemaNotReadyError

if TYPE_CHECKING:
    from pathlib import Path

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
_BUSY: Final = frozenset({159, 202, 203, 209, 241, 242, 252, 319, 745, 999})
_TOLD_AT: Final = 2
_SCHEMA_TOLD_AT: Final = 4  # somebody may be making the tables just now
_random = random.Random()  # noqa: S311 - when to ask again is no secret; the app's own random numbers are left alone


class Outage:
    """Tries that failed one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._failures = 0
        self._since_s = 0.0
        self._told = False
        self.reason = ""
        """Why nothing can be sent; empty while it can."""
        self.lasts = False
        """Whether that is nothing that goes by in seconds."""

    def failed(self, error: Exception) -> float:
        """A try failed; gives how many seconds to pause: any time up to twice as long as after the last, at most 30."""
        if not self._failures:
            self._since_s = time.monotonic()
        self._failures += 1
        self.reason = told(error)
        busy = isinstance(error, ClickHouseError) and (error.executed is None or error.code in _BUSY)
        self.lasts = not busy
        if self._failures >= (_SCHEMA_TOLD_AT if isinstance(error, SchemaNotReadyError) else _TOLD_AT):
            self.tell()
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10))
        return _random.uniform(0.05, longest_s)

    def tell(self) -> None:
        """Says in the log that telemetry waits, unless it was said or does not."""
        if self._told or not self._failures:
            return
        self._told = True
        _log("vigilo: telemetry waits in %s until it can be sent: %s", self._folder, self.reason)

    def over(self) -> None:
        """A try succeeded."""
        if self._told:
            _log("vigilo: telemetry is sent again, after %.0f s", time.monotonic() - self._since_s)
        self._failures, self._told, self.reason = 0, False, ""


def told(error: Exception) -> str:
    """The error for people to read. What ClickHouse says of rows stays away: it may quote them."""
    if isinstance(error, ClickHouseError):
        if of_a_view(error) or (error.code and error.code not in EVERYTHING_WAITS | ITS_TABLE_WAITS):
            return f"ClickHouse refuses it with error {error.code}"
    elif isinstance(error, OSError):
        return f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
    return str(error)


def _log(message: str, *arguments: object) -> None:
    import logging  # not at import time: see `vigilo.errors`

    logging.getLogger("vigilo").warning(message, *arguments)
