"""Sessions that outlast a request: what a client SETs, and its temporary tables, stay until it is away for long."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vigilo_exporter.clickhouse.protocol.failures import BUSY, SESSION_IS_LOCKED, SESSION_NOT_FOUND, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vigilo_exporter.clickhouse.engine import Engine, Handle

MAX_SESSIONS = 100
DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S = 60.0, 3600.0


@dataclass(slots=True)
class _Session:
    handle: Handle
    timeout_s: float
    used_s: float = field(default_factory=time.monotonic)
    busy: bool = False


class Sessions:
    """The sessions with one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._open: dict[str, _Session] = {}

    @contextmanager
    def handle(self, name: str, timeout_s: float, *, must_exist: bool = False) -> Iterator[Handle]:
        """The session's handle, for one request; a new one without a name, which is closed afterwards.

        Raises:
            Refused: another request uses the session, there is none though there must be, or there are too many.
            EngineError: the engine opens no more.
        """
        if not name:
            handle = self._engine.handle()
            try:
                yield handle
            finally:
                handle.close()
            return
        session = self._take(name, timeout_s, must_exist)
        try:
            yield session.handle
        finally:
            with self._lock:
                session.busy, session.used_s = False, time.monotonic()

    def close(self) -> None:
        """Closes those that no request uses."""
        with self._lock:
            self._close(name for name, session in list(self._open.items()) if not session.busy)

    def _take(self, name: str, timeout_s: float, must_exist: bool) -> _Session:
        now = time.monotonic()
        with self._lock:
            self._close(
                other
                for other, session in list(self._open.items())
                if not session.busy and now - session.used_s > session.timeout_s
            )
            session = self._open.get(name)
            if session is None:
                if must_exist:
                    raise Refused(SESSION_NOT_FOUND, "Session not found: it has timed out, or was never opened")
                if len(self._open) >= MAX_SESSIONS:
                    raise Refused(BUSY, f"Too many sessions: at most {MAX_SESSIONS} at once")
                session = self._open[name] = _Session(self._engine.handle(), timeout_s)
            elif session.busy:
                raise Refused(SESSION_IS_LOCKED, "Session is locked by a concurrent client: one request at a time")
            session.busy, session.timeout_s = True, max(0.0, min(timeout_s, MAX_TIMEOUT_S))
            return session

    def _close(self, names: Iterator[str]) -> None:
        for name in names:
            self._open.pop(name).handle.close()
