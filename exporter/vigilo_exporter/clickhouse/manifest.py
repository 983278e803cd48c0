"""The manifest of a delivery: which segments go in together, on disk before anything is sent."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path  # noqa: TC003 - used at run time by the type of a field

from vigilo_exporter.spool import MANIFEST_SUFFIX


@dataclass(frozen=True, slots=True)
class Manifest:
    """A group of segments of one table, which is delivered as one insert.

    Attributes:
        name: of its file; the insert's deduplication token.
        table: whose rows they are.
        segments: in the order in which they are sent.
        endpoint: of the server that may have executed the insert: it is sent there again. Empty while none may have.
        acknowledged: whether it was executed, and the segments only have to go.
    """

    name: str
    table: str
    segments: tuple[str, ...]
    endpoint: str = ""
    acknowledged: bool = False

    @classmethod
    def new(cls, table: str, segments: tuple[str, ...], endpoint: str) -> Manifest:
        """One with a name of its own; nothing is written yet."""
        name = f"{time.time_ns():020d}-{os.getpid()}.{table}{MANIFEST_SUFFIX}"
        return cls(name, table, segments, endpoint)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Reads it back.

        Raises:
            ValueError: it is none.
            OSError: the disk refuses.
        """
        content = json.loads(path.read_text("utf-8"))
        try:
            segments = tuple(str(name) for name in content["segments"])
            endpoint, acknowledged = str(content.get("endpoint", "")), content.get("acknowledged", False) is True
            return cls(path.name, str(content["table"]), segments, endpoint, acknowledged)
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"{path.name} is no manifest") from None

    def write(self, folder: Path, *, durably: bool = True) -> None:
        """Writes it in place of what was there under its name.

        Args:
            folder: the spool's.
            durably: also after a power cut it is there. What was executed must not be sent under another name.

        Raises:
            OSError: the disk refuses; what was there is as it was.
        """
        temporary = folder / f"{self.name}.tmp"
        content = {name: value for name, value in asdict(self).items() if name != "name"}
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            if durably:
                os.fsync(file.fileno())
        temporary.rename(folder / self.name)
        if durably:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
