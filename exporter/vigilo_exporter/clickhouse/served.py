"""Where ``vigilo serve`` can be reached: ``owner.json``, which counts only while its writer holds the owner's lock."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.lock import holder_of

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "owner.json"
WRITER = "vigilo"
PING_TIMEOUT_S, INGEST_TIMEOUT_S = 5.0, 600.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running ``vigilo serve``.

    Attributes:
        pid: its process.
        url: of its ClickHouse interface, from this machine.
        token: password of the user ``vigilo``, who may write; a new one each time that it starts.
    """

    pid: int
    url: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, home: Path) -> Served | None:
        """The one that holds the lock of a home, as it says itself; None where the file is missing or somebody else's.

        Ask only while the lock is held.
        """
        try:
            served = cls(**json.loads((home / FILE_NAME).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        # A file that a killed one left has another pid than the lock, which the next holder writes its own into.
        return served if str(served.pid) == holder_of(home) else None

    def write(self, home: Path) -> None:
        """Tells others on this machine, and of this user, where to find it.

        Raises:
            OSError: the folder cannot be written.
        """
        temporary = home / f"{FILE_NAME}.tmp"
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        temporary.replace(home / FILE_NAME)

    def answers(self) -> bool:
        """Whether it takes requests now."""
        try:
            return self._ask("GET", "/ping", PING_TIMEOUT_S)[0] == 200
        except (OSError, HTTPException):
            return False

    def ingest(self) -> tuple[int, tuple[str, ...]]:
        """Has it take in what the spool holds now; gives how many segments went in, and which were set aside.

        Raises:
            StoreError: it could not, or it has ended.
        """
        try:
            status, body = self._ask("POST", "/-/ingest", INGEST_TIMEOUT_S)
            if status != 200:
                raise StoreError(
                    f"`vigilo serve` (process {self.pid}): {body.decode('utf-8', 'replace').strip()[:500]}"
                )
            done = json.loads(body)
            return int(done["segments"]), tuple(map(str, done["quarantined"]))
        except (OSError, HTTPException, ValueError, KeyError) as error:
            raise self.gone(error) from None

    def gone(self, error: Exception) -> StoreError:
        """What to tell when it does not answer."""
        return StoreError(
            f"no answer from `vigilo serve` (process {self.pid}, {self.url}): {error}; if it has ended, try again"
        )

    def _ask(self, method: str, path: str, timeout_s: float) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
        try:
            headers = {"X-ClickHouse-User": WRITER, "X-ClickHouse-Key": self.token}
            connection.request(method, path, b"" if method == "POST" else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def forget_served(home: Path) -> None:
    """Removes what a killed one left. Only the holder of the lock may."""
    (home / FILE_NAME).unlink(missing_ok=True)
