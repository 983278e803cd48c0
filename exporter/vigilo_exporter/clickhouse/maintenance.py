"""What the owner of an embedded database does once a day: TTLs as the settings say, and a cleanup."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from vigilo.errors import StoreError
from vigilo_exporter.clickhouse.retention import apply_ttl, cleanup

if TYPE_CHECKING:
    from pathlib import Path

    from vigilo.settings import Settings
    from vigilo_exporter.clickhouse.database import Database, Layout

_log = logging.getLogger("vigilo")
MARKER: Final = "cleaned"
EVERY_S: Final = 86_400


class Maintenance:
    """The daily work on one database. Only its owner does it."""

    def __init__(self, database: Database, layout: Layout, home: Path, settings: Settings) -> None:
        self._database = database
        self._layout = layout
        self._settings = settings
        self._marker = home / MARKER
        self._next_at = 0.0

    def run_due(self) -> bool:
        """Does it where a day has passed, or the settings are others, since it was done; gives whether it did.

        It never raises for what ClickHouse or the disk refuses: that is logged, and tried again a day later, or by the
        next owner.
        """
        now = time.time()
        if now < self._next_at:
            return False
        self._next_at = now + EVERY_S
        settings = self._settings
        kept = f"{settings.kept_days} {settings.content_kept_days}"
        try:
            if self._is_done(kept, now):
                return False
            self._mark(kept)  # before: what takes too long or is killed is not done again at once
            apply_ttl(self._database, self._layout, settings)
            cleanup(
                self._database,
                self._layout,
                settings.kept_days,
                settings.content_kept_days,
                datetime.fromtimestamp(now, timezone.utc),
            )
        except (OSError, StoreError) as error:
            _log.warning("vigilo: what is older than %d days stays for now: %s", settings.kept_days, error)
        return True

    def _is_done(self, kept: str, now: float) -> bool:
        try:
            done_at = self._marker.stat().st_mtime
            return self._marker.read_text("utf-8").strip() == kept and 0 <= now - done_at < EVERY_S
        except FileNotFoundError:
            return False

    def _mark(self, kept: str) -> None:
        self._marker.write_text(f"{kept}\n", "utf-8")
